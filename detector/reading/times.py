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
"""Times outside are taken for a wrong unit or notation; the more years, the more clock changes a query has to know."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall clocks, on purpose
_MICROSECOND = timedelta(microseconds=1)
_STEP = timedelta(days=7)  # the closest two clock changes of a zone are four weeks apart (Morocco's Ramadan)

_ISO = "____-__-__%:__%"
_HAS_ZONE = r":\d\d.*(?:[zZ]|[+-]\d\d:?(?:\d\d)?| ?UTC| ?GMT)$"
_COMPACT = r"\d{8}T\d{6}Z?"
_NUMBER = r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_WEB = r"\[?\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]?"
_WEB_FORMAT = "%d/%b/%Y:%H:%M:%S %z"

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
    wall = [
        (f"{iso} AND NOT {has_zone}", f"try_cast({dotted} AS TIMESTAMP)"),
        (sql.matches_whole(value, _COMPACT) + f" AND {value} NOT LIKE '%Z'", f"try_strptime({value}, '%Y%m%dT%H%M%S')"),
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
    offset = _by_stretch(
        f"epoch_us({wall})", [(change.until_us, str(change.offset_us)) for change in clock_changes(zone)]
    )
    return f"make_timestamptz(epoch_us({wall}) - {offset})"


def oddity_of(wall: str, *, zone: str) -> str:
    """SQL: 'repeated' or 'skipped' for a wall clock in an hour that `zone` ran twice or left out; else null."""
    microseconds = f"epoch_us({wall})"
    told = [
        (change.until_us, sql.cases([(f"{microseconds} >= {change.until_us - change.odd_us}", _word(change))]))
        for change in clock_changes(zone)
        if change.odd_us
    ]
    return _by_stretch(microseconds, [*told, (0, "NULL::VARCHAR")])


def _word(change: ClockChange) -> str:
    return sql.text("skipped" if change.skipped else "repeated")


def _by_stretch(value: str, stretches: list[tuple[int, str]]) -> str:
    """The entry of the first stretch that ends after the value, by halving: a row passes 8 conditions, not 200."""
    if len(stretches) == 1:
        return stretches[0][1]
    middle = len(stretches) // 2
    earlier, later = _by_stretch(value, stretches[:middle]), _by_stretch(value, stretches[middle:])
    return sql.cases([(f"{value} < {stretches[middle - 1][0]}", earlier)], otherwise=later)


@lru_cache
def clock_changes(zone: str) -> tuple[ClockChange, ...]:
    """Stretches of one offset from UTC between `FIRST_YEAR` and `LAST_YEAR`, by wall clock, the last without end."""
    info = ZoneInfo(zone)
    instant, end = datetime(FIRST_YEAR - 1, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    found: list[ClockChange] = []
    while instant < end:
        later = instant + _STEP
        before, after = _offset(instant, info), _offset(later, info)
        if before != after:
            found.append(_change(_moment(instant, later, info), before, after))
        instant = later
    return (*found, ClockChange(0, _us(_offset(end, info)), 0, skipped=False))


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
