"""What the rest of the ledger says beside an alert: its campaign, who had judged it benign, and known robots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from detector.ledger.growth import BENIGN, REOPENED, checks_noted
from detector.ledger.store import EXTRACTION, Alert, Ledger, Robot
from detector.ledger.tables import VERDICTS
from detector.ledger.told import Verdict


@dataclass(frozen=True)
class Background:
    """What stands beside an alert.

    Attributes
    ----------
    members
        All alerts of its campaign on its day, itself included, with most records first; none: it is in no campaign.
    judged
        The benign verdict that it was opened again after; None: it was not, or was judged anew since.
    new_checks
        Checks that fired for the first time when it was opened again.
    robot
        The account's entry among known robots, which did not excuse it: its end is past, or there is more than volume.
    """

    members: tuple[Alert, ...] = ()
    judged: Verdict | None = None
    new_checks: tuple[str, ...] = ()
    robot: Robot | None = None


def backgrounds_of(ledger: Ledger, alerts: Iterable[Alert]) -> dict[str, Background]:
    """The background of each alert, by its id.

    Raises
    ------
    LedgerError
        If the ledger cannot be read.
    """
    asked = {each.alert_id: each for each in alerts}
    days = {each.day for each in asked.values() if each.campaign is not None}
    held = [each for day in days for each in ledger.alerts(since=day, until=day, kind=EXTRACTION)]
    verdicts = _verdicts(ledger, list(asked))
    robots = {each.account: each for each in ledger.robots()}
    found = {}
    for name, alert in asked.items():
        members = [each for each in held if (each.day, each.campaign) == (alert.day, alert.campaign)]
        members.sort(key=lambda each: (-(each.records_exposed or 0), str(each.account)))
        judged, new = _reopened(verdicts.get(name, []))
        found[name] = Background(tuple(members), judged, new, robots.get(alert.account or ""))
    return found


def _reopened(verdicts: list[Verdict]) -> tuple[Verdict | None, tuple[str, ...]]:
    """The benign verdict that the alert outgrew, if nobody judged it since, and the checks that fired then."""
    match [each.verdict for each in verdicts]:
        case [*_, verdict, last] if (verdict, last) == (BENIGN, REOPENED):
            return verdicts[-2], checks_noted(verdicts[-1].note)
    return None, ()


def _verdicts(ledger: Ledger, ids: list[str]) -> dict[str, list[Verdict]]:
    """What was said of each, the oldest first."""
    columns = [VERDICTS.c[name] for name in ("alert_id", *Verdict.__dataclass_fields__)]
    wanted = select(*columns).where(VERDICTS.c.alert_id.in_(ids)).order_by(VERDICTS.c.verdict_id)
    found: dict[str, list[Verdict]] = {}
    with ledger.reading("reading verdicts") as connection:
        for row in connection.execute(wanted).mappings():
            values = dict(row)
            found.setdefault(values.pop("alert_id"), []).append(Verdict(**values))
    return found
