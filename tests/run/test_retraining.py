"""Models over time: one takes another's place only if it holds; earlier ones stay, and can be used again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd
import pytest
from typer.testing import CliRunner

from detector import models_dir
from detector.cli import app
from detector.errors import ConfigError, ModelError
from detector.features import CATALOGUE
from detector.history import History, list_actions
from detector.ledger import open_ledger
from detector.ledger.store import OPERATOR
from detector.model.kept import CARD, PREVIOUS, load_model, save_model
from detector.run import AlreadyRunningError, run_once
from detector.run.lock import only_run
from detector.run.retraining import Retrained, _compare, _decide, find_drift, retrain, victim_spread
from detector.run.versions import drop_old, forget_set_aside, keep_version, list_versions, mend, put_in_use, roll_back
from detector.settings import Settings
from detector.simulate import World
from detector.workspace import workspace
from tests.run.portal import START, configure
from tests.run.replaying import Portal
from tests.run.test_job import deliver

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A history with a model in use."""
    History.open(tmp_path, zone="Europe/Paris", key_id="", create=True)
    put_in_use(load_model(models_dir() / "default"), tmp_path, model_folder=tmp_path / "model")
    return tmp_path


def other_model(history: Path) -> str:
    """Keep a second model, and return its version."""
    model = load_model(history / "model")
    columns = model.calibration.assign(strangeness=model.calibration["strangeness"] + 1)
    changed = replace(model, calibration=columns, card={**model.card, "last_day": "2030-01-01"})
    keep_version(changed, history)
    return changed.version


def test_models_are_listed_and_rolled_back(history: Path) -> None:
    """The newest first, the one in use marked; rolled back with a reason, which the log keeps."""
    first = load_model(history / "model").version
    second = other_model(history)
    roll_back(second, history, model_folder=history / "model")
    listed = CliRunner().invoke(app, ["models", "--history", str(history)]).stdout.splitlines()
    assert [line.split()[0] for line in listed if not line.startswith(" ")] == [second, first]
    assert listed[-1].endswith("trained by hand, or not compared yet")
    assert listed[0].endswith("in use")
    arguments = ["models", "rollback", first[:6], "--note", "too many alerts", "--by", "ana", "--history", str(history)]
    assert CliRunner().invoke(app, arguments).stdout == f"{first} is in use\n"
    assert load_model(history / "model").version == first
    assert '"why": "too many alerts"' in (history / "actions.jsonl").read_text()
    again = CliRunner().invoke(app, ["models", "--history", str(history)]).stdout
    assert [line.split()[0] for line in again.splitlines() if line.endswith("in use")] == [first]
    assert "rollback, says ana: too many alerts\n" in again


def test_a_forgotten_account_is_in_no_model(history: Path) -> None:
    """Neither in the one in use, nor in kept ones or the one before; what they judge stays, and others' days."""
    days = pd.DataFrame({"account": ["gone", "other", "gone"], "day": [date(2026, 1, n) for n in (5, 5, 6)]})
    model = replace(load_model(history / "model"), set_aside=days)
    put_in_use(model, history, model_folder=history / "model")
    put_in_use(replace(model, set_aside=days[1:2]), history, model_folder=history / "model")
    put_in_use(model, history, model_folder=history / "model")
    assert forget_set_aside("gone", history, model_folder=history / "model") == 2
    assert not [path for path in history.rglob("*.parquet") if "gone" in path.read_bytes().decode("latin-1")]
    used = load_model(history / "model")
    assert used.set_aside["account"].tolist() == ["other"]
    assert used.calibration.equals(model.calibration)
    assert [each.in_use for each in list_versions(history, model_folder=history / "model")].count(True) == 1
    assert forget_set_aside("gone", history, model_folder=history / "model") == 0
    (history / "model" / "calibration.parquet").write_bytes(b"x")
    with pytest.raises(ModelError, match="damaged, and may name the account still"):
        forget_set_aside("gone", history, model_folder=history / "model")


