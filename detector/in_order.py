"""A shard of events in numbers → what needs their order: sums by hour, bursts, gaps, runs, guesses, addresses at once.

And what sorting counts sooner than a database: different records.

Everything is sorted, compared and counted as whole arrays of one number an event, which takes a fraction of the time of
a database's sorted windows. A shard holds whole account-days, so shards go through one by one, in as little memory as
wanted, or side by side; nothing here depends on how account-days are spread over shards, or on the order of rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from detector.clock import HOUR_US, MINUTE_US, SECOND_US

MIN_LOOKUPS = 20
"""Gaps of fewer look-ups than this are too few to tell a rhythm from."""
PAUSE_US = 15 * MINUTE_US
"""A pause this long ends a run, and an older failure belongs to no attempt (Elastic's rules use 15 minutes)."""
FAILURES_BEFORE = 5
GAP_TOLERANCE = 0.1

NOTHING, SHOWN, MISSED, FAILED, SIGNED_IN, WRITTEN, CHANGED = range(7)
"""What an event did. A failure at the instant of a success comes before it."""
DEED_BITS, TIME_BITS, HOUR_BITS, MINUTE_BITS, FIVE_BITS = 3, 38, 6, 12, 10
"""A day of the portal's zone, and the two around it, are 2^38 microseconds at most."""
MOST_PLACES = 1 << (64 - DEED_BITS - TIME_BITS)

RECORD_COUNTS = ("records", "n_shown", "typed_lookups")
"""The signals of that name, counted without a sum for each record."""

Numbers = NDArray[Any]
"""Numbers without a sign, of 64 bits."""


class InOrder(NamedTuple):
    """What a shard gives.

    signals
        One row per place: `place`, `detector.order.ORDER_COLUMNS` and `RECORD_COUNTS`; null where a signal has nothing
        to say, and the latter of events that do not tell their records.
    hours
        One row per place and hour with an event: `place`, `hour` (since the start of the day before, UTC), events by
        what they did, and `busiest_minute`: most look-ups within a minute of the clock.
    """

    signals: pa.Table
    hours: pa.Table


def schemas(place: pa.DataType) -> InOrder:
    """The schemas of both tables, for places of some type."""
    counts = ("busiest_10_min", "busiest_session", "fail_then_ok", "concurrent_ips")
    measures = ("longest_run_min", "regularity")
    signals = [
        *((name, pa.int64()) for name in (*counts, *RECORD_COUNTS)),
        *((name, pa.float64()) for name in measures),
    ]
    sums = ("logins", "failures", "lookups", "misses", "writes", "resets", "busiest_minute")
    hours = [("hour", pa.int32()), *((name, pa.int32()) for name in sums)]
    return InOrder(pa.schema([("place", place), *signals]), pa.schema([("place", place), *hours]))


def put_in_order(events: pa.Table) -> InOrder:
    """Compute both tables.

    Parameters
    ----------
    events
        All events of some account-days: `place` (their number), `since_us` (microseconds since the start of the UTC day
        before the account-day's), `deed` (what it did, as above), and 64-bit hashes of its `address` and `visit`
        (session), null where the log has none. At most `MOST_PLACES` account-days. To count records: also the 64-bit
        hash of the `record` of look-ups and writes, `n_records`, and whether the identifier was `typed`; null where the
        log does not say.
    """
    shard = _shard(events)
    wanted = schemas(events.schema.field("place").type)
    signals = {
        "place": shard.places,
        "busiest_10_min": _busiest(shard, 10 * MINUTE_US),
        "busiest_session": _sessions(shard, events),
        "fail_then_ok": _guesses(shard),
        "concurrent_ips": _addresses(shard, events),
        **_rhythm(shard),
        **_records(shard, events),
    }
    return InOrder(pa.table(signals).select(wanted.signals.names).cast(wanted.signals), _hours(shard, wanted.hours))


class _Shard(NamedTuple):
    """The distinct places; each row's place by its position there; and rows as one number each, sorted, in which order.

    Such a number holds place, time and deed, from its upper bits to its lower ones. Look-ups have an array
    of their own.
    """

    places: NDArray[np.generic]
    codes: Numbers
    order: NDArray[np.intp]
    keys: Numbers
    lookups: Numbers

    @property
    def code_bits(self) -> int:
        """Bits that tell the places apart."""
        return max(len(self.places) - 1, 1).bit_length()


def _shard(events: pa.Table) -> _Shard:
    found, places = pd.factorize(events["place"].to_numpy())
    if len(places) > MOST_PLACES:
        raise ValueError(f"{len(places)} account-days in one shard, expected at most {MOST_PLACES}")
    codes = found.astype(np.uint64)
    keys = codes << TIME_BITS
    keys |= _unsigned(events, "since_us")
    keys <<= DEED_BITS
    keys |= _unsigned(events, "deed")
    order = np.argsort(keys)
    keys = keys[order]
    deeds = _deeds(keys)
    return _Shard(places, codes, order, keys, keys[(deeds == SHOWN) | (deeds == MISSED)])


def _unsigned(events: pa.Table, name: str) -> Numbers:
    found: Numbers = events[name].to_numpy().astype(np.uint64, copy=False)
    return found


def _deeds(keys: Numbers) -> Numbers:
    return keys & ((1 << DEED_BITS) - 1)


def _codes(keys: Numbers) -> Numbers:
    return keys >> (TIME_BITS + DEED_BITS)


def _times(keys: Numbers) -> NDArray[np.int64]:
    return (keys >> DEED_BITS & ((1 << TIME_BITS) - 1)).view(np.int64)


def _clocked(keys: Numbers, width_us: int, bits: int) -> Numbers:
    """Place and stretch of the clock, as one number whose lower bits are the stretch's."""
    return _codes(keys) << bits | _times(keys).view(np.uint64) // np.uint64(width_us)


def _starts(numbers: NDArray[np.generic]) -> NDArray[np.intp]:
    """Where each run of equal numbers begins."""
    changes = np.ones(len(numbers), bool)
    np.not_equal(numbers[1:], numbers[:-1], out=changes[1:])
    return np.flatnonzero(changes)


def _counted(numbers: Numbers) -> tuple[Numbers, NDArray[np.intp]]:
    """The different ones of sorted numbers, and how often each is there."""
    starts = _starts(numbers)
    return numbers[starts], np.diff(starts, append=len(numbers))


def _most(shard: _Shard, codes: Numbers, values: NDArray[np.generic]) -> pa.Array:
    """The largest value of each place, null of those without any; places come together."""
    found, absent = np.zeros(len(shard.places), values.dtype), np.ones(len(shard.places), bool)
    starts = _starts(codes)
    if len(starts):
        found[codes[starts]] = np.maximum.reduceat(values, starts)
        absent[codes[starts]] = False
    return pa.array(found, mask=absent)


def _hours(shard: _Shard, schema: pa.Schema) -> pa.Table:
    clocked = _clocked(shard.keys, HOUR_US, HOUR_BITS)
    starts = _starts(clocked)
    place = np.repeat(np.arange(len(starts)) << DEED_BITS, np.diff(starts, append=len(clocked)))
    done = np.bincount(place | _deeds(shard.keys).view(np.int64), minlength=len(starts) << DEED_BITS)
    done = done.reshape(-1, 1 << DEED_BITS).astype(np.int32)
    lookups = done[:, SHOWN] + done[:, MISSED]
    minutes, crowds = _counted(_clocked(shard.lookups, MINUTE_US, MINUTE_BITS))
    by_hour = _starts(_wider(minutes, 60))
    busiest = np.zeros(len(starts), np.int32)
    busiest[lookups > 0] = np.maximum.reduceat(crowds, by_hour) if len(by_hour) else 0
    columns = {
        "place": shard.places[clocked[starts] >> HOUR_BITS],
        "hour": clocked[starts] & ((1 << HOUR_BITS) - 1),
        "logins": done[:, SIGNED_IN],
        "failures": done[:, FAILED],
        "lookups": lookups,
        "misses": done[:, MISSED],
        "writes": done[:, WRITTEN],
        "resets": done[:, CHANGED],
        "busiest_minute": busiest,
    }
    return pa.table(columns).cast(schema)


def _wider(minutes: Numbers, n: int) -> Numbers:
    """Place and stretch of `n` minutes, of places and minutes."""
    return minutes >> MINUTE_BITS << MINUTE_BITS | (minutes & ((1 << MINUTE_BITS) - 1)) // np.uint64(n)


def _busiest(shard: _Shard, width_us: int) -> pa.Array:
    stretches, crowds = _counted(_clocked(shard.lookups, width_us, MINUTE_BITS))
    return _most(shard, stretches >> MINUTE_BITS, crowds)


def _sessions(shard: _Shard, events: pa.Table) -> pa.Array:
    """Two sessions of an account-day are one if 41 bits of their hashes are the same."""
    deeds = events["deed"].to_numpy()
    asked = events["visit"].is_valid().to_numpy() & ((deeds == SHOWN) | (deeds == MISSED))
    visits = shard.codes[asked] << (64 - shard.code_bits) | _hashes(events, "visit", asked) >> shard.code_bits
    different, lookups = _counted(np.sort(visits))
    return _most(shard, different >> (64 - shard.code_bits), lookups)


def _records(shard: _Shard, events: pa.Table) -> dict[str, pa.Array]:
    """Different records shown, records that answers showed, and look-ups with a typed number.

    Two records of an account-day are one if their hashes are the same in the bits that its number leaves, 43 at least.
    """
    if "record" not in events.column_names:
        return {name: pa.nulls(len(shard.places), pa.int64()) for name in RECORD_COUNTS}
    told = events["record"].is_valid().to_numpy()
    shown = told & (events["deed"].to_numpy() == SHOWN)
    typed = told & events["typed"].is_valid().to_numpy()
    reads = shard.codes[shown] << (64 - shard.code_bits) | _hashes(events, "record", shown) >> shard.code_bits
    reads = np.sort(reads)
    different = reads[_starts(reads)] >> (64 - shard.code_bits)
    is_typed = events["typed"].fill_null(0).to_numpy().astype(bool)
    return {
        "records": _total(shard, different, among=shard.codes[told]),
        "n_shown": _total(shard, shard.codes[shown], _n_shown(events, shown), among=shard.codes[told]),
        "typed_lookups": _total(shard, shard.codes[shown & is_typed], among=shard.codes[typed]),
    }


def _n_shown(events: pa.Table, shown: NDArray[np.bool_]) -> NDArray[np.generic] | None:
    """As many as the log says, else one."""
    if events["n_records"].null_count == len(events):
        return None
    found: NDArray[np.generic] = events["n_records"].fill_null(1).to_numpy()[shown]
    return found


def _total(shard: _Shard, codes: Numbers, values: NDArray[np.generic] | None = None, *, among: Numbers) -> pa.Array:
    """The sum of each place's values (exact up to 2^53), or the number of its codes; null of places not `among`."""
    totals = np.bincount(codes.view(np.int64), weights=values, minlength=len(shard.places))
    absent = np.ones(len(shard.places), bool)
    absent[among] = False
    return pa.array(totals.astype(np.int64), mask=absent)


def _hashes(events: pa.Table, name: str, asked: NDArray[np.bool_]) -> Numbers:
    return _unsigned(events.select([name]).filter(pa.array(asked)), name)


def _addresses(shard: _Shard, events: pa.Table) -> pa.Array:
    """Most addresses within five minutes of the clock; two are one if 31 bits of their hashes are the same.

    An event that is alone in its five minutes has one; only those of the others are compared.
    """
    told = events["address"].is_valid().to_numpy()
    stretches = _clocked(shard.keys, 5 * MINUTE_US, FIVE_BITS)
    beside = np.zeros(len(stretches), bool)
    beside[:-1] = stretches[1:] == stretches[:-1]
    beside[1:] |= beside[:-1]
    beside &= told[shard.order]
    rows, bits = shard.order[beside], 64 - FIVE_BITS - shard.code_bits
    turns = stretches[beside] << bits | events["address"].fill_null(0).to_numpy()[rows].astype(np.uint64) >> (64 - bits)
    turns = np.sort(turns)
    shared, addresses = _counted(turns[_starts(turns)] >> bits)
    found, codes = np.zeros(len(shard.places), np.int64), shared >> FIVE_BITS
    found[shard.codes[told]] = 1
    starts = _starts(codes)
    if len(starts):
        found[codes[starts]] = np.maximum.reduceat(addresses, starts)
    return pa.array(found, mask=found == 0)


def _rhythm(shard: _Shard) -> dict[str, pa.Array]:
    """Of places with enough look-ups: the longest run, 0 for one of a single look-up, and the regularity."""
    _, n_lookups = _counted(_codes(shard.lookups))
    busy = shard.lookups[np.repeat(n_lookups >= MIN_LOOKUPS, n_lookups)]
    codes, times = _codes(busy), _times(busy)
    gaps, same = np.diff(times), codes[1:] == codes[:-1]
    ends = np.flatnonzero(~same | (gaps >= PAUSE_US))
    first, last = np.r_[0, ends + 1][: len(busy)], np.r_[ends, len(busy) - 1][: len(busy)]
    runs = (times[last] - times[first]) / MINUTE_US
    # Gaps under a second are a page's own requests; they say nothing about who drives it.
    long = same & (gaps >= SECOND_US)
    return {
        "longest_run_min": _most(shard, codes[first], runs),
        "regularity": _regularity(shard, codes[1:][long] << TIME_BITS | gaps[long].view(np.uint64)),
    }


def _regularity(shard: _Shard, gaps: Numbers) -> pa.Array:
    """The share of a place's gaps that are within a tenth of their median."""
    gaps = np.sort(gaps)
    _, n = _counted(gaps >> TIME_BITS)
    enough = n >= MIN_LOOKUPS - 1
    gaps, n = gaps[np.repeat(enough, n)], n[enough]
    starts = np.cumsum(n) - n
    lengths = (gaps & ((1 << TIME_BITS) - 1)).astype(np.float64)
    medians = (lengths[starts + (n - 1) // 2] + lengths[starts + n // 2]) / 2
    each = np.repeat(medians, n)
    within = (np.abs(lengths - each) <= GAP_TOLERANCE * each).astype(np.int64)
    shares = np.add.reduceat(within, starts) / n if len(n) else np.empty(0)
    return _most(shard, gaps[starts] >> TIME_BITS, shares)


def _guesses(shard: _Shard) -> NDArray[np.int64]:
    """A success counts when the five sign-ins before it failed, the first of them at most 15 minutes ago."""
    deeds = _deeds(shard.keys)
    tries = shard.keys[(deeds == FAILED) | (deeds == SIGNED_IN)]
    n, codes, times = FAILURES_BEFORE, _codes(tries), _times(tries)
    failed = np.r_[0, np.cumsum(_deeds(tries) == FAILED)]
    hit = (_deeds(tries) == SIGNED_IN)[n:] & (codes[n:] == codes[:-n]) & (times[n:] - times[:-n] <= PAUSE_US)
    hit &= failed[n:-1] - failed[: -n - 1] == n
    return np.bincount(codes[n:][hit].view(np.int64), minlength=len(shard.places))
