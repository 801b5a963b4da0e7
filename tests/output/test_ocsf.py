"""Alerts as OCSF Detection Findings."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from detector.alerts import build_alerts
from detector.output.ocsf import to_jsonl
from tests.output.made import fired, reason, scores

REQUIRED = (
    "activity_id",
    "category_uid",
    "class_uid",
    "finding_info",
    "metadata",
    "severity_id",
    "time",
    "type_uid",
)
"""What the class requires (OCSF 1.8, events/findings/detection_finding)."""

FOUND = scores(
    {
        "account": "a",
        "alert": True,
        "queue": "main",
        "score": 0.84,
        "records": 1_204,
        "p_value": 2e-5,
        "campaign": "C-1",
        "campaign_p_value": 3e-9,
        "reasons": [reason("records", "1,204 different records"), reason("misses", "none", usual=None, peers=None)],
    },
    {"account": "b", "alert": True, "queue": "check", "checks": ["tool_agent"]},
)
FIRED = fired({"account": "b", "check": "tool_agent"}, {"account": None, "check": "spray", "severity": "medium"})


def findings(found: pd.DataFrame = FOUND, checks: pd.DataFrame = FIRED) -> list[dict[str, Any]]:
    """The findings of an example."""
    text = to_jsonl(build_alerts(found, checks, pd.DataFrame()), found, zone="Europe/Paris")
    return [json.loads(line) for line in text.splitlines()]


def test_each_alert_is_a_detection_finding_with_what_the_class_requires() -> None:
    """Ids agree with each other, times are milliseconds, and nothing required is missing."""
    for finding in findings():
        assert not [name for name in REQUIRED if name not in finding]
        assert (finding["class_uid"], finding["type_uid"], finding["category_uid"]) == (2004, 200401, 2)
        assert finding["metadata"]["product"]["name"]
        assert finding["finding_info"]["uid"] == finding["metadata"]["uid"]
        assert finding["start_time"] <= finding["time"]
        assert finding["risk_score"] == {3: 47, 4: 73}.get(finding["severity_id"], 21)


def test_times_are_those_of_the_portals_day_where_no_event_is_held() -> None:
    """Without events the finding spans the day in the portal's zone: midnight in Paris is 23:00 UTC in winter."""
    finding = findings()[0]
    assert pd.Timestamp(finding["start_time"], unit="ms") == pd.Timestamp("2026-02-11 23:00")
    assert pd.Timestamp(finding["end_time"], unit="ms").floor("s") == pd.Timestamp("2026-02-12 22:59:59")


def test_the_same_alerts_give_the_same_bytes() -> None:
    """No clock and no chance enters a finding."""
    first, second = (to_jsonl(build_alerts(FOUND, FIRED, pd.DataFrame()), FOUND, zone="Europe/Paris") for _ in range(2))
    assert first == second
    assert first.count("\n") == 3


def test_anomalies_stand_beside_the_baselines_that_are_known() -> None:
    """Each reason is an anomaly with its sentence; an unknown usual value is no baseline of zero."""
    analysis = next(f for f in findings() if f["finding_info"]["title"].startswith("1,204"))["anomaly_analyses"][0]
    assert [a["observation_parameter"] for a in analysis["anomalies"]] == ["records", "misses"]
    assert analysis["anomalies"][0]["observations"] == [{"value": "1204", "timespan": {"duration_days": 1}}]
    told = [
        (b["observation_parameter"], b["observation_type"], b["observations"][0]["value"])
        for b in analysis["baselines"]
    ]
    assert told == [("records", "usual", "31"), ("records", "peers", "90")]


@pytest.mark.parametrize(("place", "kind"), [(0, "spray"), (1, "ExtractionForest"), (2, "tool_agent")])
def test_the_analytic_is_the_model_or_the_check(place: int, kind: str) -> None:
    """What only a check saw is a rule's finding, not the model's."""
    analytic = findings()[place]["finding_info"]["analytic"]
    assert analytic["name"] == kind
    assert (analytic["type_id"] == 4) == (kind == "ExtractionForest")


def test_without_alert_there_is_no_line() -> None:
    """A quiet day gives an empty file."""
    assert findings(scores({"account": "a"}), fired()) == []


def test_marks_that_turn_text_around_are_escaped() -> None:
    """Whoever looks at the file in a terminal sees it as it stands; a reader of JSON gets the text itself."""
    found = scores({"account": "a\u202eb", "alert": True, "queue": "main"})
    text = to_jsonl(build_alerts(found, fired(), pd.DataFrame()), found, zone="Europe/Paris")
    assert text.isascii()
    assert "a\u202eb" in json.dumps(json.loads(text), ensure_ascii=False)


def test_an_alert_names_its_campaign_and_the_pooled_p_value() -> None:
    """One that belongs to none says so."""
    told = [(each["unmapped"]["campaign"], each["unmapped"]["campaign_p_value"]) for each in findings()[1:]]
    assert told == [("C-1", 3e-9), (None, None)]
