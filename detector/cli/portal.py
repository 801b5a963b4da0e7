"""`detector simulate` and `detector evaluate`: a portal to test on, and how well the detector does there."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detector.cli.options import Config, HistoryFolder, KeyFile, MappingFile, changes
from detector.errors import ConfigError

if TYPE_CHECKING:
    from detector.simulate import World

NO_ATTACK = "none"


class Written(StrEnum):
    """How a simulated portal's events are written."""

    PARQUET = "parquet"
    CSV = "csv"
    LOGS = "logs"


class Measured(StrEnum):
    """How measures are printed."""

    TABLE = "table"
    JSON = "json"


def simulate(
    out: Annotated[Path, typer.Argument(help="The folder to write to.", metavar="OUT", show_default=False)],
    *,
    preset: Annotated[str, typer.Option(help="A world that is ready: demo, small or quality.")] = "demo",
    accounts: Annotated[int | None, typer.Option(help="Instead of the preset's.", show_default=False)] = None,
    days: Annotated[int | None, typer.Option(help="Instead of the preset's.", show_default=False)] = None,
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, another portal.", show_default=False)] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead of the preset's, such as S1:accounts=3,records=1300; may be repeated; none: no attack.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        list[Written] | None, typer.Option("--format", help="May be repeated; parquet if not given.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Days made at the same time.")] = 1,
) -> None:
    """Write the logs of a simulated portal, and apart from them the truth."""
    from detector.simulate import simulate as write

    said = {"accounts": accounts, "days": days, "seed": seed, "start": start.date() if start else None}
    world = _world(preset, {key: value for key, value in said.items() if value is not None}, attacks=attack)
    write(world, out, workers=workers, formats=[str(each) for each in form or [Written.PARQUET]])
    typer.echo(f"{world.accounts:,} accounts, {world.days} days from {world.start}: {out}; the truth: {out / 'truth'}")


def _world(preset: str, said: dict[str, Any], *, attacks: list[str] | None) -> World:
    from detector.reading.mapping import parse_settings
    from detector.simulate import PRESETS, World, parse_attack

    if preset not in PRESETS:
        raise ConfigError(f"--preset {preset}: not one of {', '.join(PRESETS)}")
    base = PRESETS[preset]
    if attacks:
        base = base.model_copy(update={"attacks": tuple(parse_attack(text) for text in attacks if text != NO_ATTACK)})
    return parse_settings(World, base.model_dump() | said, origin="the command line")


def evaluate(
    dumps: Annotated[
        list[Path],
        typer.Argument(metavar="DUMPS...", help="Parquet events, one file a day, or a folder.", show_default=False),
    ],
    *,
    truth: Annotated[Path, typer.Option(help="The folder with the truth.", metavar="DIR", show_default=False)],
    history: HistoryFolder = None,
    mapping: MappingFile = None,
    form: Annotated[Measured, typer.Option("--format", help="Of what is printed.")] = Measured.TABLE,
    key_file: KeyFile = None,
    config: Config = None,
) -> None:
    """Score dumps whose truth is known: what is found, when, and how much is gone by then.

    Without a history, the last seven days are judged, after learning those before.
    """
    from detector.evaluate import evaluate as measure
    from detector.evaluate import render
    from detector.evaluate.evaluation import EvaluateSettings
    from detector.evaluate.judge import ProjectDetector
    from detector.reading import Mapping, load_mapping
    from detector.settings import load_settings
    from detector.workspace import key_beside, workspace

    settings = load_settings(config, over=changes(key_file=key_file or key_beside(history)))
    meant = load_mapping(mapping) if mapping else Mapping()
    with workspace(settings) as place:
        measured = measure(
            dumps,
            truth=truth,
            detector=ProjectDetector(settings=settings, mapping=meant),
            scratch=place.scratch,
            history=history,
            settings=EvaluateSettings(zone=settings.portal.zone),
        )
    sys.stdout.write(render(measured, form=str(form)))
