"""What `detector.toml` may say: one frozen model a stage, each default once; an unknown key is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from glob import escape, has_magic
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from detector.errors import ConfigError
from detector.learning import LearnSettings
from detector.reading import Input
from detector.reading.mapping import STDIN, parse_settings
from detector.schedule import NotifySettings, RetrainSettings, RunSettings, WatchSettings
from detector.scoring import ScoreSettings
from detector.training import TrainSettings

COMMAND_LINE = "the command line"


def _check_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ValueError(f"{zone!r} is not a time zone; expected a name such as 'Europe/Paris' or 'UTC'") from error
    return zone


def _check_country(country: str) -> str:
    import holidays

    if country and country not in holidays.list_supported_countries():
        raise ValueError(f"{country!r} is not a country whose holidays are known; expected a code such as 'FR', or ''")
    return country


class _Stage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PortalSettings(_Stage):
    """The portal itself."""

    zone: Annotated[str, AfterValidator(_check_zone)] = "Europe/Paris"
    """Days are calendar days in this zone; it is also that of times whose source names none."""
    country: Annotated[str, AfterValidator(_check_country)] = "FR"
    """ISO code of the country whose public holidays are days off; empty: only Sundays are."""
    canaries: tuple[str, ...] = ()
    """Records that nobody has a reason to look up, as tokens."""
    canaries_file: Path | None = None
    """The same, one a line, as identifiers or tokens; identifiers become tokens when the file is read."""


class HistorySettings(_Stage):
    """Where earlier days are kept."""

    folder: Path | None = None
    """The history; null = the command line says, or there is none."""
    key_file: Path | None = None
    """The key of the records' tokens; null = the environment's, or the one beside the history."""
    model: Path | None = None
    """The model; null = `model` in the history, or the shipped one."""


class LedgerSettings(_Stage):
    """Where alerts and verdicts are kept."""

    url: SecretStr | None = None
    """A team's PostgreSQL, as in postgresql://USER@HOST/DATABASE (its password in ~/.pgpass, or in the environment);
    null = `ledger.sqlite` in the history. The environment's DETECTOR_LEDGER_URL comes first."""


class EngineSettings(_Stage):
    """What DuckDB may use."""

    memory_limit: str = "1GB"
    """Beyond it, work spills to the temporary folder; Python takes as much again on a day of 15 million events."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Null = one per core."""
    temp_folder: Path | None = None
    """For intermediate files, which may grow to several times the dumps; null = the system's."""


SHOWN = ("name", "birth_date", "sex", "nir", "doctor", "c2s", "ame", "full_cover")
"""What the look-up service of March 2022 showed of a person (the operator's own notice)."""


class IncidentSettings(_Stage):
    """What a dossier says of the operator, and how it weighs the data."""

    controller: str = ""
    """Who answers for the data; empty = to be filled in by a person."""
    contact: str = ""
    """The data protection officer, or whom the regulator may ask."""
    helpline: str = ""
    """Where persons concerned may call or write."""
    deadline_hours: Annotated[int, Field(ge=1)] = 72
    """From the moment of awareness to the notice (GDPR art. 33)."""
    dpc: Annotated[float, Field(ge=1, le=4)] = 3.0
    """Context of the data after ENISA: 1 simple to 4 sensitive; rights to health cover hint at income and illness."""
    ei: Annotated[float, Field(ge=0.25, le=1)] = 1.0
    """Ease of identification after ENISA: names and numbers identify at once."""
    memory_limit: str = "1500MB"
    """Of DuckDB while a dossier is made, instead of the engine's: 510,000 records of a portal of 20,000 accounts then
    take less than 2 GB in all. Beyond it, work spills to the temporary folder; a portal of 100,000 needs more."""
    templates: Path | None = None
    """A folder whose templates take the place of those that are shipped."""


