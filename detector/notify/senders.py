"""Sending: one function a kind of receiver, which returns when what was sent has arrived, and raises otherwise."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from detector.errors import NotifyError
from detector.ledger import Alert
from detector.ledger.background import Background
from detector.ledger.outbox import Delivery
from detector.notify.machines import to_json_line, to_syslog
from detector.notify.messages import Language, Message, compose
from detector.schedule import ReceiverSettings

if TYPE_CHECKING:
    import apprise

Pair = tuple[Delivery, Alert]
Arrived = Callable[[Sequence[Delivery]], None]
"""Told of deliveries as soon as they have arrived: what follows may fail."""
SYSLOG_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
WITH_HEADERS = ("json", "jsons", "form", "forms", "xml", "xmls")
"""Apprise's plain webhooks, which can carry the idempotency key as a header."""


@dataclass(frozen=True)
class Manner:
    """How alerts are told: times in the portal's zone, the language, and by alert what the ledger says beside it."""

    zone: str
    language: Language = "en"
    backgrounds: Mapping[str, Background] = field(default_factory=dict)


APPRISE_KINDS = {"low": "info", "medium": "warning", "high": "failure", "critical": "failure"}


def send(receiver: ReceiverSettings, pairs: Sequence[Pair], *, manner: Manner, arrived: Arrived) -> None:
    """Send what waits for a receiver.

    Raises
    ------
    NotifyError
        If it does not answer, or refuses; what had arrived by then was told to `arrived`.
    """
    _SENDERS[receiver.kind](receiver, pairs, manner, arrived)


def _send_apprise(receiver: ReceiverSettings, pairs: Sequence[Pair], manner: Manner, arrived: Arrived) -> None:
    for message in compose(
        pairs,
        digest=receiver.digest,
        zone=manner.zone,
        language=manner.language,
        backgrounds=manner.backgrounds,
    ):
        _notify(receiver, message)
        arrived(message.deliveries)


def _notify(receiver: ReceiverSettings, message: Message) -> None:
    began = time.monotonic()
    with _listening() as told:
        target = target_of(receiver, options=_options(receiver, message))
        kind = APPRISE_KINDS[message.severity]
        if target.notify(title=message.title, body=message.body, notify_type=kind, body_format="text"):
            return
    if time.monotonic() - began >= receiver.timeout_s:
        # Apprise calls this a connection error.
        raise NotifyError(f"receiver {receiver.name}: no answer in {receiver.timeout_s:g} s")
    raise NotifyError(f"receiver {receiver.name}: {'; '.join(told[-2:]) or 'it was not accepted'}")


def target_of(receiver: ReceiverSettings, *, options: str = "") -> apprise.Apprise:
    """What Apprise makes of a receiver's URL, with further options.

    Raises
    ------
    NotifyError
        If it knows no such URL. The message does not tell the URL, which may hold a password.
    """
    import apprise

    url = receiver.url.get_secret_value() if receiver.url else ""
    # One server after the other: threads of older versions do not inherit the context by which failures are told apart.
    target = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
    with _listening():
        if not target.add(f"{url}{'&' if '?' in url else '?'}{options}" if options else url):
            raise NotifyError(
                f"receiver {receiver.name}: Apprise knows no such url; expected one such as "
                "mailtos://USER:PASSWORD@HOST?to=ADDRESS or jsons://HOST/PATH"
            )
    return target


def _options(receiver: ReceiverSettings, message: Message) -> str:
    """Time limits and, for a webhook, the idempotency key as a header."""
    options = f"cto={receiver.timeout_s}&rto={receiver.timeout_s}"
    scheme = (receiver.url.get_secret_value() if receiver.url else "").partition(":")[0]
    if scheme in WITH_HEADERS:
        options += f"&%2BIdempotency-Key={quote(message.key, safe='')}"
    return options


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What Apprise says of failures meanwhile, on the way to this receiver; its answers say only that there was one."""
    keeper = _Keeper()
    log = logging.getLogger("apprise")
    log.addHandler(keeper)
    before = _LISTENER.set(keeper)
    try:
        yield keeper.told
    finally:
        _LISTENER.reset(before)
        log.removeHandler(keeper)


class _Keeper(logging.Handler):
    """Keeps what is said in its own context, which Apprise's threads inherit: other receivers' failures are theirs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if _LISTENER.get() is self:
            self.told.append(record.getMessage())


