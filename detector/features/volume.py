"""How much: look-ups and records per day and at their busiest."""

from __future__ import annotations

import ibis

from detector.features.declaration import Feature, Sentence, count, share

FEATURES = (
    Feature(
        "lookups",
        "look-ups",
        "look-ups on the day, failed ones included",
        "volume",
        "more",
        "hours",
        lambda rows: rows.lookups.sum(),
        Sentence(
            "{value} look-ups, {ratio} × its usual {usual}", "{value} consultations, {ratio} × ses {usual} habituelles"
        ),
    ),
    Feature(
        "records",
        "records",
        "different records shown on the day",
        "volume",
        "more",
        "records",
        lambda rows: count(rows.lookups > 0),
        Sentence(
            "{value} different records, {ratio} × its usual {usual}",
            "{value} dossiers différents, {ratio} × ses {usual} habituels",
        ),
        needs=("record",),
    ),
    Feature(
        "n_shown",
        "records",
        "records that answers showed, dependants included",
        "volume",
        "context",
        "records",
        lambda rows: rows.n_records.sum(),
        Sentence("{value} records shown, dependants included", "{value} dossiers affichés, ayants droit compris"),
        needs=("record",),
    ),
    Feature(
        "busiest_minute",
        "look-ups",
        "most look-ups within one minute of the clock",
        "volume",
        "more",
        "hours",
        lambda rows: rows.busiest_minute.max(),
        Sentence(
            "up to {value} look-ups in one minute (usually {usual})",
            "jusqu'à {value} consultations en une minute (d'habitude {usual})",
        ),
    ),
    Feature(
        "busiest_10_min",
        "look-ups",
        "most look-ups within ten minutes of the clock (the clock's, so that they are counted, not slid)",
        "volume",
        "more",
        "order",
        lambda rows: rows.busiest_10_min.max(),
        Sentence(
            "up to {value} look-ups in ten minutes (usually {usual})",
            "jusqu'à {value} consultations en dix minutes (d'habitude {usual})",
        ),
    ),
    Feature(
        "busiest_hour",
        "look-ups",
        "most look-ups within one hour of the clock",
        "volume",
        "more",
        "hours",
        lambda rows: rows.lookups.max(),
        Sentence(
            "up to {value} look-ups in one hour, {ratio} × its usual {usual}",
            "jusqu'à {value} consultations en une heure, {ratio} × ses {usual} habituelles",
        ),
    ),
    Feature(
        "busiest_session",
        "look-ups",
        "most look-ups within one session",
        "volume",
        "more",
        "order",
        lambda rows: rows.busiest_session.max(),
        Sentence(
            "{value} look-ups in a single session (usually {usual})",
            "{value} consultations en une seule session (d'habitude {usual})",
        ),
        needs=("session",),
    ),
    Feature(
        "lookups_per_login",
        "look-ups per sign-in",
        "look-ups divided by successful sign-ins (by one where there is none)",
        "volume",
        "more",
        "day",
        lambda row: share(row.lookups, ibis.greatest(row.logins, 1)),
        Sentence(
            "{value} look-ups per sign-in (usually {usual})", "{value} consultations par connexion (d'habitude {usual})"
        ),
        whole=False,
    ),
)
