"""One alert as the report tells it: why, when, where from, who was looked up, with whom, and what to check first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from detector.comparison import COMPARISONS
from detector.details import WHO
from detector.explain import say_unremarkable
from detector.features import BY_NAME
from detector.report import words
from detector.report.figures import Bar, draw_bars
from detector.report.french import check_told
from detector.report.words import CHECKS_FIRST, LANGUAGES, Language, say

MOST_SOURCES = 12
MOST_FELLOWS = 30
EVERY_HOURS, EVERY_DAYS = 3, 7
"""Labels under a picture: a phone has room for eight."""
RESET_SIGNALS = ("reset_then_new_source", "resets")


def article(
    row: Mapping[Any, Any],
    *,
    detail: Mapping[Any, Any] | None,
    early: Mapping[Any, Any] | None,
    finding: Mapping[str, Any] | None,
    fellows: Sequence[str],
    zone: str,
    language: Language,
) -> dict[str, Any]:
    """What the page shows of one alerted account-day.

    Parameters
    ----------
    row
        Of `SCORES`, its reasons in the language.
    detail, early, finding
        Of `DETAILS` and `EARLY`, and the alert's OCSF finding; None where there is none.
    fellows
        The other accounts of its campaign.
    """
    anchor = f"a{row['day']}-{row['rank']}"
    checks = list(row["checks"]) if isinstance(row["checks"], Iterable) else []
    told: dict[str, Any] = {
        "anchor": anchor,
        "account": row["account"],
        "day": words.long_day(row["day"], language),
        "profession": words.profession(row["profession"], language),
        "score": words.decimal(row["score"], language),
        "p_value": None if pd.isna(row["p_value"]) else words.probability(row["p_value"], language),
        "severity": finding["severity"].lower() if finding else None,
        "uid": finding["metadata"]["uid"] if finding else None,
        "reasons": [
            *(check_told(check, title_of(finding) if finding else None, language) for check in checks),
            *(reason["sentence"] for reason in row["reasons"]),
        ],
        "unremarkable": say_unremarkable(row.get("unremarkable_without"), language),
        "campaign": _campaign(row, language) if fellows else None,
        "fellows": list(fellows[:MOST_FELLOWS]),
        "n_more_fellows": max(len(fellows) - MOST_FELLOWS, 0),
        "early": _early(early, zone, language),
        "check_first": _check_first(row, checks, detail, language),
        "evidence": _evidence(finding, language),
    }
    if detail is not None:
        told |= {
            "hours": _hours(detail, row, anchor=anchor, zone=zone, language=language),
            "days": _days(detail, row, anchor=anchor, language=language),
            "compared": list(_compared(detail, language)),
            "left_out": _left_out(detail, language),
            "sources": [_source(source, zone, language) for source in list(detail["sources"])[:MOST_SOURCES]],
            "writes": any(source["writes"] for source in detail["sources"]),
            "n_more_sources": max(int(detail["n_sources"]) - MOST_SOURCES, 0),
            "who": [(say(f"who_{name}", language), _known(detail[name], language)) for name in WHO],
            "departments": _departments(detail, language),
        }
    return told


def title_of(finding: Mapping[str, Any]) -> str:
    """What an alert is about, in the words of the run."""
    return str(finding["finding_info"]["title"])


def _campaign(row: Mapping[Any, Any], language: Language) -> str:
    pooled = row["campaign_p_value"]
    together = "" if pd.isna(pooled) else f" ({say('pooled', language)} {words.probability(pooled, language)})"
    return say("campaign_told", language).format(name=row["campaign"] + together)


def _early(early: Mapping[Any, Any] | None, zone: str, language: Language) -> str | None:
    if early is None:
        return None
    at, records = words.clock(early["alert_at"], zone), words.number(early["records_so_far"], language)
    return say("early", language).format(at=at, records=records)


def _known(value: Any, language: Language) -> str:
    return say("unknown", language) if pd.isna(value) else words.number(value, language)


def _hours(
    detail: Mapping[Any, Any], row: Mapping[Any, Any], *, anchor: str, zone: str, language: Language
) -> dict[str, Any]:
    hours = list(detail["hours"])
    bars = [_hour(hour, place, zone, language) for place, hour in enumerate(hours)]
    best = max(hours, key=lambda hour: hour["lookups"])
    day = words.short_day(row["day"], language)
    if not best["lookups"]:
        title = say("hours_none", language).format(day=day)
    else:
        usual = best["usual_high"]
        title = say("hours_new" if usual is None else "hours_told", language).format(
            day=day,
            most=words.number(best["lookups"], language),
            hour=words.clock(best["hour"], zone),
            usual=words.number(usual, language),
        )
    return {"title": title, "svg": draw_bars(bars, title=title, name=f"{anchor}-h", language=language)}


def _hour(hour: Mapping[str, Any], place: int, zone: str, language: Language) -> Bar:
    local: datetime = hour["hour"].astimezone(ZoneInfo(zone))
    label = f"{local.hour}" + (" h" if language == "fr" else ":00")
    told = f"{local:%H:%M}–{local + timedelta(hours=1):%H:%M} : {words.number(hour['lookups'], language)}"
    return Bar(
        hour["lookups"],
        hour["usual_low"],
        hour["usual_high"],
        label if place % EVERY_HOURS == 0 and place < EVERY_HOURS * 8 else "",
        told,
    )


def _days(detail: Mapping[Any, Any], row: Mapping[Any, Any], *, anchor: str, language: Language) -> dict[str, Any]:
    days = list(detail["days"])
    bars = []
    for place, day in enumerate(days):
        back = len(days) - 1 - place
        value = None if day["records"] is None or pd.isna(day["records"]) else float(day["records"])
        label = f"{day['day'].day}/{day['day'].month}" if back % EVERY_DAYS == 0 and place > 0 else ""
        told = f"{words.short_day(day['day'], language)} : {words.number(value, language)}"
        bars.append(Bar(value, label=label, told=told, marked=day["day"] == row["day"], hollow=bool(day["flagged"])))
    values = [bar.value for bar in bars]
    before = [bar.value for bar in bars[:-1] if bar.value is not None and not bar.hollow]
    title = say("days_told" if before else "days_new", language).format(
        value=words.number(values[-1], language),
        day=words.short_day(row["day"], language),
        most=words.number(max(before, default=None), language),
    )
    svg = draw_bars(bars, title=title, name=f"{anchor}-d", language=language)
    flagged = any(bar.hollow and bar.value for bar in bars)
    return {"title": title, "svg": svg, "not_held": None in values, "flagged": flagged}


def _compared(detail: Mapping[Any, Any], language: Language) -> Iterator[dict[str, Any]]:
    """Signals that say something: there is some of it, that day or usually."""
    for each in detail["compared"]:
        known = {name: None if pd.isna(each[name]) else float(each[name]) for name in COMPARISONS}
        if not any(known[name] for name in ("value", "usual")):
            continue
        most = max((known[name] or 0.0 for name in ("largest", "peers")), default=0.0)
        yield {
            "signal": say(f"signal_{each['signal']}", language),
            "beyond": (known["value"] or 0.0) > most,
            "cells": [(say(f"compared_{name}", language), words.amount(known[name], language)) for name in COMPARISONS],
        }


def _left_out(detail: Mapping[Any, Any], language: Language) -> str | None:
    """Which days of the account are part of no comparison."""
    days = [words.short_day(day["day"], language) for day in detail["days"] if day["flagged"]]
    return say("left_out", language).format(words.listed(days, language)) if days else None


def _source(source: Mapping[str, Any], zone: str, language: Language) -> dict[str, Any]:
    today, before = (words.number(source[name], language) for name in ("others_today", "others_before"))
    return {
        "ip": source["ip"] or say("unknown", language),
        "new_ip": bool(source["is_new_network"]) if source["is_new_network"] is not None else bool(source["is_new_ip"]),
        "agent": source["user_agent"] or say("unknown", language),
        "new_agent": bool(source["is_new_agent"]),
        "lookups": words.number(source["lookups"], language),
        "writes": words.number(source["writes"], language),
        "first": words.clock(source["first_at"], zone),
        "last": words.clock(source["last_at"], zone),
        "others": say("others_told", language).format(today=today, before=before),
    }


def _departments(detail: Mapping[Any, Any], language: Language) -> list[dict[str, str]]:
    found = detail["departments"] if isinstance(detail["departments"], Iterable) else ()
    return [
        {
            "name": each["department"],
            "records": words.number(each["records"], language),
            "usual": words.percent(each["usual_share"], language),
        }
        for each in found
    ]


ASKED_ABOUT = {"stranger": "who", "where": "who"}
"""Families of signals that raise the questions of another."""


def _check_first(
    row: Mapping[Any, Any], checks: Sequence[str], detail: Mapping[Any, Any] | None, language: Language
) -> list[str]:
    """At most four things, in the order in which they are quickest to tell."""
    signals = [reason["signal"] for reason in row["reasons"]]
    families = {ASKED_ABOUT.get(family, family) for family in (BY_NAME[signal].family for signal in signals)}
    wanted = []
    if "reset_then_bulk" in checks or set(signals) & set(RESET_SIGNALS):
        wanted.append("reset")
    wanted += [name for name in ("source", "who", "writes", "rhythm", "volume") if name in families]
    if detail is not None and any((source["others_before"] or 0) > 0 for source in detail["sources"]):
        wanted.append("shared")
    chosen = list(dict.fromkeys(wanted))[:4] or ["who"]
    return [CHECKS_FIRST[name][LANGUAGES.index(language)] for name in chosen]


def _evidence(finding: Mapping[str, Any] | None, language: Language) -> list[str]:
    return [
        say("lines", language).format(
            source=each["data"]["source"],
            first=words.number(each["data"]["first_line"], language),
            last=words.number(each["data"]["last_line"], language),
        )
        for each in (finding["evidences"] if finding else ())[:MOST_SOURCES]
    ]
