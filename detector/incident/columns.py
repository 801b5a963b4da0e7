"""What the columns of a dossier's CSV files say, in both languages: the guide `columns.csv`.

Values that a machine reads (a decision, a bound) are English words that never change; texts stand once a language.
"""

from __future__ import annotations

import pandas as pd

GUIDE = "columns.csv"
Meaning = tuple[str, str, str]
"""A column, and what it says in English and in French."""

_ACCOUNT: Meaning = ("account", "the account", "le compte")
_RECORD: Meaning = ("record", "the person's token", "le jeton de la personne")
_IP: Meaning = ("ip", "the address", "l'adresse")
_SAVED: Meaning = ("saved", "true: a page was downloaded", "true : une page a été téléchargée")
_WRITTEN: Meaning = ("written", "true: the record was changed", "true : le dossier a été modifié")
_SERVICES: Meaning = ("services", "services used, joined by +", "services utilisés, joints par +")
_EXPOSURE: Meaning = ("exposure", "the kind of exposure, and its letter", "le type d'exposition, et sa lettre")
_BOUND: Meaning = (
    "bound",
    "tied: the evidence ties it to the attack; possible: it was looked up in the window",
    "tied : rattaché à l'attaque par les preuves ; possible : consulté pendant la période",
)

MEANINGS: dict[str, tuple[Meaning, ...]] = {
    "accounts.csv": (
        _ACCOUNT,
        ("profession", "as the logs call it", "telle que les journaux la nomment"),
        ("origin", "how it came into the dossier (English)", "comment il est entré au dossier (anglais)"),
        ("first_at", "first event tied to the attack", "premier événement rattaché à l'attaque"),
        ("last_at", "last event tied to the attack", "dernier événement rattaché à l'attaque"),
        ("lookups_tied", "successful look-ups tied to the attack", "consultations abouties rattachées à l'attaque"),
        ("lookups_window", "all successful look-ups of the window", "consultations abouties de la période"),
        ("records_tied", "persons, at least", "personnes, au moins"),
        ("records_window", "persons, at most", "personnes, au plus"),
        ("addresses", "addresses of the attack; without dumps: all", "adresses de l'attaque ; sans journaux : toutes"),
        (
            "owner_active",
            "other activity of the account. same_time: within half an hour; same_days: on the same days; no; unknown",
            "autre activité. same_time : à une demi-heure près ; same_days : les mêmes jours ; no ; unknown",
        ),
        ("door", "what opened the door (English)", "ce qui a ouvert l'accès (anglais)"),
        ("door_at", "when it was opened", "instant de cette ouverture"),
        ("door_ip", "from which address", "adresse d'où elle vient"),
        ("action", "reset: block it and give its owner new credentials", "reset : bloquer, puis réinitialiser"),
        ("origine", "origin, in French", "comment il est entré au dossier"),
        ("why", "what ties it to the attack (English)", "ce qui le rattache à l'attaque (anglais)"),
        ("pourquoi", "why, in French", "ce qui le rattache à l'attaque"),
        ("entree", "door, in French", "ce qui a ouvert l'accès"),
    ),
    "addresses.csv": (
        _IP,
        ("network", "its /24 or /48", "son réseau, /24 ou /48"),
        ("first_at", "first seen in the incident", "première apparition dans l'incident"),
        ("last_at", "last seen in the incident", "dernière apparition dans l'incident"),
        (
            "lookups",
            "successful look-ups from it; from history alone, failed ones too",
            "consultations abouties depuis cette adresse ; d'après l'historique seul, échecs compris",
        ),
        ("accounts", "accounts of the incident that came from it", "comptes de l'incident qui en viennent"),
        ("others", "other accounts that use it", "autres comptes qui l'utilisent"),
        ("examples", "some of these", "quelques-uns d'entre eux"),
        ("others_network", "other accounts that come from its network", "autres comptes venant de son réseau"),
        ("decision", "block, or do not block", "block : bloquer ; do not block : ne pas bloquer"),
        ("reason", "why (English)", "pourquoi (anglais)"),
        ("motif", "reason, in French", "pourquoi"),
    ),
    "timeline.csv": (
        ("at", "when", "instant"),
        _ACCOUNT,
        _IP,
        ("lookups", "successful look-ups of the day", "consultations abouties du jour"),
        ("event", "what happened (English)", "ce qui s'est passé (anglais)"),
        ("evenement", "event, in French", "ce qui s'est passé"),
    ),
    "earlier.csv": (
        ("day", "a day of which no dump was read", "un jour dont aucun journal n'a été lu"),
        _ACCOUNT,
        _IP,
        ("lookups", "look-ups, failed ones too", "consultations, échouées comprises"),
        ("strangers", "strangers read", "inconnus consultés"),
        ("first_at", "first use of the address", "première utilisation de l'adresse"),
        ("last_at", "last use of the address", "dernière utilisation de l'adresse"),
        ("sign", "what is a trace (English)", "ce qui fait trace (anglais)"),
        ("signe", "sign, in French", "ce qui fait trace"),
    ),
    "records.csv": (
        _ACCOUNT,
        _RECORD,
        _BOUND,
        ("first_at", "first time that the account reached it", "premier accès du compte"),
        ("last_at", "last time", "dernier accès"),
        ("queries", "successful look-ups", "consultations abouties"),
        ("n_shown", "persons in the largest answer", "personnes dans la plus grande réponse"),
        _SERVICES,
        _SAVED,
        _WRITTEN,
        _EXPOSURE,
    ),
    "exposures.csv": (
        _SERVICES,
        _SAVED,
        _WRITTEN,
        (
            "displayed",
            "false: no look-up or download is logged, the record was only changed",
            "false : ni consultation ni téléchargement journalisé, le dossier a seulement été modifié",
        ),
        ("records", "persons, at most", "personnes, au plus"),
        _EXPOSURE,
        ("records_tied", "persons, at least", "personnes, au moins"),
        ("shown_en", "what the services show (English)", "ce que montrent les services (anglais)"),
        ("shown_fr", "what the services show (French)", "ce que montrent les services"),
    ),
    "letters/mail-merge.csv": (
        _RECORD,
        ("letter", "which letter the person gets", "la lettre à envoyer"),
        ("certain", "yes: tied to the attack; no: possible", "yes : rattaché à l'attaque ; no : possible"),
        ("first_day", "first day", "premier jour"),
        ("last_day", "last day", "dernier jour"),
        ("times", "successful look-ups", "consultations abouties"),
        ("dates_en", "the days in words (English)", "les jours en toutes lettres (anglais)"),
        ("dates_fr", "the days in words (French)", "les jours en toutes lettres"),
    ),
}  # fmt: skip


def guide() -> pd.DataFrame:
    """One row per file and column: file, column, meaning (English), signification (French)."""
    rows = [(file, *meaning) for file, meanings in MEANINGS.items() for meaning in meanings]
    return pd.DataFrame(rows, columns=["file", "column", "meaning", "signification"])
