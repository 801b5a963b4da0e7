"""What `deploy/` holds is fit to be used: checked by the programs that will read it, where they are there."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from detector import __version__
from detector.alerts import EXPOSED_TIERS
from detector.run.template import TEMPLATE
from detector.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
MOST_EXPOSED = 20
"""In tenths, as `systemd-analyze security` has it: below 2 is what it calls well protected."""


@pytest.fixture
def analyze() -> str:
    """The program that knows; without it the test skips, and says so."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("no systemd-analyze on this machine")
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, whose program is one that is there."""
    for name in ("detector.service", "detector.timer"):
        text = (DEPLOY / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/detector/bin/detector", "/bin/true"))
    return tmp_path


def test_systemd_understands_the_units(analyze: str, units: Path) -> None:
    """No unknown key, no value that is not understood, no user that would be missing for another reason."""
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *map(str, sorted(units.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Unknown" not in done.stderr
    assert "Failed to parse" not in done.stderr


def test_the_service_is_hardened(analyze: str, units: Path) -> None:
    """By systemd's own measure."""
    command = [analyze, "security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSED}"]
    done = subprocess.run([*command, str(units / "detector.service")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_cron_job_lets_one_run_and_writes_where_it_must(tmp_path: Path) -> None:
    """One at a time, as nobody in particular, on a file system that is read-only but for state and scratch."""
    job, claim = yaml.safe_load_all((DEPLOY / "cronjob.yaml").read_text())
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert writable == {"/var/lib/detector", "/tmp"}  # noqa: S108 - the container's
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert container["args"][0] == "run"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["detector.service", "detector.cron", "Containerfile", "cronjob.yaml"])
def test_all_ways_run_the_same_command(name: str) -> None:
    """`detector run` with a configuration, and no option that it does not have."""
    text = (DEPLOY / name).read_text().replace('", "', " ").replace('"', "")
    assert "run --" in text
    assert "--config /etc/detector/detector.toml" in text


@pytest.mark.parametrize("page", ["deploy/Containerfile", "docs/operations.md"])
def test_nothing_is_installed_that_is_not_pinned_by_hash(page: str) -> None:
    """Build tools neither, of which `make env` has the same; and the image is given every file that it copies."""
    text = (ROOT / page).read_text()
    installs = re.findall(r"bin/pip install ([^&`\n\\]*)", text)
    assert len(installs) == 2
    assert all("--require-hashes" in each or "--no-deps --no-build-isolation" in each for each in installs)
    (named,) = [each for each in installs if "--require-hashes" in each]
    assert re.findall(r"-r (\S+)", named) == ["requirements.txt", "requirements-build.txt"]
    pins = [
        set(
            re.findall(
                r"^setuptools==.*?(?=^ +#)", (ROOT / f"requirements-{name}.txt").read_text(), re.MULTILINE | re.DOTALL
            )
        )
        for name in ("build", "dev")
    ]
    assert pins[0] == pins[1]
    assert len(pins[0]) == 1


def test_the_image_is_given_what_it_copies() -> None:
    """Of a checkout nothing else leaves the machine: no environment, no logs, no history."""
    copied = re.findall(r"^COPY (?!--from)(.*)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == allowed
    assert all((ROOT / name).exists() for name in names)


def test_the_pod_is_the_images_user_and_its_version() -> None:
    """By number, group as well, or what one wrote the other could not read."""
    job = next(yaml.safe_load_all((DEPLOY / "cronjob.yaml").read_text()))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    built = (DEPLOY / "Containerfile").read_text()
    ids = {pod["securityContext"][name] for name in ("runAsUser", "runAsGroup", "fsGroup")}
    assert ids == {int(n) for n in re.findall(r"(?:--[ug]id|USER) (\d+)", built)}
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    assert pod["containers"][0]["image"] == f"detector:{__version__}"
    assert f"-t detector:{__version__} " in built


def crontab() -> tuple[str, str]:
    """The two lines of cron: the run, and the monitor; cron would read a `%` as the end of a line."""
    text = (DEPLOY / "detector.cron").read_text()
    run, monitor = (each.split(" detector ", 1)[1] for each in text.splitlines() if "* * * detector " in each)
    assert "%" not in run + monitor
    return run, monitor


def by_cron(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as cron does: by `sh`, with next to no environment; its paths are those of a folder."""
    for path in ("/opt/detector/bin/detector", "/etc/detector/environment", "/var/lib/detector/status.txt"):
        command = command.replace(path, str(folder / Path(path).name))
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    return subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False)


def program(path: Path, script: str) -> None:
    """A program of the shell."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


def test_cron_keeps_the_exit_code_and_what_was_said(tmp_path: Path) -> None:
    """Of the run, not of the program that takes in its words."""
    program(tmp_path / "detector", "echo said; exit 3")
    program(tmp_path / "logger", f"cat > {tmp_path}/told")
    done = by_cron(crontab()[0], tmp_path)
    assert (done.returncode, (tmp_path / "told").read_text()) == (3, "said\n")


@pytest.mark.parametrize("line", [0, 1], ids=["run", "monitor"])
def test_cron_reads_the_environment_file_of_the_unit(tmp_path: Path, line: int) -> None:
    """Without it, run and monitor would look at another ledger than the unit; a URL's `&` in quotes is read by both."""
    url = "postgresql://detector:se$cret@db/detector?sslmode=require&connect_timeout=9"
    (tmp_path / "environment").write_text(f"# of the unit\nDETECTOR_LEDGER_URL='{url}'\n")
    program(tmp_path / "detector", f'printf %s "$DETECTOR_LEDGER_URL" > {tmp_path}/seen')
    program(tmp_path / "logger", "cat > /dev/null")
    assert by_cron(crontab()[line], tmp_path).returncode == 0
    assert (tmp_path / "seen").read_text() == url
    (tmp_path / "environment").unlink()
    assert by_cron(crontab()[line], tmp_path).returncode == 0
    assert (tmp_path / "seen").read_text() == ""
    assert "EnvironmentFile=-/etc/detector/environment" in (DEPLOY / "detector.service").read_text()


def test_crons_monitor_prints_only_what_is_wrong(tmp_path: Path) -> None:
    """Since cron mails what is printed; an error of the settings is wrong too."""
    for code, said in ((0, ""), (1, "TROUBLE\nerror\n")):
        program(tmp_path / "detector", f"echo TROUBLE; echo error >&2; exit {code}")
        done = by_cron(crontab()[1], tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


def test_init_proposes_paths_at_which_the_unit_may_write() -> None:
    """Metrics where others may read, all else in the folder of the state; the guide names the same."""
    unit = dict(line.split("=", 1) for line in (DEPLOY / "detector.service").read_text().splitlines() if "=" in line)
    writable = (f"/var/lib/{unit['StateDirectory']}/", f"/run/{unit['RuntimeDirectory']}/")
    assert (unit["RuntimeDirectoryMode"], unit["RuntimeDirectoryPreserve"]) == ("0755", "yes")
    proposed = re.findall(r'"(/[^"]+)"', TEMPLATE.replace('temp_folder = "/var/tmp"', ""))
    assert len(proposed) == 3
    assert not [path for path in proposed if not path.startswith(writable)]
    guide = (ROOT / "docs" / "operations.md").read_text()
    assert all(folder.rstrip("/") in guide for folder in writable)
    assert f"-m {unit['ConfigurationDirectoryMode']} /etc/detector" in guide


def test_the_unit_and_the_pod_have_room_for_twice_what_duckdb_takes() -> None:
    """DuckDB's limit, and as much again for Python, by the same measure in both."""
    unit = re.search(r"^MemoryMax=(\d+)G$", (DEPLOY / "detector.service").read_text(), flags=re.MULTILINE)
    pod = re.search(r"limits: \{memory: (\d+)Gi\}", (DEPLOY / "cronjob.yaml").read_text())
    assert unit is not None
    assert pod is not None
    assert unit[1] == pod[1]
    assert int(unit[1]) > 2 * int(Settings().engine.memory_limit.removesuffix("GB"))


@pytest.mark.parametrize("text", [TEMPLATE, (ROOT / "docs" / "operations.md").read_text()], ids=["init", "guide"])
def test_tiers_of_severity_are_told_where_severity_is_set(text: str) -> None:
    """As the code has them, and on-call is told from medium on."""
    assert ", ".join(f"{name} from {least:,}" for least, name in reversed(EXPOSED_TIERS)) in " ".join(
        text.replace("#", " ").split()
    )
    assert '# severity = "medium"' in TEMPLATE


def test_the_configuration_of_init_is_the_defaults(tmp_path: Path) -> None:
    """It is read, names no unknown key, and each value that is commented out is the default."""
    path = tmp_path / "detector.toml"
    path.write_text(TEMPLATE)
    assert load_settings(path).input[0].path.endswith("incoming/*")
    shown = []
    for line in TEMPLATE.splitlines():
        plain = line.removeprefix("# ") if line.startswith(("# ", "[")) else line
        shown.append(plain if "=" in plain or plain.startswith("[") else "")
    found = tomllib.loads("\n".join(shown).partition("[[notify.receivers]]")[0])
    for stage in ("engine", "run", "retrain", "watch"):
        defaults = getattr(Settings(), stage).model_dump(mode="json")
        for key, value in found[stage].items():
            if key not in ("metrics", "threads", "temp_folder", "addresses_file"):
                assert value == defaults[key], (stage, key)
