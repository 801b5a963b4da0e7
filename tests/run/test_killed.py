"""Killed at any instant and run again, the job leaves what an undisturbed one leaves.

It has a past, a model in use, an attack that early warning alone sees, and a verdict in the middle of the week.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from detector import verbs
from detector.history import History
from detector.ledger import Alert, open_ledger
from detector.ledger.growth import BENIGN
from detector.ledger.store import EXTRACTION
from detector.model.kept import load_model
from detector.workspace import MODEL
from tests.history.made import fingerprint
from tests.run.forking import Forker
from tests.run.portal import (
    CANARY,
    HEADER,
    START,
    Line,
    configure,
    ledger_rows,
    lines_of,
    slices,
    strange_lines,
    write_slice,
)

DAYS = 7
PAST_DAYS, PAST_ACCOUNTS = 27, 80
"""Early warning needs a thousand account-days that have two weeks of past."""
TUESDAY, WEDNESDAY = START + timedelta(days=1), START + timedelta(days=2)
ATTACK = datetime.combine(WEDNESDAY, time(12), UTC)
"""When an account with a past looks up what nobody around it knows, from where it always is: no check sees that."""
RETRAIN_NEVER = "[retrain]\nevery_days = 3650\n"
RECEIVER = RETRAIN_NEVER + '[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "told.jsonl"\n'


@pytest.fixture
def forker() -> Iterator[Forker]:
    """What runs the job."""
    started = Forker.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a history of four weeks, learned at once, and a model that was fitted on it once."""
    folder = tmp_path_factory.mktemp("past")
    settings = configure(folder)
    days = [START - timedelta(days=n) for n in range(PAST_DAYS, 0, -1)]
    lines = [line for day in days for line in lines_of(day, accounts=PAST_ACCOUNTS) if f",{CANARY}," not in line.text]
    (folder / "past.csv").write_text(HEADER + "".join(line.text for line in lines))
    chosen = settings.model_copy(update={"learn": settings.learn.model_copy(update={"complete": True})})
    verbs.learn([str(folder / "past.csv")], mapping=folder / "mapping.toml", settings=chosen)
    verbs.train(settings=settings)
    return folder


@dataclass(frozen=True)
class Week:
    """A week of five-minute slices that arrive in so many parts, and how often the runs are killed.

    One part ends with the attack, so that a run looks at it while its day goes on.
    """

    seed: int
    parts: int
    kills: int

    def batches(self) -> list[list[tuple[datetime, list[Line]]]]:
        """The slices, cut into parts at random: what has arrived when a run begins."""
        chance = random.Random(self.seed)  # noqa: S311 - no secret
        days = [START + timedelta(days=n) for n in range(DAYS)]
        lines = {day: lines_of(day, accounts=2, seed=self.seed) for day in days}
        lines[WEDNESDAY] = sorted([*lines[WEDNESDAY], *strange_lines("a0", begin=ATTACK)], key=lambda line: line.at)
        found = [piece for day in days for piece in slices(lines[day])]
        attacked = 1 + next(n for n, (end, _) in enumerate(found) if end > ATTACK)
        others = [n for n in range(1, len(found)) if n != attacked]
        cuts = sorted([attacked, *chance.sample(others, self.parts - 2)])
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


def work(folder: Path, forker: Forker, week: Week, *, past: Path, costs_s: list[float] | None = None) -> list[float]:
    """Deliver the week part by part and run after each; return what the runs cost.

    Where their costs are given, each is killed before. Once the attack was told of, a person judges Tuesday's canary.
    """
    configure(folder, extra=RECEIVER)
    shutil.copytree(past / "history", folder / "history")
    chance = random.Random(week.seed)  # noqa: S311 - no secret
    found = []
    for number, part in enumerate(week.batches()):
        for end, lines in part:
            write_slice(folder / "incoming", end, lines)
        now = part[-1][0] + timedelta(minutes=1)
        if costs_s is not None:
            kill(folder, forker, now=now, times=week.kills_of(number), cost_s=costs_s[number], chance=chance)
        found.append(finish(folder, forker, now=now))
        if ATTACK < now < ATTACK + timedelta(minutes=10):
            judge_canary(folder, now=now)
    return found


def judge_canary(folder: Path, *, now: datetime) -> None:
    """Tuesday's account is part of the past again, and its level is known."""
    ledger = open_ledger(history=folder / "history")
    (alert,) = of_accounts(ledger.alerts(since=TUESDAY, until=TUESDAY))
    ledger.judge(alert.alert_id, BENIGN, author="ana", note="the canary was shown to a new colleague", at=now)


def of_accounts(alerts: list[Alert]) -> list[Alert]:
    """Alerts on accounts. The other kind is the operator's, since two accounts now send what eighty did before."""
    return [each for each in alerts if each.kind == EXTRACTION]


def early_warnings(alerts: list[Alert]) -> list[Alert]:
    """Alerts that were raised within the day, and by no check."""
    return [each for each in alerts if not each.checks and each.alert_at is not None]


def compare(tmp_path: Path, forker: Forker, week: Week, *, past: Path) -> None:
    """An undisturbed week and a disturbed one are equal: history to the byte, ledger to the row, each alert told."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    costs_s = work(calm, forker, week, past=past)
    work(killed, forker, week, past=past, costs_s=costs_s)
    assert fingerprint(killed / "history") == fingerprint(calm / "history")
    rows = ledger_rows(configure(calm, extra=RECEIVER))
    assert ledger_rows(configure(killed, extra=RECEIVER)) == rows
    canaries = [day for day in range(DAYS) if (START + timedelta(days=day)).weekday() % 2]
    alerts = open_ledger(history=killed / "history").alerts()
    (warned,) = early_warnings(alerts)
    assert (warned.account, warned.day, warned.raised_at) == ("a0", WEDNESDAY, ATTACK + timedelta(minutes=6))
    assert warned.model_version == version_of(past)
    assert {check for each in alerts if each.kind != EXTRACTION for check in each.checks} <= {"low", "missing"}
    assert len(of_accounts(alerts)) == len(canaries) + 1
    assert len(rows["alerts"]) == len(rows["deliveries"]) == len(alerts)
    assert all("delivered" in row for row in rows["deliveries"])
    # At least once, by the same reference; whoever is told twice can tell.
    assert {row[0] for row in rows["deliveries"]} == set(told(killed))
    known = History.open(past / "history").manifest.inputs
    inputs = [each for name, each in History.open(killed / "history").manifest.inputs.items() if name not in known]
    came = [lines for part in week.batches() for _, lines in part]
    assert sorted(each.lines - 1 for each in inputs) == sorted(map(len, came))


def version_of(folder: Path) -> str:
    """Of the model in use."""
    return load_model(folder / "history" / MODEL).version


def told(folder: Path) -> list[str]:
    """References of what a SIEM was told."""
    lines = (folder / "told.jsonl").read_text().splitlines()
    return [json.loads(line)["unmapped"]["delivery_id"] for line in lines]


@pytest.mark.timeout(900)
def test_twenty_kills_change_nothing(tmp_path: Path, forker: Forker, past: Path) -> None:
    """A week of five-minute slices, twenty runs killed with SIGKILL: nothing is missing, nothing there twice."""
    compare(tmp_path, forker, Week(seed=7, parts=4, kills=20), past=past)


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_hundred_kills_change_nothing(tmp_path: Path, forker: Forker, past: Path, seed: int) -> None:
    """The same in three other weeks of more runs, a hundred killed in each."""
    compare(tmp_path, forker, Week(seed=seed, parts=20, kills=100), past=past)
