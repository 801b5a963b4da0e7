"""What is gone before the first alert."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detector.evaluate.exposure import first_alerts, gone_before_alert, stolen, summarise_gone
from tests import naive_evaluate as naive
from tests.evaluate.tables import D1, D2, D3, early, event, events, scores

ZONE = "UTC"


def gone(malicious: pd.DataFrame, scored: pd.DataFrame, inside: pd.DataFrame, *, zone: str = ZONE) -> pd.DataFrame:
    """Chain the two steps."""
    alerts = first_alerts(scored, early=inside, events=malicious, zone=zone)
    return gone_before_alert(malicious, alerts=alerts)


def reads(account: str, *times: str, scenario: str = "S1") -> list[dict[str, object]]:
    """Look-ups of one record each, named after its time."""
    return [event(account, at, record=f"r{at}", scenario=scenario) for at in times]


def test_an_alert_at_the_end_of_the_day_saves_the_next_day() -> None:
    """Two records on the alerted day are gone, two on the next day are not."""
    malicious = events(*reads("a", f"{D1}T09:00", f"{D1}T10:00", f"{D2}T09:00", f"{D2}T10:00"))
    found = gone(malicious, scores(("a", D1, True, "main"), ("a", D2, True, "main")), early())
    assert found[["gone_by_day", "gone_by_minute"]].to_numpy().tolist() == [[0.5, 0.5]]
    assert found["hours_by_day"].tolist() == [15.0]


def test_an_alert_inside_the_day_saves_what_comes_after_its_minute() -> None:
    """The alert comes at the end of its minute: what happened in that minute is gone; what comes later is not."""
    malicious = events(*reads("a", f"{D1}T09:00:10", f"{D1}T09:30:59", f"{D1}T09:31:01", f"{D1}T10:00"))
    found = gone(malicious, scores(("a", D1, True, "main")), early(("a", f"{D1}T09:31")))
    assert found[["gone_by_day", "gone_by_minute"]].to_numpy().tolist() == [[1.0, 0.5]]
    assert found["hours_by_minute"].iloc[0] == pytest.approx((30 * 60 + 50) / 3600)


def test_an_alert_before_the_attack_of_the_day_is_about_something_else() -> None:
    """An early alert at eight does not count for an attack that starts at nine."""
    malicious = events(*reads("a", f"{D1}T09:00", f"{D1}T10:00"))
    found = gone(malicious, scores(("a", D1, False, None)), early(("a", f"{D1}T08:00")))
    assert found["gone_by_minute"].tolist() == [1.0]
    assert found["hours_by_minute"].isna().all()


def test_an_alert_on_a_day_without_attack_counts_for_nothing() -> None:
    """The account alerts on the quiet day between two attacked ones: all is gone."""
    malicious = events(*reads("a", f"{D1}T09:00", f"{D3}T10:00"))
    found = gone(malicious, scores(("a", D2, True, "main")), early(("a", f"{D2}T09:00")))
    assert found[["gone_by_day", "gone_by_minute"]].to_numpy().tolist() == [[1.0, 1.0]]


def test_the_day_ends_in_the_zone_of_the_portal() -> None:
    """In Paris the day ends at 23:00 UTC in winter: a record taken at 23:30 UTC of the next local day is saved."""
    raw = reads("a", f"{D1}T22:30", f"{D1}T23:30")
    malicious = events(*raw)
    malicious.loc[1, "day"] = pd.Timestamp(D2)
    found = gone(malicious, scores(("a", D1, True, "main")), early(), zone="Europe/Paris")
    assert found["gone_by_day"].tolist() == [0.5]


def test_a_record_read_twice_is_gone_once() -> None:
    """Reading a record again takes nothing new, and a look-up that finds nothing takes nothing."""
    raw = [event("a", f"{D1}T09:00", record="x"), event("a", f"{D2}T09:00", record="x")]
    missed = event("a", f"{D1}T09:01", record="y", outcome="failure")
    found = stolen(events(*raw, missed))
    assert found["timestamp"].tolist() == [pd.Timestamp(f"{D1}T09:00", tz="UTC")]


def test_without_tokens_each_look_up_counts() -> None:
    """Two look-ups without record are two."""
    raw = [event("a", f"{D1}T09:0{i}", record=None) for i in range(2)]
    assert len(stolen(events(*raw))) == 2


def test_in_a_writing_campaign_writes_are_what_is_lost() -> None:
    """Three writes on one record and one look-up: three writes are counted, the look-up is not."""
    raw = [event("a", f"{D1}T09:0{i}", record="x", action="write", scenario="S5") for i in range(3)]
    found = stolen(events(*raw, event("a", f"{D1}T08:00", record="x", scenario="S5")))
    assert len(found) == 3


def test_each_account_of_a_campaign_has_its_own_share() -> None:
    """One account is told of at once, the other never: median one half, worst one."""
    malicious = events(*reads("a", f"{D1}T09:00", f"{D2}T09:00"), *reads("b", f"{D1}T09:00", f"{D2}T09:00"))
    found = gone(malicious, scores(("a", D1, True, "main")), early())
    summary = summarise_gone(found).iloc[0]
    assert (summary["accounts"], summary["gone_by_day_median"], summary["gone_by_day_worst"]) == (2, 0.75, 1.0)


def test_gone_agrees_with_the_oracle() -> None:
    """On random campaigns the share equals the one counted record by record."""
    random = np.random.default_rng(8)
    for _ in range(8):
        minutes = np.sort(random.integers(0, 600, 30))
        records = random.integers(0, 15, 30)
        start = pd.Timestamp(f"{D1}T08:00", tz="UTC")
        raw = [
            event("a", (start + pd.Timedelta(minutes=int(m))).strftime("%Y-%m-%dT%H:%M"), record=f"r{r}")
            for m, r in zip(minutes, records, strict=True)
        ]
        at = int(random.integers(minutes[0], 600))
        inside = early(("a", (start + pd.Timedelta(minutes=at)).strftime("%Y-%m-%dT%H:%M")))
        expected = naive.gone([(f"r{r}", float(m)) for m, r in zip(minutes, records, strict=True)], at + 1.0)
        assert gone(events(*raw), scores(), inside)["gone_by_minute"].tolist() == [pytest.approx(expected)]
