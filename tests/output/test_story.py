"""An account's story on the terminal."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pandas as pd
from rich.console import Console

from detector.output.story import render_story
from detector.story import SHOWN, Story

DAY = date(2026, 2, 12)


def _printed(flagged: list[date]) -> str:
    days = [DAY - timedelta(days=back) for back in (9, 8, 2, 1, 0)]
    past = pd.DataFrame({"day": days, "channel": "portal", "profession": "nurse"} | dict.fromkeys(SHOWN, 9.0))
    compared = {"signal": ["records"], "value": 9.0, "usual": 4.5, "largest": 7.0, "week_before": None, "peers": 8.0}
    story = Story("a", DAY, past.assign(flagged=past["day"].isin(flagged)), pd.DataFrame(compared), None)
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
