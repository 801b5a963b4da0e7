"""What an analyst compares with is what plain counting finds, and no flagged day is part of it."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from detector.comparison import COMPARED, COMPARISONS, compare_days, flagged_days

DAY = date(2026, 2, 12)
ASKED = pd.DataFrame(
    {
        "account": ["busy", "nameless", "first"],
        "channel": "portal",
        "peer_group": ["nurse portal", "volume 3 portal", "nurse portal"],
    }
)
TEXTS = [(name, pa.string()) for name in ("account", "channel", "profession")]
SCHEMA = pa.schema([*TEXTS, ("day", pa.date32()), *((name, pa.float64()) for name in COMPARED)])


def _row(account: str, back: int, records: float | None, *, profession: str | None = "nurse") -> dict[str, Any]:
    row = {"account": account, "channel": "portal", "day": DAY - timedelta(days=back), "profession": profession}
    return row | dict.fromkeys(COMPARED, 1.0) | {"records": records}


PAST = [
    *(_row("busy", back, 10.0 + back) for back in range(1, 12)),
    *(_row("peer", back, 100.0 + back) for back in range(1, 12)),
    *(_row("nameless", back, float(back), profession=None) for back in (2, 3)),
    _row("nameless", 7, None, profession=None),
]
TODAY = [_row("busy", 0, 500.0), _row("nameless", 0, 7.0, profession=None), _row("first", 0, 3.0)]


def _timeline(*flagged: tuple[str, date], past: list[dict[str, Any]] = PAST) -> Any:
    """Days with some account-days set aside."""
    kept = [row for row in past if (row["account"], row["day"]) not in flagged]
    held = ibis.memtable(pa.Table.from_pylist(kept, schema=SCHEMA))
    return SimpleNamespace(
        account_days=lambda day: ibis.memtable(pa.Table.from_pylist(TODAY, schema=SCHEMA)),
        past=lambda day: SimpleNamespace(account_days=held),
        days_before=lambda day: sorted({row["day"] for row in past}),
        set_aside=pd.DataFrame(flagged, columns=["account", "day"]),
    )


def _records(timeline: Any) -> dict[str, list[float | None]]:
    found = compare_days(timeline, DAY, ASKED)
    assert found["signal"].tolist() == list(COMPARED) * len(ASKED)
    rows = found[found["signal"] == "records"].set_index("account")[list(COMPARISONS)]
    return {str(name): [None if pd.isna(v) else round(float(v), 6) for v in row] for name, row in rows.iterrows()}


def test_a_day_stands_beside_median_largest_last_week_and_peers() -> None:
    """Own days for the account, all nurses' for nurses, everyone without a profession for the nameless."""
    nurses = round(float(np.quantile([*range(11, 22), *range(101, 112)], 0.99)), 6)
    found = _records(_timeline())
    assert found["busy"] == [500.0, 16.0, 21.0, 17.0, nurses]
    assert found["nameless"] == [7.0, 2.5, 3.0, None, np.quantile([2.0, 3.0], 0.99)]
    assert found["first"] == [3.0, None, None, None, nurses]


def test_no_flagged_day_is_the_largest_the_usual_or_last_weeks() -> None:
    """An attack's second day is not small because of its first."""
    flagged = (("busy", DAY - timedelta(days=11)), ("busy", DAY - timedelta(days=7)))
    assert _records(_timeline(*flagged))["busy"][:4] == [500.0, 15.0, 20.0, None]


def test_without_a_past_peers_are_those_of_the_day() -> None:
    """As the deviations of such a day are."""
    found = _records(_timeline(past=[]))
    assert found["busy"] == [500.0, None, None, None, np.quantile([500.0, 3.0], 0.99)]


def test_flags_of_the_day_itself_and_of_long_ago_concern_no_comparison() -> None:
    """Only those of the 28 days before are told of."""
    days = [DAY - timedelta(days=back) for back in (0, 1, 28, 29)]
    found = flagged_days(_timeline(*(("busy", day) for day in days)), DAY)
    assert found.to_dict("records") == [{"account": "busy", "day": day} for day in (days[2], days[1])]
