"""The dossier: from accounts and dumps to a folder for the operator, the regulator, the police and the persons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import ibis.expr.types as ir
import pandas as pd

from detector.errors import ConfigError
from detector.history import History
from detector.history.actions import record_action
from detector.incident import facts, widening
from detector.incident.attribution import A_DAY, Attributed
from detector.incident.bare import from_history
from detector.incident.case import Case, Dossier
from detector.incident.earlier import Earlier, look_earlier
from detector.incident.facts import EXAMPLES
from detector.incident.ground import Ground
from detector.incident.holding import hold_days
from detector.incident.inquiry import Inquiry, Remark, inquire
from detector.incident.originals import fingerprints
from detector.incident.persons import with_exposures
from detector.incident.writing import refuse_strange, write_dossier
from detector.ledger.growth import BENIGN
from detector.reading import Mapping, Reading
from detector.report.french import told
from detector.report.words import number, span
from detector.settings import Settings
from detector.workspace import Dumps, Workspace, needs_key, to_inputs, workspace


def prepare_dossier(
    case: Case,
    *,
    out: str | Path,
    dumps: Dumps = (),
    history: str | Path | None = None,
    mapping: Mapping | str | Path | None = None,
    now: datetime | None = None,
    settings: Settings | None = None,
) -> Dossier:
    """Prepare the dossier of an incident in a folder.

    The same dumps give the same bytes. In a folder with an earlier dossier, the new one takes its place and tells what
    has changed. The history keeps what it holds of these accounts until it is released (`detector.incident.holding`).

    Parameters
    ----------
    case
        Accounts and days to start from.
    out
        The folder.
    dumps, mapping
        As for `detector.score`; none: the history alone, without a lower bound.
    history
        The folder; None: that of the settings, or none.
    now
        When, for the history's log of actions; None: the clock's.
    settings
        None: the defaults.

    Raises
    ------
    ConfigError
        If nothing can be found out: no account, no dumps and no history, no key for identifiers, a foreign folder.
    ReadError, HistoryError
        If dumps or history cannot be used.
    """
    if not case.accounts:
        raise ConfigError("no account: name alerts of a folder of results, or accounts")
    if case.first > case.last:
        raise ConfigError(f"the window ends ({case.last}) before it begins ({case.first})")
    refuse_strange(Path(out))
    chosen = settings or Settings()
    if history is not None:
        held = chosen.history.model_copy(update={"folder": Path(history)})
        chosen = chosen.model_copy(update={"history": held})
    # The engine's own limit is for days of the whole portal.
    engine = chosen.engine.model_copy(update={"memory_limit": chosen.incident.memory_limit})
    chosen = chosen.model_copy(update={"engine": engine})
    with workspace(chosen) as place:
        inputs = to_inputs(dumps, settings=chosen, mapping=mapping) if dumps or chosen.input else []
        past = place.history(inputs=inputs or None)
        # Dumps that cannot be read end it before anybody looked into the history.
        key = _key(place, needed=needs_key(inputs)) if inputs else None
        reading = place.read(inputs) if inputs else None
        if past is not None:
            _record(past, case, at=now or datetime.now(UTC))
        found = _bare(place, past, case) if reading is None else _from_dumps(place, past, case, reading, key=key)
        aware_at = write_dossier(found, Path(out))
        kept = hold_days(past, found, out=Path(out), con=place.con) if past is not None else ""
    return replace(found, aware_at=aware_at, held=kept)


def _record(history: History, case: Case, *, at: datetime) -> None:
    span = f"{case.first.isoformat()} to {case.last.isoformat()}"
    record_action(
        history, verb="incident", at=at, by=case.by, why=case.why, accounts=len(set(case.accounts)), days=span
    )


def _from_dumps(place: Workspace, held: History | None, case: Case, reading: Reading, *, key: bytes | None) -> Dossier:
    found = _found(place, reading.events, held, case)
    inquiry, earlier, sums = found.inquiry, found.earlier, found.sums
    events = facts.tagged(inquiry)
    records, exposures = with_exposures(widening.with_records(facts.records_of(events), sums))
    lookups = facts.answered(events)
    listed = facts.accounts_of(inquiry, events, records, lookups)
    evidence = facts.evidence_of(events).to_pandas()
    rejected = sum(file.rejected for file in reading.files)
    return Dossier(
        start=earlier.start,
        end=inquiry.end,
        read_days=found.days,
        accounts=widening.with_accounts(listed, sums),
        addresses=widening.with_addresses(facts.with_answered(found.addresses, lookups), sums),
        records=records,
        exposures=exposures,
        timeline=facts.timeline_of(inquiry, listed, lookups),
        evidence=evidence.assign(original=fingerprints(evidence, key=key)),
        counts=widening.with_queries(facts.counts_of(records, events), sums),
        earlier=earlier.traces,
        remarks=(
            *inquiry.remarks,
            *earlier.remarks,
            *_remarks(rejected, reading.warnings, attributed=inquiry.attributed),
            *_judged_benign(place, inquiry.accounts, until=inquiry.end),
        ),
        files=reading.files,
        aware_at=case.aware_at,
        settings=place.settings,
    )


def _judged_benign(place: Workspace, accounts: Collection[str], *, until: date) -> list[Remark]:
    """Days of the accounts that somebody called benign: what they did then is taken for their own."""
    ledger = place.ledger()
    benign = ledger.alerts(verdict=BENIGN, until=until) if ledger else []
    found = sorted((each.day, str(each.account)) for each in benign if each.account in set(accounts))
    return [_benign_day(account, day) for day, account in found]


def _benign_day(account: str, day: date) -> Remark:
    english = (
        f"An alert of {account} {span(day, day, 'en')} is judged benign: what it did then counts as its own. "
        "If it was not, judge it anew, and prepare the dossier again."
    )
    french = (
        f"Une alerte de {account}, {span(day, day, 'fr')}, est jugée bénigne : ce qui a été fait alors compte comme le "
        "sien. Sinon, jugez-la de nouveau et refaites le dossier."
    )
    return english, french


class _Found(NamedTuple):
    inquiry: Inquiry
    addresses: pd.DataFrame
    earlier: Earlier
    sums: widening.Sums | None
    days: frozenset[date]


def _found(place: Workspace, events: ir.Table, held: History | None, case: Case) -> _Found:
    """What is tied, and what came before; the sums of everybody, which take as much memory as the rest, go here."""
    ground = Ground(place.con, events=events, history=held, zone=place.zone, set_aside=place.set_aside(None))
    inquiry = inquire(ground, case.accounts, first=case.first, last=case.last)
    rare = facts.rare_addresses(facts.addresses_of(inquiry))
    earlier = look_earlier(ground, inquiry.accounts, addresses=rare, start=inquiry.start)
    addresses = facts.addresses_of(inquiry, found_earlier=earlier.accounts)
    sums = widening.sums_before(ground, earlier, inquiry.accounts, start=inquiry.start)
    return _Found(inquiry, addresses, earlier, sums, frozenset(ground.days))


def _key(place: Workspace, *, needed: bool) -> bytes | None:
    """The key of fingerprints; tokens made with a key of one run could never become persons again."""
    if not needed:
        return None
    loaded = place.loaded_key
    if place.settings.history.folder is None and loaded.notice and "made for this run" in loaded.notice:
        raise ConfigError(
            "no key: the dumps hold identifiers, and tokens made with a passing key could never be told to anybody; "
            "give the portal's key (--key-file), or the history beside which it stands (--history)"
        )
    return loaded.key


def _bare(place: Workspace, held: History | None, case: Case) -> Dossier:
    """From history alone: sums tell who was looked up, and nothing tells by whom."""
    if held is None:
        raise ConfigError("neither dumps nor a history: name dumps, or --history DIR")
    ground = Ground(place.con, events=None, history=held, zone=place.zone)
    tables: dict[str, Any] = from_history(ground, case.accounts, first=case.first, last=case.last)
    return Dossier(files=(), aware_at=case.aware_at, settings=place.settings, **tables)


def _remarks(rejected: int, warnings: Sequence[str], *, attributed: Attributed) -> list[Remark]:
    found: list[Remark] = []
    if attributed.unsure:
        found.append(_unsure(attributed.unsure))
    if not attributed.judged:
        found.append(
            (
                "Too few days are held before the window to tell strangers: the lower bound rests on pace and sources.",
                "Trop peu de jours avant la période pour reconnaître les inconnus : la borne basse tient aux sources.",
            )
        )
    if rejected:
        lines = ("line", "ligne") if rejected == 1 else ("lines", "lignes")
        found.append(
            (
                f"Not read: {rejected:,} {lines[0]} of the dumps. Both bounds may be too low.",
                f"Non lu : {number(rejected, 'fr')} {lines[1]} des journaux. Les deux bornes peuvent être trop basses.",
            )
        )
    return [*found, *((warning, told(warning, "fr")) for warning in warnings)]


def _unsure(accounts: Sequence[str]) -> Remark:
    named = ", ".join(accounts[:EXAMPLES]) + (", …" if len(accounts) > EXAMPLES else "")
    english = (
        f"Too little of the past is known to tell where an account's own people are from ({named}): the strangers it "
        f"read from a new network, under {A_DAY} a day, are left to the upper bound. Ask the owner."
    )
    french = (
        f"Passé trop mince pour savoir d'où vient le public d'un compte ({named}) : les inconnus lus depuis un réseau "
        f"nouveau, moins de {A_DAY} par jour, restent dans la borne haute. Interroger le titulaire."
    )
    return english, french
