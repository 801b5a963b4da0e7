"""Whether honest life has the rates that it was made for: each measured number beside the range that it must lie in."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa

from detector.simulate.professions import PROFESSIONS

PAST_DAYS = 28
"""How long a record counts as known, to the account and to those around it."""

CROWD = 200
"""A record that more accounts share makes nobody neighbours."""

LEAST_ACCOUNTS, LEAST_ACCOUNT_DAYS = 30, 300
"""Below this a profession's percentiles are those of a few accounts or days, and are not judged."""

TOLERANCE = {"median": (0.7, 1.4), "p95": (0.65, 1.55), "p99": (0.55, 1.8)}
"""Allowed ratio of measured to stated percentiles: the stated ones are round estimates, the measured ones draws."""

ROUNDING = 0.6
"""Percentiles of counts are whole numbers."""

RANGES = {
    "active_share": (0.30, 0.42),
    "monday_share": (0.18, 0.22),
    "not_found_share": (0.02, 0.06),
    "repeat_share": (0.30, 0.60),
    "same_department_share": (0.80, 0.95),
    "foreign_share": (0.05, 1.0),
}
"""Ranges of the shares that are not of one profession. Monday, the median week's, is a fifth of the week."""

_VIEW = """
CREATE OR REPLACE TEMP VIEW people AS
SELECT *, CAST(timezone($zone, timestamp) AS DATE) AS day FROM events
WHERE account IS NOT NULL AND channel = 'portal' AND coalesce(service, '') <> 'payments'
  AND NOT (action = 'login' AND outcome = 'failure')
"""
_TYPED = """
WITH days AS (SELECT profession, account, day,
                     count(*) FILTER (action = 'lookup' AND record_id_mode = 'typed') AS typed
              FROM people GROUP BY ALL)
SELECT profession, count(*) AS account_days, count(DISTINCT account) AS accounts,
       quantile_cont(typed, 0.5) AS median,
       quantile_cont(typed, 0.95) AS p95, quantile_cont(typed, 0.99) AS p99
FROM days GROUP BY profession
"""
_SHARES = """
SELECT (SELECT count(DISTINCT (account, day)) FROM people)
         / ((SELECT count(*) FROM accounts) * (SELECT count(DISTINCT day) FROM people)) AS active_share,
       count(*) FILTER (outcome = 'failure' AND record_id_mode = 'typed')
         / count(*) FILTER (record_id_mode = 'typed') AS not_found_share
FROM people WHERE action = 'lookup'
"""
_MONDAYS = """
SELECT median(share) AS monday_share
FROM (SELECT count(*) FILTER (isodow(day) = 1) / count(*) AS share FROM people WHERE action = 'lookup'
      GROUP BY date_trunc('week', day) HAVING count(DISTINCT day) = 7)
"""
_REPEATS = """
SELECT 1 - count(DISTINCT (account, record)) / count(*) AS repeat_share FROM people
WHERE action = 'lookup' AND outcome = 'success' AND record_id_mode = 'typed'
  AND day > (SELECT max(day) FROM people) - 90
"""
_DEPARTMENTS = """
SELECT avg(CAST(substr(record, 6, 2) = substr(department, 1, 2) AS INTEGER)) AS same_department_share
FROM people JOIN accounts USING (account) WHERE action = 'lookup' AND outcome = 'success'
"""
_LAST_WORKING_DAY = "SELECT max(day) FROM people WHERE isodow(day) < 6"
_FOREIGN = """
WITH seen AS (SELECT DISTINCT account, record, CAST(timezone($zone, timestamp) AS DATE) AS day FROM events
              WHERE action = 'lookup' AND outcome = 'success' AND account IS NOT NULL),
past AS (SELECT DISTINCT account, record FROM seen WHERE day < $day AND day >= $day - $past::INTEGER),
fresh AS (SELECT account, record FROM people WHERE action = 'lookup' AND outcome = 'success' AND day = $day
          EXCEPT SELECT account, record FROM past),
known_to AS (SELECT f.account, f.record, p.account AS other FROM fresh f JOIN past p USING (record)),
shared AS (SELECT account, record FROM past WHERE record IN
           (SELECT record FROM past GROUP BY record HAVING count(*) BETWEEN 2 AND $crowd)),
near AS (SELECT DISTINCT k.account, k.other FROM (SELECT DISTINCT account, other FROM known_to) k
         JOIN shared a USING (account) JOIN shared b ON b.account = k.other AND b.record = a.record),
known AS (SELECT DISTINCT account, record FROM known_to JOIN near USING (account, other))
SELECT (SELECT count(DISTINCT account) FROM (FROM fresh EXCEPT FROM known))
         / (SELECT count(DISTINCT account) FROM people WHERE day = $day) AS foreign_share
"""


@dataclass(frozen=True)
class _Row:
    measure: str
    value: float
    low: float
    high: float


def marginals(events: pa.Table, accounts: pa.Table, *, zone: str = "Europe/Paris") -> pd.DataFrame:
    """Measure honest events against the rates that they were made for.

    Parameters
    ----------
    events
        Canonical honest events of at least a week; records are social-security numbers. The share of return visits
        takes the last 90 days, and is lower with fewer; foreign records need 28 days before the last one.
    accounts
        The world's `truth/accounts.parquet`: `account`, `profession`, `department`, …
    zone
        The portal's.

    Returns
    -------
    frame with one row per measure: measure, value, low, high (the allowed range), ok. Typed look-ups per active
    account-day are given as percentiles per profession, where there are enough accounts to judge them. `foreign_share`
    is the share of accounts active on the last working day that looked up a record new to them and to all accounts
    that shared one with them in the 28 days before.
    """
    with duckdb.connect() as con:
        con.register("events", events)
        con.register("accounts", accounts)
        con.execute("SET TimeZone = 'UTC'")
        con.execute(_VIEW.replace("$zone", _literal(zone)))
        rows = [*_percentiles(con), *_shares(con, zone=zone)]
    frame = pd.DataFrame(rows)
    return frame.assign(ok=frame["value"].between(frame["low"], frame["high"]))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _percentiles(con: duckdb.DuckDBPyConnection) -> list[_Row]:
    stated = {p.name: dict(zip(TOLERANCE, p.lookups, strict=True)) for p in PROFESSIONS}
    found = con.execute(_TYPED).df()
    enough = found[(found["account_days"] >= LEAST_ACCOUNT_DAYS) & (found["accounts"] >= LEAST_ACCOUNTS)]
    return [
        _ranged(f"{row.profession} {name}", float(getattr(row, name)), stated[str(row.profession)][name], name)
        for row in enough.sort_values("profession").itertuples()
        for name in TOLERANCE
    ]


def _ranged(measure: str, value: float, stated: float, percentile: str) -> _Row:
    low, high = TOLERANCE[percentile]
    return _Row(measure, value, stated * low - ROUNDING, stated * high + ROUNDING)


def _shares(con: duckdb.DuckDBPyConnection, *, zone: str) -> list[_Row]:
    values: dict[str, float] = {}
    for query in (_SHARES, _MONDAYS, _REPEATS, _DEPARTMENTS):
        found = con.execute(query).df()
        values |= {str(name): float(found[name].iloc[0]) for name in found}
    day = con.execute(_LAST_WORKING_DAY).fetchall()[0][0]
    given = {"zone": zone, "day": day, "past": PAST_DAYS, "crowd": CROWD}
    values["foreign_share"] = float(con.execute(_FOREIGN, given).fetchall()[0][0])
    return [_Row(name, values[name], *RANGES[name]) for name in RANGES]
