"""Times in any usual notation, as SQL for UTC instants.

A time that names no zone is read in a given one. Where that zone's clock went back, an hour occurs twice: the first
occurrence is taken. Where it went forward, an hour is skipped: the time is moved on by as much. Both are counted.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from detector.reading import sql

FIRST_YEAR, LAST_YEAR = 2000, 2060
"""Times outside are taken for a wrong unit or notation; a query knows the clock changes of each year between."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall clocks, on purpose
_MICROSECOND = timedelta(microseconds=1)
_NEVER_US = 2**62
_STEP = timedelta(days=7)  # the closest two clock changes of a zone are four weeks apart (Morocco's Ramadan)

_ISO = "____-__-__%:__%"
_HAS_ZONE = r":\d\d.*(?:[zZ]|[+-]\d\d:?(?:\d\d)?| ?UTC| ?GMT)$"
_COMPACT = r"\d{8}T\d{6}Z?"
_NUMBER = r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_WEB = r"\[?\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]?"
_WEB_FORMAT = "%d/%b/%Y:%H:%M:%S %z"
_ASCTIME = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d \d{4}"  # C's, which names no zone
_ASCTIME_FORMAT = "%a %b %d %H:%M:%S %Y"
_MAIL = r"(?:[A-Z][a-z]{2}, )?\d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|[+-]\d{4})"  # RFC 5322, and HTTP's
_MAIL_FORMAT = "%d %b %Y %H:%M:%S %z"

# Digits decide the unit: until 2286 seconds have 10 digits at most, and since 2001 milliseconds have 12 at least.
_UNITS_US = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (math.inf, 1e-3))


NO_ZONE = "none"
_ZONE = r"(Z|[+-]\d\d:?(?:\d\d)?)\]?$"


class Instants(NamedTuple):
    """SQL for a time: as an instant where the notation names its zone, as a wall clock where it does not."""

    zoned: str
    wall: str


class ClockChange(NamedTuple):
    """Wall clocks (µs since 1970) before `until_us` have `offset_us`; the last `odd_us` occur twice, or never."""

    until_us: int
    offset_us: int
    odd_us: int
    skipped: bool


def instants(value: str, *, kind: str, layout: str | None) -> Instants:
    """SQL for the times in a column of DuckDB type `kind`, by strptime's `layout` if there is one."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return Instants(value, _null("TIMESTAMP"))
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return Instants(_null("TIMESTAMPTZ"), f"{value}::TIMESTAMP")
    if layout:
        return _by_layout(value, layout)
    if kind != "VARCHAR":
        value = f"{value}::VARCHAR"
    return _by_shape(value)


def _by_layout(value: str, layout: str) -> Instants:
    parsed = f"try_strptime({value}, {sql.text(layout)})"
    if "%z" in layout or "%Z" in layout:
        return Instants(f"{parsed}::TIMESTAMPTZ", _null("TIMESTAMP"))
    return Instants(_null("TIMESTAMPTZ"), f"{parsed}::TIMESTAMP")


def _by_shape(value: str) -> Instants:
    iso = f"{value} LIKE {sql.text(_ISO)}"
    has_zone = sql.matches(value, _HAS_ZONE)
    dotted = f"replace({value}, ',', '.')"
    zoned = [
        (f"{iso} AND {has_zone}", f"try_cast({dotted} AS TIMESTAMPTZ)"),
        (iso, _null("TIMESTAMPTZ")),
        (sql.matches_whole(value, _NUMBER), _epoch(value)),
        (sql.matches_whole(value, _WEB), f"try_strptime(trim({value}, '[]'), {sql.text(_WEB_FORMAT)})"),
        (
            sql.matches_whole(value, _COMPACT) + f" AND {value} LIKE '%Z'",
            f"make_timestamptz(epoch_us(try_strptime({value}, '%Y%m%dT%H%M%SZ')))",
        ),
    ]
    mail = f"replace(regexp_replace({value}, '^[A-Za-z]+, ', ''), 'GMT', '+0000')"
    zoned.append((sql.matches_whole(value, _MAIL), f"try_strptime({mail}, {sql.text(_MAIL_FORMAT)})"))
    wall = [
        (f"{iso} AND NOT {has_zone}", f"try_cast({dotted} AS TIMESTAMP)"),
        (sql.matches_whole(value, _COMPACT) + f" AND {value} NOT LIKE '%Z'", f"try_strptime({value}, '%Y%m%dT%H%M%S')"),
        (sql.matches_whole(value, _ASCTIME), f"try_strptime(replace({value}, '  ', ' '), {sql.text(_ASCTIME_FORMAT)})"),
    ]
    return Instants(sql.cases(zoned), sql.cases(wall))


def _epoch(value: str) -> str:
    number = f"try_cast({value} AS DOUBLE)"
    scales = [
        (f"abs({number}) < {limit:.0f}" if limit < math.inf else "true", repr(scale)) for limit, scale in _UNITS_US
    ]
    microseconds = f"try_cast(round({number} * {sql.cases(scales)}) AS BIGINT)"
    sane = f"abs({number}) < 1e19"  # later than any unit reaches: the cast below must not overflow
    return sql.cases([(sane, f"make_timestamptz({microseconds})")])


def zone_of(written: str, instant: str) -> str:
    """SQL for the zone that a time names: an offset, or `none`; an epoch is in UTC."""
    found = f"nullif(regexp_extract({written}, {sql.text(_ZONE)}, 1), '')"
    return sql.cases([(f"{instant} IS NULL", sql.text(NO_ZONE))], otherwise=f"coalesce({found}, 'Z')")


def _null(kind: str) -> str:
    return f"NULL::{kind}"


def instant_of(wall: str, *, zone: str) -> str:
    """SQL for the instant of a wall clock in `zone`."""
    years = _years(zone)
    most = max(len(year.changes) for year in years)
    before = [
        (f"epoch_us({wall}) < {_in_year(wall, [year.until_us(n) for year in years])}", _offset_after(wall, years, n))
        for n in range(most)
    ]
    return f"make_timestamptz(epoch_us({wall}) - {sql.cases(before, otherwise=_offset_after(wall, years, most))})"


def oddity_of(wall: str, *, zone: str) -> str:
    """SQL: 'repeated' or 'skipped' for a wall clock in an hour that `zone` ran twice or left out; else null."""
    years = _years(zone)
    odd = []
    for n in range(max(len(year.changes) for year in years)):
        until = _in_year(wall, [year.until_us(n) for year in years])
        since = _in_year(wall, [year.until_us(n) - year.odd_us(n) for year in years])
        skipped = _in_year(wall, [int(n < len(year.changes) and year.changes[n].skipped) for year in years])
        word = sql.cases([(f"{skipped} = 1", "'skipped'")], otherwise="'repeated'")
        odd.append((f"epoch_us({wall}) >= {since} AND epoch_us({wall}) < {until}", word))
    return sql.cases(odd, otherwise="NULL::VARCHAR")


def _offset_after(wall: str, years: list[Year], n: int) -> str:
    return _in_year(wall, [year.offset_us(n) for year in years])


def _in_year(wall: str, numbers: list[int]) -> str:
    """The entry for the wall clock's year; years outside take the nearest."""
    if len(set(numbers)) == 1:
        return f"({numbers[0]}::BIGINT)"
    place = f"greatest(1, least({len(numbers)}, year({wall}) - {FIRST_YEAR - 1}))"
    return f"([{', '.join(map(str, numbers))}]::BIGINT[])[{place}]"


