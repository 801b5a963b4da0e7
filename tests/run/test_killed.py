"""Killed at any instant and run again, the job leaves what an undisturbed one leaves."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from detector.history import History
from tests.history.made import fingerprint
from tests.run.forking import Forker
from tests.run.portal import START, Line, configure, ledger_rows, lines_of, slices, write_slice

DAYS = 7
RECEIVER = '[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "told.jsonl"\n'


@pytest.fixture
def forker() -> Iterator[Forker]:
    """What runs the job."""
    started = Forker.start()
    yield started
    started.stop()


@dataclass(frozen=True)
class Week:
    """A week of five-minute slices that arrive in so many parts, and how often the runs are killed."""

    seed: int
    parts: int
    kills: int

    def batches(self) -> list[list[tuple[datetime, list[Line]]]]:
        """The slices, cut into parts at random: what has arrived when a run begins."""
        chance = random.Random(self.seed)  # noqa: S311 - no secret
        days = [START + timedelta(days=n) for n in range(DAYS)]
        found = [piece for day in days for piece in slices(lines_of(day, accounts=2, seed=self.seed))]
        cuts = sorted(chance.sample(range(1, len(found)), self.parts - 1))
        return [found[start:end] for start, end in zip([0, *cuts], [*cuts, len(found)], strict=True)]

    def kills_of(self, number: int) -> int:
        """How often the run after a part is killed."""
        return self.kills * (number + 1) // self.parts - self.kills * number // self.parts


def finish(folder: Path, forker: Forker, *, now: datetime) -> float:
    """Run to the end; return the processor time that took, in seconds."""
    answer = forker.run(folder / "detector.toml", now=now)
    assert answer.startswith("done"), answer
    return float(json.loads(answer.split(maxsplit=2)[2])["cpu_s"])


def kill(folder: Path, forker: Forker, *, now: datetime, times: int, cost_s: float, chance: random.Random) -> None:
    """Run and kill so many times, each time at a random instant of the run."""
    while times:
        answer = forker.run(folder / "detector.toml", now=now, kill_at_s=chance.uniform(0, cost_s))
        if answer == "killed":
            times -= 1
            continue
        # It had ended: what the killed ones had left to do was less than a whole run. The next are as short.
        cost_s = float(json.loads(answer.split(maxsplit=2)[2])["cpu_s"])


def work(folder: Path, forker: Forker, week: Week, *, costs_s: list[float] | None = None) -> list[float]:
    """Deliver the week part by part and run after each; return what the runs cost.

    Where their costs are given, each is killed before.
    """
    configure(folder, extra=RECEIVER)
    chance = random.Random(week.seed)  # noqa: S311 - no secret
    found = []
    for number, part in enumerate(week.batches()):
        for end, lines in part:
            write_slice(folder / "incoming", end, lines)
        now = part[-1][0] + timedelta(minutes=1)
        if costs_s is not None:
            kill(folder, forker, now=now, times=week.kills_of(number), cost_s=costs_s[number], chance=chance)
        found.append(finish(folder, forker, now=now))
    return found


def compare(tmp_path: Path, forker: Forker, week: Week) -> None:
    """An undisturbed week and a disturbed one are equal: history to the byte, ledger to the row, each alert told."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    costs_s = work(calm, forker, week)
    work(killed, forker, week, costs_s=costs_s)
    assert fingerprint(killed / "history") == fingerprint(calm / "history")
    rows = ledger_rows(configure(calm, extra=RECEIVER))
    assert ledger_rows(configure(killed, extra=RECEIVER)) == rows
    canaries = [day for day in range(DAYS) if (START + timedelta(days=day)).weekday() % 2]
    assert len(rows["alerts"]) == len(rows["deliveries"]) == len(canaries)
    assert all("delivered" in row for row in rows["deliveries"])
    # At least once, by the same reference; whoever is told twice can tell.
    assert {row[0] for row in rows["deliveries"]} == set(told(killed))
    inputs = History.open(killed / "history").manifest.inputs.values()
    came = [lines for part in week.batches() for _, lines in part]
    assert sorted(each.lines - 1 for each in inputs) == sorted(map(len, came))


def told(folder: Path) -> list[str]:
    """References of what a SIEM was told."""
    lines = (folder / "told.jsonl").read_text().splitlines()
    return [json.loads(line)["unmapped"]["delivery_id"] for line in lines]


@pytest.mark.timeout(900)
def test_twenty_kills_change_nothing(tmp_path: Path, forker: Forker) -> None:
    """A week of five-minute slices, twenty runs killed with SIGKILL: nothing is missing, nothing there twice."""
    compare(tmp_path, forker, Week(seed=7, parts=4, kills=20))


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_hundred_kills_change_nothing(tmp_path: Path, forker: Forker, seed: int) -> None:
    """The same in three other weeks of more runs, a hundred killed in each."""
    compare(tmp_path, forker, Week(seed=seed, parts=20, kills=100))
