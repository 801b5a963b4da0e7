"""The command line, with the time of each stage: `python -m benchmarks.stages OUT.json score …`.

A stage's time is its own: what another stage takes within it is not counted twice.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

STAGES = {
    "detector.workspace:Workspace.read": "reading",
    "detector.timeline:_sums_of": "aggregates",
    "detector.timeline:build_account_days": "account-days, foreign records",
    "detector.timeline:Timeline.deviations": "deviations",
    "detector.rolling:Rolling.deviations": "deviations",
    "detector.scoring:measure": "model",
    "detector.scoring:fit_model": "model",
    "detector.verbs:score_days": "judging",
    "detector.output.files:write_results": "output",
    "detector.report:write_report": "output",
}
"""Function → the stage that it is."""


class Clock:
    """Wall and processor seconds by stage; the innermost stage counts."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self._stack = ["other"]
        self._since = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def turn(self) -> None:
        """Book what passed since the last turn to the stage that is on."""
        now = self._now()
        spent = self.spent.setdefault(self._stack[-1], [0.0, 0.0])
        for place in range(2):
            spent[place] += now[place] - self._since[place]
        self._since = now

    def stage(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        @functools.wraps(function)
        def timed(*args: Any, **given: Any) -> Any:
            self.turn()
            self._stack.append(name)
            try:
                return function(*args, **given)
            finally:
                self.turn()
                self._stack.pop()

        return timed


def watch(clock: Clock) -> None:
    """Time the functions of `STAGES`."""
    for place, name in STAGES.items():
        module, path = place.split(":")
        owner: Any = import_module(module)
        *outer, last = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        setattr(owner, last, clock.stage(name, getattr(owner, last)))


def main(out: Path, arguments: list[str]) -> None:
    """Run the command line and write `OUT.json`: stage → wall and processor seconds."""
    clock = Clock()
    clock.stage("imports", watch)(clock)
    from detector.cli.app import app

    try:
        app(arguments, standalone_mode=False)
    finally:
        clock.turn()
        out.write_text(json.dumps(clock.spent), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
