"""`detector incident`, `holds` and `tokens`: the dossier, what it keeps, and the join table to persons."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from detector.cli.options import (
    Config,
    Dumps,
    Format,
    HistoryFolder,
    KeyFile,
    MappingFile,
    MaxRejects,
    changes,
    job_config,
)
from detector.errors import ConfigError

if TYPE_CHECKING:
    from detector.incident import Dossier
    from detector.settings import Settings

Day = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="First day, if not that of the alerts.", show_default=False),
]
By = Annotated[str | None, typer.Option(help="Who asks, for the log of actions; else your login.", show_default=False)]
Why = Annotated[str, typer.Option(help="Why, for the log of actions.", show_default=False)]


def incident(
    out: Annotated[Path, typer.Argument(help="The dossier's folder.", metavar="OUT", show_default=False)],
    dumps: Dumps = None,
    *,
    results: Annotated[
        Path | None,
        typer.Option(help="Take the alerts of this folder of results.", show_default=False, metavar="DIR"),
    ] = None,
    alert: Annotated[
        list[str] | None,
        typer.Option(
            help="An alert by its id: of the results if they are named, else of the ledger; may be repeated.",
            show_default=False,
        ),
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="An account, without an alert; may be repeated.", show_default=False)
    ] = None,
    since: Day = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day, if not that of the alerts.", show_default=False),
    ] = None,
    aware_at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M"], help="When you became aware, by the portal's clock.", show_default=False
        ),
    ] = None,
    why: Why = "",
    by: By = None,
    history: HistoryFolder = None,
    mapping: MappingFile = None,
    input_format: Format = None,
    key_file: KeyFile = None,
    max_reject_share: MaxRejects = None,
    config: Config = None,
) -> None:
    """Prepare the dossier of an incident: accounts, addresses, records, evidence, notices and letters.

    With the dumps, what the evidence ties to the attack; with the history alone, an upper bound. Doing it again with
    more dumps amends the dossier in OUT and tells what has changed. The history keeps what it holds of these accounts
    until `detector holds release OUT`.
    """
    from detector.cli.messages import warn
    from detector.incident import Case, prepare_dossier
    from detector.settings import load_settings
    from detector.workspace import to_inputs

    said = changes(history=history, key_file=key_file, max_reject_share=max_reject_share)
    settings = load_settings(config, over=said)
    accounts, days = _alerted(results, alert or [], settings)
    first, last = _window(days, since, until)
    inputs = to_inputs(dumps, settings=settings, mapping=mapping, form=input_format) if dumps else ()
    case = Case(
        [*accounts, *(account or ())],
        first,
        last,
        aware_at=None if aware_at is None else aware_at.replace(tzinfo=ZoneInfo(settings.portal.zone)),
        by=by or _login(),
        why=why,
    )
    dossier = prepare_dossier(case, out=out, dumps=inputs, settings=settings)
    warn(english for english, _french in dossier.remarks)
    _tell(dossier, out, settings)


def _alerted(results: Path | None, alerts: list[str], settings: Settings) -> tuple[list[str], list[date]]:
    """Accounts and days of the alerts: of a folder of results if it is named, else of the ledger."""
    from detector.incident.alerted import alerted, alerted_in_ledger
    from detector.workspace import ledger_of

    if results is not None:
        return alerted(results, alerts)
    if not alerts:
        return [], []
    ledger = ledger_of(settings, env=os.environ)
    if ledger is None:
        raise ConfigError(
            "--alert: needs the results that hold it (--results DIR), or the ledger's history (--history)"
        )
    return alerted_in_ledger(ledger, alerts)


def _window(days: list[date], since: datetime | None, until: datetime | None) -> tuple[date, date]:
    first = since.date() if since else min(days, default=None)
    last = until.date() if until else max(days, default=None)
    if first is None or last is None:
        raise ConfigError(
            "no window: take alerts (--results DIR), or name accounts and days (--account, --since, --until)"
        )
    return first, last


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def _tell(dossier: Dossier, out: Path, settings: Settings) -> None:
    from detector.incident.case import deadline_of
    from detector.output.table import counted

    counts = dossier.counts
    lower = "unknown (no dumps)" if counts["records_lower"] is None else f"{counts['records_lower']:,}"
    typer.echo(f"{counted(len(dossier.accounts), 'account')}, {dossier.start} to {dossier.end}: {out}")
    typer.echo(f"persons: at least {lower}, at most {counts['records_upper']:,}")
    decisions = dossier.addresses["decision"].value_counts()
    typer.echo(f"addresses: {decisions.get('block', 0)} to block, {decisions.get('keep', 0)} not to be blocked")
    hours = settings.incident.deadline_hours
    if dossier.aware_at is None:
        typer.echo(f"notify within {hours} hours of awareness (--aware-at)")
    else:
        deadline = deadline_of(dossier.aware_at, hours=hours).astimezone(ZoneInfo(settings.portal.zone))
        typer.echo(f"notify before {deadline:%Y-%m-%d %H:%M} ({settings.portal.zone})")
    if dossier.held:
        typer.echo(dossier.held)


def holds(
    action: Annotated[str, typer.Argument(metavar="[list|release]", help="What to do.")] = "list",
    name: Annotated[
        str | None, typer.Argument(help="To release: the dossier's folder, or the name that `list` prints.")
    ] = None,
    *,
    note: Annotated[str | None, typer.Option(help="Why it is released.", show_default=False)] = None,
    by: By = None,
    config: Config = None,
    history: HistoryFolder = None,
) -> None:
    """List what incidents keep in the history past its retention and against `forget`, or release it."""
    from detector.history import History
    from detector.incident.holding import release_days, say_hold
    from detector.output.text import visible
    from detector.settings import load_settings

    settings = load_settings(job_config(config, history), over=changes(history=history))
    if action == "list":
        if settings.history.folder is None:
            raise ConfigError("no history: name its folder (--history DIR), or [history] folder (--config FILE)")
        found = History.open(settings.history.folder).manifest.holds
        for each in sorted(found):
            typer.echo(f"{visible(each)}: {say_hold(found[each])}")
        if not found:
            typer.echo("no incident holds anything")
    elif action != "release" or name is None or note is None:
        raise ConfigError("expected `detector holds list`, or `detector holds release NAME --note WHY`")
    else:
        released = release_days(settings, name, at=datetime.now(UTC), by=by or _login(), why=note)
        typer.echo(f"{visible(released)} is released")


def tokens(
    *,
    key_file: KeyFile = None,
    why: Why = "",
    by: By = None,
    log: Annotated[
        Path | None,
        typer.Option(help="The log of actions; else one beside the key file.", show_default=False, metavar="FILE"),
    ] = None,
) -> None:
    """Read identifiers, one a line, from standard input; print each with its token, as CSV.

    The table makes persons of a dossier's tokens: keep it where the identifiers are, and nowhere near the dossier.
    """
    import csv

    from detector.incident.tokens import LOG_SUFFIX, join_tokens, log_tokens
    from detector.output.text import cell
    from detector.reading import load_key

    if key_file is None:
        raise ConfigError("tokens: name the portal's key (--key-file FILE)")
    loaded = load_key(key_file, env={}, history_dir=None)
    place = log or key_file.with_name(key_file.name + LOG_SUFFIX)
    log_tokens(place, key=loaded.key, at=datetime.now(UTC), by=by or _login(), why=why)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["identifier", "record"])
    strange = 0
    for joined in join_tokens((line.strip() for line in sys.stdin), key=loaded.key):
        strange += not joined.is_identifier
        writer.writerow([cell(joined.identifier), joined.token])
    if strange:
        typer.echo(
            f"warning: {strange:,} lines do not have the form of an identifier; are they what was logged?", err=True
        )
