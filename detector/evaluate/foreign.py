"""Foreign records, counted the plain way for the baseline; the detector's own count is bounded for large portals."""

from __future__ import annotations

import duckdb
import pandas as pd

from detector.evaluate.frames import as_frame

PAST_DAYS = 28
"""How far back a record is remembered."""

CROWD = 200
"""A record read by more accounts than this makes nobody neighbours: everyone reads it."""

_READ = """
CREATE OR REPLACE TEMP TABLE record_days AS
SELECT DISTINCT account, record, CAST(timezone($zone, timestamp) AS DATE) AS day FROM events
WHERE action = 'lookup' AND outcome = 'success' AND record IS NOT NULL AND account IS NOT NULL
"""

_FOREIGN = """
WITH past AS (SELECT DISTINCT account, record FROM record_days WHERE day < $day AND day >= $day - $past::INTEGER),
today AS (SELECT account, record FROM record_days WHERE day = $day),
fresh AS (SELECT * FROM today ANTI JOIN past USING (account, record)),
shared AS (SELECT record FROM past GROUP BY record HAVING count(*) BETWEEN 2 AND $crowd),
linked AS (SELECT * FROM past SEMI JOIN shared USING (record)),
near AS (SELECT DISTINCT a.account, b.account AS other FROM linked AS a JOIN linked AS b USING (record)
         WHERE a.account <> b.account AND a.account IN (SELECT account FROM fresh)),
known AS (SELECT DISTINCT f.account, f.record FROM fresh AS f JOIN past AS p USING (record)
          JOIN near AS n ON n.account = f.account AND n.other = p.account)
SELECT account, $day::DATE AS day, count(*) AS new_records, count(*) FILTER (k.record IS NULL) AS foreign_records
FROM fresh AS f LEFT JOIN known AS k USING (account, record) GROUP BY account
"""


def count_foreign(con: duckdb.DuckDBPyConnection, *, days: list[pd.Timestamp], zone: str) -> pd.DataFrame:
    """Count the new and the foreign records of each account on each of these days.

    New: not looked up by the account on the 28 days before. Foreign: new, and not looked up on those days by an account
    that looked up, on those days, a record that this account looked up too.

    Parameters
    ----------
    con : connection with a view `events`.

    Returns
    -------
    frame with one row per account and day with a new record: account, day, new_records, foreign_records.
    """
    con.execute(_READ, {"zone": zone})
    return pd.concat([_foreign_of(con, day) for day in days], ignore_index=True)


def _foreign_of(con: duckdb.DuckDBPyConnection, day: pd.Timestamp) -> pd.DataFrame:
    values = {"day": day.date(), "past": PAST_DAYS, "crowd": CROWD}
    return as_frame(con.sql(_FOREIGN, params=values).to_arrow_table())
