"""`detector run`, `init`, `status`, `models` and `forget`: the scheduled job and its upkeep."""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.ledger import Author
from detector.cli.options import CONFIG, FAILED, MISUSED, Config, HistoryFolder, changes, job_config
from detector.errors import ConfigError, DetectorError, HistoryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detector.history import History
    from detector.ledger import Ledger
    from detector.run import Report
    from detector.run.status import Status
    from detector.settings import Settings

UNHEALTHY = 1
_UNITS = {"s": 1, "m": 60, "h": 3600}


def run(
    *,
    config: Config = None,
    once: Annotated[bool, typer.Option("--once", help="One run, then end: for cron, a timer, a CronJob.")] = False,
    every: Annotated[
        str | None, typer.Option(help="Stay, and run so often, as in 5m.", show_default=False, metavar="5m")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Judge past days anew with today's model and checks.", show_default=False
        ),
    ] = None,
    addresses: Annotated[
        Path | None,
        typer.Option(help="With --since: a list of addresses and networks; who used one alerts.", show_default=False),
    ] = None,
    test_receivers: Annotated[
        bool, typer.Option("--test-receivers", help="Only send each receiver a test message, and say what happened.")
    ] = False,
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="With --once: go on, though runs or logs tell of a later time.")
    ] = False,
) -> None:
    """Read what is new, judge it, raise each alert once, tell of it. A second run at the same time ends at once."""
    from detector.run.checking import check_settings
    from detector.settings import load_settings

    settings = load_settings(config or CONFIG, over={"run": {"addresses_file": addresses}})
    if addresses is not None and since is None:
        raise ConfigError("--addresses goes with --since DATE: the list is looked for on past days")
    if sum((once, every is not None, since is not None, test_receivers)) != 1:
        raise ConfigError("say one of --once, --every 5m, --since DATE, or --test-receivers")
    if clock_is_right and not once:
        raise ConfigError("--clock-is-right goes with --once: it is said of one run")
    if test_receivers:
        _try(settings)
    elif since is not None:
        _hunt(settings, since)
    elif every is not None:
        seconds = _seconds(every)
        check_settings(settings)
        _repeat(config or CONFIG, seconds)
    else:
        _run(settings, clock_is_right=clock_is_right)


def _try(settings: Settings) -> None:
    from detector.notify import check_receivers, try_receivers

    check_receivers(settings.notify)
    if not settings.notify.receivers:
        raise ConfigError("there is no receiver: name one under [[notify.receivers]]")
    found = try_receivers(settings.notify, now=datetime.now(UTC), zone=settings.portal.zone)
    for name, error in found.items():
        typer.echo(f"receiver {name}: the test message was delivered" if error is None else error)
    if any(found.values()):
        raise typer.Exit(UNHEALTHY)


def _hunt(settings: Settings, since: datetime) -> None:
    from detector.output.table import counted, say_days
    from detector.run import AlreadyRunningError
    from detector.run.hunting import hunt

    try:
        found = hunt(settings, since=since.date(), now=datetime.now(UTC))
    except AlreadyRunningError as busy:
        _teller(settings)("info", str(busy))
        return
    told = f"{counted(len(found.recorded.raised), 'new alert')}, {len(found.recorded.grown)} grown"
    typer.echo(f"judged {counted(len(found.days), 'day')} anew, {say_days(found.days)}: {told}")
    if settings.notify.receivers and (found.recorded.raised or found.recorded.grown):
        typer.echo("receivers are told of them by the next run of the job (`detector run --once`)")
    for why, days in found.left_out.items():
        typer.echo(f"left out {say_days(days)}: {why}")
    if found.lost:
        _teller(settings)("warning", found.lost)
    if found.unsearched:
        typer.echo(f"no address looked for on {say_days(found.unsearched)}: where accounts came from is past retention")


def _run(settings: Settings, *, clock_is_right: bool = False) -> None:
    from detector.run import AlreadyRunningError, run_once

    say = _teller(settings)
    try:
        report = run_once(settings, tell=lambda text: None, clock_is_right=clock_is_right)
    except AlreadyRunningError as busy:
        say("info", str(busy))
        return
    except DetectorError as error:
        if not settings.run.json_logs:
            raise
        say("error", str(error))
        raise typer.Exit(MISUSED if isinstance(error, ConfigError) else FAILED) from error
    _tell(report, say)


