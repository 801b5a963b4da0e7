"""Receivers before the first alert: addresses that can never work, and a message to try the others with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from detector.errors import ConfigError, NotifyError
from detector.ledger import Alert
from detector.ledger.outbox import Delivery
from detector.ledger.store import OPERATOR
from detector.notify.senders import Pair, place_of, target_of
from detector.schedule import NotifySettings, ReceiverSettings

TEST = "Test message: nothing has happened, and nothing is to be done"

_CHECKS: dict[str, Callable[[ReceiverSettings], object]] = {"apprise": target_of, "syslog": place_of}


def check_receivers(settings: NotifySettings) -> None:
    """Look at the receivers' addresses, without a word to anybody.

    Raises
    ------
    ConfigError
        If one can never work; all of them are told together, none with its password.
    """
    faults = []
    for each in settings.receivers:
        try:
            _CHECKS.get(each.kind, _nothing)(each)
        except NotifyError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError(f"[[notify.receivers]]: {'; '.join(faults)}")


def _nothing(_receiver: ReceiverSettings) -> None:
    """A path says by itself what it is; whether it can be written may change."""


def trial(receiver: str, *, now: datetime, zone: str) -> Pair:
    """A delivery to try a receiver with, and an alert that is none: it is in no ledger."""
    name = f"test-{now:%Y%m%dT%H%M%S}"
    alert = Alert(
        alert_id=name,
        kind=OPERATOR,
        account=None,
        day=now.astimezone(ZoneInfo(zone)).date(),
        channel=None,
        queue=None,
        severity="low",
        records_exposed=None,
        title=TEST,
        checks=["test"],
        campaign=None,
        score=None,
        p_value=None,
        strangeness=None,
        reasons=[],
        evidence=[],
        model_version=None,
        first_at=None,
        last_at=None,
        alert_at=None,
        raised_at=now,
        changed_at=now,
    )
    key = f"{receiver}:{name}"
    return Delivery(key, receiver, name, alert.severity, is_update=False, attempts=0, stored_at=now), alert
