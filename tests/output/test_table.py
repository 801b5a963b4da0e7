"""The ranked accounts on the terminal."""

from __future__ import annotations

import io
from typing import get_args

import pandas as pd
import pytest
from rich.console import Console

from detector.features.declaration import Family
from detector.output.table import STORY, render_days, why
from tests.output.made import early, fired, reason, scores

MUCH = reason("records", "1,204 different records, 39 × its usual 31")
FOREIGN = reason("foreign_records", "1,180 records never looked up before by it or anyone around (usually 2)")
NEW_SOURCE = reason("new_source_uses", "1,204 look-ups from a network new to it")
STEADY = reason("regularity", "91% of its pauses are of the same length, as a machine's")
ALERT = {
    "account": "017000720",
    "alert": True,
    "queue": "main",
    "p_value": 2e-5,
    "records": 1204,
    "profession": "nurse",
}


def printed(
    found: pd.DataFrame,
    checks: pd.DataFrame | None = None,
    warned: pd.DataFrame | None = None,
    *,
    top: int = 10,
    width: int = 100,
) -> str:
    """What a terminal of that width shows."""
    checks, warned = fired() if checks is None else checks, early() if warned is None else warned
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    console.print(render_days(found, checks, warned, zone="Europe/Paris", top=top, width=width))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_a_day_reads_from_alerts_to_the_next_strangest() -> None:
    """The whole picture: alerts with a reason a line, then what waits for review, then the rest in brief."""
    found = scores(
        ALERT | {"score": 0.84, "reasons": [STEADY, MUCH, FOREIGN]},
        {"account": "018001362", "score": 0.61, "queue": "budget", "p_value": 0.012, "reasons": [FOREIGN]},
        {"account": "026000141", "score": 0.5, "channel": "software", "records": None, "reasons": [MUCH, NEW_SOURCE]},
        {"account": "9", "score": 0.0},
    )
    assert (
        printed(found)
        == """\
Thursday 12 February 2026: 4 accounts scored

1 alert
  #  account                 score  records  why
  1  017000720                0.84    1,204  · 1,204 different records, 39 × its usual 31
     nurse                  p 2e-5           · 1,180 records never looked up before by it or anyone
                                               around (usually 2)
                                             · 91% of its pauses are of the same length, as a
                                               machine's

1 for review
  2  018001362                0.61        9  · 1,180 records never looked up before by it or anyone
     slow                  p 0.012             around (usually 2)

Next, by strangeness
  3  026000141                0.50        –  1,204 different records, 39 × its usual 31; 1,204
     software channel                        look-ups from a network new to it
  4  9                        0.00        9  nothing unusual"""
    )


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Whatever the width, nothing runs over, and every sentence is there."""
    text = printed(scores(ALERT | {"reasons": [MUCH, FOREIGN, STEADY]}), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert {"39", "×", "(usually", "machine's"} <= set(text.split())


def test_names_from_logs_neither_act_nor_become_markup() -> None:
    """An account may call itself anything: escape sequences and Rich's markup are shown as they are."""
    text = printed(scores(ALERT | {"account": "[red]\x1b[2J", "reasons": [reason("records", "[/] :skull:")]}))
    assert "\x1b" not in text
    assert "[red]\\x1b[2J" in text
    assert "[/] :skull:" in text


def test_every_alert_is_shown_and_the_rest_up_to_the_top() -> None:
    """Alerts come on top of any limit; of the others only as many as asked for."""
    many = [ALERT | {"account": f"alert-{n}"} for n in range(4)] + [{"account": f"other-{n}"} for n in range(4)]
    text = printed(scores(*many), top=5)
    assert text.count("alert-") == 4
    assert text.count("other-") == 1


def test_who_was_warned_of_within_the_day_is_not_overlooked() -> None:
    """An early warning has its minute by the portal's clock; those without an alert of the whole day stand apart."""
    review = {"account": "c", "queue": "budget", "reasons": [FOREIGN]}
    found = scores(ALERT | {"reasons": [MUCH]}, {"account": "b", "reasons": [FOREIGN]}, review, {"account": "d"})
    told = printed(found, warned=early({"account": "017000720", "records_so_far": 1}, {"account": "b"}), top=1)
    alerts, alone, reviews = told.split("\n\n")[1:]
    assert alerts.startswith("1 alert\n")
    assert "· early warning at 09:03, after 1 record\n" in alerts
    assert alone.startswith("1 early warning without an alert of the whole day: look at these as well\n  2  b ")
    assert "· early warning at 09:03, after 10 records\n" in alone
    assert "early" not in reviews
    assert reviews.startswith("1 for review\n")


def test_a_day_without_alert_says_so() -> None:
    """Silence is told in words."""
    assert "No alert\n" in printed(scores({"account": "a"}))


def test_a_cold_day_says_so() -> None:
    """Scores without history are marked."""
    assert "cold: compared with the day's peers alone" in printed(scores({"account": "a", "cold": True}))


def test_what_a_check_saw_comes_first_and_is_not_said_twice() -> None:
    """The check's evidence stands for the reason that says the same."""
    row = scores(ALERT | {"checks": ["reset_then_bulk"], "reasons": [NEW_SOURCE, MUCH]}).to_dict("records")[0]
    assert why(row, ["1,300 look-ups after a reset"]) == ["1,300 look-ups after a reset", MUCH["sentence"]]
    assert why(row | {"checks": None}) == [MUCH["sentence"], NEW_SOURCE["sentence"]]


def test_a_check_on_the_portal_as_a_whole_stands_under_the_day() -> None:
    """What concerns no account is told too."""
    sprayed = fired({"account": None, "check": "spray", "evidence": "200 accounts failed from 192.0.2.1"})
    assert "The portal as a whole: 200 accounts failed from 192.0.2.1 (spray)" in printed(
        scores({"account": "a"}), sprayed
    )


def test_two_days_are_told_one_after_the_other() -> None:
    """Each day has its heading, the older first."""
    found = pd.concat([scores({"account": "a", "day": pd.Timestamp("2026-02-13").date()}), scores({"account": "a"})])
    headings = [line for line in printed(found).splitlines() if "scored" in line]
    assert [line.split(":")[0] for line in headings] == ["Thursday 12 February 2026", "Friday 13 February 2026"]


def test_no_account_at_all_is_told() -> None:
    """Dumps in which only nameless sign-ins fail have nobody to rank."""
    assert printed(scores()) == "No account to score: the dumps name none."


def test_every_family_has_its_place_in_the_story() -> None:
    """A reason of any family can be told."""
    assert sorted(STORY) == sorted(get_args(Family))


def test_a_campaign_has_a_line_with_its_pooled_p_value() -> None:
    """Above the alerts, with the first of its accounts."""
    members = [ALERT | {"account": f"m{n}", "campaign": "C-1", "campaign_p_value": 3e-9} for n in range(8)]
    text = printed(scores(*members), width=120)
    assert "Campaign C-1: 8 accounts driven together, pooled p 3e-9: m0, m1, m2, m3, m4, m5 and 2 more" in text
    assert "Campaign" not in printed(scores(ALERT), width=120)
