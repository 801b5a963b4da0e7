"""The notebooks run from top to bottom, and show what they compute."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
TIMEOUT_S = 600
SMALLER: dict[str, dict[str, str]] = {
    "01_a_day_of_logs": {"accounts=200, days=10": "accounts=120, days=10"},
    "02_why_not_a_threshold": {"accounts=600, days=26": "accounts=200, days=23"},
    "03_march_2022_replayed": {"SCALE = 0.1": "SCALE = 0.02"},
    "04_your_own_portal": {
        "accounts=400, days=28": "accounts=160, days=22",
        "accounts=4, days=4": "accounts=2, days=2",
    },
}
"""What each notebook's portal is cut to, so that `make test` can afford to run it."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_its_outputs(path: Path) -> None:
    """Whoever reads it on a web page sees results, and no error among them."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]  # type: ignore[no-untyped-call]
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= len(cells) // 2
    assert not [output for output in outputs if output.output_type == "error"]


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_of_a_notebook_runs_on_a_smaller_portal(path: Path, tmp_path: Path) -> None:
    """No cell fails on a fresh kernel, in a folder of its own; its numbers are those of the whole."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    for whole, smaller in SMALLER[path.stem].items():
        (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code" and whole in cell.source)
        cell.source = cell.source.replace(whole, smaller)
    _execute(notebook, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(3 * TIMEOUT_S)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """The same as it is stored; `make notebooks` stores its outputs anew."""
    _execute(nbformat.read(path, as_version=4), tmp_path)  # type: ignore[no-untyped-call]


def _execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    NotebookClient(notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": str(folder)}}).execute()


def test_the_day_of_logs_finds_the_account_that_was_attacked() -> None:
    """The first notebook ends with the victim on top."""
    (path,) = [path for path in NOTEBOOKS if path.stem == "01_a_day_of_logs"]
    last = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"][-1]  # type: ignore[no-untyped-call]
    assert "'true': True" in last.outputs[0]["data"]["text/plain"]


def _told(stem: str) -> str:
    (path,) = [path for path in NOTEBOOKS if path.stem == stem]
    cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output["data"].get("text/plain", "") for output in outputs if "data" in output)


def test_march_replayed_ties_all_that_was_stolen_and_nothing_else() -> None:
    """The third notebook's dossier agrees with the truth, as stored."""
    told = _told("03_march_2022_replayed")
    assert "'tied wrongly': 0" in told
    assert "'of the nineteen, tied': 19" in told
    assert "'others, tied': 0" in told


def test_there_are_four_notebooks_each_with_a_question_and_an_answer() -> None:
    """They are numbered, and the last three end with what was asked at their beginning."""
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]
    for path in NOTEBOOKS[1:]:
        cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
        assert "**Question.**" in cells[0].source
        assert "**Answer.**" in cells[-1].source
        assert sum("image/png" in output.get("data", {}) for cell in cells for output in cell.get("outputs", [])) >= 1
