"""Warnings: what makes events less than they seem, told before anybody trusts a score."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from detector.reading import direct, sql
from detector.reading.counts import repetition
from detector.reading.formats.parquet import read_sql
from detector.reading.parts import Part
from detector.reading.staging import EVENT_ROW, LINE, staged_rows
from detector.reading.times import NO_ZONE

MISSED = ("record", "ip", "user_agent", "profession", "session", "auth_mode", "record_id_mode")
"""Columns whose absence takes signals away."""

_BACK = "INTERVAL 10 MINUTE"  # several servers write one log, and each request is logged when it ends
_JUMPING_SHARE = 0.001  # of the events; with more, the file is merely not sorted by time
_LONG = 1_000_000  # rows of a Parquet file; beyond, its statistics tell enough, and cost nothing
_AHEAD = timedelta(days=1)  # of the file's own date, whatever the zones
_HOUR = 60  # minutes between a zone's two offsets
_FEW = 500  # look-ups or sign-ins; of so many, some are of the other kind wherever both are logged
_SHORT_S = 6 * 3600  # what is absent for as long as this is worth a word, however few the events


@dataclass
class Told:
    """What the events of one file tell, in numbers."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By action and outcome."""
    present: Counter[str] = field(default_factory=Counter)
    """Values that are there, of each column of `MISSED`."""
    first_s: float = math.inf
    last_s: float = -math.inf
    """When the first and the last event happened, in seconds since 1970."""


