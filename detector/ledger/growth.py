"""How an alert grows when it is found again, and what of that is news."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from detector.alerts import SEVERITIES

BENIGN, MALICIOUS, UNKNOWN = "benign", "malicious", "unknown"
JUDGEMENTS = (MALICIOUS, BENIGN, UNKNOWN)
REOPENED, ITSELF = "reopened", "detector"
"""What the ledger says of an alert that outgrew what was judged benign, and in whose name."""
GROWN = 1.25
"""An alert that was judged benign is open again with a quarter more records than it had then."""


_LATEST = ("queue", "campaign", "score", "p_value", "title", "reasons", "evidence", "channel", "model_version")
"""What a later judgement of the same account-day knows better."""


def merged_with(row: Mapping[str, Any], before: RowMapping) -> dict[str, Any]:
    """The alert as it stands after it was found again."""
    merged = {name: row[name] for name in _LATEST if row.get(name) not in (None, [])}
    merged["severity"] = max(row["severity"], before["severity"], key=rank_of)
    merged["checks"] = sorted({*row["checks"], *before["checks"]})
    for name, choose in (("records_exposed", max), ("strangeness", max), ("last_at", max), ("first_at", min)):
        known = [value for value in (row[name], before[name]) if value is not None]
        merged[name] = choose(known) if known else None
    # When it was first clear is what was found first.
    merged["alert_at"] = before["alert_at"] or row["alert_at"]
    return merged


def worse(row: Mapping[str, Any], before: RowMapping) -> str:
    """The severer of what was found now and what was held."""
    return str(max(row["severity"], before["severity"], key=rank_of))


def is_severer(row: Mapping[str, Any], before: RowMapping) -> bool:
    """Whether what was found now is severer than what was held."""
    return rank_of(row["severity"]) > rank_of(before["severity"])


def is_news(row: Mapping[str, Any], before: RowMapping) -> bool:
    """Whether receivers are told again: it is severer, or outgrew what was judged benign."""
    return is_severer(row, before) or outgrew(row, before)


def outgrew(row: Mapping[str, Any], before: RowMapping) -> bool:
    """Whether an alert is beyond what was judged benign; where records have no tokens, by how strange it is.

    A check that had not fired then is beyond it too, such as a listed address or a canary: no verdict silences one.
    """
    if before["verdict"] != BENIGN:
        return False
    if new_checks(row, before):
        return True
    pairs = (("records_exposed", "judged_records"), ("strangeness", "judged_strangeness"))
    known = [(row[now], before[then]) for now, then in pairs if row[now] is not None and before[then] is not None]
    return is_severer(row, before) or (bool(known) and known[0][0] >= GROWN * known[0][1])


def new_checks(row: Mapping[str, Any], before: RowMapping) -> list[str]:
    """Checks that fired now and had not before."""
    return sorted({*row["checks"]} - {*before["checks"]})


_FIRED = "; fired since: "


def say_outgrown(row: Mapping[str, Any], before: RowMapping) -> str:
    """Why an alert that was judged benign is open again, as the note of its verdict `REOPENED`."""
    fired = f"{_FIRED}{', '.join(new)}" if (new := new_checks(row, before)) else ""
    return f"beyond what was judged benign: {row['records_exposed']} records, {before['judged_records']} then{fired}"


def checks_noted(note: str) -> tuple[str, ...]:
    """The new checks that `say_outgrown` names."""
    told = note.partition(_FIRED)[2]
    return tuple(told.split(", ")) if told else ()


def mark_of(row: Mapping[str, Any], before: RowMapping | None) -> str:
    """What tells a change at the same severity from that which was told of it before."""
    return "" if before is None or is_severer(row, before) else f":{before['judged_at']:%Y%m%dT%H%M%S}"


def rank_of(severity: str) -> int:
    """A severity's place among all, from 0."""
    return SEVERITIES.index(severity)
