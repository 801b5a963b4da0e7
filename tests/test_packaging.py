"""What a wheel carries."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files, with one more model, so that building leaves no trace in the checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True)
    if listed.returncode:
        pytest.skip(f"no list of tracked files: {listed.stderr}")
    folder = tmp_path_factory.mktemp("sources")
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, folder / name)
    (folder / "models" / "made-up").mkdir()
    (folder / "models" / "made-up" / "card.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    """The wheel of those sources, unpacked."""
    built = subprocess.run([sys.executable, "-c", BUILD], cwd=sources, capture_output=True, check=False, text=True)
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next((sources / "dist").glob("*.whl"))) as archive:
        archive.extractall(sources / "unpacked")
    return sources / "unpacked"


def test_a_wheel_carries_every_file_of_the_package_and_every_model(sources: Path, wheel: Path) -> None:
    """Templates, SQL and models are there as well as modules."""
    package = {path.relative_to(sources) for path in (sources / "detector").rglob("*") if path.is_file()}
    models = {
        Path("detector") / path.relative_to(sources) for path in (sources / "models").rglob("*") if path.is_file()
    }
    carried = {path.relative_to(wheel) for path in (wheel / "detector").rglob("*") if path.is_file()}
    assert {path for path in carried if "__pycache__" not in path.parts} == package | models
    assert Path("detector/models/made-up/card.json") in carried


def test_an_installed_wheel_finds_its_models(wheel: Path) -> None:
    """Imported from the unpacked wheel, away from the checkout, the package finds the models that it carries."""
    ask = "import detector; print(detector.models_dir())"
    shown = subprocess.run([sys.executable, "-c", ask], cwd=wheel, capture_output=True, check=True, text=True)
    assert Path(shown.stdout.strip()) == (wheel / "detector" / "models").resolve()
