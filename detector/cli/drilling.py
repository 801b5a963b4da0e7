"""`detector drill`: would it have seen them in this portal, when, and how much would have gone?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.judging import Form
from detector.cli.options import (
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
    from detector.drill import Drilled
    from detector.settings import Settings

DEAD = 1


def drill(
    dumps: Dumps = None,
    *,
    history: HistoryFolder = None,
    model: ModelFolder = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="Only this attack, such as night or slow; may be repeated.", show_default=False),
    ] = None,
    accounts: Annotated[int, typer.Option(min=1, help="Victims of each attack.")] = 5,
    days: Annotated[int, typer.Option(min=1, help="The latest days, into which attacks are injected.")] = 7,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other victims, days and records.")] = 0,
    cap: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tell whom a limit of so many records a day would have hit.", show_default=False, metavar="N"
        ),
    ] = None,
    checks: Annotated[
        bool, typer.Option("--checks", help="Instead of attacks: is every deterministic check alive?")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write all results and a picture to this folder.", show_default=False, metavar="DIR"),
    ] = None,
    mapping: MappingFile = None,
    input_format: Format = None,
    form: Annotated[Form, typer.Option("--format", help="Of what is printed.")] = Form.TABLE,
    key_file: KeyFile = None,
    max_reject_share: MaxRejects = None,
    config: Config = None,
) -> None:
    """Inject attacks into copies of your own latest days: what would be caught, when, and how much would be gone.

    With dumps, their latest days; with a history alone, its latest days, as sums. Nothing is written to the history.
    """
    from detector.cli.messages import progress, warn
    from detector.drill import DrillSettings
    from detector.drill import drill as inject
    from detector.output.drill import write_drill
    from detector.settings import load_settings
    from detector.workspace import to_inputs

    said = changes(history=history, model=model, key_file=key_file, max_reject_share=max_reject_share)
    settings = load_settings(config, over=said)
    if checks:
        _prove(settings)
        return
    drilling = DrillSettings(scenarios=tuple(scenario or ()), accounts=accounts, days=days, seed=seed, cap=cap)
    inputs = to_inputs(dumps, settings=settings, mapping=mapping, form=input_format) if dumps else ()
    with progress() as tell:
        drilled = inject(inputs, drilling=drilling, settings=settings, progress=tell)
    if out is not None:
        write_drill(drilled, out)
    warn(drilled.warnings)
    _print(drilled, form=form)


def _print(drilled: Drilled, *, form: Form) -> None:
    from detector.output.drill import render_drill, to_csv, to_json
    from detector.output.terminal import terminal

    if form is Form.TABLE:
        terminal().print(render_drill(drilled))
    else:
        sys.stdout.write(to_json(drilled) if form is Form.JSON else to_csv(drilled.summary))


def _prove(settings: Settings) -> None:
    """One line a check; those that do not behave are named on stderr, and the command fails."""
    from detector.drill import prove_checks
    from detector.workspace import workspace

    with workspace(settings) as place:
        proofs = prove_checks(place.con)
    for proof in proofs:
        witness = "fires on its witness" if proof.fires else "MISSES its witness"
        twin = "silent on its benign twin" if proof.silent else "FIRES on its benign twin"
        typer.echo(f"{proof.check}: {witness}, {twin}")
    broken = [proof.check for proof in proofs if not proof.holds]
    if broken:
        typer.echo(f"error: checks that do not behave: {', '.join(broken)}", err=True)
        raise typer.Exit(DEAD)
