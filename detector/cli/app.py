"""The application: its verbs, and what happens to errors and interruptions."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import typer

from detector import __version__
from detector.cli.drilling import drill
from detector.cli.incidents import holds, incident, tokens
from detector.cli.judging import score, show
from detector.cli.learning import learn, train
from detector.cli.ledger import alerts, robots, verdict
from detector.cli.options import FAILED, MISUSED
from detector.cli.portal import evaluate, simulate
from detector.cli.reporting import report
from detector.cli.running import forget, init, models, status
from detector.cli.running import run as run_job
from detector.errors import ConfigError, DetectorError

INTERRUPTED, TERMINATED = 130, 143
SIGNALLED = 128
"""What a shell adds to the number of the signal that ended a program."""
DEBUG = "DETECTOR_DEBUG"

VERBS = {
    each.__name__: each
    for each in (
        *(learn, train, score, show, report),
        *(init, run_job, status, alerts, verdict, robots, models),
        *(incident, holds, tokens, forget),
        *(simulate, evaluate, drill),
    )
}
"""In the order in which `--help` lists them."""

app = typer.Typer(
    name="detector",
    help="Find the accounts of a portal that are being used for mass extraction of records, and say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's signature
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),  # noqa: FBT001
) -> None:
    """Typer takes its own help text from the application."""


for name, verb in VERBS.items():
    app.command(name=name)(verb)


def main() -> None:
    """Run the command; end with 0 done, 1 failed, 2 misuse, 3 alerts (with --exit-code), 130 interrupted."""
    signal.signal(signal.SIGINT, _end)
    signal.signal(signal.SIGTERM, _end)
    sys.exit(run())


_received: list[int] = []
"""Signals that told this process to end."""


def _end(number: int, _frame: FrameType | None) -> None:
    """Ending by an exception lets scratch folders and half-written output be cleared away."""
    _received.append(number)
    if number == signal.SIGTERM:
        raise SystemExit(TERMINATED)
    raise KeyboardInterrupt


def run() -> int:
    """Run the command on `sys.argv` and return its exit code."""
    try:
        app()
    except SystemExit as end:
        if _received:
            return _interrupted()
        return end.code if isinstance(end.code, int) else FAILED
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # The reader of our output has gone; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except DetectorError as error:
        _reveal()
        return _fail(str(error), MISUSED if isinstance(error, ConfigError) else FAILED)
    except MemoryError:
        return _fail("out of memory: lower [engine] memory_limit, or give fewer days at once", FAILED)
    except Exception as error:  # noqa: BLE001 - a person is told in one line; the traceback is a variable away
        if _received:
            # A database that is interrupted within a query tells so in an error of its own.
            return _interrupted()
        _reveal()
        return _fail(f"{_kind(error)}: {error} (a defect, or the machine's; {DEBUG}=1 shows where)", FAILED)
    return 0


def _interrupted() -> int:
    return _fail("interrupted; nothing was left half done", SIGNALLED + _received[-1] if _received else INTERRUPTED)


def _kind(error: Exception) -> str:
    return f"{type(error).__module__}.{type(error).__name__}".removeprefix("builtins.")


def _reveal() -> None:
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exc()


def _fail(message: str, code: int) -> int:
    """Tell in one line, whatever the message holds."""
    line = " ".join(message.split())
    sys.stderr.write(f"error: {_visible(line)}\n")
    return code


def _visible(line: str) -> str:
    from detector.output.text import visible

    return visible(line)
