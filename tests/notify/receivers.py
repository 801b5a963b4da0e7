"""Real receivers on this machine: a mail server, a web server, a syslog server."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Mailbox:
    """A mail server (SMTP, RFC 5321) that accepts everything and keeps it."""

    port: int
    mails: list[str] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Start one; the standard library's own is gone, and the conversation is short."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        box = Mailbox(server.getsockname()[1])
        threading.Thread(target=_serve_mail, args=(server, box), daemon=True).start()
        yield box


def _serve_mail(server: socket.socket, box: Mailbox) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb") as stream:
            _talk(stream, box)


def _talk(stream, box: Mailbox) -> None:  # type: ignore[no-untyped-def]
    def say(text: str) -> None:
        stream.write(text.encode() + b"\r\n")
        stream.flush()

    say("220 test ready")
    while line := stream.readline():
        word = line.split()[0].upper() if line.split() else b""
        if word == b"DATA":
            say("354 go on")
            lines = []
            while (text := stream.readline()) not in (b".\r\n", b""):
                lines.append(text.decode())
            box.mails.append("".join(lines))
            say("250 kept")
        elif word == b"QUIT":
            say("221 bye")
            return
        else:
            say("250 test")


@dataclass
class Hook:
    """A web server that answers with `status` after `pause_s` and keeps what it is told."""

    port: int
    status: int = 200
    pause_s: float = 0.0
    requests: list[tuple[dict[str, str], str]] = field(default_factory=list)


@contextmanager
def web_server(*, status: int = 200, pause_s: float = 0.0) -> Iterator[Hook]:
    """Start one."""
    hook = Hook(0, status, pause_s)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            time.sleep(hook.pause_s)
            hook.requests.append((dict(self.headers), body))
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def syslog_server(kind: int = socket.SOCK_DGRAM) -> Iterator[tuple[int, list[bytes]]]:
    """A syslog receiver: its port, and what arrived, one entry a datagram or connection."""
    got: list[bytes] = []
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        threading.Thread(target=_receive, args=(server, kind, got), daemon=True).start()
        yield server.getsockname()[1], got


def _receive(server: socket.socket, kind: int, got: list[bytes]) -> None:
    while True:
        try:
            if kind == socket.SOCK_DGRAM:
                got.append(server.recv(65_535))
                continue
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            data = b""
            while part := connection.recv(65_535):
                data += part
            got.append(data)


@contextmanager
def silent_server() -> Iterator[int]:
    """One that takes connections and never says or ends anything: its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def secured_syslog_server(certificate: Path, key: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The same over TLS (RFC 5425): what arrived, one entry a connection, which both sides end in order."""
    got: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_receive_secured, args=(server, context, got), daemon=True).start()
        yield server.getsockname()[1], got


def _receive_secured(server: socket.socket, context: ssl.SSLContext, got: list[bytes]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(connection, server_side=True) as stream:
                data = b""
                while part := stream.recv(65_535):
                    data += part
                got.append(data)
                stream.unwrap().close()
        except OSError:
            # Whoever does not trust the certificate hangs up.
            continue


def make_certificate(folder: Path) -> tuple[Path, Path] | None:
    """A certificate of this machine, signed by itself, and its key; None without the program that makes them."""
    program = shutil.which("openssl")
    if program is None:
        return None
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "36500", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def wait_for(got: list[bytes], n: int) -> None:
    """Wait until so many have arrived; datagrams take their time."""
    until = time.monotonic() + 5
    while len(got) < n and time.monotonic() < until:
        time.sleep(0.01)
