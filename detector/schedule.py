"""What the scheduled job may be told: how it reads, whom it tells, when it trains, and when it has gone blind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

Severity = Literal["low", "medium", "high", "critical"]


class _Stage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunSettings(_Stage):
    """How `detector run` works."""

    close_after_s: float = Field(default=2 * 3600, ge=0, le=7 * 86_400)
    """A day is judged as a whole, and closed if a later one has begun, so long after its last midnight."""
    settle_s: float = Field(default=600, ge=0, le=7 * 86_400)
    """A file that nobody has written to for so long is whole, even without the end of its last line."""
    clock_slack_s: float = Field(default=600, ge=0)
    """A clock that is so far behind the last run was set back: days would be mistaken."""
    metrics: Path | None = None
    """Prometheus' text file (node exporter's textfile collector), written after each run; null = none."""
    json_logs: bool = False
    """Messages as JSON lines."""
    addresses_file: Path | None = None
    """Addresses and networks that became known as an attack's, one a line, for `detector run --since`; null = none."""


class RetrainSettings(_Stage):
    """When a new model is fitted, and what it must show to replace the one in use."""

    every_days: int = Field(default=7, ge=1)
    """A week: every kind of day has been seen anew."""
    first_days: int = Field(default=21, ge=15)
    """Closed days without which no first model is fitted: training wants 14 days before each of its own."""
    keep: int = Field(default=8, ge=1)
    """Earlier models that stay, for `detector models rollback`: two months."""
    drill_days: int = Field(default=3, ge=1)
    """Latest days into which the drill injects its attacks."""
    drill_accounts: int = Field(default=5, ge=1)
    """Victims of each attack."""
    spreads: float = Field(default=1.0, ge=0)
    """By how many standard errors the challenger may find less in the drill, and err more: what chance alone does."""


class WatchSettings(_Stage):
    """When the job has gone blind."""

    silent_events: int = Field(default=30, ge=1)
    """No event in a pause in which so many usually come."""
    silent_least_s: float = Field(default=1800, gt=0)
    """But not before so long."""
    low_share: float = Field(default=0.2, gt=0, lt=1)
    """The last hour's events below this share of the usual."""
    reject_share: float = Field(default=0.02, gt=0, lt=1)
    """Share of rejected lines in a run's files."""
    least_lines: int = Field(default=200, ge=1)
    """Fewer lines say nothing about shares."""
    drift_s: float = Field(default=300, gt=0)
    """Events so far in the future, or a source so much later than it usually is."""
    past_days: int = Field(default=14, ge=3)
    """Days that tell what is usual."""


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,30}", name):
        raise ValueError(f"{name!r} is not a name of small letters, digits, - and _")
    return name


class ReceiverSettings(_Stage):
    """Somebody, or something, that is told of alerts."""

    name: Annotated[str, AfterValidator(_check_name)]
    """Stays the same when its address changes."""
    kind: Literal["apprise", "syslog", "jsonl"]
    url: SecretStr | None = None
    """Apprise's, such as mailtos://… or jsons://…; or syslog's: udp://HOST:514, tcp://HOST:601."""
    path: Path | None = None
    """Where JSON lines are added."""
    form: Literal["ocsf", "ecs"] = "ocsf"
    """Of JSON lines."""
    severity: Severity = "low"
    """The least that is worth a message."""
    digest: int = Field(default=5, ge=1)
    """More alerts in one run than this become one message (Apprise; machines get them one by one)."""
    timeout_s: float = Field(default=10.0, gt=0)
    """A receiver that takes longer is tried again later."""

    @model_validator(mode="after")
    def _complete(self) -> ReceiverSettings:
        wanted = "path" if self.kind == "jsonl" else "url"
        if getattr(self, wanted) is None:
            raise ValueError(f"receiver {self.name!r} of kind {self.kind} needs a {wanted}")
        return self


class NotifySettings(_Stage):
    """Whom to tell of alerts."""

    receivers: tuple[ReceiverSettings, ...] = ()
    retry_s: float = Field(default=60.0, gt=0)
    """Pause after the first failure; it doubles with each further one."""
    longest_retry_s: float = Field(default=3600.0, gt=0)
    attempts: int = Field(default=50, ge=1)
    """Then it is given up, visibly: about two days."""
    language: Literal["en", "fr"] = "en"

    @model_validator(mode="after")
    def _distinct(self) -> NotifySettings:
        names = [each.name for each in self.receivers]
        if len(set(names)) != len(names):
            raise ValueError("two receivers have the same name")
        return self
