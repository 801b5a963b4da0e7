"""Documents of a dossier, from templates that the operator may replace: French, each with an English twin."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import TemplateError
from markupsafe import Markup

from detector.errors import ConfigError
from detector.incident.attribution import SIGNS
from detector.incident.case import Dossier, deadline_of
from detector.incident.earlier import TELLING
from detector.incident.facts import DEEDS, POSSIBLE, REASONS
from detector.incident.severity import assess
from detector.incident.shown import Data, data_of
from detector.report import words
from detector.report.figures import Bar, draw_bars
from detector.report.rendering import TEMPLATES, environment, policy, shown
from detector.report.words import LANGUAGES, Language

HERE = Path(__file__).parent / TEMPLATES
STYLE = "dossier.css"
DOCUMENTS = {
    "summary": "summary",
    "notice-initial": "notices/notice-initial",
    "notice-complementary": "notices/notice-complementary",
    "professionals": "letters/professionals",
    "faq": "letters/faq",
}
"""Template → where its document stands in the dossier, before its language."""
LETTER = "letter"
MOST_ROWS = 60
LEVELS = {
    "low": ("low", "faible"),
    "medium": ("medium", "moyenne"),
    "high": ("high", "élevée"),
    "very_high": ("very high", "très élevée"),
}
TERMS = {
    "confidentiality": ("disclosed to unknown recipients", "divulgation à des destinataires inconnus"),
    "integrity": ("data altered, recoverable", "données modifiées, récupérables"),
    "malicious": ("malicious intent", "intention malveillante"),
}
PROFESSIONS = {
    "general_practitioner": ("general practitioners", "médecins généralistes"),
    "specialist": ("specialists", "médecins spécialistes"),
    "pharmacy": ("pharmacies", "pharmacies"),
    "nurse": ("nurses", "infirmiers"),
    "physiotherapist": ("physiotherapists", "masseurs-kinésithérapeutes"),
    "dentist": ("dentists", "chirurgiens-dentistes"),
    "midwife": ("midwives", "sages-femmes"),
    "optician": ("opticians", "opticiens"),
    "laboratory": ("laboratories", "laboratoires"),
    "hospital": ("hospitals", "hôpitaux"),
    "health_centre": ("health centres", "centres de santé"),
    "transporter": ("transporters", "transporteurs"),
    "supplier": ("suppliers", "fournisseurs"),
    "speech_therapist": ("speech therapists", "orthophonistes"),
    "": ("profession not known", "profession inconnue"),
}
NO_PROFESSION = ""
"""Professions as a mapping may name them; others are told as they are logged."""
OWNER = {
    "same_time": ("at the same time", "au même moment"),
    "same_days": ("on the same days", "les mêmes jours"),
    "no": ("no", "non"),
    "unknown": ("not known", "inconnu"),
}


def write_documents(
    dossier: Dossier, folder: Path, *, aware_at: datetime | None, revisions: list[dict[str, Any]]
) -> None:
    """Write all documents, in both languages.

    Raises
    ------
    ConfigError
        If a replaced template is not one, or asks for what there is not.
    """
    replaced = dossier.settings.incident.templates
    if replaced is not None and not replaced.is_dir():
        raise ConfigError(f"{replaced}: no folder of templates; expected one with, say, letter.fr.html.j2")
    env = environment(*([replaced] if replaced else []), HERE)
    style = (HERE / STYLE).read_text(encoding="utf-8")
    for language in LANGUAGES:
        known = context(dossier, language, aware_at=aware_at, revisions=revisions)
        known |= {"style": style, "policy": policy([style])}
        try:
            for template, place in DOCUMENTS.items():
                text = env.get_template(f"{template}.{language}.html.j2").render(known)
                _put(folder / f"{place}.{language}.html", text)
            for exposure in known["exposures"]:
                for certain, count in ((True, exposure["n_tied"]), (False, exposure["n_possible"])):
                    if count:
                        name = exposure["letter"] + ("" if certain else f"-{POSSIBLE}")
                        text = env.get_template(f"{LETTER}.{language}.html.j2").render(
                            known | {"exposure": exposure, "certain": certain}
                        )
                        _put(folder / "letters" / f"letter-{name}.{language}.html", text)
        except TemplateError as error:
            raise ConfigError(f"a template cannot be filled in ({error}); correct it in {replaced or HERE}") from error


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def context(
    dossier: Dossier, language: Language, *, aware_at: datetime | None, revisions: list[dict[str, Any]]
) -> dict[str, Any]:
    """What templates know; numbers and times are text in the language, None is what nobody has told."""
    place = LANGUAGES.index(language)
    told = dossier.settings.incident
    accounts, addresses = dossier.accounts, dossier.addresses
    tied_at = accounts["first_at"].dropna()
    deadline = None if aware_at is None else deadline_of(aware_at, hours=told.deadline_hours)
    severity = assess(dpc=told.dpc, ei=told.ei, written=bool(dossier.counts.get("written_lower")))
    zone = dossier.settings.portal.zone
    return {
        "language": language,
        "controller": told.controller or None,
        "contact": told.contact or None,
        "helpline": told.helpline or None,
        "deadline_hours": told.deadline_hours,
        "aware_at": moment(aware_at, zone, language),
        "deadline": moment(deadline, zone, language),
        "start": words.short_day(dossier.start, language),
        "end": words.short_day(dossier.end, language),
        "window": words.span(dossier.start, dossier.end, language),
        "first_at": moment(tied_at.min() if len(tied_at) else None, zone, language),
        "last_at": moment(accounts["last_at"].dropna().max() if len(tied_at) else None, zone, language),
        "counts": {name: None if n is None else words.number(n, language) for name, n in dossier.counts.items()},
        "known_lower": dossier.counts["records_lower"] is not None,
        "established": bool(dossier.counts["records_lower"]),
        "zone": zone,
        "n_accounts": words.number(len(accounts), language),
        "n_accounts_tied": words.number(int((accounts["records_tied"].fillna(0) > 0).sum()), language),
        "n_owners_active": int((accounts["owner_active"] == "same_time").sum()),
        "professions": _professions(accounts, language),
        "doors": _doors(accounts, place, language),
        "accounts": [_account(row, zone, language) for row in accounts.head(MOST_ROWS).to_dict("records")],
        "n_block": words.number(float((addresses["decision"] == "block").sum()), language),
        "n_keep": words.number(float((addresses["decision"] == "keep").sum()), language),
        "addresses": [_address(row, language) for row in addresses.head(MOST_ROWS).to_dict("records")],
        "earlier": [_trace(row, language) for row in dossier.earlier.head(MOST_ROWS).to_dict("records")],
        "exposures": _exposures(dossier, language),
        "signs": [text[place] for name, text in SIGNS.items() if any(name in signs for signs in accounts["signs"])],
        "severity": {
            "dpc": words.decimal(severity.dpc, language),
            "ei": words.decimal(severity.ei, language),
            "terms": [(TERMS[name][place], words.decimal(term, language)) for name, term in severity.circumstances],
            "score": words.decimal(severity.score, language),
            "level": LEVELS[severity.level][place],
        },
        "remarks": [remark[place] for remark in dossier.remarks],
        "revision": revisions[-1]["number"],
        "changes": _changes(revisions[-1]["changes"], language),
        "pictures": _pictures(dossier, zone, language),
        "files": [(file.path, file.sha256) for file in dossier.files[:MOST_ROWS]],
    }


def moment(at: datetime | pd.Timestamp | None, zone: str, language: Language, *, with_zone: bool = True) -> str | None:
    """An instant by the portal's clock, with its zone if it is not told elsewhere; None for none."""
    if at is None or pd.isna(at):
        return None
    return words.moment(pd.Timestamp(at).to_pydatetime(), zone, language) + (f" ({zone})" if with_zone else "")


