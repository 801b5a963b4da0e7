"""A headless Chromium, driven by its own chromedriver over W3C WebDriver, which is plain HTTP on this machine."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
)
WAIT_S = 90
HIGHEST = 12_000
AXE = "axe-core@4.10.3"
NPM_S = 90


class Browser:
    """One browser with one page."""

    def __init__(self, port: int) -> None:
        self._port = port
        options = {"args": list(FLAGS), "perfLoggingPrefs": {"enableNetwork": True}}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self._session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Show a file at a width, as a phone of that width would."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._devtools("Emulation.setEmulatedMedia", features=scheme)
        self._in_session("POST", "/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns; it is the test's, so the page's policy does not stop it."""
        return self._in_session("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str, *arguments: object) -> Any:
        """What a script passes to its last argument."""
        return self._in_session("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def picture(self, path: Path) -> None:
        """The page as PNG, cut where a picture cannot be longer."""
        width, height = self.run("let e = document.documentElement; return [e.clientWidth, e.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, HIGHEST), "scale": 1}
        shot = self._devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def printed_pages(self) -> int:
        """How many sheets of A4 the page takes."""
        # What is not painted yet is not printed, or fails to be, on a busy machine.
        self.run_async("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(1)))")
        sheet = {"page": {"width": 21.0, "height": 29.7}}
        document = base64.b64decode(self._in_session("POST", "/print", sheet))
        return len(re.findall(rb"/Type\s*/Page\b", document))

    @contextmanager
    def on_paper(self) -> Iterator[None]:
        """Lay the page out as it would be printed."""
        self._devtools("Emulation.setEmulatedMedia", media="print")
        yield
        self._devtools("Emulation.setEmulatedMedia", media="")

    def complaints(self) -> list[str]:
        """What the console has said since it was last asked."""
        return [entry["message"] for entry in self._in_session("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """Addresses that the page has asked for since it was last asked."""
        entries = self._in_session("POST", "/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def close(self) -> None:
        """End the browser."""
        self._in_session("DELETE", "", None)

    def _devtools(self, command: str, **parameters: object) -> Any:
        return self._in_session("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _in_session(self, method: str, path: str, body: object) -> Any:
        return self._ask(method, f"/session/{self._session}{path}", body)

    def _ask(self, method: str, path: str, body: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT_S)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            value = json.loads(answer.read())["value"]
            assert answer.status == http.HTTPStatus.OK, f"{path}: {value}"
            return value
        finally:
            connection.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser, or skip the test where there is none."""
    driver = shutil.which("chromedriver")
    if driver is None or not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("no browser: install chromium and chromedriver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        browser = Browser(port)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        process.terminate()
        process.wait(timeout=WAIT_S)


def _wait_for(port: int) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("chromedriver does not answer")


def axe_source(folder: Path) -> str:
    """The source of axe-core, which npm puts into a folder; skips the test where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no accessibility check: npm is not there to get axe-core")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), AXE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=NPM_S, env=dict(os.environ))
    except subprocess.TimeoutExpired:
        pytest.skip(f"no accessibility check: npm does not give {AXE} in time")
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not source.is_file():
        pytest.skip(f"no accessibility check: npm does not give {AXE} ({done.stderr.strip()[-200:]})")
    return source.read_text()


def grave_findings(browser: Browser, axe: str) -> list[tuple[str, list[str]]]:
    """Serious and critical findings of axe on the page that is shown: the rule, and where."""
    browser.run(axe + "\nwindow.axe = axe;")
    found = browser.run_async("axe.run().then(arguments[0])")
    assert found["passes"]
    grave = [rule for rule in found["violations"] if rule["impact"] in ("serious", "critical")]
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]) for rule in grave]
