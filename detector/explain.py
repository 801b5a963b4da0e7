"""Why an account-day is strange: the signals that made it so, in order, as sentences with numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detector.deviations import MONTHLY, WEEK, WEEKLY
from detector.features import BY_NAME
from detector.features.declaration import Feature
from detector.joins import to_frame
from detector.novelty import PAST_DAYS

Language = Literal["en", "fr"]
MAX_REASONS = 5
"""More reasons than these are no explanation."""
TOLD_TOGETHER: tuple[tuple[str, ...], ...] = (
    ("records", "lookups", "busiest_minute", "busiest_10_min", "busiest_hour", "busiest_session", "lookups_per_login"),
    ("foreign_records", "new_records"),
    ("odd_department_records", "scattered_records"),
    ("lone_strangers", "lone_far_strangers"),
    ("new_source_uses", "reset_then_new_source", "n_ips", "n_networks"),
    ("logins", "failures", "fail_then_ok"),
    ("active_hours", "longest_run_min"),
    ("writes", "busiest_write_hour", "foreign_writes"),
)
"""Signals that say the same in different words: one reason is made of each line, from its weightiest signal."""
_TOPIC = {signal: line[0] for line in TOLD_TOGETHER for signal in line}
PEERS_HIGH = 0.99
EVERYONE = "everyone"
"""Stands for the profession where none is known."""
SPANS: dict[str, dict[Language, str]] = {
    "week": {"en": "over the last 7 days: ", "fr": "sur les 7 derniers jours : "},
    "month": {"en": "over the last 28 days: ", "fr": "sur les 28 derniers jours : "},
}


class Usual(NamedTuple):
    """What an analyst compares with; each indexed as said, with one column per signal, null where unknown.

    own
        Medians over the past 28 days, by (account, channel).
    peers
        99th percentiles over the past 28 days, by peer group.
    spans
        By (account, channel): the sums of the last 7 (`week`) and 28 days (`month`), the day included, and what such a
        span usually holds (`usual_week`, from the days before it); columns are named `{signal}__{span}`.
    """

    own: pd.DataFrame
    peers: pd.DataFrame
    spans: pd.DataFrame


def reasons_of(
    rows: pd.DataFrame,
    contributions: NDArray[np.float64],
    *,
    columns: Sequence[str],
    usual: Usual,
    language: Language = "en",
) -> list[list[dict[str, Any]]]:
    """Reasons of each account-day, the weightiest first.

    Parameters
    ----------
    rows
        Account-days with their signals, `account`, `channel` and `peer_group`.
    contributions
        Shape (n_rows, n_columns): what each deviation adds to the tail sum.
    columns
        Names of the deviations.
    usual
        What to compare with.
    language
        Of the sentences.

    Returns
    -------
    list of lists of dicts
        {signal, value, usual, peers, contribution, sentence}; `usual` and `peers` are None where unknown. One entry per
        line of `TOLD_TOGETHER` (other signals stand alone), about its weightiest signal and span (the day, the week,
        the month); the contributions of all its deviations are added up.
    """
    views = np.array([_view(name) for name in columns])
    unique = list(dict.fromkeys(views))
    totals = np.stack([contributions[:, views == view].sum(axis=1) for view in unique], axis=1)
    return [
        _reasons(row, dict(zip(unique, weights, strict=True)), usual=usual, language=language)
        for row, weights in zip(rows.to_dict("records"), totals, strict=True)
    ]


def contributions_of(contributions: NDArray[np.float64], *, columns: Sequence[str]) -> list[list[dict[str, Any]]]:
    """What each deviation adds to the tail sum of each row, the weightiest first: {deviation, contribution}."""
    return [
        [
            {"deviation": columns[place], "contribution": float(row[place])}
            for place in np.argsort(-row, kind="stable")
            if row[place]
        ]
        for row in contributions
    ]


def _view(deviation: str) -> str:
    """What of a signal a deviation looks at: the day (`records`), or a longer span (`records__week`)."""
    signal, kind = deviation.split("__")
    return deviation if kind in SPANS else signal


def _reasons(
    row: dict[Any, Any], weights: dict[str, float], *, usual: Usual, language: Language
) -> list[dict[str, Any]]:
    ordered = sorted((view for view, weight in weights.items() if weight > 0), key=lambda view: -weights[view])
    spokesmen: dict[str, str] = {}
    totals: dict[str, float] = {}
    for view in ordered:
        topic = topic_of(view)
        spokesmen.setdefault(topic, view)
        totals[topic] = totals.get(topic, 0.0) + float(weights[view])
    weightiest = sorted(totals, key=lambda topic: -totals[topic])[:MAX_REASONS]
    return [
        _reason(spokesmen[topic], row, contribution=totals[topic], usual=usual, language=language)
        for topic in weightiest
    ]


KINDS_OF_EVIDENCE: dict[str, dict[Language, str]] = {
    "taken": {"en": "how much it took", "fr": "la quantité prise"},
    "stranger": {
        "en": "strangers read from a source new to it",
        "fr": "les inconnus consultés depuis une source nouvelle pour lui",
    },
    "where": {
        "en": "people from where it rarely looks anybody up",
        "fr": "les personnes de lieux qu'il consulte rarement",
    },
    "manner": {"en": "the unusual sources and hours", "fr": "les sources et heures inhabituelles"},
}
UNREMARKABLE: dict[Language, str] = {
    "en": "The day would not have alerted without {kinds}.",
    "fr": "La journée n'aurait pas donné d'alerte sans {kinds}.",
}
AND: dict[Language, str] = {"en": " and ", "fr": " et "}
TOGETHER: dict[Language, str] = {"en": ", all of them together", "fr": ", pris ensemble"}


def unremarkable_without(
    X: NDArray[np.float64], *, kinds: Sequence[str], strangeness: Callable[[NDArray[np.float64]], Any], below: float
) -> list[list[str]]:
    """Kinds of evidence without which, all together, each row would be less strange than `below`; one at a time.

    Parameters
    ----------
    X
        The estimator's input, shape (n_rows, n_columns).
    kinds
        The kind of evidence that each column is.
    strangeness
        Of such rows.
    below
        The strangeness from which a row stands out.

    Returns
    -------
    list of lists
        Kinds, that which weighs most first: each is the one without which what is left would be least strange, so
        there may be a smaller set of others. Empty for a row that does not stand out, and for one that would whatever
        it were without.
    """
    found: list[list[str]] = [[] for _row in X]
    left = X.copy()
    now = np.asarray(strangeness(left))
    stands_out = now >= below
    of_kind = np.asarray(kinds)
    for _step in dict.fromkeys(kinds):
        rows = np.flatnonzero(now >= below)
        if not len(rows):
            break
        without = {kind: np.where(of_kind == kind, 0.0, left[rows]) for kind in dict.fromkeys(kinds)}
        strange = np.stack([np.asarray(strangeness(x)) for x in without.values()])
        for place, row in enumerate(rows):
            kind = list(without)[int(strange[:, place].argmin())]
            found[row].append(kind)
            left[row], now[row] = without[kind][place], strange[:, place].min()
    return [told if out and still < below else [] for told, out, still in zip(found, stands_out, now, strict=True)]


def say_unremarkable(kinds: Sequence[str] | None, language: Language) -> str | None:
    """The sentence that tells what would have made the day unremarkable; None where nothing would, or is known to."""
    if kinds is None:
        return None
    told = [KINDS_OF_EVIDENCE[kind][language] for kind in kinds]
    if not told:
        return None
    listed = AND[language].join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else told[0]
    kinds = f"{listed}{TOGETHER[language]}" if len(told) > 1 else listed
    return UNREMARKABLE[language].format(kinds=kinds)


def topic_of(view: str) -> str:
    """What a signal, or a view of it, is about: the first signal of its line in `TOLD_TOGETHER`, or itself."""
    signal = view.partition("__")[0]
    return _TOPIC.get(signal, signal)


def _reason(view: str, row: dict[str, Any], *, contribution: float, usual: Usual, language: Language) -> dict[str, Any]:
    signal, _sep, span = view.partition("__")
    key = (row["account"], row["channel"])
    if span:
        value, before = _look_up(usual.spans, key, view), _look_up(usual.spans, key, f"{signal}__usual_{span}")
    else:
        value, before = row[signal], _look_up(usual.own, key, signal)
    number = float("nan") if value is None else float(value)
    group = row["peer_group"] if row["peer_group"] in usual.peers.index else f"{EVERYONE} {row['channel']}"
    peers = None if span else _look_up(usual.peers, group, signal)
    text = sentence(BY_NAME[signal], value=number, usual=before, peers=peers, language=language)
    return {
        "signal": signal,
        "value": number,
        "usual": before,
        "peers": peers,
        "contribution": contribution,
        "sentence": SPANS[span][language] + text if span else text,
    }


def _look_up(table: pd.DataFrame, key: object, name: str) -> float | None:
    if name not in table.columns or key not in table.index:
        return None
    value = float(table[name].to_numpy(dtype=np.float64)[table.index.get_loc(key)])
    return None if np.isnan(value) else value


def sentence(
    declared: Feature, *, value: float, usual: float | None, peers: float | None, language: Language = "en"
) -> str:
    """The signal in words; without a usual value, or with a usual value of none, no multiple of it is claimed."""
    text = str(getattr(declared.sentence, language))
    head = re.split(r", \{ratio\}| \(usually| \(d'habitude", text, maxsplit=1)[0]
    shown = {"value": _number(value, declared, language), "usual": "", "peers": "", "ratio": ""}
    if usual is not None and value > usual:
        shown |= {
            "usual": _usual(usual, declared, language),
            "ratio": _ratio(value / usual, language) if usual else "",
        }
        # Of next to nothing everything is a huge multiple; « ses 1 habituels » is no French.
        no_ratio = "{ratio}" in text and (usual < 1 or value / usual < MIN_RATIO or (language == "fr" and usual == 1))
        text = head + USUALLY[language] if no_ratio else text
    elif "{usual}" in text:
        text = head
    if peers is not None and value > peers and (usual is None or value <= MIN_RATIO * usual):
        shown["peers"] = _number(peers, declared, language)
        text = head + PEERS[language] if shown["peers"] != shown["value"] else text
    if declared.unit != "share" and shown["value"] in ONE[language]:
        text = agree(text, shown["value"], language)
    return text.format(**shown)


ONE: dict[Language, tuple[str, ...]] = {"en": ("1",), "fr": ("0", "1")}
"""What is counted stands in the singular after these; French has it so after none, too."""
_SINGULAR: dict[Language, tuple[str, ...]] = {
    "en": (
        (
            r"(?<=^1 )((?:different |failed |canary )?(?:address|look-up|record|stranger|sign-in|network|browser|"
            r"account|hour|minute|day))(?:es|s)\b"
        ),
        r"(?<=^1 )(write|reset)s\b( or )?(export|change)?s?\b",
        r"(?<=^1 )(look-up or write)s\b",
    ),
    "fr": (
        r"(?<=^[01] )(heure|minute|jour)s\b",
        (
            r"\b(consultation|dossier|personne|inconnu|écriture|export|connexion|échec|adresse|navigateur|compte|"
            r"changement|réinitialisation|témoin|différente?|nouvelle|active|née|connu|consulté|affiché|touché)s\b"
        ),
        r"\b(réseau|nouveau)x\b",
    ),
}


ALL_OVER: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("born all over the country", "born elsewhere in the country"),
        ("from all over the country", "from elsewhere in the country"),
    ),
    "fr": (
        ("née dans tout le pays", "née ailleurs dans le pays"),
        ("de tout le pays demandés", "d'ailleurs dans le pays demandé"),
        ("inconnu demandés", "inconnu demandé"),
    ),
}


def agree(text: str, value: str, language: Language) -> str:
    """A sentence whose value is one, with what it counts, and what agrees with that, in the singular."""
    before, hole, after = text.partition("{value}")
    counted, usual, rest = (value + after).partition(" (")
    for pattern in _SINGULAR[language]:
        counted = re.sub(pattern, lambda found: "".join(part or "" for part in found.groups()), counted)
    counted = counted.replace("1 people", "1 person") if language == "en" else counted
    # Nobody is born all over the country alone.
    for of_many, of_one in ALL_OVER[language]:
        counted = counted.replace(of_many, of_one)
    return before + counted + usual + rest if hole else text


MIN_RATIO = 1.5
"""Less than half as much again is no multiple worth telling."""
HALF = 0.5
USUALLY: dict[Language, str] = {"en": " (usually {usual})", "fr": " (d'habitude {usual})"}
PEERS: dict[Language, str] = {
    "en": " (99 in 100 peers: at most {peers})",
    "fr": " (99 % des pairs : au plus {peers})",
}


def _number(value: float, declared: Feature, language: Language) -> str:
    if declared.unit == "share":
        return f"{value:.0%}" if language == "en" else f"{value * 100:.0f} %"
    text = f"{value:,.0f}" if declared.whole or value >= 10 or value == int(value) else f"{value:,.1f}"
    return text if language == "en" else text.replace(",", "\u202f").replace(".", ",")


def _usual(usual: float, declared: Feature, language: Language) -> str:
    """A median of an even number of days may be a half, by which the multiple beside it is divided."""
    if declared.unit == "share" or usual % 1 != HALF:
        return _number(usual, declared, language)
    return f"{usual:,.1f}" if language == "en" else f"{usual:,.1f}".replace(",", "\u202f").replace(".", ",")


def _ratio(ratio: float, language: Language) -> str:
    if np.isnan(ratio):
        return ""
    text = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"
    return text if language == "en" else text.replace(",", "\u202f").replace(".", ",")


def usual_values(past: ir.Table, accounts: Sequence[str], signals: Sequence[str]) -> pd.DataFrame:
    """Median of each signal over the past days of some accounts, indexed by (account, channel)."""
    rows = past.filter(past.account.isin(list(accounts)))
    medians = rows.group_by(["account", "channel"]).aggregate(**{name: rows[name].quantile(0.5) for name in signals})
    return to_frame(medians).set_index(["account", "channel"])


def span_values(past: ir.Table, rows: pd.DataFrame, *, day: date) -> pd.DataFrame:
    """Sums over the last 7 and 28 days of the signals that add up, the day included; see `Usual`."""
    names = list(dict.fromkeys((*WEEKLY, *MONTHLY)))
    held = to_frame(
        past.filter(past.account.isin(rows["account"].tolist())).select("account", "channel", "day", *names)
    )
    age = (pd.Timestamp(day) - pd.to_datetime(held["day"])).dt.days
    keys = [held["account"], held["channel"]]
    last, before = held.loc[age < WEEK, names], held.loc[age >= WEEK, names]
    index = pd.MultiIndex.from_frame(rows[["account", "channel"]])
    sums = [part.groupby([key[part.index] for key in keys]).sum().reindex(index).fillna(0) for part in (last, before)]
    own = rows[names].set_index(index).fillna(0)
    found = {f"{name}__week": sums[0][name] + own[name] for name in names}
    found |= {f"{name}__usual_week": sums[1][name] * WEEK / (PAST_DAYS - WEEK + 1) for name in names}
    found |= {f"{name}__month": sums[0][name] + sums[1][name] + own[name] for name in names}
    return pd.DataFrame(found)


def peer_values(past: ir.Table, signals: Sequence[str]) -> pd.DataFrame:
    """99th percentile of each signal among the peers, indexed by profession and channel as peer groups are named.

    Where nobody's profession is known, among all accounts of the channel, indexed by `EVERYONE` and the channel.
    """
    highs = {name: past[name].quantile(PEERS_HIGH) for name in signals}
    group = ibis.coalesce(past.profession, EVERYONE) + " " + past.channel
    return to_frame(past.group_by(peer_group=group).aggregate(**highs)).set_index("peer_group")
