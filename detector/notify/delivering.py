"""Emptying the outbox: each receiver by itself, so that one that is down or slow delays nothing else."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from detector.errors import DetectorError
from detector.ledger import Ledger
from detector.ledger.background import backgrounds_of
from detector.ledger.outbox import Delivery, due, hasten, mark_delivered, mark_failed, withdraw
from detector.notify.checking import trial
from detector.notify.senders import Manner, Pair, send
from detector.schedule import NotifySettings, ReceiverSettings

PATIENCE = 3
"""A receiver's whole work may take so many of its time limits; then the run goes on without it."""


@dataclass(frozen=True)
class Delivered:
    """What became of the outbox in this run."""

    delivered: int = 0
    failed: int = 0
    errors: tuple[str, ...] = ()


@dataclass
class _Work:
    """One receiver's deliveries, on their way in a thread of their own."""

    receiver: ReceiverSettings
    pairs: list[Pair]
    arrived: list[Delivery] = field(default_factory=list)
    error: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Note what has arrived."""
        with self.lock:
            self.arrived.extend(deliveries)

    def outcome(self) -> tuple[set[str], list[Delivery]]:
        """What has arrived, by its id, and what has not."""
        with self.lock:
            done = {delivery.delivery_id for delivery in self.arrived}
        return done, [delivery for delivery, _ in self.pairs if delivery.delivery_id not in done]

    def reason(self) -> str:
        """Why something did not arrive."""
        if self.error is not None:
            return self.error
        done, left = self.outcome()
        within = f"in {self.receiver.timeout_s * PATIENCE:g} s"
        told = f"{len(done)} of {len(done) + len(left)} accepted {within}" if done else f"no answer {within}"
        return f"receiver {self.receiver.name}: {told}"

    def failure(self) -> str | None:
        """The same; None: all of it did."""
        _, left = self.outcome()
        return self.reason() if left else None

    def run(self, *, manner: Manner) -> None:
        """Send all of it."""
        try:
            send(self.receiver, self.pairs, manner=manner, arrived=self.take)
        except DetectorError as error:
            self.error = str(error)
        except Exception as error:  # noqa: BLE001 - a receiver's library may raise anything, and it is told and retried
            self.error = f"receiver {self.receiver.name}: {type(error).__name__}: {error}"


def deliver(ledger: Ledger, settings: NotifySettings, *, now: datetime, zone: str) -> Delivered:
    """Try what is due, and record what became of it.

    A delivery is marked when it has arrived; a run killed in between sends it again, with the same idempotency key.

    Parameters
    ----------
    ledger
        The outbox is in it.
    settings
        The receivers.
    now
        The time, with its zone.
    zone
        The portal's zone.

    Raises
    ------
    LedgerError
        If the ledger cannot be read or written.
    """
    withdraw(ledger)
    first, back = _deliver(ledger, settings, settings.receivers, now=now, zone=zone)
    # What had failed before waits for a moment of its own, be it the gravest of all.
    ready = [each for each in back if hasten(ledger, receiver=each.name, now=now)]
    second, _ = _deliver(ledger, settings, ready, now=now, zone=zone)
    errors = tuple(dict.fromkeys((*first.errors, *second.errors)))
    return Delivered(first.delivered + second.delivered, first.failed + second.failed, errors)


def _deliver(
    ledger: Ledger, settings: NotifySettings, receivers: Sequence[ReceiverSettings], *, now: datetime, zone: str
) -> tuple[Delivered, list[ReceiverSettings]]:
    """Try what is due for these receivers; also which of them accepted all of it."""
    work = [found for receiver in receivers if (found := _of(ledger, receiver, now)).pairs]
    backgrounds = backgrounds_of(ledger, (alert for each in work for _, alert in each.pairs)) if work else {}
    _send_all(work, Manner(zone, settings.language, backgrounds))
    return _settle(ledger, work, settings, now=now)


def try_receivers(settings: NotifySettings, *, now: datetime, zone: str) -> dict[str, str | None]:
    """Send each receiver a test message, and return by name why it did not arrive; None: it did.

    Nothing is recorded, and nothing of what waits is sent.

    Parameters
    ----------
    settings
        The receivers.
    now
        The time, with its zone.
    zone
        The portal's zone.
    """
    work = [_Work(receiver, [trial(receiver.name, now=now, zone=zone)]) for receiver in settings.receivers]
    _send_all(work, Manner(zone, settings.language))
    return {each.receiver.name: each.failure() for each in work}


def _send_all(work: Sequence[_Work], manner: Manner) -> None:
    threads = [threading.Thread(target=each.run, kwargs={"manner": manner}, daemon=True) for each in work]
    for thread in threads:
        thread.start()
    for each, thread in zip(work, threads, strict=True):
        thread.join(each.receiver.timeout_s * PATIENCE)


def _of(ledger: Ledger, receiver: ReceiverSettings, now: datetime) -> _Work:
    return _Work(
        receiver, [(each, ledger.alert(each.alert_id)) for each in due(ledger, receiver=receiver.name, now=now)]
    )


def _settle(
    ledger: Ledger, work: Sequence[_Work], settings: NotifySettings, *, now: datetime
) -> tuple[Delivered, list[ReceiverSettings]]:
    delivered, failed, errors, well = 0, 0, [], []
    for each in work:
        done, left = each.outcome()
        if done:
            mark_delivered(ledger, sorted(done), at=now)
        if left:
            error = each.reason()
            errors.append(error)
            mark_failed(ledger, left, error=error, at=now, settings=settings)
        else:
            well.append(each.receiver)
        delivered, failed = delivered + len(done), failed + len(left)
    return Delivered(delivered, failed, tuple(errors)), well
