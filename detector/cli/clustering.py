"""`detector score --engine spark`: what the command line asks of a cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from detector.cli.messages import DRY, progress, warn
from detector.cli.options import Engine
from detector.errors import ConfigError

if TYPE_CHECKING:
    from detector.settings import Settings
    from detector.spark.verb import ClusterScored


def refuse_unused(engine: Engine, *, mapping: Path | None, input_format: str | None) -> None:
    """Refuse options that have no meaning together.

    Raises
    ------
    ConfigError
        If `--master` is given without Spark, or Spark with a way of reading dumps.
    """
    if engine is not Engine.SPARK:
        raise ConfigError("--master is Spark's: say --engine spark as well")
    given = {"--mapping": mapping, "--input-format": input_format}
    refused = [name for name, value in given.items() if value is not None]
    if refused:
        raise ConfigError(f"--engine spark reads canonical events: {', '.join(refused)} cannot be used (docs/spark.md)")


def score_on_cluster(
    dumps: Sequence[str] | None,
    settings: Settings,
    *,
    master: str | None,
    out: Path | None,
    days: Sequence[date],
    dry_run: bool,
) -> ClusterScored:
    """Score on a cluster, tell the warnings, and record the alerts unless it is a dry run.

    Raises
    ------
    ConfigError
        If there are no events, or no folder for the results.
    """
    from detector.spark.session import LOCAL, spark_session

    if not dumps or out is None:
        raise ConfigError("--engine spark needs the events (Parquet) and --out, the folder that executors write to")
    with spark_session(master or LOCAL) as session:
        from detector.spark.verb import record, score_on_spark

        with progress() as tell:
            scored = score_on_spark(
                dumps, session=session, out=out, days=days, settings=settings, started_with=sys.argv[1:], progress=tell
            )
    warn(scored.warnings)
    if dry_run:
        typer.echo(DRY, err=True)
    else:
        record(scored, settings)
    return scored