@pytest.mark.parametrize(("elsewhere", "n_listed"), [(False, 1), (True, 0)])
def test_what_a_person_trains_is_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool, n_listed: int
) -> None:
    """`train` keeps its model among the versions, so that it can be rolled back to; not what is kept elsewhere."""
    History.open(tmp_path, zone="Europe/Paris", key_id="", create=True)
    about = {"account_days": 1, "days": 1, "first_day": "2026-01-01", "last_day": "2026-01-31", "set_aside": 0}
    fitted = replace(load_model(models_dir() / "default"), card=about)
    monkeypatch.setattr("detector.verbs.train", lambda **_given: fitted)
    short = pd.DataFrame({"channel": ["software"], "account_days": [944], "needed": [1_000]})
    monkeypatch.setattr("detector.verbs.watched", lambda **_given: short)
    place = ["--model", str(tmp_path / "other")] if elsewhere else []
    found = CliRunner().invoke(app, ["train", "--history", str(tmp_path), *place], catch_exceptions=False)
    assert found.exit_code == 0
    assert "early warning on the channel software: none yet, 944 of the 1,000 account-days" in found.stdout
    assert len(list_versions(tmp_path, model_folder=tmp_path / "model")) == n_listed


def test_nothing_is_rolled_back_while_a_run_is_at_work(history: Path) -> None:
    """It may be comparing the model that is named, of which nothing is decided."""
    version = load_model(history / "model").version
    asked = ["models", "rollback", version, "--note", "too many", "--history", str(history)]
    with only_run(history), pytest.raises(AlreadyRunningError, match="another run is at work"):
        CliRunner().invoke(app, asked, catch_exceptions=False)
    assert not any(each["verb"] == "rollback" for each in list_actions(History.open(history)))


def test_a_rollback_names_one_model_and_a_reason(history: Path) -> None:
    """Neither an unknown version nor a silent change."""
    with pytest.raises(ModelError, match="not one kept model; kept are"):
        roll_back("ffff0000", history, model_folder=history / "model")
    with pytest.raises(ConfigError, match="--note WHY"):
        CliRunner().invoke(app, ["models", "rollback", "ffff", "--history", str(history)], catch_exceptions=False)
    unknown = ["models", "rollback", "ffff0000", "--note", "too many", "--history", str(history)]
    with pytest.raises(ModelError, match="not one kept model; kept are"):
        CliRunner().invoke(app, unknown, catch_exceptions=False)
    assert not (history / "actions.jsonl").exists(), "what was not done is not logged"


def test_a_model_that_was_changed_is_not_rolled_back_to(history: Path) -> None:
    """Its files must be those that training wrote; the one in use stays."""
    version = other_model(history)
    (history / "models" / version / "calibration.parquet").write_bytes(b"x")
    before = load_model(history / "model").version
    with pytest.raises(ModelError, match="expected"):
        roll_back(version, history, model_folder=history / "model")
    assert load_model(history / "model").version == before


def test_old_versions_go_and_the_one_in_use_stays(history: Path) -> None:
    """However old it is."""
    used = load_model(history / "model").version
    second = other_model(history)
    drop_old(history, model_folder=history / "model", keep=1)
    assert {each.version for each in list_versions(history, model_folder=history / "model")} == {used, second}
    drop_old(history, model_folder=history / "model", keep=0)
    assert [each.version for each in list_versions(history, model_folder=history / "model")] == [used]


def test_a_model_that_is_kept_twice_is_one(history: Path) -> None:
    """It is listed once, and can be rolled back to, whatever a replaced folder left beside it."""
    model = load_model(history / "model")
    kept = keep_version(model, history)
    assert keep_version(model, history) == kept
    shutil.copytree(kept, kept.with_name(kept.name + PREVIOUS))
    assert [each.version for each in list_versions(history, model_folder=history / "model")] == [model.version]
    assert roll_back(model.version, history, model_folder=history / "model").version == model.version


def test_a_kill_between_two_renames_is_mended(history: Path) -> None:
    """The model before is put back; where there is one, nothing is touched."""
    (history / "model").rename(history / f"model{PREVIOUS}")
    assert mend(history / "model")
    assert (history / "model" / CARD).is_file()
    save_model(load_model(history / "model"), history / "model")
    assert not mend(history / "model")


@pytest.mark.parametrize(
    ("caught", "before", "share", "share_before", "in_use", "why"),
    [
        (0.9, 0.9, 0.05, 0.05, True, "it caught 90% in the drill, the one before 90%"),
        (0.86, 0.9, 0.05, 0.05, True, "it caught 86%"),
        (0.84, 0.9, 0.05, 0.05, False, "the drill caught 84% with it, 90% with the one in use"),
        (0.9, 0.9, 0.12, 0.05, False, "12.0% of account-days have p <= 0.05"),
        (0.9, 0.9, 0.09, 0.05, True, "calibration is as good"),
        (0.9, 0.9, 0.12, 0.2, True, "calibration is as good"),
        (None, None, 0.05, 0.05, True, "no drill could be held (too few days)"),
    ],
)
def test_a_challenger_may_be_worse_by_no_more_than_chance(
    caught: float | None, before: float | None, share: float, share_before: float, in_use: object, why: str
) -> None:
    """Neither in the drill nor in calibration; where no drill could be held, the reason is told."""
    found = Retrained("v", in_use=False, why="", caught=caught, caught_before=before)
    found = replace(found, share=share, share_before=share_before, caught_spread=0.05, share_spread=0.05)
    undrilled = "too few days" if caught is None else ""
    told, used = _decide(found, spreads=1, undrilled=undrilled)
    assert used is in_use
    assert why in told


