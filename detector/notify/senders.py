"""Sending: one function a kind of receiver, which returns when what was sent has arrived, and raises otherwise."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from detector.errors import NotifyError
from detector.ledger import Alert
from detector.ledger.outbox import Delivery
from detector.notify.machines import to_json_line, to_syslog
from detector.notify.messages import Language, Message, compose
from detector.schedule import ReceiverSettings

Pair = tuple[Delivery, Alert]
Arrived = Callable[[Sequence[Delivery]], None]
"""Told of deliveries as soon as they have arrived: what follows may fail."""
SYSLOG_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
WITH_HEADERS = ("json", "jsons", "form", "forms", "xml", "xmls")
"""Apprise's plain webhooks, which can carry the idempotency key as a header."""
APPRISE_KINDS = {"low": "info", "medium": "warning", "high": "failure", "critical": "failure"}


def send(receiver: ReceiverSettings, pairs: Sequence[Pair], *, zone: str, language: Language, arrived: Arrived) -> None:
    """Send what waits for a receiver.

    Raises
    ------
    NotifyError
        If it does not answer, or refuses; what had arrived by then was told to `arrived`.
    """
    _SENDERS[receiver.kind](receiver, pairs, zone, language, arrived)


def _send_apprise(
    receiver: ReceiverSettings, pairs: Sequence[Pair], _zone: str, language: Language, arrived: Arrived
) -> None:
    for message in compose(pairs, digest=receiver.digest, language=language):
        _notify(receiver, message)
        arrived(message.deliveries)


def _notify(receiver: ReceiverSettings, message: Message) -> None:
    import apprise

    secret = receiver.url.get_secret_value() if receiver.url else ""
    told: list[str] = []
    log = logging.getLogger("apprise")
    keeper = _Keeper(told)
    log.addHandler(keeper)
    try:
        target = apprise.Apprise()
        if not target.add(_with_options(secret, message, receiver.timeout_s)):
            raise NotifyError(f"receiver {receiver.name}: its url is none that Apprise knows")
        kind = APPRISE_KINDS[message.severity]
        if not target.notify(title=message.title, body=message.body, notify_type=kind, body_format="text"):
            raise NotifyError(f"receiver {receiver.name}: {'; '.join(told[-2:]) or 'it was not accepted'}")
    finally:
        log.removeHandler(keeper)


def _with_options(url: str, message: Message, timeout_s: float) -> str:
    """The URL with time limits and, for a webhook, the idempotency key as a header."""
    options = f"cto={timeout_s}&rto={timeout_s}"
    if url.partition(":")[0] in WITH_HEADERS:
        options += f"&%2BIdempotency-Key={quote(message.key, safe='')}"
    return f"{url}{'&' if '?' in url else '?'}{options}"


class _Keeper(logging.Handler):
    """Keeps what Apprise says of a failure; it returns no more than that there was one."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.append(record.getMessage())


def _send_syslog(
    receiver: ReceiverSettings, pairs: Sequence[Pair], _zone: str, _language: Language, arrived: Arrived
) -> None:
    address = urlsplit(receiver.url.get_secret_value() if receiver.url else "")
    if address.scheme not in SYSLOG_PORTS or not address.hostname:
        raise NotifyError(f"receiver {receiver.name}: expected udp://HOST, tcp://HOST or tls://HOST")
    place = (address.hostname, address.port or SYSLOG_PORTS[address.scheme])
    try:
        with _connected(address.scheme, place, receiver.timeout_s) as connection:
            for delivery, alert in pairs:
                line = to_syslog(delivery, alert, now=datetime.now(UTC))
                # On a stream, each message begins with its length (RFC 6587, octet counting; RFC 5425).
                connection.sendall(line if address.scheme == "udp" else b"%d %b" % (len(line), line))
            _end(connection, scheme=address.scheme)
    except OSError as error:
        raise NotifyError(f"receiver {receiver.name}: {address.scheme}://{place[0]}:{place[1]}: {error}") from error
    arrived([delivery for delivery, _ in pairs])


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


def _send_lines(
    receiver: ReceiverSettings, pairs: Sequence[Pair], zone: str, _language: Language, arrived: Arrived
) -> None:
    path = receiver.path or Path()
    lines = "".join(to_json_line(receiver.form, delivery, alert, zone=zone) + "\n" for delivery, alert in pairs)
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
