"""Where the shipped models are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import ModelError
from detector.shipped import models_dir


def laid_out(root: Path, *names: str) -> Path:
    """Make folders (names that end in a slash) and files below a root; return the package's folder."""
    for name in ("detector/", *names):
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root / "detector"


def test_the_models_of_this_project_are_found() -> None:
    """From wherever these tests run, the folder is there and says what it is."""
    assert (models_dir() / "README.md").is_file()


def test_a_wheel_has_them_inside_the_package(tmp_path: Path) -> None:
    """The package's own folder wins, also beside a folder of the same name."""
    package = laid_out(tmp_path, "detector/models/", "models/", "setup.cfg")
    assert models_dir(package=package) == package / "models"


def test_a_checkout_has_them_beside_the_package(tmp_path: Path) -> None:
    """An editable install finds those of the checkout."""
    package = laid_out(tmp_path, "models/", "setup.cfg")
    assert models_dir(package=package) == tmp_path / "models"


@pytest.mark.parametrize("names", [(), ("models/",), ("models", "setup.cfg")])
def test_somebody_elses_models_are_not_taken_for_ours(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Without the folder, with one outside a checkout, or with a file of that name, the error says what to do."""
    package = laid_out(tmp_path, *names)
    with pytest.raises(ModelError, match=r"no shipped models in .*install the package again, or name a model"):
        models_dir(package=package)
