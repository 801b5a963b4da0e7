"""From a folder of results to `report.html` and `queue.csv` in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from detector.errors import ConfigError
from detector.explain import SPANS, sentence
from detector.features import BY_NAME
from detector.output.rows import to_csv
from detector.output.table import REVIEWS, STORY
from detector.report import words
from detector.report.articles import article, title_of
from detector.report.french import check_told, told
from detector.report.rendering import TEMPLATES, environment, policy
from detector.report.results import Results, read_results
from detector.report.words import LANGUAGES, LIMITS, TERMS, Language, say

REPORT, QUEUE = "report.html", "queue.csv"
MOST_ALERTS, MOST_ROWS, MOST_FILES = 150, 400, 30
"""What a person, and a mail, can take; the rest is counted, and stands in the tables beside."""
MOST_PRINTED = 10
"""Alerts, each a page of paper; the others stand in the queue."""
HERE = Path(__file__).parent / TEMPLATES


def write_report(out: str | Path, *, language: Language = "en") -> Path:
    """Write `report.html`, and `queue.csv` with the accounts it lists, into a folder of results.

    The same results give the same bytes.

    Parameters
    ----------
    out
        A folder that `detector.write_results`, or `detector score --out`, wrote.
    language
        `en` or `fr`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        If the folder holds no results, or cannot be written.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"--language {language}: not one of {', '.join(LANGUAGES)}")
    results = read_results(Path(out))
    page = render_report(results, language=language)
    _put(Path(out) / QUEUE, to_csv(queue_of(results), results.early))
    return _put(Path(out) / REPORT, page)


