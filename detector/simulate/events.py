"""Events as whole columns of small numbers; text is made only when they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from detector.schema import ACTIONS
from detector.simulate.draws import Bits, Flags

LOGIN, LOGOUT, LOOKUP, WRITE, EXPORT, RESET, CHANGE, DELEGATION = range(len(ACTIONS))
SUCCESS, FAILURE = 0, 1
PORTAL, SOFTWARE = 0, 1
CARD, TYPED, TRAITS = 0, 1, 2
NONE = -1
NO_SESSION = np.uint64(0)
LOCUM = 99
"""The delegate who is a locum; the account's own are numbered from 0."""

SERVICES = (
    "infopatient", "payments", "sick_leave", "care_plan", "prior_agreement", "pregnancy", "transport",
    "medical_device", "vaccination", "rights", "account", "none",
)  # fmt: skip
INFOPATIENT, PAYMENTS, RIGHTS = (SERVICES.index(name) for name in ("infopatient", "payments", "rights"))
ACCOUNT_SERVICE = SERVICES.index("account")
AUTH_MODES = ("pwd", "cps", "cpe", "ecps", "psc")
PWD, CPS, CPE, ECPS, PSC = range(len(AUTH_MODES))


class Events(NamedTuple):
    """One row per event. Codes index the tuples of this module; -1 is null, 0 a null session."""

    time_us: npt.NDArray[np.int64]
    account: npt.NDArray[np.int32]
    action: npt.NDArray[np.int8]
    outcome: npt.NDArray[np.int8]
    ip: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]
    shown: npt.NDArray[np.int8]
    service: npt.NDArray[np.int8]
    channel: npt.NDArray[np.int8]
    auth_mode: npt.NDArray[np.int8]
    record_id_mode: npt.NDArray[np.int8]
    session: Bits
    user_agent: npt.NDArray[np.int32]
    delegate: npt.NDArray[np.int8]

    @property
    def rows(self) -> int:
        """How many events."""
        return len(self.time_us)


_TYPES = (
    np.int64, np.int32, np.int8, np.int8, np.int64, np.int64, np.int8, np.int8, np.int8, np.int8, np.int8, np.uint64,
    np.int32, np.int8,
)  # fmt: skip


_DEFAULTS: dict[str, int] = {
    "outcome": SUCCESS, "person": NONE, "shown": NONE, "service": NONE, "channel": PORTAL, "record_id_mode": NONE,
    "delegate": NONE,
}  # fmt: skip


def make_events(time_us: npt.NDArray[np.int64], **columns: npt.ArrayLike) -> Events:
    """Return events of the given times; each other column is an array of that length or one value for all.

    Without `outcome` they are successes, without `channel` the portal's; what else has a default is null.
    """
    given = {"time_us": time_us} | _DEFAULTS | columns
    return _typed([np.broadcast_to(np.asarray(given[name]), time_us.shape) for name in Events._fields])


def _typed(columns: Iterable[npt.NDArray[Any]]) -> Events:
    return Events(*[column.astype(kind, copy=False) for column, kind in zip(columns, _TYPES, strict=True)])


def no_events() -> Events:
    """Return no event."""
    return _typed([np.empty(0)] * len(_TYPES))


def join(parts: Sequence[Events]) -> Events:
    """Return all events, one part after the other."""
    return _typed([np.concatenate(columns) for columns in zip(*parts, strict=True)]) if parts else no_events()


def pick(events: Events, rows: npt.NDArray[np.int64] | Flags | slice) -> Events:
    """Return some rows."""
    return _typed([column[rows] for column in events])


class Ordered(NamedTuple):
    """Events in the order of time, and the part that each came from."""

    events: Events
    part: npt.NDArray[np.int32]


def join_in_time(parts: Sequence[Events]) -> Ordered:
    """Return all events in the order of time; at equal times earlier parts come first, and parts keep their order."""
    order = np.argsort(np.concatenate([part.time_us for part in parts]), kind="stable")
    # One column after the other, so that no whole copy exists beside the parts and the result.
    columns = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
    number = np.repeat(np.arange(len(parts), dtype=np.int32), [part.rows for part in parts])
    return Ordered(_typed(columns), number[order])
