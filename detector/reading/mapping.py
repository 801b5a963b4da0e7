"""What a source calls things: a mapping, read from TOML, and the inputs that use one."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from detector.errors import ConfigError
from detector.schema import ACTIONS, CHANNELS, EVENTS, OUTCOMES, RECORD_ID_MODES

STDIN = "-"
IGNORE = "ignore"
ANY = "*"
REQUEST_COLUMNS = ("method", "path", "forwarded_for")
"""Columns that make events and are not in them: what `[[requests]]` match, and the addresses a proxy passed on."""
MAPPABLE = (*(name for name in EVENTS.names if name not in ("source", "line")), *REQUEST_COLUMNS)
GROUPS = ("action", "record", "service", "account", "session", "organisation", "delegate")
_FIRST_YEAR, _LAST_YEAR = 2000, 2059


def _one_of(*allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
        return value

    return AfterValidator(check)


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
        pc.match_substring_regex(pa.array([""]), pattern)  # the dialect that will run it, RE2
    except (re.error, pa.ArrowInvalid) as error:
        raise ValueError(f"{pattern!r} is not a regular expression of the RE2 dialect ({error})") from error
    return pattern


def _check_request(pattern: str) -> str:
    unknown = [group for group in re.compile(_check_pattern(pattern)).groupindex if group not in GROUPS]
    if unknown:
        raise ValueError(f"the group {unknown[0]!r} is not one of {', '.join(GROUPS)}")
    return pattern


def _check_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ValueError(f"{zone!r} is not a time zone; expected a name such as 'Europe/Paris' or 'UTC'") from error
    return zone


def _check_network(network: str) -> str:
    ipaddress.ip_network(network)
    return network


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Column = Annotated[str, _one_of(*MAPPABLE)]
Action = Annotated[str, _one_of(*ACTIONS, IGNORE)]
Outcome = Annotated[str, _one_of(*OUTCOMES)]
Channel = Annotated[str, _one_of(*CHANNELS)]
RecordIdMode = Annotated[str, _one_of(*RECORD_ID_MODES)]
Pattern = Annotated[str, AfterValidator(_check_pattern)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Records(_Settings):
    """What `record` holds: identifiers that must become tokens, or tokens already."""

    kind: Literal["nir", "token"] = "nir"


class Accounts(_Settings):
    """Whether accounts keep the name that the log gives them."""

    kind: Literal["plain", "hash"] = "plain"


class Time(_Settings):
    """How the time is written; ISO 8601, epochs (s, ms, µs, ns) and the web servers' form are found without it."""

    columns: tuple[str, ...] = ()
    """Source columns, joined by a space."""
    format: str | None = None
    """strptime's; with `%z` the time's own offset counts."""
    zone: Annotated[str, AfterValidator(_check_zone)] | None = None
    """Zone of times that name none; null = the portal's."""
    year: Annotated[int, Field(ge=_FIRST_YEAR, le=_LAST_YEAR)] | None = None
    """Year of the first line where stamps have none (syslog); null = that of the file's date, counted from its end."""


class Csv(_Settings):
    """What the detection of a delimited file may get wrong."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    header: bool = True
    """Without a header, columns are called "1", "2" and so on."""


class Request(_Settings):
    """A kind of HTTP request and what it means; the first that matches counts."""

    method: Pattern = ""
    """Found anywhere in the method; empty = any."""
    path: Annotated[str, AfterValidator(_check_request)]
    """Found in the path with its query; groups named action, record, service, account, session… fill these columns."""
    action: Action | None = None
    service: str | None = None
    channel: Channel | None = None
    record_id_mode: RecordIdMode | None = None


class Mapping(_Settings):
    """What a source calls the columns of events and their values; see `docs/mapping.md`."""

    columns: dict[Column, Names] = {}
    """Event column to source column (dotted for nested JSON); of several, the first that is not empty."""
    actions: dict[str, Action] = {}
    outcomes: dict[str, Outcome] = {}
    channels: dict[str, Channel] = {}
    record_id_modes: dict[str, RecordIdMode] = {}
    constants: dict[Column, str] = {}
    records: Records = Records()
    accounts: Accounts = Accounts()
    time: Time = Time()
    requests: tuple[Request, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    """Lines in which one of these is found are understood and not needed."""
    authority: tuple[Annotated[str, _one_of(*ACTIONS)], ...] = ()
    """Actions that this input alone supplies: those of other inputs are ignored, and counted."""
    trusted_proxies: tuple[Annotated[str, AfterValidator(_check_network)], ...] = ()
    """Networks whose word on the client's address (`forwarded_for`) is taken."""
    csv: Csv = Csv()

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every source column that is read, once."""
        named = [column for columns in self.columns.values() for column in columns]
        return tuple(dict.fromkeys((*named, *self.time.columns)))

    def over(self, default: Mapping) -> Mapping:
        """Return this mapping with what it leaves open filled from a format's `default`."""
        mine = self.constants.keys() | ({"timestamp"} if self.time.columns else set())
        kept = {column: names for column, names in default.columns.items() if column not in mine}
        constants = {column: value for column, value in default.constants.items() if column not in self.columns}
        return self.model_copy(
            update={
                "columns": kept | self.columns,
                "constants": constants | self.constants,
                "actions": default.actions | self.actions,
                "outcomes": default.outcomes | self.outcomes,
            }
        )


def load_mapping(path: str | Path) -> Mapping:
    """Read a mapping from a TOML file.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, or has keys or values that a mapping has not; it names file and key.
    """
    return parse_settings(Mapping, _read_toml(Path(path)), origin=str(path))


Model = TypeVar("Model", bound=BaseModel)


def parse_settings(model: type[Model], found: dict[str, Any], *, origin: str) -> Model:
    """Return `found` as a settings model; every fault is told, with its place."""
    try:
        return model.model_validate(found)
    except ValidationError as error:
        faults = [_fault(detail["loc"], detail["msg"], detail["input"], model) for detail in error.errors()]
        raise ConfigError(f"{origin}: " + "; ".join(faults)) from error


def _fault(place: tuple[int | str, ...], message: str, found: object, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in place if part != "[key]")
    if message == "Extra inputs are not permitted":
        known = f"; expected one of {', '.join(model.model_fields)}" if len(place) == 1 else ""
        return f"unknown key {key!r}{known}"
    return f"{key}: {message.removeprefix('Value error, ')}" + ("" if repr(found) in message else _shown(found))


def _shown(found: object) -> str:
    """A value that does not fit; whole tables are not told, nor addresses: they may hold passwords."""
    is_plain = isinstance(found, str | int | float | bool) and "://" not in str(found)
    return f" (found {found!r})" if is_plain else ""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: the mapping cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML in UTF-8 ({error})") from error


class Input(_Settings):
    """A path, glob, folder or `-` (standard input), what its lines mean, and its format if it is not to be detected."""

    path: str
    mapping: Annotated[Mapping, BeforeValidator(lambda v: load_mapping(v) if isinstance(v, str | Path) else v)] = (
        Mapping()
    )
    format: str | None = None
