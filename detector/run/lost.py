"""The model that a run judges with: the one in use; where that was lost, a kept one that is sound."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from detector.errors import ModelError
from detector.history import History
from detector.ledger import Ledger
from detector.ledger.runs import last_model
from detector.model.kept import Model, load_model
from detector.run.versions import list_versions, mend
from detector.shipped import models_dir
from detector.workspace import MODEL, SHIPPED, Workspace


class Found(NamedTuple):
    """A model to judge with.

    Attributes
    ----------
    model
        The one in use, else a kept one, else the shipped one, with which only checks alert.
    lost
        Why it is not the one in use; empty: it is, or none ever was.
    is_kept
        It is a kept one, which takes the place of the one that was lost.
    """

    model: Model
    lost: str = ""
    is_kept: bool = False

    @property
    def sentence(self) -> str:
        """What an operator is told of a model that was lost."""
        now = (
            f"the kept model {self.model.version} takes its place; `detector models list` shows the others"
            if self.is_kept
            else "no kept model can be used either: until one is trained only checks alert"
        )
        return f"The model in use was lost: {self.lost}; {now}."


def find_model(place: Workspace, history: History, ledger: Ledger) -> Found:
    """Find what to judge with; of kept models first the one that the last runs used, then the newest.

    Without a model, and without one kept or used by an earlier run, none was lost: the portal is learning.
    """
    folder = place.settings.history.model or history.folder / MODEL
    is_older = mend(folder)
    try:
        model = place.model()
    except ModelError as error:
        return _kept(history.folder, folder, str(error).rstrip("."), used=last_model(ledger))
    gone = f"{folder} is gone"
    if not folder.is_dir():
        used = last_model(ledger)
        if used is None and not list_versions(history.folder, model_folder=folder):
            return Found(model)
        return _kept(history.folder, folder, gone, used=used)
    # A run that was killed while it replaced a model leaves the one that was in use until then; a loss, an older one.
    if is_older and (used := last_model(ledger)) not in (None, model.version):
        return _kept(history.folder, folder, gone, used=used)
    return Found(model)


def _kept(history: Path, folder: Path, lost: str, *, used: str | None) -> Found:
    kept = list_versions(history, model_folder=folder)
    for each in sorted(kept, key=lambda version: version.version != used):
        try:
            return Found(load_model(each.folder), lost, is_kept=True)
        except ModelError:  # was changed as well; the next may be sound
            continue
    return Found(load_model(models_dir() / SHIPPED), lost)
