"""A drill on a portal of sixty accounts: from a history alone, and from dumps."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from detector.alerting import AlertSettings, too_few
from detector.cli.app import app
from detector.drill import Drilled, DrillSettings, drill
from detector.errors import ConfigError
from detector.output.drill import render_drill
from detector.reading import Mapping
from detector.reading.mapping import Records
from detector.scoring import ScoreSettings
from detector.settings import EngineSettings, Settings
from detector.training import TrainSettings
from detector.verbs import learn, train

FIRST, DAYS, ACCOUNTS = date(2026, 3, 2), 9, 60
pytestmark = pytest.mark.timeout(300)
"""A history is learned and a model trained: seconds on an idle machine, minutes on a busy one."""

TOKENS = Mapping(records=Records(kind="token"))
# So few past account-days allow alerts at a loose rate only.
SETTINGS = Settings(
    train=TrainSettings(min_past_days=7, min_rows=100),
    score=ScoreSettings(alerts=AlertSettings(false_discovery_rate=0.5)),
    engine=EngineSettings(threads=2, memory_limit="1GB"),
)
DRILLING = DrillSettings(scenarios=("night",), accounts=2, days=1, cap=10)


class Portal(NamedTuple):
    """Dumps of nine days, and what was learned and trained on all of them."""

    dumps: list[Path]
    history: Path


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """Accounts that read eight to fifteen of their thirty records a day, and now and then a new one."""
    folder = tmp_path_factory.mktemp("portal")
    random = np.random.default_rng(3)
    dumps = [_write_day(folder, FIRST + timedelta(days=n), random=random) for n in range(DAYS)]
    history = folder / "history"
    closed = SETTINGS.model_copy(update={"learn": SETTINGS.learn.model_copy(update={"complete": True})})
    learn(dumps, history=history, mapping=TOKENS, now=datetime(2026, 3, 20, tzinfo=UTC), settings=closed)
    train(history=history, settings=SETTINGS)
    return Portal(dumps, history)


def _write_day(folder: Path, day: date, *, random: np.random.Generator) -> Path:
    account = np.repeat(np.arange(ACCOUNTS), random.integers(8, 16, ACCOUNTS))
    record = account * 20 + random.integers(0, 30, len(account))
    start = pd.Timestamp(day, tz="Europe/Paris") + pd.Timedelta(hours=9)
    times = start + pd.to_timedelta(np.sort(random.uniform(0, 8 * 3600, len(account))), unit="s")
    rows = pd.DataFrame({"timestamp": times.tz_convert("UTC").as_unit("us"), "action": "lookup", "outcome": "success"})
    rows = rows.assign(
        account=[f"a{n:02}" for n in account],
        record=[f"record-{n}" for n in record],
        ip=[f"192.0.2.{n}" for n in account],
        user_agent="Browser/1",
        channel="portal",
    )
    path = folder / f"{day}.parquet"
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), path)
    return path


def digest(folder: Path) -> dict[str, str]:
    """Every file of a folder and the hash of its content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def from_history(portal: Portal) -> Drilled:
    """A drill on the history alone."""
    before = digest(portal.history)
    drilled = drill(history=portal.history, drilling=DRILLING, settings=SETTINGS)
    assert digest(portal.history) == before
    return drilled


@pytest.fixture(scope="module")
def from_dumps(portal: Portal) -> Drilled:
    """The same days as events, with the same history."""
    before = digest(portal.history)
    drilled = drill(portal.dumps[-1:], history=portal.history, mapping=TOKENS, drilling=DRILLING, settings=SETTINGS)
    assert digest(portal.history) == before
    return drilled


def test_a_robots_night_is_caught_as_sums_and_as_events(from_history: Drilled, from_dumps: Drilled) -> None:
    """Both victims alert, at the top of the day's ranks; the history keeps every byte (the fixtures look)."""
    for drilled in (from_history, from_dumps):
        assert not drilled.cold
        assert drilled.victims["caught"].tolist() == [True, True]
        assert sorted(drilled.victims["rank"]) == [1, 2]
        assert (drilled.victims["gone_by_day"] == drilled.victims["records"]).all()


def test_without_reasons_the_same_is_caught(portal: Portal, from_history: Drilled) -> None:
    """A training asks how many were, not why; whoever asks is told the weightiest signal."""
    options = DRILLING.model_copy(update={"explains": False})
    silent = drill(history=portal.history, drilling=options, settings=SETTINGS)
    assert from_history.victims["signal"].notna().all()
    assert silent.victims["signal"].isna().all()
    pd.testing.assert_frame_equal(silent.victims.drop(columns="signal"), from_history.victims.drop(columns="signal"))


def test_sums_and_events_give_the_same_victims_the_same_attack(from_history: Drilled, from_dumps: Drilled) -> None:
    """Who falls victim and what is lost does not depend on what is left of a day."""
    columns = ["account", "records"]
    assert from_history.victims[columns].equals(from_dumps.victims[columns])


