"""Models over time: each that was fitted stays for a while, and one of them is in use."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detector.errors import ModelError
from detector.model.kept import CARD, PREVIOUS, Model, load_model, save_model

VERSIONS = "models"
"""Folder in the history with a folder for each version."""
LEAST_PREFIX = 4


@dataclass(frozen=True)
class Version:
    """A kept model: its name, what its card tells, and whether it is in use."""

    version: str
    folder: Path
    about: dict[str, Any]
    in_use: bool


def keep_version(model: Model, history: Path) -> Path:
    """Keep a fitted model among the versions, without using it; one that is kept already stays as it is."""
    folder = history / VERSIONS / model.version
    return folder if (folder / CARD).is_file() else save_model(model, folder)


def put_in_use(model: Model, history: Path, *, model_folder: Path) -> None:
    """Use a model from now on; it stays among the versions as well."""
    keep_version(model, history)
    save_model(model, model_folder)


def list_versions(history: Path, *, model_folder: Path) -> list[Version]:
    """Kept models, the newest span of days first."""
    used = _card(model_folder)
    found = []
    for folder in sorted((history / VERSIONS).glob("*/")):
        if folder.name.endswith(PREVIOUS):
            continue
        card = _card(folder)
        if card is not None:
            in_use = used is not None and used["version"] == card["version"]
            found.append(Version(card["version"], folder, card["about"], in_use))
    return sorted(found, key=lambda each: (each.about.get("last_day", ""), each.version), reverse=True)


def version_like(prefix: str, history: Path, *, model_folder: Path) -> Version:
    """The one kept version that begins like that.

    Raises
    ------
    ModelError
        If no kept version, or several, begin like that.
    """
    kept = list_versions(history, model_folder=model_folder)
    found = [each for each in kept if each.version.startswith(prefix)]
    if len(found) != 1 or len(prefix) < LEAST_PREFIX:
        known = ", ".join(each.version for each in kept) or "none"
        raise ModelError(f"{prefix!r} is not one kept model; kept are {known}: `detector models` lists them")
    return found[0]


def roll_back(version: str, history: Path, *, model_folder: Path) -> Model:
    """Use an earlier model again.

    Raises
    ------
    ModelError
        As `version_like`, or if its files were changed.
    """
    model = load_model(version_like(version, history, model_folder=model_folder).folder)
    put_in_use(model, history, model_folder=model_folder)
    return model


def drop_old(history: Path, *, model_folder: Path, keep: int) -> None:
    """Drop the oldest versions beyond `keep`; the one in use stays."""
    for each in list_versions(history, model_folder=model_folder)[keep:]:
        if not each.in_use:
            shutil.rmtree(each.folder)


def forget_set_aside(account: str, history: Path, *, model_folder: Path) -> int:
    """Take an account out of what the model in use and kept ones set aside; return how many models named it.

    Each is another version then, since what a version names is hashed; it judges as before. Done again after it was
    interrupted, it goes on.

    Raises
    ------
    ModelError
        If the disk refuses, or a model is damaged and may name the account still; the others are done by then.
    """
    n_named, damaged = 0, []
    for folder in (*sorted((history / VERSIONS).glob("*/")), model_folder):
        if not folder.is_dir():
            continue
        try:
            model = load_model(folder)
        except ModelError:
            damaged.append(str(folder))
            continue
        names_it = model.set_aside["account"] == account
        if not names_it.any():
            continue
        n_named += 1
        without = replace(model, set_aside=model.set_aside[~names_it].reset_index(drop=True))
        if folder == model_folder:
            save_model(without, folder)
        else:
            keep_version(without, history)
            shutil.rmtree(folder)
    # The one before is as it was until it is replaced.
    shutil.rmtree(model_folder.with_name(model_folder.name + PREVIOUS), ignore_errors=True)
    if damaged:
        raise ModelError(f"{', '.join(damaged)}: damaged, and may name the account still; remove it")
    return n_named


def mend(model_folder: Path) -> bool:
    """Put the model before back where a run was killed between the two renames that replace it."""
    previous = model_folder.with_name(model_folder.name + PREVIOUS)
    if model_folder.exists() or not previous.is_dir():
        return False
    previous.rename(model_folder)
    return True


def _card(folder: Path) -> dict[str, Any] | None:
    """A model's card, unchecked: what is listed is checked when it is used."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) and {"version", "about"} <= card.keys() else None
