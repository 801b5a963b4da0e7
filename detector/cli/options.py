"""Options that several verbs take, said once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

FAILED, MISUSED = 1, 2
"""Exit codes: something failed, or the command or the settings say what cannot be."""
Dumps: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="DUMPS...", help="Files, folders, globs, or - for standard input.", show_default=False),
]
Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="Settings: detector.toml.", show_default=False, metavar="FILE")
]
MappingFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--mapping", help="What the dumps call their columns and values.", show_default=False, metavar="FILE"),
]
Format: TypeAlias = Annotated[
    str | None, typer.Option("--input-format", help="Of all dumps, instead of detecting it.", show_default=False)
]
HistoryFolder: TypeAlias = Annotated[
    Path | None, typer.Option("--history", help="What earlier days looked like.", show_default=False, metavar="DIR")
]
ModelFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--model", help="The model; else the history's own, else the shipped one.", show_default=False, metavar="DIR"
    ),
]
KeyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        help="32 bytes that turn identifiers into tokens; else DETECTOR_KEY_FILE, DETECTOR_KEY, or the key beside the "
        "history.",
        show_default=False,
        metavar="FILE",
    ),
]
MaxRejects: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--max-reject-share", min=0, max=1, help="Stop above this share of unreadable lines (0.05).", show_default=False
    ),
]


class Spoken(StrEnum):
    """Languages of pages for people."""

    EN = "en"
    FR = "fr"


class Engine(StrEnum):
    """What computes."""

    DUCKDB = "duckdb"
    SPARK = "spark"


EngineOption: TypeAlias = Annotated[
    Engine, typer.Option("--engine", help="spark: on a cluster, from canonical Parquet events.")
]
Master: TypeAlias = Annotated[
    str | None,
    typer.Option("--master", help="Spark's master: local[*], spark://HOST:7077, yarn.", show_default=False),
]
Language: TypeAlias = Annotated[Spoken, typer.Option("--language", help="Of the report: en or fr.")]
Complete: TypeAlias = Annotated[bool, typer.Option("--complete", help="The newest day is over: no more will come.")]


CONFIG = Path("detector.toml")
"""The job's settings, where none are named."""


def job_config(config: Path | None, history: Path | None) -> Path | None:
    """The settings that are named, else, where no history is, those that `detector run` finds by itself."""
    return CONFIG if config is None and history is None and CONFIG.is_file() else config


def changes(
    *,
    history: Path | None = None,
    model: Path | None = None,
    key_file: Path | None = None,
    max_reject_share: float | None = None,
) -> dict[str, Any]:
    """What options say, nested as in the settings file; None says nothing."""
    return {
        "history": {"folder": _text(history), "model": _text(model), "key_file": _text(key_file)},
        "learn": {"max_reject_share": max_reject_share},
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
