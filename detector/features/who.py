"""Whom: records new to the account, foreign to everyone around it, missing, or unlike its usual ones."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from detector.features.declaration import Feature, Sentence, count, share

TOKENS = ("record",)

FEATURES = (
    Feature(
        "new_records",
        "records",
        "different records shown that the account did not touch in the 28 days before",
        "who",
        "more",
        "records",
        lambda rows: ibis.ifelse(rows.is_new.isnull().all(), None, count(rows.is_new & (rows.lookups > 0))),
        Sentence(
            "{value} records it had not looked up in 28 days (usually {usual})",
            "{value} dossiers qu'il n'avait pas consultés depuis 28 jours (d'habitude {usual})",
        ),
        needs=TOKENS,
    ),
    Feature(
        "foreign_records",
        "records",
        "new records that no account sharing records with this one touched in the 28 days before either",
        "who",
        "more",
        "records",
        lambda rows: ibis.ifelse(rows.is_foreign.isnull().all(), None, count(rows.is_foreign & (rows.lookups > 0))),
        Sentence(
            "{value} records never looked up before by it or anyone around (usually {usual})",
            "{value} dossiers jamais consultés par lui ni par personne autour de lui (d'habitude {usual})",
        ),
        needs=TOKENS,
    ),
    Feature(
        "new_record_share",
        "share",
        "share of the day's records that are new to the account",
        "who",
        "context",
        "day",
        lambda row: share(row.new_records, row.records),
        Sentence("{value} of its records are new to it", "{value} de ses dossiers sont nouveaux pour lui"),
        needs=TOKENS,
        whole=False,
    ),
    Feature(
        "foreign_record_share",
        "share",
        "share of the day's records that are foreign",
        "who",
        "context",
        "day",
        lambda row: share(row.foreign_records, row.records),
        Sentence(
            "{value} of its records never looked up before by it or anyone around",
            "{value} de ses dossiers jamais consultés par lui ni par personne autour de lui",
        ),
        needs=TOKENS,
        whole=False,
    ),
    Feature(
        "misses",
        "look-ups",
        "look-ups that found no such record, or were refused",
        "who",
        "more",
        "hours",
        lambda rows: rows.misses.sum(),
        Sentence(
            "{value} look-ups found nothing (usually {usual})",
            "{value} consultations sans résultat (d'habitude {usual})",
        ),
    ),
    Feature(
        "miss_rate",
        "share",
        "failed look-ups divided by look-ups",
        "who",
        "context",
        "day",
        lambda row: share(row.misses, row.lookups),
        Sentence("{value} of its look-ups found nothing", "{value} de ses consultations sans résultat"),
        whole=False,
    ),
    Feature(
        "repeat_rate",
        "share",
        "1 − different records / successful look-ups: people reopen a file, robots do not",
        "who",
        "less",
        "day",
        lambda row: 1 - share(row.records, row.lookups - row.misses),
        Sentence(
            "only {value} of its look-ups reopen a file", "seules {value} de ses consultations rouvrent un dossier"
        ),
        needs=TOKENS,
        whole=False,
    ),
    Feature(
        "typed_lookups",
        "look-ups",
        "successful look-ups with a typed identifier rather than a card read",
        "who",
        "more",
        "records",
        lambda rows: rows.typed_lookups.sum(),
        Sentence(
            "{value} look-ups with a typed number, {ratio} × its usual {usual}",
            "{value} consultations par numéro saisi, {ratio} × ses {usual} habituelles",
        ),
        needs=("record", "record_id_mode"),
    ),
    Feature(
        "canary_records",
        "records",
        "records on the operator's list of canaries and sensitive persons",
        "who",
        "context",
        "records",
        lambda rows: count(rows.is_canary),
        Sentence("{value} canary records", "{value} dossiers témoins"),
        needs=TOKENS,
    ),
    Feature(
        "odd_department_records",
        "records",
        "records whose birth department holds under 2 % of what the account looked up in the 28 days before",
        "where",
        "more",
        "records",
        lambda rows: ibis.ifelse(rows.is_odd_department.isnull().all(), None, count(rows.is_odd_department)),
        Sentence(
            "{value} people born in departments it rarely looks up (usually {usual})",
            "{value} personnes nées dans des départements qu'il consulte rarement (d'habitude {usual})",
        ),
        needs=("record", "record_department"),
    ),
    Feature(
        "scattered_records",
        "records",
        "foreign records of people born elsewhere than most of the day's foreign records",
        "where",
        "more",
        "records",
        lambda rows: rows.is_scattered.cast("int64").sum(),
        Sentence(
            "{value} people whom nobody around it looks up, born all over the country (usually {usual})",
            "{value} personnes que personne autour de lui ne consulte, nées dans tout le pays (d'habitude {usual})",
        ),
        needs=("record", "record_department"),
    ),
    Feature(
        "stranger_records",
        "records",
        "foreign records first asked for or written to from a network or with an agent new to the account",
        "stranger",
        "context",
        "records",
        lambda rows: rows.is_stranger.cast("int64").sum(),
        Sentence(
            "{value} records that nobody around it ever touched, from a source new to it (usually {usual})",
            "{value} dossiers que personne autour de lui n'a touchés, depuis une source nouvelle (d'habitude {usual})",
        ),
        needs=TOKENS,
    ),
    Feature(
        "odd_strangers",
        "records",
        "stranger records first touched with a script's agent, or from where nobody signed in on the day though the "
        "account did elsewhere",
        "stranger",
        "context",
        "records",
        lambda rows: rows.is_odd_stranger.cast("int64").sum(),
        Sentence(
            "{value} strangers asked for by a script, or in a session opened elsewhere (usually {usual})",
            "{value} inconnus demandés par un script, ou dans une session ouverte ailleurs (d'habitude {usual})",
        ),
        needs=TOKENS,
    ),
    Feature(
        "far_strangers",
        "records",
        "stranger records of people born elsewhere than most of the day's foreign records",
        "where",
        "context",
        "records",
        lambda rows: ibis.ifelse(
            rows.is_scattered.isnull().all() | rows.is_stranger.isnull().all(),
            None,
            count(rows.is_scattered & rows.is_stranger),
        ),
        Sentence(
            "asked for {value} strangers from all over the country, from a source new to it (usually {usual})",
            "{value} inconnus de tout le pays demandés, depuis une source nouvelle pour lui (d'habitude {usual})",
        ),
        needs=("record", "record_department"),
    ),
    Feature(
        "met_records",
        "records",
        "records that are not foreign, first touched from a source new to the account",
        "stranger",
        "context",
        "records",
        lambda rows: rows.is_met.cast("int64").sum(),
        Sentence(
            "{value} records known to it or around it, from a source new to it",
            "{value} dossiers connus de lui ou autour de lui, depuis une source nouvelle",
        ),
        needs=TOKENS,
    ),
    Feature(
        "neighbour_records",
        "records",
        "of the met records, those new to the account",
        "stranger",
        "context",
        "records",
        lambda rows: rows.is_neighbour.cast("int64").sum(),
        Sentence(
            "{value} records known around it, from a source new to it",
            "{value} dossiers connus autour de lui, depuis une source nouvelle",
        ),
        needs=TOKENS,
    ),
    Feature(
        "familiar_records",
        "records",
        "of the met records, those that the account knew",
        "stranger",
        "context",
        "records",
        lambda rows: rows.is_familiar.cast("int64").sum(),
        Sentence(
            "{value} records it knew already, from a source new to it",
            "{value} dossiers qu'il connaissait déjà, depuis une source nouvelle",
        ),
        needs=TOKENS,
    ),
    Feature(
        "lone_strangers",
        "records",
        "stranger records beyond one for each neighbour and five for each familiar record: a new machine sees both",
        "stranger",
        "more",
        "day",
        lambda row: _beyond(row.stranger_records, row),
        Sentence(
            "asked for {value} strangers and hardly a known patient, from a source new to it (usually {usual})",
            "{value} inconnus demandés et presque aucun patient connu, depuis une source nouvelle (d'habitude {usual})",
        ),
        needs=TOKENS,
    ),
    Feature(
        "lone_far_strangers",
        "records",
        "far strangers beyond one for each neighbour and five for each familiar record",
        "where",
        "more",
        "day",
        lambda row: _beyond(row.far_strangers, row),
        Sentence(
            "asked for {value} strangers from all over the country, from a source new to it (usually {usual})",
            "{value} inconnus de tout le pays demandés, depuis une source nouvelle pour lui (d'habitude {usual})",
        ),
        needs=("record", "record_department"),
    ),
)


def _beyond(strangers: ir.Value, row: ir.Table) -> ir.Value:
    """What strangers are more than known people vouch for; null where they cannot be told."""
    vouched = row.neighbour_records.fill_null(0) + VOUCHED * row.familiar_records.fill_null(0)
    return ibis.ifelse(strangers.isnull(), None, ibis.greatest(strangers - vouched, 0))


VOUCHED = 5
"""Strangers that one familiar record on the same new machine vouches for: on a day of screening one in six is known."""
