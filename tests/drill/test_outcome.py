"""What became of the victims."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from detector.drill.outcome import follow_victims, summarise
from detector.drill.scenarios import chosen
from detector.early import EARLY
from detector.schema import EVENTS
from detector.scoring import Scored

DAY = date(2026, 3, 3)


def attack(*accounts: str) -> pa.Table:
    """Ten look-ups a minute apart from 9:00 UTC, of different records, by each account; the last finds nothing."""
    times = pd.date_range("2026-03-03 09:00", periods=10, freq="1min", tz="UTC")
    parts = [
        pd.DataFrame({"timestamp": times, "account": account, "record": [f"{account}{n}" for n in range(10)]})
        for account in accounts
    ]
    rows = pd.concat(parts, ignore_index=True).assign(action="lookup", outcome="success", source="drill", line=1)
    rows.loc[rows["record"].str.endswith("9"), "outcome"] = "failure"
    return EVENTS.check(pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None))


def scored(*, early_at: str | None = None) -> Scored:
    """A day on which `caught` alerts, `waits` is queued for review, and nothing is said of `missed`."""
    reasons: list[object] = [np.array([{"signal": "records"}], dtype=object), None, []]
    scores = pd.DataFrame(
        {
            "account": ["caught", "waits", "missed"],
            "day": [DAY] * 3,
            "alert": [True, False, False],
            "queue": ["main", "newcomer", None],
            "rank": [1, 2, 3],
            "checks": [np.array(["volume_tier"], dtype=object), None, None],
            "reasons": reasons,
        }
    )
    early = EARLY.empty().to_pandas()
    if early_at:
        row = {"account": "caught", "day": DAY, "records_so_far": 3, "signal": "foreign_records"}
        early = pd.DataFrame([row | {"alert_at": pd.Timestamp(early_at, tz="UTC").as_unit("us")}])
    return Scored(scores, early, pd.DataFrame())


def test_by_the_day_all_is_gone_of_an_attack_of_one_day() -> None:
    """Nine records were there to take; the alert comes at midnight in Paris, 14 hours after the first record."""
    rows = follow_victims(attack("caught"), scored=scored(), zone="Europe/Paris", scenario="night").iloc[0]
    assert (rows["records"], rows["gone_by_day"], rows["gone_by_minute"]) == (9, 9, 9)
    assert rows["hours_by_day"] == pytest.approx(14.0)
    assert (rows["queue"], rows["check"], rows["signal"], rows["rank"], rows["accounts"]) == (
        "main",
        "volume_tier",
        "records",
        1,
        3,
    )


def test_by_the_minute_what_came_before_the_alert_is_gone() -> None:
    """An alert of the minute that ends at 9:03: the records of 9:00 to 9:03 are gone, and no other."""
    found = follow_victims(
        attack("caught"), scored=scored(early_at="2026-03-03 09:03"), zone="Europe/Paris", scenario="night"
    ).iloc[0]
    assert (found["gone_by_day"], found["gone_by_minute"], found["signal"]) == (9, 4, "foreign_records")
    assert found["hours_by_minute"] == pytest.approx(3 / 60)


def test_who_waits_for_review_or_is_missed_loses_everything_and_has_no_time() -> None:
    """Only an alert stops an attack; a queue is told apart from nothing at all."""
    found = follow_victims(attack("waits", "missed"), scored=scored(), zone="Europe/Paris", scenario="night")
    found = found.set_index("account")
    assert found["caught"].tolist() == [False, False]
    assert found["review"].to_dict() == {"waits": True, "missed": False}
    assert found["gone_by_minute"].tolist() == [9, 9]
    assert found["hours_by_day"].isna().all()


def test_a_summary_counts_victims_and_tells_how_long_a_cap_would_have_stretched_the_attack() -> None:
    """Three victims, one caught, one for review; nine records at four a day take three days."""
    scenarios = chosen(["night", "day"])
    victims = follow_victims(
        attack("caught", "waits", "missed"), scored=scored(), zone="Europe/Paris", scenario="night"
    )
    found = summarise(victims, scenarios=scenarios, cap=4)
    assert found["scenario"].tolist() == ["night"]
    row = found.iloc[0]
    assert (row["victims"], row["caught"], row["review"], row["capped_days"]) == (3, 1, 1, 3)
    assert (row["gone_by_day_median"], row["gone_by_day_worst"]) == (9, 9)
    assert "capped_days" not in summarise(victims, scenarios=scenarios)


def test_an_attack_that_could_not_be_injected_is_told_with_the_reason_and_no_number() -> None:
    """Two scenarios, one without a victim: it stands there, and says nothing of what would have been caught."""
    victims = follow_victims(attack("caught"), scored=scored(), zone="Europe/Paris", scenario="night")
    why = {"writes": "nobody wrote"}
    found = summarise(victims, scenarios=chosen(["night", "writes"]), not_injected=why, cap=4)
    assert found["scenario"].tolist() == ["night", "writes"]
    assert found["not_injected"].tolist() == [None, "nobody wrote"]
    assert found["victims"].tolist() == [1, 0]
    assert found.loc[1, ["records", "rank", "gone_by_day_worst", "capped_days"]].isna().all()


def test_where_no_attack_could_be_injected_the_summary_has_no_number() -> None:
    """No victim at all: the table is there with its columns."""
    nothing = follow_victims(EVENTS.empty(), scored=scored(), zone="Europe/Paris", scenario="writes")
    assert nothing.empty
    found = summarise(nothing, scenarios=chosen(["writes"]), not_injected={"writes": "nobody wrote"}, cap=4)
    assert found[["victims", "not_injected"]].to_numpy().tolist() == [[0, "nobody wrote"]]