def warnings_of(parts: list[Part], *, con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Sentences that the user must see, each naming its file or input."""
    numbers = {part.dump.path: _told(part, con) for part in parts if part.counted.events}
    found = [f"{part.dump.path}: {note}" for part in parts for note in (*part.notes, *_of_file(part, con))]
    return (*found, *_of_inputs(parts, numbers), *_of_all(list(numbers.values())))


def _told(part: Part, con: duckdb.DuckDBPyConnection) -> Told:
    at = 'epoch("timestamp")'
    columns = {"action": "action", "outcome": "outcome", "n": "count(*)", "first": f"min({at})", "last": f"max({at})"}
    if part.staged:
        source, where = staged_rows([part.staged]), EVENT_ROW
        columns |= {name: f"count({name})" for name in MISSED}
    else:
        source, where = _lying(part), ""
    found = con.execute(sql.select(columns, source, where=where) + " GROUP BY action, outcome").fetchall()
    told = Told(Counter({(action, outcome): n for action, outcome, n, *_ in found}))
    for row in found:
        told.first_s, told.last_s = min(told.first_s, row[3]), max(told.last_s, row[4])
    if part.staged:
        told.present = Counter({name: sum(row[5 + place] for row in found) for place, name in enumerate(MISSED)})
    else:
        told.present = _present(part, con)
    return told


def _lying(part: Part) -> str:
    return sql.within(direct.events_sql([part.dump.path], part.shape)) if part.shape else "(SELECT NULL)"


def _present(part: Part, con: duckdb.DuckDBPyConnection) -> Counter[str]:
    """Values that are there by a Parquet file's own statistics, which cost nothing."""
    columns = {"name": "path_in_schema", "n": "sum(num_values - coalesce(stats_null_count, 0))::BIGINT"}
    asked = sql.select(columns, f"parquet_metadata({sql.text(part.dump.path)})") + " GROUP BY path_in_schema"
    there = Counter({name: n for name, n in con.execute(asked).fetchall() if name in MISSED})
    return there + Counter({name: 1 for name in part.dump.input.mapping.constants if name in MISSED})


def _of_file(part: Part, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    if not part.counted.events:
        return
    yield from _clock(part, con)
    if part.staged:
        source = staged_rows([part.staged])
        yield from _oddities(source, con)
        yield from _zones(part, source, con)
        prints = {"all": "count(_print)", "distinct": "count(DISTINCT _print)"}
        yield from repetition(*con.execute(sql.select(prints, source)).fetchall()[0])


def _clock(part: Part, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    moments, steps = _moments(part, con)
    back = f"before - moment > {_BACK}"
    asked = {
        "jumps": f"count(*) FILTER ({back})",
        "line": f"min(line) FILTER ({back})",
        "far": f"epoch(max(before - moment) FILTER ({back}))",
        "last": "epoch(max(latest))",
    }
    jumps, first, far_s, last_s = con.execute(sql.select(asked, sql.within(moments))).fetchall()[0]
    if 0 < jumps <= max(1, _JUMPING_SHARE * steps):
        often = "once" if jumps == 1 else f"{jumps} times"
        yield f"the clock goes back {often}, by {far_s / 60:.0f} minutes at most, first on line {first}"
    if not part.dump.is_stream and last_s is not None:
        written = datetime.fromtimestamp(Path(part.dump.path).stat().st_mtime, UTC)
        last = datetime.fromtimestamp(last_s, UTC)
        if last > written + _AHEAD:
            yield f"its last event, {last:%Y-%m-%d %H:%M}, is later than the file itself ({written:%Y-%m-%d %H:%M})"


def _moments(part: Part, con: duckdb.DuckDBPyConnection) -> tuple[str, int]:
    """The query for each time beside the one before it, and their number; of a long Parquet file, by row groups."""
    if part.staged:
        line, where, source = LINE, EVENT_ROW, staged_rows([part.staged])
    elif part.counted.events <= _LONG:
        line, where, source = "file_row_number + 1", "", read_sql([part.dump.path])
    else:
        return _of_row_groups(part.dump.path), _row_groups(part.dump.path, con)
    moment = '"timestamp"'
    # Rows come in the order in which they lie, and nothing has to be sorted, unless they are numbered otherwise.
    order = f"ORDER BY {line}" if part.numbered else ""
    columns = {"moment": moment, "latest": moment, "before": f"lag({moment}) OVER ({order})", "line": line}
    return sql.select(columns, source, where=where), part.counted.events


def _of_row_groups(path: str) -> str:
    latest = "stats_max_value::TIMESTAMPTZ"
    columns = {
        "moment": "stats_min_value::TIMESTAMPTZ",
        "latest": latest,
        "before": f"max({latest}) OVER (ORDER BY row_group_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)",
        "line": "1 + sum(row_group_num_rows) OVER (ORDER BY row_group_id) - row_group_num_rows",
    }
    return sql.select(columns, f"parquet_metadata({sql.text(path)})", where="path_in_schema = 'timestamp'")


def _row_groups(path: str, con: duckdb.DuckDBPyConnection) -> int:
    asked = sql.select({"n": "num_row_groups"}, f"parquet_file_metadata({sql.text(path)})")
    return int(con.execute(asked).fetchall()[0][0])


def _oddities(source: str, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    asked = {kind: f"count(*) FILTER (_oddity = '{kind}')" for kind in ("repeated", "skipped")}
    twice, never = con.execute(sql.select(asked, source)).fetchall()[0]
    if twice == 1:
        yield "1 time falls into an hour that the clock ran twice; the first was taken"
    elif twice:
        yield f"{twice} times fall into an hour that the clock ran twice; the first was taken"
    if never == 1:
        yield "1 time falls into an hour that the clock skipped; it was moved on by it"
    elif never:
        yield f"{never} times fall into an hour that the clock skipped; they were moved on by it"


def _zones(part: Part, source: str, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    asked = sql.select({"zone": "_zone", "line": "min(file_row_number)"}, source, where="_zone IS NOT NULL")
    zones = {zone for zone, _ in con.execute(asked + " GROUP BY _zone ORDER BY 2 LIMIT 100").fetchall()}
    named = zones - {NO_ZONE}
    if NO_ZONE in zones and named:
        yield "some of its times name their zone and some do not"
    elif NO_ZONE in zones and part.dump.input.mapping.time.zone is None:
        yield "its times name no zone; the portal's was taken; say which in the mapping: [time] zone"
    minutes = sorted({_minutes(zone) for zone in named})
    if len(minutes) > 2 or (len(minutes) == 2 and minutes[1] - minutes[0] != _HOUR):
        yield f"its times are in {len(minutes)} zones: {', '.join(sorted(named)[:5])}"


def _minutes(zone: str) -> int:
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 60 + int(digits[2:]))


def _of_inputs(parts: list[Part], numbers: dict[str, Told]) -> Iterator[str]:
    by_input: dict[int, list[Told]] = {}
    paths = {part.dump.position: part.dump.input.path for part in parts}
    for part in parts:
        if told := numbers.get(part.dump.path):
            by_input.setdefault(part.dump.position, []).append(told)
    for position, of_input in by_input.items():
        events = sum((told.events for told in of_input), Counter[tuple[str, str]]())
        failed, succeeded = events["login", "failure"], events["login", "success"]
        if failed and not succeeded and not _is_short(of_input, failed):
            yield (
                f"{paths[position]}: {failed} sign-ins failed and none succeeded; does it log those that succeed? "
                "(Keycloak logs errors only, unless told otherwise)"
            )


def _of_all(numbers: Iterable[Told]) -> Iterator[str]:
    numbers = list(numbers)
    events = sum((told.events for told in numbers), Counter[tuple[str, str]]())
    present = sum((told.present for told in numbers), Counter[str]())
    lookups = _of_action(events, "lookup")
    if lookups and not _of_action(events, "login") and not _is_short(numbers, lookups):
        yield "look-ups and no sign-in: what depends on sign-ins stays unknown; is an input missing?"
    if events and not lookups:
        yield "no look-up at all: nothing here can tell extraction; is an input or a mapping missing?"
    absent = [name for name in MISSED if not present[name]]
    if events and absent:
        yield f"no event has {', '.join(absent)}: signals that need them stay unknown, which clears nobody"


def _is_short(numbers: Iterable[Told], n: int) -> bool:
    """Whether so few events in so short a time say nothing of what is absent: a slice of a quiet night."""
    numbers = list(numbers)
    span_s = max(told.last_s for told in numbers) - min(told.first_s for told in numbers)
    return n < _FEW and span_s < _SHORT_S


def _of_action(events: Counter[tuple[str, str]], action: str) -> int:
    return sum(n for (found, _), n in events.items() if found == action)
