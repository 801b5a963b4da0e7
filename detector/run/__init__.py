"""The scheduled job: what is new is read, judged and told of; one run at a time, and nothing lost when it is killed."""

from __future__ import annotations

from detector.run.job import Report, run_once
from detector.run.lock import AlreadyRunningError

__all__ = ["AlreadyRunningError", "Report", "run_once"]
