"""What it changed or carried off: writes and exports, and on whose records."""

from __future__ import annotations

import ibis

from detector.features.declaration import Feature, Sentence, count

FEATURES = (
    Feature(
        "writes",
        "writes",
        "successful writes and exports",
        "writes",
        "more",
        "hours",
        lambda rows: rows.writes.sum(),
        Sentence(
            "{value} writes or exports, {ratio} × its usual {usual}",
            "{value} écritures ou exports, {ratio} × ses {usual} habituels",
        ),
    ),
    Feature(
        "busiest_write_hour",
        "writes",
        "most writes and exports within one hour of the clock",
        "writes",
        "more",
        "hours",
        lambda rows: rows.writes.max(),
        Sentence(
            "up to {value} writes in one hour (usually {usual})",
            "jusqu'à {value} écritures en une heure (d'habitude {usual})",
        ),
    ),
    Feature(
        "foreign_writes",
        "records",
        "foreign records that were written to or exported",
        "writes",
        "more",
        "records",
        lambda rows: ibis.ifelse(rows.is_foreign.isnull().all(), None, count(rows.is_foreign & (rows.writes > 0))),
        Sentence(
            "writes on {value} records never touched before by it or anyone around (usually {usual})",
            "écritures sur {value} dossiers jamais touchés par lui ni par personne autour de lui (d'habitude {usual})",
        ),
        needs=("record",),
    ),
    Feature(
        "stranger_writes",
        "records",
        "stranger records that were written to or exported",
        "writes",
        "context",
        "records",
        lambda rows: ibis.ifelse(rows.is_stranger.isnull().all(), None, count(rows.is_stranger & (rows.writes > 0))),
        Sentence(
            "writes on {value} strangers from a source new to it (usually {usual})",
            "écritures sur {value} inconnus depuis une source nouvelle pour lui (d'habitude {usual})",
        ),
        needs=("record",),
    ),
)