def test_scenarios_share_a_copy_of_the_days_where_there_are_accounts_enough(portal: Portal) -> None:
    """No account falls victim to two; what a robot's night takes is caught as it is alone, and days are judged once."""
    names = ("night", "day")
    options = DrillSettings(scenarios=names, accounts=2, days=1, together=0.1)
    told: list[str] = []
    found = drill(
        (), history=portal.history, drilling=options, settings=SETTINGS, progress=lambda text, _share: told.append(text)
    )
    assert "drilling: night, day" in told
    assert sorted(found.victims["scenario"]) == ["day", "day", "night", "night"]
    assert found.victims["account"].is_unique
    alone = drill((), history=portal.history, drilling=options.model_copy(update={"together": 0.0}), settings=SETTINGS)
    of_night = [each.victims.query("scenario == 'night'").set_index("account")["caught"] for each in (found, alone)]
    assert of_night[0].equals(of_night[1])


def test_only_events_tell_by_the_minute(from_history: Drilled, from_dumps: Drilled) -> None:
    """From sums nothing is told by the minute, and the reader is told so."""
    assert from_history.victims["gone_by_minute"].isna().all()
    assert any(warning.startswith("no dumps") for warning in from_history.warnings)
    assert (from_dumps.victims["gone_by_minute"] <= from_dumps.victims["gone_by_day"]).all()


def test_the_load_is_that_of_the_untouched_days(from_history: Drilled, from_dumps: Drilled) -> None:
    """The day stands there with all its accounts, as sums and as events alike, and no victim is in its alerts."""
    assert from_history.load["accounts"].tolist() == [ACCOUNTS]
    assert from_history.load.equals(from_dumps.load)


def test_a_cap_hits_the_honest_and_stretches_the_attack(from_history: Drilled, portal: Portal) -> None:
    """The honest that do not alert are counted in the dumps; 2,000 records at ten a day take 200 days."""
    used = pd.read_parquet(portal.dumps[-1]).groupby("account")["record"].nunique()
    over, alerts, hit = int((used > 10).sum()), from_history.load["alerts"][0], from_history.cap["hit"][0]
    assert from_history.cap["accounts"].tolist() == [ACCOUNTS - alerts]
    assert 0 < over - alerts <= hit <= over < ACCOUNTS
    records = from_history.summary["records"][0]
    assert from_history.summary["capped_days"][0] == np.ceil(records / 10)


def test_the_table_tells_what_was_caught_at_which_load_and_what_a_cap_would_do(from_dumps: Drilled) -> None:
    """One line an attack, the false-alert load, and the cap, within 100 columns."""
    console = Console(width=100, file=StringIO(), record=True)
    console.print(render_drill(from_dumps))
    text = console.export_text()
    row = next(line.split() for line in text.splitlines() if line.startswith("night"))
    assert row[1:5] == [f"{from_dumps.summary['records'][0]:,.0f}", "2", "of", "2"]
    assert text.startswith("1 of 1 attacks injected")
    assert "Not injected" not in text
    assert "Untouched, these days raise" in text
    assert "A cap of 10 records a day would have hit" in text


def test_an_attack_that_needs_writers_is_not_injected_where_nobody_writes(portal: Portal) -> None:
    """It is told with the reason below the table, and stands in no line of it."""
    drilling = DRILLING.model_copy(update={"scenarios": ("night", "writes")})
    found = drill(portal.dumps[-1:], history=portal.history, mapping=TOKENS, drilling=drilling, settings=SETTINGS)
    assert found.summary["victims"].tolist() == [2, 0]
    console = Console(width=100, file=StringIO(), record=True)
    console.print(render_drill(found))
    lines = console.export_text().splitlines()
    assert lines[0].startswith("1 of 2 attacks injected")
    assert [line for line in lines if "writes" in line] == [
        "Not injected: writes: nobody at work on 2026-03-10 has written anything in the 28 days before."
    ]


def test_the_command_prints_json_and_writes_a_picture(portal: Portal, tmp_path: Path) -> None:
    """One JSON document on standard output, the same in the folder, and an SVG beside it."""
    out = tmp_path / "drill"
    options = ["--history", str(portal.history), "--scenario", "newcomer", "--accounts", "1", "--days", "1"]
    done = CliRunner().invoke(app, ["drill", *options, "--format", "json", "--out", str(out)])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert [row["scenario"] for row in document["summary"]] == ["newcomer"]
    assert document["victims"][0]["account"] == "drill-newcomer-1"
    assert sorted(path.name for path in out.iterdir()) == ["drill.json", "drill.svg", "summary.csv", "victims.csv"]
    assert (out / "drill.json").read_text() == done.stdout
    assert "<svg" in (out / "drill.svg").read_text()


def test_with_neither_dumps_nor_a_history_there_is_nothing_to_drill_on() -> None:
    """The message says what to name."""
    with pytest.raises(ConfigError, match="name dumps, or a history"):
        drill(drilling=DRILLING, settings=SETTINGS)


@pytest.mark.parametrize(("held", "told"), [(999, True), (1_000, False), (0, False)])
def test_a_model_that_knows_too_few_days_to_alert_is_told(held: int, *, told: bool) -> None:
    """A hundred accounts a day want ten days' worth; a cold model has a warning of its own."""
    calibration = pd.DataFrame({"kind": ["known"] * held})
    settings = Settings()
    assert settings.score.alerts.false_discovery_rate <= 0.1
    found = too_few(calibration, accounts=100, settings=settings.score.alerts)
    assert ("1,000 are needed" in found) == told