_LISTENER: ContextVar[_Keeper | None] = ContextVar("listener", default=None)


def _send_syslog(receiver: ReceiverSettings, pairs: Sequence[Pair], manner: Manner, arrived: Arrived) -> None:
    scheme, place = place_of(receiver)
    try:
        with _connected(scheme, place, receiver.timeout_s) as connection:
            for delivery, alert in pairs:
                line = to_syslog(delivery, alert, now=datetime.now(UTC), zone=manner.zone)
                # On a stream, each message begins with its length (RFC 6587, octet counting; RFC 5425).
                connection.sendall(line if scheme == "udp" else b"%d %b" % (len(line), line))
            _end(connection, scheme=scheme)
    except TimeoutError as error:
        raise NotifyError(f"receiver {receiver.name}: no answer in {receiver.timeout_s:g} s") from error
    except OSError as error:
        raise NotifyError(f"receiver {receiver.name}: {scheme}://{place[0]}:{place[1]}: {error}") from error
    arrived([delivery for delivery, _ in pairs])


def place_of(receiver: ReceiverSettings) -> tuple[str, tuple[str, int]]:
    """Scheme, and host and port, of a syslog receiver's URL.

    Raises
    ------
    NotifyError
        If it is none.
    """
    wrong = f"receiver {receiver.name}: expected a url such as udp://HOST, tcp://HOST:601 or tls://HOST"
    try:
        address = urlsplit(receiver.url.get_secret_value() if receiver.url else "")
        port = address.port
    except ValueError as error:
        raise NotifyError(f"{wrong} (the port is none)") from error
    if address.scheme not in SYSLOG_PORTS or not address.hostname:
        raise NotifyError(wrong)
    return address.scheme, (address.hostname, port or SYSLOG_PORTS[address.scheme])


def _end(connection: socket.socket, *, scheme: str) -> None:
    """Wait until the peer has read all of a stream: it closes then, and a reset shows that it did not."""
    if isinstance(connection, ssl.SSLSocket):
        # On a secured stream a byte that comes need not be an answer: sessions' tickets come by themselves.
        with suppress(ssl.SSLEOFError):
            connection.unwrap()
    elif scheme == "tcp":
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


def _connected(scheme: str, place: tuple[str, int], timeout_s: float) -> socket.socket:
    if scheme == "udp":
        family, kind, protocol, _, target = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
        datagrams = socket.socket(family, kind, protocol)
        datagrams.connect(target)
        return datagrams
    stream = socket.create_connection(place, timeout=timeout_s)
    return ssl.create_default_context().wrap_socket(stream, server_hostname=place[0]) if scheme == "tls" else stream


def _send_lines(receiver: ReceiverSettings, pairs: Sequence[Pair], manner: Manner, arrived: Arrived) -> None:
    path = receiver.path or Path()
    lines = "".join(to_json_line(receiver.form, delivery, alert, zone=manner.zone) + "\n" for delivery, alert in pairs)
    try:
        with path.open("ab+") as file:
            if file.tell() and _last_byte(file.fileno()) != b"\n":
                # A run was killed, or the disk was full, in the middle of a line.
                lines = "\n" + lines
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise NotifyError(f"receiver {receiver.name}: {path}: {error.strerror}") from error
    arrived([delivery for delivery, _ in pairs])


def _last_byte(descriptor: int) -> bytes:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1)


_SENDERS = {"apprise": _send_apprise, "syslog": _send_syslog, "jsonl": _send_lines}