class Year(NamedTuple):
    """The clock changes of a year in a zone, in order, and the offset from UTC after the last."""

    changes: tuple[ClockChange, ...]
    last_offset_us: int

    def until_us(self, n: int) -> int:
        """The wall clock (µs since 1970) at which the nth change is over; never, if there is none."""
        return self.changes[n].until_us if n < len(self.changes) else _NEVER_US

    def odd_us(self, n: int) -> int:
        """How long the wall clock is repeated or skipped before that."""
        return self.changes[n].odd_us if n < len(self.changes) else 0

    def offset_us(self, n: int) -> int:
        """The offset from UTC after n changes."""
        return self.changes[n].offset_us if n < len(self.changes) else self.last_offset_us


def _years(zone: str) -> list[Year]:
    """Each year from `FIRST_YEAR` to `LAST_YEAR`."""
    changes, end_offset_us = clock_changes(zone)
    years = []
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        start_us, end_us = (_us(_EPOCH.replace(year=y) - _EPOCH) for y in (year, year + 1))
        later = [change for change in changes if change.until_us >= end_us]
        of_year = tuple(change for change in changes if start_us <= change.until_us < end_us)
        years.append(Year(of_year, later[0].offset_us if later else end_offset_us))
    return years


@lru_cache
def clock_changes(zone: str) -> tuple[tuple[ClockChange, ...], int]:
    """The clock changes of a zone from before `FIRST_YEAR` to after `LAST_YEAR`, and the offset (µs) after them."""
    info = ZoneInfo(zone)
    instant, end = datetime(FIRST_YEAR - 1, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    found: list[ClockChange] = []
    while instant < end:
        later = instant + _STEP
        before, after = _offset(instant, info), _offset(later, info)
        if before != after:
            found.append(_change(_moment(instant, later, info), before, after))
        instant = later
    return tuple(found), _us(_offset(end, info))


def _change(moment: datetime, before: timedelta, after: timedelta) -> ClockChange:
    until = moment.replace(tzinfo=None) + max(before, after) - _EPOCH
    return ClockChange(_us(until), _us(before), _us(abs(after - before)), skipped=after > before)


def _moment(early: datetime, late: datetime, info: ZoneInfo) -> datetime:
    before = _offset(early, info)
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        early, late = (middle, late) if _offset(middle, info) == before else (early, middle)
    return late.replace(microsecond=0)


def _offset(instant: datetime, info: ZoneInfo) -> timedelta:
    return instant.astimezone(info).utcoffset() or timedelta()


def _us(span: timedelta) -> int:
    return span // _MICROSECOND
