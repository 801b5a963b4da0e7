"""Killed at any instant and run again, the job leaves what an undisturbed one leaves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.history.made import fingerprint
from tests.run.forking import Forker
from tests.run.portal import START, Line, configure, ledger_rows, lines_of, slices, write_slice

DAYS = 7


@pytest.fixture
def forker() -> Iterator[Forker]:
    """What runs the job."""
    started = Forker.start()
    yield started
    started.stop()


def batches(parts: int) -> list[list[tuple[datetime, list[Line]]]]:
    """A week's slices, cut into so many parts at random: what has arrived when a run begins."""
    chance = random.Random(7)  # noqa: S311 - no secret
    week = [piece for n in range(DAYS) for piece in slices(lines_of(START + timedelta(days=n), accounts=2))]
    cuts = sorted(chance.sample(range(1, len(week)), parts - 1))
    return [week[start:end] for start, end in zip([0, *cuts], [*cuts, len(week)], strict=True)]


def work(folder: Path, forker: Forker, *, parts: int, kills: int, durations: list[float]) -> list[float]:
    """Deliver the week part by part and run after each, killed as often as said; return how long the runs took."""
    settings = configure(folder)
    chance = random.Random(kills)  # noqa: S311 - no secret
    took, left = [], kills
    for number, part in enumerate(batches(parts)):
        for end, lines in part:
            write_slice(folder / "incoming", end, lines)
        now = part[-1][0] + timedelta(minutes=1)
        for _ in range(left // (parts - number)):
            left -= 1
            answer = forker.run(folder / "detector.toml", now=now, kill_after_s=chance.uniform(0, durations[number]))
            assert answer == "killed" or answer.startswith("done"), answer
        answer = forker.run(folder / "detector.toml", now=now)
        assert answer.startswith("done"), answer
        took.append(float(answer.split()[1]))
    assert ledger_rows(settings)["alerts"]
    return took


def compare(tmp_path: Path, forker: Forker, *, parts: int, kills: int) -> None:
    """An undisturbed week and a disturbed one are equal: history to the byte, ledger to the row."""
    durations = work(tmp_path / "calm", forker, parts=parts, kills=0, durations=[0.0] * parts)
    work(tmp_path / "killed", forker, parts=parts, kills=kills, durations=durations)
    calm, killed = (configure(tmp_path / name) for name in ("calm", "killed"))
    assert fingerprint(tmp_path / "killed" / "history") == fingerprint(tmp_path / "calm" / "history")
    assert ledger_rows(killed) == ledger_rows(calm)
    alerts = {row[0] for row in ledger_rows(calm)["alerts"]}
    canaries = [day for day in range(DAYS) if (START + timedelta(days=day)).weekday() % 2]
    assert len(alerts) == len(canaries)


@pytest.mark.timeout(900)
def test_twenty_kills_change_nothing(tmp_path: Path, forker: Forker) -> None:
    """A week of five-minute slices, twenty runs killed with SIGKILL: nothing is missing, nothing there twice."""
    compare(tmp_path, forker, parts=4, kills=20)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_three_hundred_kills_change_nothing(tmp_path: Path, forker: Forker) -> None:
    """The same with three hundred."""
    compare(tmp_path, forker, parts=60, kills=300)
