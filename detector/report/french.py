"""French for what runs tell in English: warnings of reading and scoring, and what checks saw.

Results hold these sentences as they were written, so the report and the dossier translate them by their form. A
sentence that is not here stays English; a test holds the list to what the code can say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from detector.report.words import NARROW, Language, say

HOLE = "{}"
"""Stands for what differs from case to case: a number, a name, a time."""

CHECKS: dict[str, tuple[str, str]] = {
    "volume_tier": ("{} look-ups in a day", "{} consultations en un jour"),
    "canary_record": ("{} canary records looked up", "{} dossiers témoins consultés"),
    "reset_then_bulk": (
        "{} look-ups from a network new to it, within three days of a reset",
        "{} consultations depuis un réseau nouveau, moins de trois jours après une réinitialisation",
    ),
    "tool_agent": ("{} look-ups by a script's agent", "{} consultations par l'agent d'un script"),
    "spray": (
        "{} accounts failed to sign in from {} within five minutes",
        "{} comptes ont échoué à se connecter depuis {} en cinq minutes",
    ),
    "distributed_spray": (
        "{} failed sign-ins on {} accounts from {} addresses within 15 minutes",
        "{} connexions échouées sur {} comptes depuis {} adresses en 15 minutes",
    ),
}
"""What a check saw, as alerts tell it."""

OF_ONE: dict[str, tuple[str, str]] = {
    "canary_record": ("1 canary record looked up", "1 dossier témoin consulté"),
}
"""The same where it can have seen one alone."""

REVIEWS: tuple[tuple[str, str], ...] = (
    ("first batch of new software, to be reviewed: {}", "premier lot d'un logiciel nouveau, à examiner : {}"),
    ("new account, to be reviewed: {}", "nouveau compte, à examiner : {}"),
)
"""What the job tells of though it does not alert."""

WARNINGS: tuple[tuple[str, str], ...] = (
    (
        "{} was judged as it stands (last event {} UTC): it may go on; --complete says that it is over",
        "{} a été jugé tel quel (dernier événement à {} UTC) : le jour peut continuer ; --complete dit qu'il est clos",
    ),
    (
        (
            "no trained model: accounts were compared with the day's peers alone, so there are no p-values and only "
            "checks alert; learn past days and train for more (detector learn, detector train)"
        ),
        (
            "aucun modèle entraîné : comparaison aux seuls pairs du jour, donc sans valeur p, et seules les règles "
            "alertent ; apprendre des jours passés et entraîner pour en savoir plus (detector learn, detector train)"
        ),
    ),
    (
        (
            "no early warning on the channel {}: its limits need {} account-days with enough past, and the 28 days "
            "before {} hold {}"
        ),
        (
            "pas d'alerte précoce sur le canal {} : ses limites demandent {} comptes-jours au passé suffisant, et les "
            "28 jours avant le {} en ont {}"
        ),
    ),
    (
        (
            "no early warning on the channel {} on {} days, the last of them {}: its limits need {} account-days with "
            "enough past, and the 28 days before {} hold {}"
        ),
        (
            "pas d'alerte précoce sur le canal {} pendant {} jours, le dernier étant le {} : ses limites demandent {} "
            "comptes-jours au passé suffisant, et les 28 jours avant le {} en ont {}"
        ),
    ),
    (
        (
            "the model was calibrated on {} account-days; with {} active accounts a day {} are needed before any "
            "alerts for being strange"
        ),
        (
            "le modèle a été calibré sur {} comptes-jours ; avec {} comptes actifs par jour, il en faut {} pour qu'un "
            "compte alerte parce qu'il est inhabituel"
        ),
    ),
    (
        "the clock goes back {}, by {} minutes at most, first on line {}",
        "l'horloge recule {}, de {} minutes au plus, d'abord à la ligne {}",
    ),
    (
        "its last event, {}, is later than the file itself ({})",
        "son dernier événement, {}, est postérieur au fichier lui-même ({})",
    ),
    (
        "1 time falls into an hour that the clock ran twice; the first was taken",
        "un instant tombe dans une heure que l'horloge a comptée deux fois ; la première a été retenue",
    ),
    (
        "1 time falls into an hour that the clock skipped; it was moved on by it",
        "un instant tombe dans une heure que l'horloge a sautée ; il a été décalé d'autant",
    ),
    ("1 line is not UTF-8 and was read as Windows-1252", "une ligne n'est pas en UTF-8 et a été lue en Windows-1252"),
    (
        "{} times fall into an hour that the clock ran twice; the first was taken",
        "{} instants tombent dans une heure que l'horloge a comptée deux fois ; la première a été retenue",
    ),
    (
        "{} times fall into an hour that the clock skipped; they were moved on by it",
        "{} instants tombent dans une heure que l'horloge a sautée ; ils ont été décalés d'autant",
    ),
    (
        "some of its times name their zone and some do not",
        "certains de ses instants nomment leur fuseau, d'autres non",
    ),
    (
        "its times name no zone; the portal's was taken; say which in the mapping: [time] zone",
        "ses instants ne nomment aucun fuseau ; celui du portail a été retenu ; le préciser : [time] zone",
    ),
    ("its times are in {} zones: {}", "ses instants sont dans {} fuseaux : {}"),
    (
        (
            "{} sign-ins failed and none succeeded; does it log those that succeed? "
            "(Keycloak logs errors only, unless told otherwise)"
        ),
        (
            "{} connexions échouées et aucune réussie ; les réussites sont-elles journalisées ? "
            "(Keycloak ne journalise que les erreurs, sauf réglage)"
        ),
    ),
    (
        "look-ups and no sign-in: what depends on sign-ins stays unknown; is an input missing?",
        "des consultations et aucune connexion : ce qui en dépend reste inconnu ; manque-t-il une source ?",
    ),
    (
        "no look-up at all: nothing here can tell extraction; is an input or a mapping missing?",
        "aucune consultation : rien ici ne peut révéler une extraction ; manque-t-il une source ou sa description ?",
    ),
    (
        "no event has {}: signals that need them stay unknown, which clears nobody",
        "aucun événement n'a {} : les signaux qui en dépendent restent inconnus, ce qui n'innocente personne",
    ),
    (
        "about {} of its lines repeat another word for word; was it sent twice?",
        "environ {} de ses lignes en répètent une autre mot pour mot ; le fichier a-t-il été envoyé deux fois ?",
    ),
    ("it is a copy of {} and was left out", "c'est une copie de {}, laissée de côté"),
    ("it is empty", "il est vide"),
    (
        "nothing gives the outcome: all counts as done, so that no failure and no miss is seen",
        "rien ne donne l'issue : tout compte comme abouti, aucun échec n'est donc visible",
    ),
    (
        "{} lines are not UTF-8 and were read as Windows-1252",
        "{} lignes ne sont pas en UTF-8 et ont été lues en Windows-1252",
    ),
    (
        "its times have no year; {}, the file's own, was taken; say it in the mapping: [time] year",
        "ses instants n'ont pas d'année ; {}, celle du fichier, a été retenue ; la préciser : [time] year",
    ),
    ("others may read this key; `chmod 600` it", "d'autres peuvent lire cette clé ; `chmod 600`"),
    (
        "no key was given: one was made for this run; tokens of other runs cannot be compared with its own",
        "aucune clé donnée : une clé a été créée pour ce seul passage ; ses jetons ne se comparent à aucun autre",
    ),
    (
        (
            "a key was made: {}; keep a copy elsewhere, since without it the tokens of all records change, and away "
            "from the history's backup, since who holds both can find out whose records were looked up"
        ),
        (
            "une clé a été créée : {} ; en garder une copie ailleurs, car sans elle les jetons de tous les dossiers "
            "changent, et loin de la sauvegarde de l'historique, car qui détient les deux peut savoir quels dossiers "
            "ont été consultés"
        ),
    ),
    ("{} of {} lines are rejects ({})", "{} lignes sur {} sont rejetées ({})"),
)
"""What a run warns of, without the file that it is about."""

REJECTS: tuple[tuple[str, str], ...] = (
    ("no time", "pas d'instant"),
    ("the time is not finite", "l'instant n'est pas fini"),
    ("the time is in no known notation", "l'instant n'est dans aucune notation connue"),
    (
        "the time is not between {} and {}: wrong unit or notation",
        "l'instant n'est pas entre {} et {} : unité ou notation fausse",
    ),
    ("no {}", "aucun champ {}"),
    ("unknown {}", "inconnu : {}"),
    ("n_records is not a number of records", "n_records n'est pas un nombre de dossiers"),
    (
        "the record holds what has the form of a social-security number, and the mapping says token",
        "le dossier a la forme d'un numéro de sécurité sociale, alors que la description dit « token »",
    ),
    ("not a line of an access log", "pas une ligne de journal d'accès"),
    ("no HTTP request", "aucune requête HTTP"),
    ("not a JSON object", "pas un objet JSON"),
    ("not a line of syslog", "pas une ligne de syslog"),
    ("line holds a NUL byte", "la ligne contient un octet nul"),
    ("line longer than {} bytes", "ligne de plus de {} octets"),
    ("{} columns, expected {}", "{} colonnes au lieu de {}"),
    (
        "a quote is opened and not closed, or closed within a field",
        "un guillemet est ouvert et non fermé, ou fermé au milieu d'un champ",
    ),
    ("repeated 0 times", "répétée 0 fois"),
    ("repeated more than {} times", "répétée plus de {} fois"),
)
"""Why a line could not be read."""

REJECTED = ("{} × {}, first on line {}", "{} × {}, d'abord à la ligne {}")

_TIMES = re.compile(r"\d+ times")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")


def told(text: str, language: Language) -> str:
    """A sentence that a run told in English, in a language; in English what no form fits."""
    if language == "en":
        return text
    for place in (match.start() for match in re.finditer(": ", text)):
        found = _by_form(text[place + 2 :], WARNINGS)
        if found is not None:
            return f"{text[:place]} : {found}"
    return _by_form(text, (*REVIEWS, *OF_ONE.values(), *CHECKS.values(), *WARNINGS)) or text


def check_told(check: str, title: str | None, language: Language) -> str:
    """What a check saw, with its numbers if the alert's title is about it."""
    forms = [known[check][0] for known in (OF_ONE, CHECKS) if check in known]
    if title is not None and any(_pattern(form).fullmatch(title) for form in forms):
        return told(title, language)
    return say(check, language)


def _by_form(text: str, forms: Iterable[tuple[str, str]]) -> str | None:
    for english, french in forms:
        match = _pattern(english).fullmatch(text)
        if match is not None:
            return french.format(*map(_hole, match.groups()))
    return None


@cache
def _pattern(english: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, english.split(HOLE))), flags=re.DOTALL)


def _hole(text: str) -> str:
    if text == "once" or _TIMES.fullmatch(text):
        return "une fois" if text == "once" else f"{text.removesuffix(' times')} fois"
    if _THOUSANDS.fullmatch(text):
        return text.replace(",", NARROW)
    counted = [_pattern(REJECTED[0]).fullmatch(part) for part in text.split("; ")]
    if not all(counted):
        return text
    parts = [match.groups() for match in counted if match]
    return " ; ".join(REJECTED[1].format(n, _by_form(why, REJECTS) or why, line) for n, why, line in parts)