class Settings(_Stage):
    """Everything that a verb may be told, resolved: defaults, then the file, then the command line."""

    portal: PortalSettings = PortalSettings()
    history: HistorySettings = HistorySettings()
    ledger: LedgerSettings = LedgerSettings()
    engine: EngineSettings = EngineSettings()
    learn: LearnSettings = LearnSettings()
    train: TrainSettings = TrainSettings()
    score: ScoreSettings = ScoreSettings()
    incident: IncidentSettings = IncidentSettings()
    shown: dict[str, tuple[str, ...]] = {"infopatient": SHOWN}
    """Service → the data that it displays, as names that `detector incident` knows, or in words of your own."""
    run: RunSettings = RunSettings()
    retrain: RetrainSettings = RetrainSettings()
    watch: WatchSettings = WatchSettings()
    notify: NotifySettings = NotifySettings()
    input: tuple[Input, ...] = ()
    """Dumps and their mappings, where the command line names none."""

    @property
    def told(self) -> ScoreSettings:
        """How the job scores: reasons are in the language of the messages that tell them."""
        return self.score.model_copy(update={"language": self.notify.language})


def load_settings(path: str | Path | None = None, *, over: Mapping[str, Any] | None = None) -> Settings:
    """Resolve the settings.

    Parameters
    ----------
    path
        `detector.toml`, or None for the defaults. Relative paths in it are relative to its folder.
    over
        What the command line says, nested as in the file; None anywhere means that it says nothing.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, or has unknown keys or values that do not fit.
    """
    found = _from_folder(_read(Path(path)), Path(path).parent) if path else {}
    settings = parse_settings(Settings, found, origin=str(path))
    if not over:
        return settings
    return parse_settings(Settings, _merge(found, over), origin=COMMAND_LINE)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: the settings cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML in UTF-8 ({error})") from error


_PATHS = (
    ("portal", "canaries_file"),
    ("history", "folder"),
    ("history", "key_file"),
    ("history", "model"),
    ("engine", "temp_folder"),
    ("incident", "templates"),
    ("run", "metrics"),
    ("run", "addresses_file"),
)


def _from_folder(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths in a file are meant from where the file is, not from where the command runs."""
    resolved = {**found}
    for stage, key in _PATHS:
        table = resolved.get(stage)
        if isinstance(table, dict) and isinstance(table.get(key), str):
            resolved[stage] = {**table, key: str(folder / table[key])}
    if isinstance(resolved.get("input"), list):
        resolved["input"] = [_input_from(entry, folder) for entry in resolved["input"]]
    notify = resolved.get("notify")
    if isinstance(notify, dict) and isinstance(notify.get("receivers"), list):
        resolved["notify"] = {**notify, "receivers": [_path_from(entry, folder) for entry in notify["receivers"]]}
    return resolved


def _path_from(entry: object, folder: Path) -> object:
    if isinstance(entry, dict) and isinstance(entry.get("path"), str):
        return {**entry, "path": str(folder / entry["path"])}
    return entry


def _input_from(entry: object, folder: Path) -> object:
    if not isinstance(entry, dict):
        return entry
    paths = {key: str(folder / entry[key]) for key in ("path", "mapping") if isinstance(entry.get(key), str)}
    if has_magic(paths.get("path", "")) and has_magic(entry["path"]):
        # The folder is meant as it is called, the rest as a pattern.
        paths["path"] = str(Path(escape(str(folder))) / entry["path"])
    if entry.get("path") == STDIN:
        del paths["path"]
    return {**entry, **paths}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base}
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = merged.get(key, {})
            merged[key] = _merge(below if isinstance(below, Mapping) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged


def holidays_of(country: str) -> Callable[[int], tuple[date, ...]]:
    """Return a function from a year to the country's public holidays in it; without a country there are none."""

    @cache
    def of_year(year: int) -> tuple[date, ...]:
        import holidays

        return tuple(sorted(holidays.country_holidays(country, years=year))) if country else ()

    return of_year
