"""The notebooks run from top to bottom, and show what they compute."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
TIMEOUT_S = 600


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_its_outputs(path: Path) -> None:
    """Whoever reads it on a web page sees results, and no error among them."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]  # type: ignore[no-untyped-call]
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= len(cells) // 2
    assert not [output for output in outputs if output.output_type == "error"]


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """No cell fails on a fresh kernel, in a folder of its own."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": str(tmp_path)}}).execute()


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
    assert "'all accounts': True" in told


def test_there_are_four_notebooks_each_with_a_question_and_an_answer() -> None:
    """They are numbered, and the last three end with what was asked at their beginning."""
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]
    for path in NOTEBOOKS[1:]:
        cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
        assert "**Question.**" in cells[0].source
        assert "**Answer.**" in cells[-1].source
        assert sum("image/png" in output.get("data", {}) for cell in cells for output in cell.get("outputs", [])) >= 1
