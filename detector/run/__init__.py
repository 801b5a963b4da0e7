"""The scheduled job: what is new is read, judged and told of; one run at a time, and nothing lost when it is killed."""

from __future__ import annotations

from detector.run.job import run_once
from detector.run.lock import AlreadyRunningError
from detector.run.report import Report

__all__ = ["AlreadyRunningError", "Report", "run_once"]