def _professions(accounts: pd.DataFrame, language: Language) -> list[tuple[str, str]]:
    named = accounts["profession"].astype("object")
    counts = named.where(named.notna(), NO_PROFESSION).value_counts()
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    place = LANGUAGES.index(language)
    return [
        (
            PROFESSIONS[name][place] if name in PROFESSIONS else str(name).replace("_", " "),
            words.number(count, language),
        )
        for name, count in ordered
    ]


def _doors(accounts: pd.DataFrame, place: int, language: Language) -> list[tuple[str, str]]:
    counts = accounts["door"].value_counts()
    known = [(name, counts[name]) for name in DEEDS if name in counts]
    return [(DEEDS[name][place], words.number(count, language)) for name, count in known]


def _account(row: dict[Any, Any], zone: str, language: Language) -> dict[str, Any]:
    place = LANGUAGES.index(language)
    return {
        "account": row["account"],
        "first_at": moment(row["first_at"], zone, language, with_zone=False),
        "last_at": moment(row["last_at"], zone, language, with_zone=False),
        "tied": "–" if pd.isna(row["records_tied"]) else words.number(row["records_tied"], language),
        "window": words.number(row["records_window"], language),
        "owner": OWNER[row["owner_active"]][place],
        "door": DEEDS[row["door"]][place] if row["door"] in DEEDS else OWNER["unknown"][place],
    }


def _address(row: dict[Any, Any], language: Language) -> dict[str, Any]:
    place = LANGUAGES.index(language)
    return {
        "ip": row["ip"],
        "block": row["decision"] == "block",
        "reason": REASONS[row["reason"]][place],
        "accounts": words.number(row["accounts"], language),
        "others": words.number(row["others"], language),
        "lookups": words.number(row["lookups"], language),
    }


