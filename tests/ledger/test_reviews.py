"""What waits for review: who is told of, as what, and what a person's word does to it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from detector import scoring
from detector.alerts import alert_id
from detector.ledger import open_ledger
from detector.ledger.reviews import NOTICES, review_rows
from detector.ledger.store import EXTRACTION, REVIEW
from detector.run import judging, run_once
from detector.scoring import Scored
from tests.ledger.made import NOON, row
from tests.output.made import DAY, reason, scores
from tests.run.portal import START, configure
from tests.run.test_job import deliver

SENTENCE = reason("lookups", "3,000 look-ups, usually none")
BATCH = {"account": "new", "queue": "robot", "channel": "software", "records": 3_000, "reasons": [SENTENCE]}


def test_a_first_batch_is_told_of_as_what_is_to_be_reviewed() -> None:
    """At the lowest severity, however large; alerts and the other queues are none of this."""
    others = ({"account": "a", "alert": True, "queue": "main"}, {"account": "b", "queue": "budget"}, {"account": "c"})
    [found] = review_rows(scores(BATCH, *others), pd.DataFrame(), known=())
    assert (found["account"], found["kind"], found["severity"], found["queue"]) == ("new", REVIEW, "low", "robot")
    assert found["title"] == f"{NOTICES['robot']}: {SENTENCE['sentence']}"
    assert found["alert_id"] != alert_id("new", DAY)


def test_of_the_new_accounts_in_their_queue_the_strangest_of_each_day_is_told_of() -> None:
    """An account made for a theft is like them; whoever alerted is told of as an alert."""
    new = [{"account": name, "queue": "newcomer", "reasons": [SENTENCE]} for name in ("a", "b", "c")]
    later = new[2] | {"day": DAY + timedelta(days=1), "rank": 9}
    found = review_rows(scores(new[0] | {"alert": True}, new[1], new[2], later), pd.DataFrame(), known=())
    assert [(row["account"], row["day"]) for row in found] == [("b", DAY), ("c", DAY + timedelta(days=1))]
    assert found[0]["title"] == f"{NOTICES['newcomer']}: {SENTENCE['sentence']}"


def test_what_alerted_is_not_reviewed() -> None:
    """Early warning told of it before the day was over."""
    assert review_rows(scores(BATCH), pd.DataFrame(), known={alert_id("new", DAY)}) == []


@pytest.mark.parametrize(("judgement", "is_aside"), [(None, False), ("benign", False), ("malicious", True)])
def test_it_is_part_of_the_past_until_it_is_malicious(tmp_path: Path, judgement: str | None, *, is_aside: bool) -> None:
    """New software becomes known by what it does; a benign word excuses what was seen, as anybody's."""
    ledger = open_ledger(history=tmp_path)
    ledger.record([row(kind=REVIEW)], at=NOON)
    if judgement is not None:
        ledger.judge(row()["alert_id"], judgement, author="ana", note="asked the vendor", at=NOON + timedelta(hours=1))
    assert (len(ledger.set_aside()) == 1) == is_aside
    assert (len(ledger.excused()) == 1) == (judgement == "benign")


def test_the_job_tells_of_a_first_batch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that is over is judged again until it closes; the review is raised and told once, with no alert."""
    told = tmp_path / "told.jsonl"
    settings = configure(tmp_path, extra=f'[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "{told}"\n')

    def score_days(*args: Any, **named: Any) -> Scored:
        found = scoring.score_days(*args, **named)
        first = found.scores["account"] == found.scores["account"].min()
        return found._replace(scores=found.scores.assign(queue=found.scores["queue"].mask(first, "robot")))

    monkeypatch.setattr(judging, "score_days", score_days)
    ended = deliver(tmp_path, START) + timedelta(days=1)
    for hours in (0, 1):
        run_once(settings, now=ended + timedelta(hours=hours))
    ledger = open_ledger(history=settings.history.folder)
    [found] = ledger.alerts(kind=REVIEW)
    assert found.evidence
    assert ledger.alerts(kind=EXTRACTION) == []
    assert [line.count(NOTICES["robot"]) > 0 for line in told.read_text().splitlines()] == [True]
