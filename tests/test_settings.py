"""Settings: where each value comes from, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from detector.errors import ConfigError
from detector.reading.dumps import expand
from detector.settings import Settings, holidays_of, load_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The path of a settings file that is not written yet."""
    return tmp_path / "detector.toml"


def test_without_a_file_every_default_stands() -> None:
    """No file and no option give the defaults: Paris and French holidays."""
    settings = load_settings()
    assert settings == Settings()
    assert (settings.portal.zone, settings.portal.country) == ("Europe/Paris", "FR")


def test_the_file_wins_over_defaults_and_the_command_line_over_the_file(config: Path) -> None:
    """Of three values the command line's counts; what it does not say stays the file's."""
    config.write_text('[learn]\nmax_reject_share = 0.2\n[portal]\nzone = "Indian/Reunion"\n')
    settings = load_settings(str(config), over={"learn": {"max_reject_share": 0.5, "complete": None}, "history": {}})
    assert settings.learn.max_reject_share == 0.5
    assert settings.portal.zone == "Indian/Reunion"
    assert not settings.learn.complete


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[potral]\n", r"detector\.toml: unknown key 'potral'; expected one of portal, history, .*input"),
        ("[portal]\nzoen = 'UTC'\n", r"detector\.toml: unknown key 'portal\.zoen'"),
        ("[score.alerts]\nbudget = -1\n", r"detector\.toml: score\.alerts\.budget: .*greater than or equal to 0"),
        ("[portal]\nzone = 'Paris'\n", r"portal\.zone: 'Paris' is not a time zone; expected a name such as"),
        ("[portal]\ncountry = 'XX'\n", r"portal\.country: 'XX' is not a country whose holidays are known"),
        ("[[input]]\npath = 'a.csv'\nmaping = {}\n", r"unknown key 'input\.0\.maping'"),
        ("portal = \n", r"detector\.toml: not TOML in UTF-8"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_key(config: Path, text: str, complaint: str) -> None:
    """Unknown keys, values that do not fit and broken TOML are errors that say where."""
    config.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_settings(config)


@pytest.mark.parametrize("text", ["path = 'x'", "url = 'mailto://u:hunter2@h'", "digest = 'mailto://u:hunter2@h'"])
def test_a_fault_tells_no_password(config: Path, text: str) -> None:
    """Of a section that does not fit, no content is told; nor of an address."""
    receiver = "[[notify.receivers]]\nname = 'a'\nkind = 'apprise'\nurl = 'mailto://u:hunter2@h'\n"
    wrong = f"[[notify.receivers]]\nname = 'a'\nkind = 'apprise'\n{text}\n"
    config.write_text(receiver + wrong)
    with pytest.raises(ConfigError, match="receivers") as refused:
        load_settings(config)
    assert "hunter2" not in str(refused.value)


def test_a_missing_file_is_refused(config: Path) -> None:
    """A settings file that was named must be there."""
    with pytest.raises(ConfigError, match=r"detector\.toml: the settings cannot be read \(No such file"):
        load_settings(config)


def test_a_wrong_option_is_not_blamed_on_the_file(config: Path) -> None:
    """A value from the command line that does not fit says that it comes from there."""
    config.write_text("")
    with pytest.raises(ConfigError, match=r"^the command line: learn\.max_reject_share"):
        load_settings(config, over={"learn": {"max_reject_share": 7}})


def test_paths_in_a_file_are_meant_from_its_folder(config: Path) -> None:
    """A settings file works from wherever the command runs; standard input stays what it is."""
    (config.parent / "m.toml").write_text("[records]\nkind = 'token'\n")
    config.write_text(
        "[history]\nfolder = 'h'\n[[input]]\npath = 'logs/*.csv'\nmapping = 'm.toml'\n[[input]]\npath = '-'\n"
        "mapping = { records = { kind = 'token' } }\n"
    )
    settings = load_settings(config)
    assert settings.history.folder == config.parent / "h"
    assert [entry.path for entry in settings.input] == [str(config.parent / "logs/*.csv"), "-"]
    assert [entry.mapping.records.kind for entry in settings.input] == ["token", "token"]


def test_public_holidays_are_those_of_the_country() -> None:
    """France is closed on Bastille Day and on Easter Monday; without a country no day is a holiday."""
    french = holidays_of("FR")(2026)
    assert {date(2026, 7, 14), date(2026, 4, 6)} <= set(french)
    assert date(2026, 7, 15) not in french
    assert holidays_of("")(2026) == ()


@pytest.mark.parametrize("path", ["incoming/*.csv", "incoming", "incoming/a.csv"])
def test_a_folder_named_like_a_pattern_is_meant_as_it_is_called(tmp_path: Path, path: str) -> None:
    """What is a pattern is what the file says, not where it lies."""
    folder = tmp_path / "portal [1]*"
    (folder / "incoming").mkdir(parents=True)
    (folder / "incoming" / "a.csv").write_text("timestamp\n")
    (folder / "detector.toml").write_text(f'[[input]]\npath = "{path}"\n')
    found = expand(load_settings(folder / "detector.toml").input)
    assert [Path(each.path) for each in found] == [folder / "incoming" / "a.csv"]
