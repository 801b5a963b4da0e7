"""What a drill is told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DrillSettings(BaseModel):
    """How a drill is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenarios: tuple[str, ...] = ()
    """Names of those to run; none: all."""
    accounts: int = Field(default=5, ge=1)
    """Victims of each scenario, or as many as there are of the kind it needs."""
    days: int = Field(default=7, ge=1)
    """The latest days, into which attacks are injected: a week holds every kind of day, and the slow attack."""
    seed: int = Field(default=0, ge=0)
    """Victims, days, records and times follow from it."""
    together: float = Field(default=0.0, ge=0, le=1)
    """Scenarios are injected into the same copy of the days as long as their victims are no larger a share of the
    accounts at work; 0: each alone. A day of a large portal is judged once rather than once for each."""
    explains: bool = True
    """Whether the weightiest signal of each victim is told."""
    cap: int | None = Field(default=None, ge=1)
    """A limit of records a day whose effect is to be told; null: none."""
