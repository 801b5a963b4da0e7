"""`detector learn` and `detector train`: what earlier days looked like, and a model of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.options import (
    Complete,
    Config,
    Dumps,
    Format,
    HistoryFolder,
    KeyFile,
    MappingFile,
    MaxRejects,
    ModelFolder,
    changes,
)

if TYPE_CHECKING:
    from detector.learning import Learned


def learn(
    dumps: Dumps = None,
    *,
    history: HistoryFolder = None,
    mapping: MappingFile = None,
    input_format: Format = None,
    complete: Complete = False,
    replace: Annotated[bool, typer.Option("--replace", help="Rebuild the dumps' days from these dumps alone.")] = False,
    key_file: KeyFile = None,
    max_reject_share: MaxRejects = None,
    config: Config = None,
) -> None:
    """Add the days of dumps to a history.

    Dumps that are held already are skipped; of a file that grew, the new lines are added.
    """
    from detector import verbs
    from detector.cli.messages import progress, warn
    from detector.settings import load_settings
    from detector.workspace import to_inputs

    said = changes(history=history, key_file=key_file, max_reject_share=max_reject_share)
    said["learn"] |= {"complete": complete or None, "replace": replace or None}
    settings = load_settings(config, over=said)
    with progress() as tell:
        # Without any, the history's own days are computed anew.
        inputs = to_inputs(dumps, settings=settings, mapping=mapping, form=input_format) if dumps else ()
        learned = verbs.learn(inputs, settings=settings, progress=tell)
    warn((*learned.warnings, *learned.faults))
    _tell_learned(learned)
    if learned.faults:
        raise typer.Exit(1)


def _tell_learned(learned: Learned) -> None:
    from detector.output.table import say_days

    events = sum(file.events for file in learned.files)
    first, last = (learned.days[0], learned.days[-1]) if learned.days else (None, None)
    days = "1 day" if first and first == last else f"{len(learned.days)} days"
    span = f": {first} to {last}" if first != last else f": {first}" if first else ""
    typer.echo(f"learned {events:,} events of {days}{span}")
    if learned.late:
        typer.echo(
            f"changed since they were closed: {say_days(learned.late)}; the next `detector run` judges those of the "
            f"last week anew, and `detector run --since {learned.late[0]}` all of them"
        )
    if learned.skipped:
        typer.echo(f"skipped {len(learned.skipped)} dumps that were held already")
    if learned.rejects.num_rows:
        typer.echo(f"rejected {learned.rejects.num_rows:,} lines")
    if learned.expired:
        typer.echo(f"dropped what is past its retention from {len(learned.expired)} days")


def train(
    *,
    history: HistoryFolder = None,
    model: ModelFolder = None,
    config: Config = None,
) -> None:
    """Fit a model on a history, and keep it there among its versions, or where --model says."""
    from detector import verbs
    from detector.cli.messages import progress
    from detector.output.watched import say_calibrated, say_watched
    from detector.run.versions import keep_version
    from detector.settings import load_settings

    settings = load_settings(config, over=changes(history=history, model=model))
    with progress() as tell:
        fitted = verbs.train(settings=settings, progress=tell)
    if settings.history.folder is not None and settings.history.model is None:
        keep_version(fitted, settings.history.folder)
    card = fitted.card
    typer.echo(
        f"trained model {fitted.version} on {card['account_days']:,} account-days of {card['days']} days "
        f"({card['first_day']} to {card['last_day']}); {card['set_aside']:,} were too strange to learn from"
    )
    for line in (*say_calibrated(fitted, settings.score.alerts), *say_watched(verbs.watched(settings=settings))):
        typer.echo(line)