def _tell(report: Report, say: _Say) -> None:
    from detector.output.table import counted

    spans, recorded = report.learned.spans, report.recorded
    read = f"read {counted(sum(span.events for span in spans), 'event')} from {counted(len(spans), 'file')}"
    told = f"{counted(len(recorded.raised), 'new alert')}, {len(recorded.grown)} grown"
    say("info", f"{read}; {told}; {counted(report.delivered.delivered, 'notification')} delivered")
    if report.handed_over:
        say("info", f"{counted(len(report.handed_over), 'alert')} of the ledger that nobody was told of: told now")
    if report.n_waiting:
        say(
            "info", f"{counted(report.n_waiting, 'account')} near a limit wait for the next run to be looked at closely"
        )
    for day in report.closed:
        say("info", f"{day} is over, judged as a whole, and closed")
    for day in report.late:
        say("info", f"{day} was closed when events came for it, or was rebuilt since: judged anew")
    if report.retrained is not None:
        used = "in use" if report.retrained.in_use else "not used"
        say("info", f"model {report.retrained.version or '-'} {used}: {report.retrained.why}")
    for warning in dict.fromkeys((*report.notices, *report.learned.warnings, *report.faults, *report.delivered.errors)):
        say("warning", warning)


def _repeat(config: Path, seconds: float) -> None:
    """Run until told to stop, each time in a process of its own: what a run takes of memory goes back when it ends.

    A run that fails has told why, and the next one tries again.
    """
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while not stop.is_set():
        started = time.monotonic()
        # A signal to the group of processes reaches the run as well; one to this process alone lets it end.
        command = [sys.executable, "-m", "detector", "run", "--once", "--config", str(config)]
        subprocess.run(command, check=False)  # noqa: S603 - this very program
        stop.wait(max(seconds - (time.monotonic() - started), 0))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found or not int(found[1]):
        raise ConfigError(f"--every {text}: expected a number and s, m or h, as in 5m")
    return float(int(found[1]) * _UNITS[found[2]])


class _Say:
    """Messages on stderr: for people, or as JSON lines."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def __call__(self, level: str, text: str) -> None:
        from detector.output.text import visible

        line = " ".join(text.split())
        if self._as_json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            typer.echo(json.dumps({"at": at, "level": level, "message": line}), err=True)
        else:
            typer.echo(f"{'' if level == 'info' else level + ': '}{visible(line)}", err=True)


def _teller(settings: Settings) -> _Say:
    return _Say(as_json=settings.run.json_logs)


def init(*, config: Config = None) -> None:
    """Write a commented configuration to begin with."""
    from detector.run.template import write_template

    path = config or CONFIG
    write_template(path)
    typer.echo(f"{path}: name your logs under [[input]], then: detector run --config {path} --once")


def status(
    *,
    config: Config = None,
    history: HistoryFolder = None,
    every: Annotated[
        str | None, typer.Option(help="How often the job should run; else as it usually did.", show_default=False)
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try given-up notifications again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Tell how the job is, and end with 1 if anything is wrong: for a monitor."""
    from dataclasses import asdict, replace

    from detector.ledger.outbox import retry_given_up
    from detector.notify import check_receivers
    from detector.output.rows import plain
    from detector.output.table import counted
    from detector.output.watched import say_calibrated, say_watched
    from detector.run.status import status_of
    from detector.verbs import watched
    from detector.workspace import workspace

    settings = _settings(config, history)
    now = datetime.now(UTC)
    held, ledger = _history(settings), _ledger(settings)
    if retry:
        typer.echo(f"{counted(retry_given_up(ledger, now=now), 'notification')} to be tried again")
    expected = None if every is None else timedelta(seconds=_seconds(every))
    found = status_of(held, ledger, settings.portal, now=now, every=expected, watch=settings.watch)
    warned: list[str] = []
    try:
        warned = say_watched(watched(settings=settings))
        with workspace(settings) as place:
            warned += say_calibrated(place.model(), settings.score.alerts)
    except DetectorError as error:  # a model that cannot be used must not hide how the rest is
        found = replace(found, troubles=(*found.troubles, str(error)))
    try:
        check_receivers(settings.notify)
    except ConfigError as error:
        found = replace(found, troubles=(*found.troubles, str(error)))
    if as_json:
        sys.stdout.write(json.dumps(plain(asdict(found) | {"early_warning": warned}), indent=1) + "\n")
    else:
        _say_status(found, warned)
    if found.troubles:
        raise typer.Exit(UNHEALTHY)


