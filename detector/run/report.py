"""What a run did, for those who tell of it and those who watch."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from detector.learning import Learned
from detector.ledger import Recorded
from detector.notify import Delivered
from detector.run.retraining import Retrained


@dataclass
class Report:
    """What a run did.

    Attributes
    ----------
    learned
        What was read.
    recorded
        What became of the alerts.
    handed_over
        Alerts in the ledger that nobody was told of before, as when `detector score` recorded them.
    judged, closed
        Days that were judged within, and days that were judged as a whole and closed.
    n_looked, n_waiting
        Accounts of days that go on that were looked at closely, which is what a run's time depends on, and those that
        the next run looks at.
    late
        Closed days that were judged anew, since events came for them or they were rebuilt.
    model
        Version of the trained model that it judged with; None: the shipped one.
    retrained
        The model that was fitted, if it was time.
    notices
        What a user should know, such as that a key was made.
    faults
        What an operator should know; each is an operator's alert as well.
    delivered
        What became of notifications.
    """

    started_at: datetime
    learned: Learned = field(default_factory=Learned)
    recorded: Recorded = field(default_factory=Recorded)
    handed_over: tuple[str, ...] = ()
    judged: tuple[date, ...] = ()
    closed: tuple[date, ...] = ()
    n_looked: int = 0
    n_waiting: int = 0
    late: tuple[date, ...] = ()
    model: str | None = None
    retrained: Retrained | None = None
    notices: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    delivered: Delivered = field(default_factory=Delivered)
