"""`detector alerts`, `verdict` and `robots`: what was found, what people say of it, and who is known."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias
from zoneinfo import ZoneInfo

import typer

from detector.cli.judging import Form
from detector.cli.options import Config, HistoryFolder, changes, job_config
from detector.errors import ConfigError

if TYPE_CHECKING:
    from detector.history import History
    from detector.ledger import Ledger, Robot
    from detector.settings import Settings

Author: TypeAlias = Annotated[
    str | None, typer.Option("--by", help="Who says so; else the user of this machine.", show_default=False)
]


class Severity(StrEnum):
    """From which on."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Judgement(StrEnum):
    """What a person says of an alert."""

    MALICIOUS = "malicious"
    BENIGN = "benign"
    UNKNOWN = "unknown"


class Judged(StrEnum):
    """Alerts by their latest verdict; open ones have none."""

    OPEN = "open"
    MALICIOUS = "malicious"
    BENIGN = "benign"
    UNKNOWN = "unknown"


def alerts(
    alert: Annotated[str | None, typer.Argument(help="Only this one, by the beginning of its id.")] = None,
    *,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day.", show_default=False)] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day.", show_default=False)] = None,
    account: Annotated[str | None, typer.Option(help="Only of this account.", show_default=False)] = None,
    severity: Annotated[Severity | None, typer.Option(help="From this on.", show_default=False)] = None,
    verdict: Annotated[Judged | None, typer.Option(help="Only with this verdict.", show_default=False)] = None,
    campaign: Annotated[str | None, typer.Option(help="Only of this campaign.", show_default=False)] = None,
    form: Annotated[Form, typer.Option("--format", help="Of what is printed.")] = Form.TABLE,
    history: HistoryFolder = None,
    config: Config = None,
) -> None:
    """List the alerts in the ledger, the newest day first; or tell all of one, by its id."""
    from detector.output import ledger as output
    from detector.output.terminal import terminal

    settings = _settings(history, config)
    held = _open(settings)
    if alert is not None:
        _tell_all(held, alert, form=form, zone=settings.portal.zone)
        return
    found = held.alerts(
        since=since.date() if since else None,
        until=until.date() if until else None,
        account=account,
        severity=severity.value if severity else None,
        verdict=verdict.value if verdict else None,
        campaign=campaign,
    )
    if form is Form.TABLE:
        terminal().print(output.render_alerts(found))
    else:
        sys.stdout.write(output.alerts_to_json(found) if form is Form.JSON else output.alerts_to_csv(found))


def _tell_all(held: Ledger, alert: str, *, form: Form, zone: str) -> None:
    from detector.ledger.told import whole_alert
    from detector.output.alert import render_whole, whole_to_json
    from detector.output.ledger import alerts_to_csv
    from detector.output.terminal import terminal

    whole = whole_alert(held, alert)
    if form is Form.TABLE:
        terminal().print(render_whole(whole, zone=zone))
    else:
        sys.stdout.write(whole_to_json(whole) if form is Form.JSON else alerts_to_csv([whole.alert]))


def verdict(
    alert: Annotated[str, typer.Argument(help="The beginning of its id; or a campaign's name, for its open alerts.")],
    judgement: Annotated[Judgement, typer.Argument(metavar="malicious|benign|unknown", help="What it is.")],
    *,
    note: Annotated[str, typer.Option(help="Why.", show_default=False)],
    by: Author = None,
    history: HistoryFolder = None,
    config: Config = None,
) -> None:
    """Say what an alert is. What is benign is not told again up to the level seen; checks are never silenced.

    Of a campaign that is benign, the alerts of accounts for which a check fired stay open: they are judged one by one.
    """
    from detector.history import record_action
    from detector.output.table import counted

    settings = _settings(history, config)
    held = _open(settings)
    joined = held.alerts(campaign=alert)
    # What somebody judged for itself stays: of a campaign of honest accounts one may be a thief.
    opened = [each for each in joined if each.verdict is None]
    kept = [each for each in opened if judgement is Judgement.BENIGN and each.checks]
    chosen = [each for each in opened if each not in kept] if joined else [held.alert(alert)]
    author, now = by or getpass.getuser(), datetime.now(UTC)
    place = _history(settings)
    for each in chosen:
        if place is not None:
            words = {"alert": each.alert_id, "verdict": judgement.value}
            record_action(place, verb="verdict", at=now, by=author, why=note, **words)
        held.judge(each.alert_id, judgement.value, author=author, note=note, at=now)
    named = f"{counted(len(chosen), 'open alert')} of {alert}" if joined else chosen[0].alert_id
    typer.echo(f"{named}: {judgement.value}, says {author}" if chosen else f"{alert}: nothing open was judged")
    for each in kept:
        typer.echo(f"{each.alert_id} stays open: {', '.join(each.checks)} fired for {each.account}; judge it by itself")