def _put(path: Path, text: str) -> Path:
    """Write a file that is whole or not there."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.rename(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def queue_of(results: Results) -> pd.DataFrame:
    """Who alerts, was warned of early or waits for review, and the next ones, the strangest of each day first."""
    scores = results.scores
    is_told = scores["alert"] | scores["queue"].notna() | _is_warned(results)
    listed = scores[is_told | (scores["rank"] <= NEXT)]
    return listed.sort_values(["day", "rank"])


def _is_warned(results: Results) -> pd.Series[bool]:
    """Whether early warning told of each account-day."""
    warned = pd.MultiIndex.from_frame(results.early[["account", "day"]])
    return pd.Series(pd.MultiIndex.from_frame(results.scores[["account", "day"]]).isin(warned), results.scores.index)


NEXT = 10
"""Accounts of each day that are listed at least."""


def render_report(results: Results, *, language: Language) -> str:
    """The page of some results."""
    env = environment(HERE)
    style = (HERE / "report.css").read_text(encoding="utf-8")
    articles = list(_articles(results, language))
    return env.get_template("report.html.j2").render(
        t=lambda key: say(key, language),
        language=language,
        style=style,
        policy=policy([style]),
        **_head(results, language),
        days=list(_days(results, language)),
        articles=articles,
        n_folded=sum(each["folded"] for each in articles),
        n_more=max(int(results.scores["alert"].sum()) - MOST_ALERTS, 0),
        portal=[told(title_of(f), language) for f in results.findings if "resources" not in f],
        queue=_queue(results, language),
        limits=[pair[LANGUAGES.index(language)] for pair in LIMITS],
        terms=[tuple(pair[LANGUAGES.index(language)] for pair in term) for term in TERMS],
        **_how(results, language),
    )


def _head(results: Results, language: Language) -> dict[str, Any]:
    scores, warned = results.scores, _is_warned(results)
    days = [date.fromisoformat(day["day"]) for day in results.run["days"]]
    span = [words.long_day(days[0], language)] if days else []
    span += [words.long_day(days[-1], language)] if len(days) > 1 else []
    return {
        "span": " – ".join(span),
        "summary": say("summary_told", language).format(
            alerts=words.number(float(scores["alert"].sum()), language),
            early=words.number(float((~scores["alert"] & warned).sum()), language),
            reviews=words.number(float((scores["queue"].isin(list(REVIEWS)) & ~warned).sum()), language),
            accounts=words.number(float(len(scores)), language),
        ),
    }


def _days(results: Results, language: Language) -> Iterator[dict[str, str]]:
    zone = results.run["settings"]["portal"]["zone"]
    for day in results.run["days"]:
        at = words.clock(datetime.fromisoformat(day["last_event_at"]), zone)
        yield {
            "day": words.long_day(date.fromisoformat(day["day"]), language),
            "state": say("complete", language) if day["complete"] else say("so_far", language).format(at),
            "accounts": words.number(day["accounts"], language),
            "alerts": words.number(day["alerts"], language),
            "review": words.number(sum(day["queues"].get(name, 0) for name in REVIEWS), language),
        }


def reasons_in(row: Mapping[Any, Any], language: Language) -> list[dict[str, Any]]:
    """Reasons with their sentences in a language, whatever they were stored in."""
    return [{**reason, "sentence": _sentence(reason, language)} for reason in row["reasons"]]


def _sentence(reason: Mapping[str, Any], language: Language) -> str:
    spans = [name for name, told in SPANS.items() if reason["sentence"].startswith(tuple(told.values()))]
    usual, peers = (None if pd.isna(reason[name]) else float(reason[name]) for name in ("usual", "peers"))
    text = sentence(
        BY_NAME[reason["signal"]], value=float(reason["value"]), usual=usual, peers=peers, language=language
    )
    return SPANS[spans[0]][language] + text if spans else text


def _queue(results: Results, language: Language) -> list[dict[str, Any]]:
    titles = {_key(finding): title_of(finding) for finding in results.findings if "resources" in finding}
    zone = results.run["settings"]["portal"]["zone"]
    warned = {(r["account"], r["day"]): _warning(r, zone, language) for r in results.early.to_dict("records")}
    return [
        {
            "day": words.short_day(row["day"], language),
            "rank": str(row["rank"]),
            "account": row["account"],
            "anchor": f"a{row['day']}-{row['rank']}" if row["alert"] and row["rank"] <= MOST_ALERTS else None,
            "profession": words.profession(row["profession"], language),
            "queue": say(row["queue"], language) if isinstance(row["queue"], str) else "",
            "early": warned.get((row["account"], row["day"])),
            "alert": row["alert"],
            "score": words.decimal(row["score"], language),
            "records": words.number(None if pd.isna(row["records"]) else row["records"], language),
            "why": why(row, language, title=titles.get((row["account"], row["day"]))),
        }
        for row in queue_of(results).head(MOST_ROWS).to_dict("records")
    ]


def _warning(row: Mapping[Any, Any], zone: str, language: Language) -> str:
    at, records = words.clock(row["alert_at"], zone), words.number(row["records_so_far"], language)
    return say("early_told", language).format(at=at, records=records)


def why(row: Mapping[Any, Any], language: Language, *, title: str | None = None, most: int = 3) -> list[str]:
    """What checks saw (with its numbers, if the alert's title tells them) and the weightiest reasons, as a story."""
    checks = row["checks"] if isinstance(row["checks"], Iterable) else ()
    weightiest = reasons_in(row, language)[:most]
    ordered = sorted(weightiest, key=lambda reason: STORY.index(BY_NAME[reason["signal"]].family))
    found = [*(check_told(check, title, language) for check in checks), *(each["sentence"] for each in ordered)]
    return found or [say("usual", language)]


def _articles(results: Results, language: Language) -> Iterator[dict[str, Any]]:
    details = {(row["account"], row["day"]): row for row in results.details.to_dict("records")}
    early = {(row["account"], row["day"]): row for row in results.early.to_dict("records")}
    findings = {_key(finding): finding for finding in results.findings if "resources" in finding}
    campaigns = results.scores.dropna(subset="campaign").groupby("campaign")["account"].agg(lambda a: sorted(set(a)))
    alerts = results.scores[results.scores["alert"]].sort_values(["day", "rank"]).head(MOST_ALERTS)
    zone = results.run["settings"]["portal"]["zone"]
    strangest = set(alerts.sort_values("score", ascending=False, kind="stable").index[:MOST_PRINTED])
    for place, row in zip(alerts.index, alerts.to_dict("records"), strict=True):
        key = (row["account"], row["day"])
        yield {"folded": place not in strangest} | article(
            {**row, "reasons": reasons_in(row, language)},
            detail=details.get(key),
            early=early.get(key),
            finding=findings.get(key),
            fellows=[a for a in campaigns.get(row["campaign"], []) if a != row["account"]],
            zone=zone,
            language=language,
        )


def _key(finding: Mapping[str, Any]) -> tuple[str, date]:
    return finding["resources"][0]["uid"], date.fromisoformat(finding["unmapped"]["day"])


def _how(results: Results, language: Language) -> dict[str, Any]:
    run = results.run
    card, settings = run["model"]["card"], run["settings"]
    model = run["model"]["version"]
    if not run["model"]["cold"]:
        first, last = (words.short_day(date.fromisoformat(card[n]), language) for n in ("first_day", "last_day"))
        rows = words.number(card["account_days"], language)
        model = say("model_told", language).format(version=model, rows=rows, first=first, last=last)
    rate = settings["score"]["alerts"]["false_discovery_rate"]
    history = settings["history"]["folder"] or say("no_history", language)
    how = [
        ("history", history),
        ("model", model + (f" ({say('cold', language)})" if run["model"]["cold"] else "")),
        ("false_discovery_rate", words.percent(rate, language)),
        ("zone", settings["portal"]["zone"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in run["versions"].items())),
    ]
    files = run["files"]
    return {
        "how": [(say(key, language), value) for key, value in how],
        "warnings": [told(warning, language) for warning in run["warnings"]],
        "files": [_file(file, language) for file in files[:MOST_FILES]],
        "n_more_files": max(len(files) - MOST_FILES, 0),
        "made": say("made", language).format(
            words.moment(datetime.fromisoformat(run["written_at"]), settings["portal"]["zone"], language)
        ),
    }


def _file(file: Mapping[str, Any], language: Language) -> dict[str, str]:
    counts = {"lines": file["lines"], "events": file["events"], "rejected": file["rejected"]}
    counts["ignored"] = sum(file["ignored"].values())
    return {"path": file["path"], **{name: words.number(count, language) for name, count in counts.items()}}