def test_chance_is_what_other_victims_would_change() -> None:
    """A scenario of which all or none are caught tells none; the more victims of another, the less it is."""
    certain = [("night", True)] * 5 + [("slow", False)] * 5
    assert victim_spread(pd.DataFrame(certain, columns=["scenario", "caught"])) == 0
    mixed = [("copied", n < 2) for n in range(5)]
    found = victim_spread(pd.DataFrame(certain + mixed, columns=["scenario", "caught"]))
    # The variance of two in five is 0.3, five of fifteen victims are drawn from it.
    assert found == pytest.approx((5 * 0.3) ** 0.5 / 15)
    twice = pd.DataFrame((certain + mixed) * 4, columns=["scenario", "caught"])
    assert victim_spread(twice) < 0.6 * found


class Weeks:
    """Account-days of two weeks: in the second, one signal exceeds the accounts' own past by so much more."""

    def __init__(self, signal: str, moved: float) -> None:
        self._signal, self._moved = signal, moved

    def deviations(self, day: date) -> ir.Table:
        """Of one day, whose other signals stay as they were."""
        rows = {f"{feature.name}__own": [0.2, 0.4] for feature in CATALOGUE}
        if day >= NOW.date():
            rows[f"{self._signal}__own"] = [0.2 + self._moved, 0.4 + self._moved]
        return ibis.memtable(rows)


@pytest.mark.parametrize("signal", [feature.name for feature in CATALOGUE if feature.worse != "context"])
def test_each_signals_drift_is_told_in_words(signal: str) -> None:
    """One sentence that names what moved, by how much and which way; a small move is none."""
    days = [NOW.date() + timedelta(days=n) for n in range(-7, 7)]
    for moved, way in ((0.7, "more"), (-0.7, "less")):
        (told,) = find_drift(Weeks(signal, moved), known=days, days=days[7:])
        assert told.startswith(f"{signal.replace('_', ' ')}: accounts exceed their own past by 0.7 spreads {way}")
    assert find_drift(Weeks(signal, 0.4), known=days, days=days[7:]) == []


def test_drift_is_told_to_the_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one alert that names the signals, whoever looks at the run's own words or does not."""
    settings = configure(tmp_path)
    moved = ("new agent uses: accounts exceed their own past by 1.8 spreads more", "lookups: the same")
    monkeypatch.setattr("detector.run.job.is_due", lambda *_: True)
    monkeypatch.setattr("detector.run.job.retrain", lambda *_, **__: Retrained("v", in_use=False, why="", drift=moved))
    report = run_once(settings, now=deliver(tmp_path, START))
    (found,) = open_ledger(history=settings.history.folder).alerts(kind=OPERATOR)
    assert found.title == "What accounts do has moved: new agent uses, lookups"
    assert (found.checks, report.faults) == (["drift"], (f"Drift. {'. '.join(moved)}",))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_challenger_replaces_the_champion_only_if_it_holds(tmp_path: Path) -> None:
    """One fitted on the next week is taken into use; one that sees nothing strange in anything is not."""
    portal = Portal.make(tmp_path, World(accounts=400, days=32, attacks=()))
    portal.learn(portal.days)
    settings: Settings = portal.settings
    with workspace(settings) as place:
        history = place.history()
        assert history is not None
        outcome = retrain(place, history, now=NOW, tell=lambda _: None, force=True)
        assert outcome is not None
        assert outcome.in_use, outcome
        assert outcome.caught is not None
        assert outcome.caught_before is not None
        assert "in the drill" in outcome.why
        champion = load_model(tmp_path / "history" / "model")
        blind = champion.calibration.assign(strangeness=champion.calibration["strangeness"] + 1e6)
        refused = _compare(place, history, replace(champion, calibration=blind), champion)
    assert not refused.in_use
    assert "%" in refused.why
    shutil.rmtree(tmp_path / "portal")