def _say_status(found: Status, warned: Sequence[str]) -> None:
    """The status for a person, with what early warning has for limits."""
    from detector.output.table import counted
    from detector.run.status import say_unended

    last = f"{found.last_good.started_at:%Y-%m-%d %H:%M} UTC" if found.last_good else "never"
    typer.echo(f"last good run: {last}")
    for line in say_unended(found):
        typer.echo(line)
    newest = f"{found.newest_event:%Y-%m-%d %H:%M} UTC" if found.newest_event else "none in the last eight days"
    typer.echo(f"newest event: {newest}")
    typer.echo(
        f"history: {counted(found.days, 'day')}, the newest {found.newest_day or '-'}, {found.bytes / 1e6:,.0f} MB"
    )
    opened = f"{found.open_alerts} open, {found.open_reviews} to review, {found.open_faults} of the job itself"
    typer.echo(f"alerts: {opened}; notifications: {found.waiting} wait, {found.given_up} given up")
    if found.holds:
        typer.echo(f"held for incidents: {found.holds} (`detector holds` lists them)")
    for line in (*found.robots, *warned):
        typer.echo(line)
    for trouble in found.troubles:
        typer.echo(f"TROUBLE: {trouble}")
    if not found.troubles:
        typer.echo("all is well")


def models(
    action: Annotated[str, typer.Argument(metavar="[list|rollback]", help="What to do.")] = "list",
    version: Annotated[str | None, typer.Argument(help="To roll back to, by its beginning.")] = None,
    *,
    note: Annotated[str | None, typer.Option(help="Why it is rolled back.", show_default=False)] = None,
    by: Author = None,
    config: Config = None,
    history: HistoryFolder = None,
) -> None:
    """List the models that were fitted, or use an earlier one again."""
    from detector.history import list_actions, record_action
    from detector.output.text import visible
    from detector.run.lock import only_run
    from detector.run.versions import list_versions, roll_back, version_like
    from detector.workspace import MODEL

    settings = _settings(config, history)
    held = _history(settings)
    folder = settings.history.model or held.folder / MODEL
    if action == "list":
        for each in list_versions(held.folder, model_folder=folder):
            span = f"{each.about.get('first_day', '?')} to {each.about.get('last_day', '?')}"
            typer.echo(
                f"{each.version}  {span}  {each.about.get('account_days', '?')} account-days"
                f"{'  in use' if each.in_use else ''}"
            )
            log = [one for one in list_actions(held) if one.get("version") == each.version]
            if not log and not each.in_use:
                typer.echo("    nothing in the log says that it was taken: trained by hand, or not compared yet")
            for done in log:
                told = f"{done['at']} {done['verb']}, says {done['by']}: {done['why']}"
                typer.echo(f"    {visible(told)}")
    elif action != "rollback" or version is None or note is None:
        raise ConfigError("expected `detector models list`, or `detector models rollback VERSION --note WHY`")
    else:
        author = by or getpass.getuser()
        # A run may be comparing a model that it has not decided on.
        with only_run(held.folder):
            chosen = version_like(version, held.folder, model_folder=folder).version
            record_action(held, verb="rollback", at=datetime.now(UTC), by=author, why=note, version=chosen)
            typer.echo(f"{roll_back(chosen, held.folder, model_folder=folder).version} is in use")


def forget(
    *,
    account: Annotated[str | None, typer.Option(help="Whom to forget.", show_default=False)] = None,
    record: Annotated[str | None, typer.Option(help="The record's token.", show_default=False)] = None,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day that never was, say.", show_default=False)
    ] = None,
    note: Annotated[str, typer.Option(help="Who asked, and why.", show_default=False)],
    by: Author = None,
    config: Config = None,
    history: HistoryFolder = None,
) -> None:
    """Remove what is held on an account or a record from history and ledger; refused while an incident holds it.

    Or what the history holds of a day, as of one that a wrong clock made up.
    """
    from detector.output.table import counted
    from detector.run.forgetting import forget_subject

    settings = _settings(config, history)
    if [account, record, day].count(None) != 2:
        raise ConfigError("say either --account, --record or --day")
    now, author = datetime.now(UTC), by or getpass.getuser()
    rows, alerts = forget_subject(
        settings, account=account, record=record, day=day.date() if day else None, at=now, by=author, why=note
    )
    if day is not None:
        typer.echo(f"removed {counted(rows, 'row')} of {day.date()}; its dumps are not read again as they are")
        return
    if not rows and not alerts:
        typer.echo("nothing was held on it: is it spelt as the logs have it?", err=True)
    removed = f"removed {counted(rows, 'row')} and {counted(alerts, 'alert')}"
    typer.echo(f"{removed}; dumps, and models fitted before, are as they were")


def _settings(config: Path | None, history: Path | None) -> Settings:
    from detector.settings import load_settings

    return load_settings(job_config(config, history), over=changes(history=history))


def _history(settings: Settings) -> History:
    from detector.history import History

    if settings.history.folder is None:
        raise ConfigError("no history: name its folder (--history DIR), or [history] folder (--config FILE)")
    return History.open(settings.history.folder)


def _ledger(settings: Settings) -> Ledger:
    from detector.workspace import ledger_of

    found = ledger_of(settings, env=os.environ)
    if found is None:
        raise HistoryError("no ledger yet: nothing ran with this history")
    return found
