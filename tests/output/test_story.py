"""An account's story on the terminal."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
from rich.console import Console

from detector.ledger import Robot
from detector.output.story import render_story
from detector.story import SHOWN, OpenDay, Story
from tests.output.made import reason, scores

DAY = date(2026, 2, 12)


def _printed(flagged: list[date], score: dict[str, Any] | None = None, **more: Any) -> str:
    days = [DAY - timedelta(days=back) for back in (9, 8, 2, 1, 0)]
    past = pd.DataFrame({"day": days, "channel": "portal", "profession": "nurse"} | dict.fromkeys(SHOWN, 9.0))
    compared = {"signal": ["records"], "value": 9.0, "usual": 4.5, "largest": 7.0, "week_before": None, "peers": 8.0}
    story = Story("a", DAY, past.assign(flagged=past["day"].isin(flagged)), pd.DataFrame(compared), score, **more)
    console = Console(width=120, color_system=None)
    with console.capture() as printed:
        console.print(render_story(story))
    return printed.get()


def test_flagged_days_are_marked_and_said_to_be_left_out() -> None:
    """Who reads the largest day knows which days it is not of."""
    text = _printed([DAY - timedelta(days=9), DAY - timedelta(days=2), DAY - timedelta(days=1)])
    assert "without 3 February, 10 February and 11 February, flagged and so no measure of what is usual" in text
    assert re.findall(r"(\d\d) flagged", text) == ["03", "10", "11"]
    assert re.search(r"records +9 +4.5 +7 +– +8", text)


def test_a_past_without_flags_says_nothing_of_them() -> None:
    """Nor does it mark the day itself."""
    assert "flagged" not in _printed([])


def test_a_campaign_is_named_with_its_pooled_p_value_and_reasons_with_their_share() -> None:
    """Five reasons of a day with many are not all there is, and the story says so."""
    found = scores({"account": "a", "p_value": 0.002, "tail_sum": 10.0, "campaign": "C-1", "campaign_p_value": 3e-9})
    row = {str(name): value for name, value in found.to_dict("records")[0].items()}
    text = _printed([], row | {"reasons": [reason("records", "many", contribution=8.0)]})
    assert "These are 80% of what adds up; lesser signs are the rest." in text
    assert "Driven together with others: campaign C-1, pooled p 3e-09." in text
    whole = _printed([], row | {"campaign": None, "reasons": [reason("records", "many", contribution=10.0)]})
    assert "lesser signs" not in whole
    assert "campaign" not in whole


def test_days_that_go_on_are_named_before_anything_else() -> None:
    """A quiet yesterday is no all-clear: what was read since, and that nothing is known yet, comes first."""
    attacked = OpenDay(DAY + timedelta(days=1), 702, 698, datetime(2026, 2, 13, 3, 12, tzinfo=UTC))
    text = _printed([], open_days=(attacked, OpenDay(DAY + timedelta(days=2), 0, 0, None)), alerts=())
    told = "NOT IN THIS PAGE: Friday 13 February 2026, which is not closed: 702 look-ups so far, 698 records shown"
    assert text.index(told) < text.index("It was not active that day.")
    assert "Saturday 14 February 2026, which is not closed: nothing of it was read so far." in text
    assert "No alert on it stands in the ledger, which is no all-clear" in text
    assert "no ledger here" in _printed([], open_days=(attacked,))
    assert "NOT IN THIS PAGE" not in _printed([])


def test_a_day_that_people_explained_does_not_read_as_an_alert() -> None:
    """The story says that nobody is told of it, and what is known of the robot."""
    found = scores({"account": "a", "p_value": 0.002, "tail_sum": 10.0, "alert": False})
    row = {str(name): value for name, value in found.to_dict("records")[0].items()} | {"reasons": []}
    robot = Robot("a", "nightly import", 5_000, DAY, "ana", datetime(2026, 2, 1, tzinfo=UTC))
    text = " ".join(_printed([], row, is_explained=True, robot=robot).split())
    assert "It alerts." not in text
    assert "It would alert, but people have explained as much: nobody is told of it." in text
    assert "Known robot, up to 5,000 look-ups a day until 2026-02-12, says ana: nightly import." in text
