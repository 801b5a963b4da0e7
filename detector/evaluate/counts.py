"""Plain daily counts of each account, straight from the events, for the baselines; and which days are active."""

from __future__ import annotations

import duckdb
import pandas as pd

from detector.evaluate.frames import as_frame

COUNTED = (
    "lookups",
    "records",
    "misses",
    "writes",
    "exports",
    "logins",
    "failures",
    "changes",
    "addresses",
    "agents",
    "hours",
    "night",
)
"""The counts of `count_days`, in order; each is an integer, never null."""

NIGHT_UNTIL_H, NIGHT_FROM_H = 6, 22
"""Night by the clock of the portal's zone, as tutorials have it: overseas and duty accounts are meant to suffer."""

_DAYS = f"""
SELECT account, CAST(local AS DATE) AS day, any_value(profession) AS profession,
       CAST(count(*) FILTER (action = 'lookup') AS BIGINT) AS lookups,
       count(DISTINCT record) FILTER (action = 'lookup' AND outcome = 'success') AS records,
       count(*) FILTER (action = 'lookup' AND outcome = 'failure') AS misses,
       count(*) FILTER (action = 'write' AND outcome = 'success') AS writes,
       count(*) FILTER (action = 'export' AND outcome = 'success') AS exports,
       count(*) FILTER (action = 'login' AND outcome = 'success') AS logins,
       count(*) FILTER (action = 'login' AND outcome = 'failure') AS failures,
       count(*) FILTER (action IN ('password_reset', 'account_change', 'delegation')) AS changes,
       count(DISTINCT ip) AS addresses, count(DISTINCT user_agent) AS agents,
       count(DISTINCT hour(local)) AS hours,
       count(*) FILTER (action = 'lookup' AND hour(local) NOT BETWEEN {NIGHT_UNTIL_H} AND {NIGHT_FROM_H - 1}) AS night,
       count(*) FILTER (NOT (action = 'login' AND outcome = 'failure')) AS deeds, deeds > 0 AS active
FROM (SELECT *, timezone($zone, timestamp) AS local FROM events WHERE account IS NOT NULL)
GROUP BY account, day ORDER BY day, account
"""  # noqa: S608 - the only values formatted in are the two constants above


def connect() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB in memory that keeps quiet: a progress bar on standard output would spoil what is printed."""
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    con.execute("SET TimeZone = 'UTC'")
    return con


def count_days(con: duckdb.DuckDBPyConnection, *, zone: str) -> pd.DataFrame:
    """Count what each account did each day.

    Parameters
    ----------
    con : connection with a view `events` that has the columns of `detector.schema.EVENTS` used here.
    zone : the portal's time zone.

    Returns
    -------
    frame with one row per account and day with an event, all channels together: account, day, profession (null:
    unknown), the counts of `COUNTED`, deeds (events other than failed sign-ins) and active (any deed).
    """
    return as_frame(con.sql(_DAYS, params={"zone": zone}).to_arrow_table())


def read_events(con: duckdb.DuckDBPyConnection, *, files: list[str]) -> None:
    """Make the view `events` over canonical Parquet files; `source` is the file's name and `line` the row, from 1."""
    read = con.read_parquet(files, filename=True, file_row_number=True, union_by_name=True)
    place = "parse_filename(filename) AS source, file_row_number + 1 AS line"
    read.select(f"* EXCLUDE (filename, file_row_number), {place}").create_view("events", replace=True)


def with_outcome(con: duckdb.DuckDBPyConnection, *, malicious: pd.DataFrame) -> pd.DataFrame:
    """Add to the malicious rows the outcome that the dumps have for them.

    Parameters
    ----------
    con : connection with a view `events` that has source, line and outcome.
    malicious : frame with one row per malicious row: source, line, …

    Returns
    -------
    the same rows with the column outcome; null where the dumps do not hold the row.
    """
    con.register("malicious", malicious[["source", "line"]])
    query = "SELECT source, line, e.outcome FROM events AS e SEMI JOIN malicious USING (source, line)"
    outcomes = as_frame(con.sql(query).to_arrow_table())
    return malicious.merge(outcomes, on=["source", "line"], how="left", validate="one_to_one")
