"""One account's story where the job is at work: the day that goes on, and what people have explained."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from detector import story as story_module
from detector import verbs
from detector.errors import HistoryError
from detector.ledger import Robot, open_ledger
from detector.output.story import to_json
from detector.run import run_once
from detector.scoring import Scored, score_days
from tests.run.portal import START, configure
from tests.run.test_job import TUESDAY, deliver


@pytest.mark.parametrize(("ceiling", "is_explained"), [(10_000, True), (1, False)])
def test_show_says_whether_people_explained_what_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ceiling: int, *, is_explained: bool
) -> None:
    """A known robot within its ceiling alerts nobody; beyond it, it does, and its entry is told."""

    def alerting(*given: Any, **more: Any) -> Scored:
        found = score_days(*given, **more)
        return found._replace(scores=found.scores.assign(alert=True, queue="main", checks=None))

    settings = configure(tmp_path)
    run_once(settings, now=deliver(tmp_path, START, TUESDAY))
    robot = Robot("a1", "nightly import", ceiling, TUESDAY, "ana", datetime(2026, 3, 1, tzinfo=UTC))
    open_ledger(history=tmp_path / "history").allow(robot)
    monkeypatch.setattr(story_module, "score_days", alerting)
    story = verbs.show("a1", settings=settings)
    assert story.score is not None
    assert (story.is_explained, story.score["alert"], story.robot) == (is_explained, not is_explained, robot)
    assert json.loads(to_json(story))["is_explained"] is is_explained


def test_show_tells_of_the_day_that_goes_on(tmp_path: Path) -> None:
    """At three in the morning the open day is what is asked about: it is named, with its look-ups and the alert."""
    settings = configure(tmp_path)
    run_once(settings, now=deliver(tmp_path, START, TUESDAY))
    story = verbs.show("a1", settings=settings)
    assert story.day == START
    (today,) = story.open_days
    assert (today.day, today.lookups > 0, today.last_at is not None) == (TUESDAY, True, True)
    assert [each.day for each in story.alerts or ()] == [TUESDAY]
    printed = json.loads(to_json(story))
    assert (printed["open_days"][0]["day"], printed["alerts"][0]["day"]) == (str(TUESDAY), str(TUESDAY))
    with pytest.raises(HistoryError, match=rf"not closed, .* {TUESDAY} \(\d+ look-ups so far.*detector alerts"):
        verbs.show("a1", day=TUESDAY, settings=settings)