def robots(
    account: Annotated[str | None, typer.Argument(help="Add this account, or change its entry.")] = None,
    *,
    ceiling: Annotated[
        int | None, typer.Option(min=1, help="Look-ups a day up to which it is excused.", show_default=False)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day on which it is.", show_default=False)
    ] = None,
    note: Annotated[str | None, typer.Option(help="Why.", show_default=False)] = None,
    by: Author = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take it off the list.")] = False,
    history: HistoryFolder = None,
    config: Config = None,
) -> None:
    """List the robots that are known, or add one: with a reason, a ceiling and an end. Checks are never silenced."""
    from detector.output.ledger import render_robots
    from detector.output.terminal import terminal

    settings = _settings(history, config)
    held = _open(settings, create=None not in (account, ceiling, until, note))
    now, author = datetime.now(UTC), by or getpass.getuser()
    today = now.astimezone(ZoneInfo(settings.portal.zone)).date()
    if account is None:
        terminal().print(render_robots(held.robots(), today=today))
    elif remove:
        if note is None:
            raise ConfigError("--remove needs --note: why it is no known robot any more")
        _disallow(settings, held, account, at=now, by=author, why=note)
    elif ceiling is None or until is None or note is None:
        raise ConfigError("a known robot needs --ceiling, --until and --note")
    elif until.date() < today:
        raise ConfigError(f"--until {until.date()}: that day is over, and nothing would be excused; it is {today}")
    else:
        from detector.ledger import Robot

        _allow(settings, held, Robot(account, note, ceiling, until.date(), author, now))


def _allow(settings: Settings, held: Ledger, robot: Robot) -> None:
    from detector.history import record_action, subject_of
    from detector.output.text import visible
    from detector.workspace import log_key

    held.require_sound(robot)
    if (place := _history(settings)) is not None:
        if not _was_seen(place, robot.account):
            typer.echo(
                f"warning: {visible(robot.account)!r} has no day in the history; is it written as in the dumps?",
                err=True,
            )
        record_action(
            place,
            verb="robot",
            at=robot.at,
            by=robot.author,
            why=robot.reason,
            ceiling=robot.ceiling,
            until=str(robot.expires),
            **subject_of(robot.account, key=log_key(settings, env=os.environ)),
        )
    held.allow(robot)
    typer.echo(
        f"{visible(robot.account)}: excused up to {robot.ceiling:,} look-ups a day until {robot.expires}, "
        f"says {visible(robot.author)}"
    )


def _disallow(settings: Settings, held: Ledger, account: str, *, at: datetime, by: str, why: str) -> None:
    from detector.history import record_action, subject_of
    from detector.output.text import visible
    from detector.workspace import log_key

    held.robot(account)
    if (place := _history(settings)) is not None:
        named = subject_of(account, key=log_key(settings, env=os.environ))
        record_action(place, verb="robot_removed", at=at, by=by, why=why, **named)
    held.disallow(account)
    typer.echo(f"{visible(account)}: no known robot any more, says {visible(by)}")


def _was_seen(history: History, account: str) -> bool:
    """Whether any day that is held has the account, closed or not."""
    import duckdb

    for table in ("account_days", "open_events"):
        paths = history.paths(table, date.min, date.max)
        asked = "SELECT 1 FROM read_parquet(?, union_by_name = true) WHERE account = ? LIMIT 1"
        if paths and duckdb.execute(asked, [paths, account]).fetchone():
            return True
    return False


def _settings(history: Path | None, config: Path | None) -> Settings:
    from detector.settings import load_settings

    return load_settings(job_config(config, history), over=changes(history=history))


def _open(settings: Settings, *, create: bool = False) -> Ledger:
    """The ledger; before the first run it can be made, with the history, where the settings say what will be read."""
    from detector.workspace import ledger_of

    folder, found = settings.history.folder, ledger_of(settings, env=os.environ)
    if found is None and create and folder is not None:
        if settings.input and _history(settings) is None:
            _make_history(settings)
        found = ledger_of(settings, env=os.environ, create=_history(settings) is not None)
    if found is None and folder is not None:
        raise ConfigError(
            f"no run yet: {folder} holds no ledger, and so no alert; `detector run --once` makes one, and so does "
            "`detector score --history DIR`. Before that, `detector robots ACCOUNT` does with --config, whose "
            "[[input]] says what will be read"
        )
    if found is None:
        raise ConfigError(
            "no ledger: name the history whose alerts it holds (--history DIR, or [history] folder), or [ledger] url; "
            "`detector score --history DIR` and `detector run` make one"
        )
    return found


def _make_history(settings: Settings) -> None:
    from detector.workspace import workspace

    with workspace(settings) as place:
        place.history(create=True, inputs=settings.input)
        typer.echo(f"no run yet: the history {settings.history.folder} was made", err=True)
        if notice := place.loaded_key.notice:
            typer.echo(f"warning: {notice}", err=True)


def _history(settings: Settings) -> History | None:
    """The history, whose log tells who judged; a shared ledger may have none here."""
    from detector.history import History

    folder = settings.history.folder
    return History.open(folder) if folder is not None and (folder / "manifest.json").is_file() else None