def _trace(row: dict[Any, Any], language: Language) -> dict[str, Any]:
    return {
        "day": words.short_day(row["day"], language),
        "account": row["account"],
        "ip": row["ip"],
        "sign": TELLING[row["sign"]][LANGUAGES.index(language)],
        "lookups": words.number(row["lookups"], language),
        "strangers": words.number(None if pd.isna(row["strangers"]) else row["strangers"], language),
    }


def _exposures(dossier: Dossier, language: Language) -> list[dict[str, Any]]:
    place = LANGUAGES.index(language)
    data = [data_of(services, dossier.settings, place=place) for services in dossier.exposures["services"]]
    return [
        {
            "letter": row["exposure"],
            "services": [name for name in row["services"].split("+") if name],
            "shown": [_marked(each) for each in shown_here],
            "is_told": all(each.is_told for each in shown_here),
            "displayed": bool(row["displayed"]),
            "saved": bool(row["saved"]),
            "written": bool(row["written"]),
            "n_tied": int(row["records_tied"]),
            "n_possible": int(row["records"] - row["records_tied"]),
            "possible": words.number(int(row["records"] - row["records_tied"]), language),
            "tied": words.number(row["records_tied"], language),
            "all": words.number(row["records"], language),
        }
        for row, shown_here in zip(dossier.exposures.to_dict("records"), data, strict=True)
    ]


def _marked(data: Data) -> str:
    """What a person must complete or confirm, as the templates mark it."""
    return data.text if data.is_told else Markup("<mark>{}</mark>").format(shown(data.text))


NAMES = {
    "accounts_added": ("accounts added", "comptes ajoutés"),
    "accounts_removed": ("accounts removed", "comptes retirés"),
    "block_added": ("addresses to block added", "adresses à bloquer ajoutées"),
    "block_removed": ("addresses to block removed", "adresses à bloquer retirées"),
    "keep_added": ("shared addresses added", "adresses partagées ajoutées"),
    "keep_removed": ("shared addresses removed", "adresses partagées retirées"),
    "records_tied_added": ("persons added to the lower bound", "personnes ajoutées à la borne basse"),
    "records_tied_removed": ("persons removed from the lower bound", "personnes retirées de la borne basse"),
    "records_all_added": ("persons added to the upper bound", "personnes ajoutées à la borne haute"),
    "records_all_removed": ("persons removed from the upper bound", "personnes retirées de la borne haute"),
    "window": ("window changed", "période modifiée"),
}


def _changes(found: dict[str, Any] | None, language: Language) -> list[tuple[str, str]]:
    """What differs from the dossier before, as name and text; nothing for the first."""
    if found is None:
        return []
    place = LANGUAGES.index(language)
    rows = []
    for name, texts in NAMES.items():
        value = found[name]
        if not value:
            continue
        if isinstance(value, int):
            text = words.number(value, language)
        elif isinstance(value, dict):
            text = "; ".join(f"{before} → {after}" for before, after in value.values())
        else:
            text = f"{words.number(len(value), language)} ({', '.join(value[:10])}{'…' if len(value) > 10 else ''})"
        rows.append((texts[place], text))
    return rows


def _pictures(dossier: Dossier, zone: str, language: Language) -> list[dict[str, Any]]:
    """Successful look-ups per day, and by the hour of the clock, of the tied events."""
    evidence = dossier.evidence
    looked = evidence[(evidence["action"] == "lookup") & (evidence["outcome"] == "success")]
    if looked.empty:
        return []
    local = looked["timestamp"].dt.tz_convert(zone)
    days = pd.date_range(dossier.start, dossier.end, freq="D").date
    by_day = local.dt.date.value_counts().reindex(days, fill_value=0)
    by_hour = local.dt.hour.value_counts().reindex(range(24), fill_value=0)
    every = max(len(days) // 8, 1)
    first = [
        Bar(
            # Of a day without a dump nothing is known.
            float(n) if day in dossier.read_days else None,
            label=f"{day.day}/{day.month}" if place % every == 0 else "",
            told=f"{words.short_day(day, language)} : {words.number(n, language)}",
            marked=True,
        )
        for place, (day, n) in enumerate(by_day.items())
    ]
    second = [
        Bar(
            float(n),
            label=str(hour) if hour % 3 == 0 else "",
            told=f"{hour} h : {words.number(n, language)}",
            marked=True,
        )
        for hour, n in by_hour.items()
    ]
    titles = {
        "en": ("Successful look-ups tied to the attack, per day", "The same, by hour of the clock"),
        "fr": ("Consultations abouties rattachées à l'attaque, par jour", "Les mêmes, par heure"),
    }[language]
    return [
        {"title": title, "svg": draw_bars(bars, title=title, name=f"p{place}", language=language)}
        for place, (title, bars) in enumerate(zip(titles, (first, second), strict=True))
    ]
