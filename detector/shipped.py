"""Where the models that ship with the package are."""

from __future__ import annotations

from pathlib import Path

from detector.errors import ModelError

_PACKAGE = Path(__file__).resolve().parent


def models_dir(*, package: Path = _PACKAGE) -> Path:
    """Return the folder of the shipped models.

    A wheel carries it inside the package. A checkout, or an editable install of one, has it beside the package; there
    it counts only next to `setup.cfg`, since a folder `models` beside an installed package belongs to somebody else.

    Parameters
    ----------
    package
        The folder of the package `detector`.

    Raises
    ------
    ModelError
        If neither is there.
    """
    inside, beside = package / "models", package.parent / "models"
    if inside.is_dir():
        return inside
    if beside.is_dir() and (package.parent / "setup.cfg").is_file():
        return beside
    raise ModelError(
        f"no shipped models in {inside} nor in {beside}: install the package again, or name a model (--model)"
    )
