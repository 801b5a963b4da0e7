"""When: hours of the day, unbroken runs, and the regularity of a machine."""

from __future__ import annotations

import ibis

from detector.features.declaration import Feature, Sentence, count

FEATURES = (
    Feature(
        "active_hours",
        "hours",
        "hours of the clock with a look-up",
        "rhythm",
        "more",
        "hours",
        lambda rows: count(rows.lookups > 0),
        Sentence("active in {value} hours (usually {usual})", "actif pendant {value} heures (d'habitude {usual})"),
    ),
    Feature(
        "off_hour_uses",
        "look-ups and writes",
        "look-ups and writes in hours of the clock (one either side allowed) in which the account was never active in "
        "the 28 days before",
        "rhythm",
        "more",
        "hours",
        lambda rows: ibis.ifelse(
            rows.is_off_hour.isnull().all(), None, ibis.ifelse(rows.is_off_hour, rows.lookups + rows.writes, 0).sum()
        ),
        Sentence(
            "{value} look-ups or writes at hours at which it never works (usually {usual})",
            "{value} consultations ou écritures à des heures où il ne travaille jamais (d'habitude {usual})",
        ),
    ),
    Feature(
        "longest_run_min",
        "minutes",
        "longest stretch of look-ups without a pause of 15 minutes; null under 20 look-ups",
        "rhythm",
        "more",
        "order",
        lambda rows: rows.longest_run_min.max(),
        Sentence(
            "{value} minutes without a pause (usually {usual})", "{value} minutes sans pause (d'habitude {usual})"
        ),
        whole=False,
    ),
    Feature(
        "regularity",
        "share",
        "share of the gaps of a second or more between look-ups within ±10 % of their median; null under 19 gaps",
        "rhythm",
        "more",
        "order",
        lambda rows: rows.regularity.max(),
        Sentence(
            "{value} of its pauses are of the same length, as a machine's",
            "{value} de ses pauses ont la même durée, comme celles d'une machine",
        ),
        whole=False,
    ),
)
