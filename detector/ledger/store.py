"""The ledger: alerts raised once, their updates, the verdicts of people, and the robots that are known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    and_,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from detector.alerts import SEVERITIES
from detector.errors import LedgerError
from detector.ledger.growth import (
    BENIGN,
    ITSELF,
    JUDGEMENTS,
    MALICIOUS,
    REOPENED,
    is_news,
    mark_of,
    merged_with,
    outgrew,
    rank_of,
    say_outgrown,
    worse,
)
from detector.ledger.opening import LEDGER, engine_of, explained, upgrade
from detector.ledger.tables import ALERTS, DELIVERIES, ROBOTS, UPDATES, VERDICTS

EXTRACTION, REVIEW, OPERATOR = "extraction", "review", "operator"
"""Kinds of alert: of accounts or the portal; of what may be honest and wants a look, which is part of the past until it
is judged malicious; of the job itself, that has gone blind or cannot work."""
SHORTEST_PREFIX = 4
"""Digits of an alert's id that a person may type, as long as they are one alert's alone."""


@dataclass(frozen=True)
class Alert:
    """An alert as it stands, with its latest verdict.

    Attributes are the columns of `detector.ledger.tables.ALERTS`, and

    verdict, author, note, judged_at
        The latest verdict, who gave it, why and when; None: nobody has judged, or it outgrew what was judged.
    judged_records, judged_strangeness
        The alert's when it was judged.
    """

    alert_id: str
    kind: str
    account: str | None
    day: date
    channel: str | None
    queue: str | None
    severity: str
    records_exposed: int | None
    title: str
    checks: list[str]
    campaign: str | None
    score: float | None
    p_value: float | None
    strangeness: float | None
    reasons: list[str]
    evidence: list[dict[str, Any]]
    model_version: str | None
    first_at: datetime | None
    last_at: datetime | None
    alert_at: datetime | None
    raised_at: datetime
    changed_at: datetime
    verdict: str | None = None
    author: str | None = None
    note: str | None = None
    judged_at: datetime | None = None
    judged_records: int | None = None
    judged_strangeness: float | None = None


def by_gravity(alert: Alert) -> tuple[int, int, str]:
    """To sort by: the severest first, of these what exposed most."""
    return -rank_of(alert.severity), -(alert.records_exposed or 0), alert.alert_id


@dataclass(frozen=True)
class Recorded:
    """What became of the alerts of a run, by id: new ones, those whose severity grew, and the rest."""

    raised: tuple[str, ...] = ()
    grown: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Receiver:
    """Who is told of alerts: a name, and the least severity that is worth a message."""

    name: str
    least: str = "low"


@dataclass(frozen=True)
class Robot:
    """An account that is known to look up much: why, up to how many look-ups a day, and until when."""

    account: str
    reason: str
    ceiling: int
    expires: date
    author: str
    at: datetime


class Ledger:
    """A ledger; each method is one transaction.

    Parameters
    ----------
    engine
        Of a database with the present schema; see `open_ledger`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def reading(self, task: str) -> Iterator[Connection]:
        """A connection that reads; faults of the database become `LedgerError`."""
        with explained(self.engine, task), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, task: str) -> Iterator[Connection]:
        """A transaction that writes: whole or not at all."""
        with (
            explained(self.engine, task),
            self.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def record(
        self, alerts: Sequence[Mapping[str, Any]], *, at: datetime, receivers: Sequence[Receiver] = ()
    ) -> Recorded:
        """Record alerts, and what is to be told of them, in one transaction; doing it again changes nothing.

        An alert is raised once. Found again, its severity and records grow and never fall; a receiver is told again
        when the severity grew, or when it outgrew what was judged benign: then it is open again.

        Parameters
        ----------
        alerts
            Rows with the columns of `detector.ledger.tables.ALERTS`, those of time excepted.
        at
            The time, with its zone.
        receivers
            Who is told.
        """
        rows = [{name: _storable(value) for name, value in row.items()} for row in alerts]
        with self.writing("recording alerts") as connection:
            held = _held(connection, [row["alert_id"] for row in rows])
            outcome = Recorded()
            for row in rows:
                before = held.get(row["alert_id"])
                outcome = _noted(outcome, row, before)
                _write_alert(connection, row, before, at=at)
                if before is not None and outgrew(row, before):
                    _reopen(connection, row, before, at=at)
                if before is None or is_news(row, before):
                    mark = mark_of(row, before)
                    _note_change(connection, row, before, at=at, mark=mark)
                    severity = row["severity"] if before is None else worse(row, before)
                    store_deliveries(connection, row["alert_id"], severity, receivers=receivers, at=at, mark=mark)
        return outcome

    def alerts(
        self,
        *,
        since: date | None = None,
        until: date | None = None,
        account: str | None = None,
        severity: str | None = None,
        verdict: str | None = None,
        kind: str | None = None,
        campaign: str | None = None,
    ) -> list[Alert]:
        """Alerts that fit all filters, the newest day first, within it the severest (`by_gravity`).

        Parameters
        ----------
        since, until
            Days, ends included.
        severity
            The least.
        verdict
            The latest one, or `open` for alerts that nobody judged.
        """
        conditions = [
            *([ALERTS.c.day >= since] if since else []),
            *([ALERTS.c.day <= until] if until else []),
            *([ALERTS.c.account == account] if account is not None else []),
            *([ALERTS.c.severity.in_(SEVERITIES[rank_of(severity) :])] if severity else []),
            *([ALERTS.c.kind == kind] if kind else []),
            *([ALERTS.c.campaign == campaign] if campaign is not None else []),
        ]
        with self.reading("listing alerts") as connection:
            found = [_to_alert(row) for row in connection.execute(with_verdict().where(*conditions)).mappings()]
        wanted = None if verdict == "open" else verdict
        chosen = [each for each in found if verdict is None or each.verdict == wanted]
        return sorted(chosen, key=lambda each: (-each.day.toordinal(), by_gravity(each)))

    def alert(self, alert_id: str) -> Alert:
        """One alert, by its id or the beginning of it.

        Raises
        ------
        LedgerError
            If there is none, or several begin like that.
        """
        with self.reading("finding an alert") as connection:
            begins = func.substr(ALERTS.c.alert_id, 1, len(alert_id)) == alert_id
            found = [_to_alert(row) for row in connection.execute(with_verdict().where(begins)).mappings()]
        if len(found) == 1 and len(alert_id) >= SHORTEST_PREFIX:
            return found[0]
        what = f"{len(found)} alerts begin" if found else "no alert begins"
        raise LedgerError(f"{what} with {alert_id!r}: `detector alerts` lists them; type more of the id")

    def judge(self, alert_id: str, verdict: str, *, author: str, note: str, at: datetime) -> Alert:
        """Add a verdict, which counts from now on, and return the alert.

        Raises
        ------
        LedgerError
            If there is no such alert, the verdict is none, or nobody or no reason is named.
        """
        if verdict not in JUDGEMENTS:
            raise LedgerError(f"verdict {verdict!r}: expected one of {', '.join(JUDGEMENTS)}")
        if not author.strip() or not note.strip():
            raise LedgerError("a verdict needs to know who gives it, and why")
        alert = self.alert(alert_id)
        with self.writing("recording a verdict") as connection:
            values = {"alert_id": alert.alert_id, "verdict": verdict, "author": author, "note": note, "at": at}
            level = select(ALERTS.c.records_exposed, ALERTS.c.strangeness).where(ALERTS.c.alert_id == alert.alert_id)
            connection.execute(insert(VERDICTS).values({**values, **connection.execute(level).mappings().one()}))
        return self.alert(alert.alert_id)

    def set_aside(self) -> pd.DataFrame:
        """Account-days (`account`, `day`) that are part of nobody's past: alerted and not benign, or malicious."""
        alerted = [each for each in self.alerts(kind=EXTRACTION) if each.verdict != BENIGN]
        reviewed = self.alerts(kind=REVIEW, verdict=MALICIOUS)
        found = [each for each in (*alerted, *reviewed) if each.account]
        pairs = sorted({(str(each.account), each.day) for each in found})
        return pd.DataFrame(pairs, columns=["account", "day"]).astype({"account": "str"})

    def excused(self) -> pd.DataFrame:
        """Levels that people judged benign: `account`, `strangeness` and `records`, the highest of each account.

        As they were when judged: what an alert grew to since nobody has seen.
        """
        benign = [each for each in self.alerts(verdict=BENIGN) if each.account]
        rows = [(str(each.account), each.judged_strangeness or 0.0, each.judged_records or 0) for each in benign]
        levels = pd.DataFrame(rows, columns=["account", "strangeness", "records"])
        return levels.groupby("account", as_index=False).max()

    def allow(self, robot: Robot) -> None:
        """Put an account on the list of known robots, or change its entry.

        Raises
        ------
        LedgerError
            If reason, author or a ceiling above zero is missing.
        """
        self.require_sound(robot)
        values = {each.name: getattr(robot, each.name) for each in fields(Robot)}
        with self.writing("recording a robot") as connection:
            connection.execute(delete(ROBOTS).where(ROBOTS.c.account == robot.account))
            connection.execute(insert(ROBOTS).values(values))

    def require_sound(self, robot: Robot) -> None:
        """Refuse an entry that says too little.

        Raises
        ------
        LedgerError
            If reason, author or a ceiling above zero is missing.
        """
        if not robot.reason.strip() or not robot.author.strip() or robot.ceiling <= 0:
            raise LedgerError("a known robot needs a reason, who says so, and a ceiling of look-ups a day above zero")

    def robot(self, account: str) -> Robot:
        """The entry of a known robot.

        Raises
        ------
        LedgerError
            If it is not on the list.
        """
        found = next((each for each in self.robots() if each.account == account), None)
        if found is None:
            raise LedgerError(f"{account!r} is no known robot: `detector robots` lists them")
        return found

    def disallow(self, account: str) -> None:
        """Take an account off the list of known robots.

        Raises
        ------
        LedgerError
            If it is not on it.
        """
        with self.writing("removing a robot") as connection:
            if not connection.execute(delete(ROBOTS).where(ROBOTS.c.account == account)).rowcount:
                raise LedgerError(f"{account!r} is no known robot: `detector robots` lists them")

    def robots(self) -> list[Robot]:
        """Known robots, expired ones included, by account."""
        with self.reading("listing robots") as connection:
            return [Robot(**row) for row in connection.execute(select(ROBOTS).order_by(ROBOTS.c.account)).mappings()]

    def forget(self, account: str) -> int:
        """Remove what is held on an account, and return how many alerts that were."""
        with self.writing("forgetting an account") as connection:
            connection.execute(delete(ROBOTS).where(ROBOTS.c.account == account))
            return _drop(connection, ALERTS.c.account == account)

    def expire(self, before: date, *, held: Collection[tuple[date, date, Sequence[str]]] = ()) -> int:
        """Remove alerts of earlier days, judged or not, with all that belongs to them; return how many that were.

        Parameters
        ----------
        before
            The first day that is kept.
        held
            First and last day, and accounts, that incidents hold: their alerts stay. No account means all of them.
        """
        which = ALERTS.c.day < before
        for first, last, accounts in held:
            theirs = ALERTS.c.account.in_(list(accounts)) if accounts else true()
            which &= ~(ALERTS.c.day.between(first, last) & theirs)
        with self.writing("dropping old alerts") as connection:
            return _drop(connection, which)


def open_ledger(*, history: Path | None = None, url: str | None = None) -> Ledger:
    """Open a ledger, made where there is none: that of the URL, or `ledger.sqlite` in the history folder.

    Raises
    ------
    LedgerError, ConfigError
        If it cannot be opened, a newer program made it, or the URL is none.
    """
    if url is None and history is None:
        raise LedgerError("no ledger: name the history's folder (--history DIR), or [ledger] url in the settings")
    engine = engine_of(url or f"sqlite:///{(history or Path()).resolve() / LEDGER}")
    upgrade(engine)
    return Ledger(engine)


def _storable(value: Any) -> Any:
    """A value without NUL characters, which a log may hold and PostgreSQL refuses: one would hold back every alert."""
    match value:
        case str():
            return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        case list():
            return [_storable(each) for each in value]
        case dict():
            return {name: _storable(each) for name, each in value.items()}
    return value


def _drop(connection: Connection, which: ColumnElement[bool]) -> int:
    named = select(ALERTS.c.alert_id).where(which)
    for table in (UPDATES, VERDICTS, DELIVERIES):
        connection.execute(delete(table).where(table.c.alert_id.in_(named)))
    return int(connection.execute(delete(ALERTS).where(which)).rowcount)


def _held(connection: Connection, ids: Sequence[str]) -> dict[str, RowMapping]:
    found = connection.execute(with_verdict().where(ALERTS.c.alert_id.in_(ids))).mappings()
    return {row["alert_id"]: row for row in found}


def _noted(outcome: Recorded, row: Mapping[str, Any], before: RowMapping | None) -> Recorded:
    found = row["alert_id"]
    if before is None:
        return Recorded((*outcome.raised, found), outcome.grown, outcome.known)
    if is_news(row, before):
        return Recorded(outcome.raised, (*outcome.grown, found), outcome.known)
    return Recorded(outcome.raised, outcome.grown, (*outcome.known, found))


def _reopen(connection: Connection, row: Mapping[str, Any], before: RowMapping, *, at: datetime) -> None:
    level = {"records_exposed": before["judged_records"], "strangeness": before["judged_strangeness"]}
    values = {"alert_id": row["alert_id"], "verdict": REOPENED, "author": ITSELF, "at": at, **level}
    values["note"] = say_outgrown(row, before)
    connection.execute(insert(VERDICTS).values(values))


def _write_alert(connection: Connection, row: Mapping[str, Any], before: RowMapping | None, *, at: datetime) -> None:
    if before is None:
        connection.execute(insert(ALERTS).values({**row, "raised_at": at, "changed_at": at}))
        return
    merged = merged_with(row, before)
    if any(merged[name] != before[name] for name in merged):
        change = update(ALERTS).where(ALERTS.c.alert_id == row["alert_id"])
        connection.execute(change.values({**merged, "changed_at": at}))


def _note_change(
    connection: Connection, row: Mapping[str, Any], before: RowMapping | None, *, at: datetime, mark: str
) -> None:
    after = row["severity"] if before is None else worse(row, before)
    connection.execute(
        insert(UPDATES).values(
            update_id=f"{row['alert_id']}:{after}{mark}",
            alert_id=row["alert_id"],
            at=at,
            before=None if before is None else before["severity"],
            after=after,
            records_exposed=row["records_exposed"],
        )
    )


def store_deliveries(
    connection: Connection,
    alert_id: str,
    severity: str,
    *,
    receivers: Sequence[Receiver],
    at: datetime,
    mark: str = "",
) -> int:
    """Store what is to be told of an alert as it stands, and return to how many receivers.

    Parameters
    ----------
    connection
        Of a transaction that writes; the alert is in the ledger, and nobody was told of it at this severity.
    alert_id, severity
        Of the alert.
    receivers
        Who is told, if it is severe enough for them.
    at
        The time, with its zone.
    mark
        Tells this from what was told before at the same severity.
    """
    found = select(DELIVERIES.c.receiver).where(DELIVERIES.c.alert_id == alert_id)
    knowing = set(connection.execute(found).scalars())
    wanting = [each for each in receivers if rank_of(severity) >= rank_of(each.least)]
    for receiver in wanting:
        values = {
            "delivery_id": f"{receiver.name}:{alert_id}:{severity}{mark}",
            "receiver": receiver.name,
            "alert_id": alert_id,
            "severity": severity,
            "is_update": int(receiver.name in knowing),
            "state": "waiting",
            "attempts": 0,
            "stored_at": at,
            "next_at": at,
        }
        connection.execute(insert(DELIVERIES).values(values))
    return len(wanting)


def with_verdict() -> Select[Any]:
    """Alerts, each with its latest verdict."""
    latest = select(VERDICTS.c.alert_id, func.max(VERDICTS.c.verdict_id).label("newest"))
    newest = latest.group_by(VERDICTS.c.alert_id).subquery()
    joined = ALERTS.outerjoin(newest, newest.c.alert_id == ALERTS.c.alert_id).outerjoin(
        VERDICTS, and_(VERDICTS.c.verdict_id == newest.c.newest, VERDICTS.c.alert_id == ALERTS.c.alert_id)
    )
    told = (
        *(VERDICTS.c.verdict, VERDICTS.c.author, VERDICTS.c.note, VERDICTS.c.at.label("judged_at")),
        VERDICTS.c.records_exposed.label("judged_records"),
        VERDICTS.c.strangeness.label("judged_strangeness"),
    )
    return select(ALERTS, *told).select_from(joined)


def _to_alert(row: RowMapping) -> Alert:
    values = {each.name: row[each.name] for each in fields(Alert)}
    if row["verdict"] == REOPENED:
        values |= dict.fromkeys(("verdict", "author", "note", "judged_at", "judged_records", "judged_strangeness"))
    return Alert(**values)
