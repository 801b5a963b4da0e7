"""What a report shows of an alert agrees with the events it is made from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from detector.comparison import COMPARED
from detector.details import DETAILS
from detector.explain import MAX_REASONS
from detector.schema import EVENTS
from detector.verbs import Scored, score

LAST = date(2026, 2, 12)
NIGHT = datetime(2026, 2, 12, 1, 30, tzinfo=UTC)
"""2:30 by the portal's clock."""
LOOKUPS = 120


def _lookup(at: datetime, account: str, record: str, ip: str, agent: str, department: str) -> dict[str, Any]:
    return {
        "timestamp": at,
        "account": account,
        "action": "lookup",
        "outcome": "success",
        "record": record,
        "ip": ip,
        "user_agent": agent,
        "record_department": department,
        "source": "day.csv",
    }


def _events() -> pd.DataFrame:
    rows = []
    for back in range(12, -1, -1):
        for number in range(10):
            at = datetime(LAST.year, LAST.month, LAST.day, 9, number, tzinfo=UTC) - timedelta(days=back)
            rows += [
                _lookup(at, f"a{account}", f"r{account}-{number % 5}", f"192.0.2.{account % 3}", "Firefox", "59")
                for account in range(6)
            ]
    for number in range(LOOKUPS):
        at = NIGHT + timedelta(seconds=20 * number)
        rows.append(_lookup(at, "a0", f"stranger{number}", "198.51.100.9", "curl/8.9.1", "13"))
    rows.append(_lookup(NIGHT, "a5", "r5-0", "198.51.100.9", "Firefox", "59"))
    filled = [row | {"line": line} for line, row in enumerate(rows, 1)]
    table: pd.DataFrame = pa.Table.from_pylist(filled, schema=EVENTS.arrow).to_pandas()
    return table


@pytest.fixture(scope="module")
def scored() -> Scored:
    """A day on which a script reads strangers with one account by night, from an address that another uses too."""
    return score(_events(), days=[LAST], complete=True)


@pytest.fixture(scope="module")
def detail(scored: Scored) -> dict[str, Any]:
    """What is shown of it."""
    (row,) = scored.details.to_dict("records")
    return {str(key): value for key, value in row.items()}


def test_there_is_one_row_per_alert(scored: Scored) -> None:
    """The table fits its schema, and its rows are the alerted account-days."""
    alerts = scored.scores[scored.scores["alert"]]
    assert scored.details["account"].tolist() == alerts["account"].tolist() == ["a0"]
    assert set(scored.details) == set(DETAILS.names)


def test_contributions_add_up_to_the_tail_sum_and_reasons_are_the_weightiest_of_them(scored: Scored) -> None:
    """Of every account-day that is explained; others have none of either."""
    assert (scored.scores["tail_sum"] > 0).any()
    for row in scored.scores.to_dict("records"):
        parts = [each["contribution"] for each in row["contributions"]]
        told = [each["contribution"] for each in row["reasons"]]
        assert sum(parts) == pytest.approx(row["tail_sum"], abs=1e-9)
        assert parts == sorted(parts, reverse=True)
        assert all(part > 0 for part in parts)
        assert sum(told) <= row["tail_sum"] + 1e-9
        assert sum(told) == pytest.approx(row["tail_sum"], abs=1e-9) or len(told) == MAX_REASONS


def test_hours_add_up_to_the_look_ups_and_stand_beside_what_is_usual(detail: dict[str, Any]) -> None:
    """24 hours from the portal's midnight; the band is empty at night and ten look-ups at the usual hour."""
    hours = list(detail["hours"])
    assert len(hours) == 24
    assert hours[0]["hour"] == datetime(2026, 2, 11, 23, tzinfo=UTC)
    assert sum(hour["lookups"] for hour in hours) == detail["lookups"] == LOOKUPS + 10
    night, morning = hours[2], hours[10]
    assert (night["lookups"], night["usual_high"]) == (90, 0)
    assert (morning["lookups"], morning["usual_low"], morning["usual_high"]) == (10, 10, 10)


def test_days_that_are_not_held_are_unknown_and_held_ones_are_counted(detail: dict[str, Any]) -> None:
    """29 days, the oldest unknown, the usual ones five records, the last all of them."""
    records = [day["records"] for day in detail["days"]]
    assert len(records) == 29
    assert all(pd.isna(value) for value in records[:16])
    assert records[16:-1] == [5] * 12
    assert records[-1] == LOOKUPS + 5


def test_the_day_stands_beside_what_is_usual(detail: dict[str, Any]) -> None:
    """Each signal with the account's median and largest day, the same weekday last week, and its peers' days."""
    found = {each["signal"]: each for each in detail["compared"]}
    assert list(found) == list(COMPARED)
    assert found["records"] == {
        "signal": "records",
        "value": LOOKUPS + 5,
        "usual": 5,
        "largest": 5,
        "week_before": 5,
        "peers": 5,
    }
    assert found["lookups"]["value"] == LOOKUPS + 10


def test_sources_tell_who_else_comes_from_there(detail: dict[str, Any]) -> None:
    """The new address comes first, with the other account that used it that day."""
    first, usual = list(detail["sources"])
    assert (first["ip"], first["lookups"], first["is_new_ip"], first["is_new_agent"]) == (
        "198.51.100.9",
        LOOKUPS,
        True,
        True,
    )
    assert (first["others_today"], first["others_before"]) == (1, 0)
    assert (usual["ip"], usual["is_new_ip"], usual["others_today"], usual["others_before"]) == (
        "192.0.2.0",
        False,
        1,
        1,
    )


def test_departments_stand_beside_their_share_of_the_past(detail: dict[str, Any]) -> None:
    """A department never met before has a share of none."""
    found = {each["department"]: (each["records"], each["usual_share"]) for each in detail["departments"]}
    assert found == {"13": (LOOKUPS, 0.0), "59": (5, 1.0)}


def test_a_day_without_alert_has_no_details() -> None:
    """The table is empty, with its columns."""
    quiet = _events()
    quiet = quiet[quiet["ip"] != "198.51.100.9"]
    found = score(quiet, days=[LAST], complete=True).details
    assert len(found) == 0
    assert set(found) == set(DETAILS.names)
