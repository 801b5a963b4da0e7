"""The documentation is true: its commands run, its links lead somewhere, its generated pages are those of the code.

A block is run when the line before it is `<!-- tested -->`, or `<!-- tested: long -->` for `make long`:

- ```sh: all of it, as one script that must not fail;
- ```console: each line that begins with `$ `; what follows is what it prints, with `...` for anything.

The blocks of a page run from top to bottom in one empty folder, with `detector` on the PATH.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.generate import PAGES

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.is_file()]
GUIDES = ("analyst.md", "data-protection.md", "incident.md", "reading-a-report.md")
"""Pages that a person follows on a fresh machine."""
BLOCK = re.compile(r"^<!-- tested(: long)? -->\n+```(sh|console)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Step:
    """A script, and what it prints; None where the page does not show it."""

    script: str
    printed: str | None
    line: int


def steps_of(text: str, *, long: bool) -> list[Step]:
    """Return the tested steps of a page, from top to bottom: the quick ones, or all of them."""
    steps: list[Step] = []
    for block in BLOCK.finditer(text):
        if block[1] and not long:
            continue
        line = text.count("\n", 0, block.start(3)) + 1
        steps += _console_steps(block[3], line=line) if block[2] == "console" else [Step(block[3], None, line)]
    return steps


def _console_steps(text: str, *, line: int) -> list[Step]:
    head, *parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not head, f"line {line}: a console block begins with `$ `"
    split = [part.partition("\n") for part in parts]
    return [Step(command, printed or None, line) for command, _, printed in split]


def run(steps: list[Step], *, folder: Path) -> None:
    """Run the steps in a folder; the first that fails, or prints something else, fails the test."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": "120", "TZ": "UTC", "NO_COLOR": "1"}
    for step in steps:
        script = ["bash", "-euo", "pipefail", "-c", step.script]
        done = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"line {step.line}: {step.script}\n{done.stdout}{done.stderr}"
        if step.printed is not None:
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            same = doctest.OutputChecker().check_output(step.printed, done.stdout, flags)
            assert same, f"line {step.line}: {step.script}\nprinted\n{done.stdout}\nnot\n{step.printed}"


def pages(*, long: bool) -> list[Path]:
    """Return the pages that have a step to run."""
    return [path for path in DOCUMENTS if len(steps_of(path.read_text(), long=long)) > 0]


@pytest.mark.parametrize("page", pages(long=False), ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """Each quick command that a page shows works as shown."""
    run(steps_of(page.read_text(), long=False), folder=tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(
    "page", [p for p in DOCUMENTS if "<!-- tested: long -->" in p.read_text()], ids=lambda p: p.name
)
def test_all_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """Each command that a page shows works as shown, those that take longer included."""
    run(steps_of(page.read_text(), long=True), folder=tmp_path)


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_of_a_guide_is_run(name: str) -> None:
    """A guide has no block of commands that no test runs, and trains before it scores with a history."""
    text = (ROOT / "docs" / name).read_text()
    shown = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert shown
    assert [block[3] for block in BLOCK.finditer(text)] == shown
    told = "\n".join(shown)
    if "detector score" in told and "--history" in told:
        assert "detector train" in told


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    """No page points to a file that is not there."""
    targets = [target.partition("#")[0] for target in LINK.findall(page.read_text()) if "://" not in target]
    assert not [target for target in targets if target and not (page.parent / target).exists()]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_generated_page_is_that_of_the_code(name: str) -> None:
    """A page that is made from the code was made from this code."""
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), f"docs/{name} is stale: make docs"


SHOWN = """
<!-- tested -->
```console
$ echo one; seq 3
one
...
3
$ touch made
```

```sh
exit 7
```

<!-- tested: long -->
```sh
test -f made
exit 3
```
"""


def test_only_marked_blocks_are_steps() -> None:
    """Unmarked blocks stay untested, long ones wait for the long run, and each command of a console is a step."""
    assert [(s.script, s.printed) for s in steps_of(SHOWN, long=False)] == [
        ("echo one; seq 3", "one\n...\n3\n"),
        ("touch made", None),
    ]
    assert [step.script for step in steps_of(SHOWN, long=True)][2:] == ["test -f made\nexit 3\n"]


def test_steps_share_one_folder_and_match_what_is_shown(tmp_path: Path) -> None:
    """What a command prints is compared, `...` standing for anything, and what it made is there for the next."""
    run(steps_of(SHOWN, long=False), folder=tmp_path)
    assert (tmp_path / "made").is_file()


def test_a_step_that_fails_fails_the_page(tmp_path: Path) -> None:
    """An exit code other than 0 is told with the line and the command."""
    with pytest.raises(AssertionError, match=r"line 17: test -f made\s+exit 3"):
        run(steps_of(SHOWN, long=True), folder=tmp_path)


def test_a_step_that_prints_something_else_fails_the_page(tmp_path: Path) -> None:
    """Output that differs from what the page shows is told."""
    with pytest.raises(AssertionError, match=r"printed\s+2\s+not\s+3"):
        run([Step("echo 2", "3\n", 1)], folder=tmp_path)


def test_detector_is_the_one_of_this_environment(tmp_path: Path) -> None:
    """The pages' `detector` is the installed command, not some other on the PATH."""
    run([Step("command -v detector", f"{Path(sys.executable).parent / 'detector'}\n", 1)], folder=tmp_path)
