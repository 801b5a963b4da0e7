"""Which kinds of event went missing while others came, by runs or by whole days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

KINDS = {
    "logins": "sign-ins",
    "signed_in": "sign-ins that succeeded",
    "lookups": "look-ups",
    "with_record": "records in its look-ups",
}
LEFT_SHARE, FEWEST_EXPECTED = 0.2, 20
"""A kind of which less than a fifth is left goes missing, where chance does not take four fifths of so many."""
USUAL_KIND_SHARE = 0.02
"""A kind of event that makes less than one in fifty may be absent for a while."""
LOW_LEAST = 100
"""Events of a usual hour or day below which a low one says little."""


class Lost(NamedTuple):
    """A kind of which none or hardly any came, and how many usually come."""

    kind: str
    n: int
    usual: float

    @property
    def left(self) -> str:
        """What is left of it, in words."""
        return f"{self.n or 'no'} {KINDS[self.kind]}"


def lost_kinds(came: Mapping[str, int], usual: Mapping[str, float | None], *, least: int) -> list[Lost]:
    """Kinds that went missing: their share of the events that came is held against the usual one.

    Parameters
    ----------
    came, usual
        Of `events` and each of `KINDS`; usually None: nothing tells.
    least
        Fewer events say nothing of shares.
    """
    usual_all = usual["events"]
    if not usual_all or came["events"] < least:
        return []
    found: list[Lost] = []
    for kind in KINDS:
        count, usually = came[kind], usual[kind]
        if usually is None or usually < max(USUAL_KIND_SHARE * usual_all, 1):
            continue
        expected = usually / usual_all * came["events"]
        is_rare = min(expected, usually) >= FEWEST_EXPECTED and count < LEFT_SHARE * expected
        if (is_rare or not count) and not (kind == "signed_in" and any(each.kind == "logins" for each in found)):
            found.append(Lost(kind, count, usually))
    return found
