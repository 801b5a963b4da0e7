"""A folder of results appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import ConfigError
from detector.output.folders import whole_folder


def write(folder: Path, **files: str) -> None:
    """Write a folder of results with these files."""
    with whole_folder(folder, mark="run") as place:
        for name, text in files.items():
            (place / name).write_text(text)


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """What the block wrote is there, and nothing beside it."""
    write(tmp_path / "a" / "out", run="1")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]
    assert (tmp_path / "a" / "out" / "run").read_text() == "1"


def test_results_of_an_earlier_run_are_replaced_as_a_whole(tmp_path: Path) -> None:
    """No file of the earlier run stays."""
    write(tmp_path / "out", run="1", old="x")
    write(tmp_path / "out", run="2")
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {"run": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interruption_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    """A run that ends in the middle leaves the earlier results, and no half-written folder."""
    write(tmp_path / "out", run="1")

    def interrupted() -> None:
        with whole_folder(tmp_path / "out", mark="run") as place:
            (place / "run").write_text("2")
            raise error

    with pytest.raises(error):
        interrupted()
    assert (tmp_path / "out" / "run").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    """A folder with other things in it is refused before anything is written."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"found other things, and no run of an earlier run; name another folder"):
        write(tmp_path, run="1")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    """A file of that name is not replaced by a folder."""
    (tmp_path / "out").touch()
    with pytest.raises(ConfigError, match="there is a file of that name"):
        write(tmp_path / "out", run="1")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A parent that is a file is a clear error."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written \((File exists|Not a directory)\); name another folder"):
        write(tmp_path / "file" / "out", run="1")
