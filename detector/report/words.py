"""What the report says, in English and in French."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")
NARROW = "\u202f"
SMALLEST_P = 1e-5

MONTHS: dict[Language, tuple[str, ...]] = {
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
}  # fmt: skip
WEEKDAYS: dict[Language, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
}

WORDS: dict[str, tuple[str, str]] = {
    "title": ("Unusual activity of professional accounts", "Activité inhabituelle de comptes professionnels"),
    "confidential": (
        "Confidential: an alert is a reason to look, not a proof.",
        "Confidentiel : une alerte est une raison de vérifier, pas une preuve.",
    ),
    "contents": ("Contents", "Sommaire"),
    "alerts": ("Alerts", "Alertes"),
    "folded": (
        "On paper, the strangest alerts in full; {} others in the queue. Follow the link of one to print it too.",
        "Sur papier, les alertes les plus étranges ; {} autres dans la file. Suivre un lien pour l'imprimer aussi.",
    ),
    "no_alert": ("No account alerts.", "Aucun compte en alerte."),
    "review": ("For review", "À examiner"),
    "queue": ("The queue", "La file"),
    "scored": ("What was scored", "Ce qui a été évalué"),
    "limits": ("What this method cannot see", "Ce que cette méthode ne voit pas"),
    "portal": ("The portal as a whole", "Le portail dans son ensemble"),
    "day": ("Day", "Jour"),
    "accounts": ("Accounts", "Comptes"),
    "state": ("State", "État"),
    "complete": ("complete", "complet"),
    "so_far": ("as it stood at {}", "tel quel à {}"),
    "rank": ("Rank", "Rang"),
    "account": ("Account", "Compte"),
    "profession": ("Profession", "Profession"),
    "score": ("Score", "Score"),
    "records": ("Records", "Dossiers"),
    "why": ("Why", "Pourquoi"),
    "severity_told": ("Severity: {}", "Gravité : {}"),
    "low": ("low", "faible"),
    "medium": ("medium", "moyenne"),
    "high": ("high", "élevée"),
    "critical": ("critical", "critique"),
    "main": ("alert", "alerte"),
    "check": ("check", "règle"),
    "budget": ("slow", "lent"),
    "newcomer": ("newcomer", "nouveau compte"),
    "robot": ("first batch", "premier lot"),
    "reasons": ("Why", "Pourquoi"),
    "hours": ("Look-ups per hour", "Consultations par heure"),
    "hours_told": (
        "Look-ups per hour on {day}: at most {most}, at {hour}; usually at most {usual} at that hour.",
        "Consultations par heure le {day} : au plus {most}, à {hour} ; d'habitude au plus {usual} à cette heure.",
    ),
    "hours_new": (
        "Look-ups per hour on {day}: at most {most}, at {hour}; what is usual at that hour is not known.",
        "Consultations par heure le {day} : au plus {most}, à {hour} ; l'habitude à cette heure n'est pas connue.",
    ),
    "hours_none": ("Look-ups per hour on {day}: none.", "Consultations par heure le {day} : aucune."),
    "band": ("usual band of the account", "plage habituelle du compte"),
    "beyond": ("beyond it", "au-delà"),
    "days": ("Records per day", "Dossiers par jour"),
    "days_told": (
        "Records per day over 28 days, on all channels: {value} on {day}; at most {most} on a day before.",
        "Dossiers par jour sur 28 jours, tous canaux : {value} le {day} ; auparavant au plus {most} par jour.",
    ),
    "days_new": (
        "Records per day over 28 days, on all channels: {value} on {day}; no day before is known.",
        "Dossiers par jour sur 28 jours, tous canaux : {value} le {day} ; aucun jour antérieur n'est connu.",
    ),
    "the_day": ("that day", "ce jour"),
    "flagged": ("flagged before", "déjà signalé"),
    "compared": ("Compared with the 28 days before", "Comparaison aux 28 jours précédents"),
    "left_out": (
        "Left out, since flagged before: {}.",
        "Laissés de côté, car déjà signalés : {}.",
    ),
    "signal": ("Signal", "Signal"),
    "compared_value": ("that day", "ce jour"),
    "compared_usual": ("usual", "habituel"),
    "compared_largest": ("largest", "max."),
    "compared_week_before": ("a week before", "7 jours avant"),
    "compared_peers": ("99 % of peers", "99 % des pairs"),
    "signal_records": ("records", "dossiers"),
    "signal_lookups": ("look-ups", "consultations"),
    "signal_new_records": ("new to it", "nouveaux pour lui"),
    "signal_foreign_records": ("foreign", "étrangers"),
    "signal_misses": ("not found", "non trouvés"),
    "signal_busiest_hour": ("in the busiest hour", "à l'heure de pointe"),
    "signal_active_hours": ("active hours", "heures actives"),
    "signal_off_hour_uses": ("at unusual hours", "à des heures inhabituelles"),
    "signal_n_networks": ("networks", "réseaux"),
    "signal_new_source_uses": ("from new networks", "depuis un réseau nouveau"),
    "signal_new_agent_uses": ("with new browsers", "avec un navigateur nouveau"),
    "signal_failures": ("failed sign-ins", "connexions échouées"),
    "signal_writes": ("writes", "écritures"),
    "signal_foreign_writes": ("writes to strangers", "écritures sur des inconnus"),
    "not_held": ("a day that is not held", "un jour sans données"),
    "before": ("before", "avant"),
    "sources": ("Where from", "D'où"),
    "address": ("Address", "Adresse"),
    "agent": ("Browser", "Navigateur"),
    "lookups": ("Look-ups", "Consultations"),
    "writes": ("Writes", "Écritures"),
    "first": ("First", "Début"),
    "last": ("Last", "Fin"),
    "others": ("Other accounts there", "Autres comptes à cette adresse"),
    "others_told": ("{today} that day, {before} in 28 days", "{today} ce jour, {before} en 28 jours"),
    "new": ("new", "nouveau"),
    "more_sources": ("and {} more", "et {} autres"),
    "who_title": ("Who was looked up (on all channels)", "Qui a été consulté (tous canaux)"),
    "terms": ("The words of this page", "Les mots de cette page"),
    "who_lookups": ("look-ups", "consultations"),
    "who_records": ("different records", "dossiers différents"),
    "who_new_records": ("new to the account", "nouveaux pour le compte"),
    "who_foreign_records": (
        "foreign: known neither to it nor to accounts around it",
        "étrangers : connus ni de lui ni des comptes voisins",
    ),
    "who_misses": ("not found", "non trouvés"),
    "who_odd_department_records": ("from unusual departments", "de départements inhabituels"),
    "who_writes": ("writes and downloads", "écritures et téléchargements"),
    "unknown": ("not known", "inconnu"),
    "departments": ("Departments of birth", "Départements de naissance"),
    "department": ("Department", "Département"),
    "usual_share": ("Usual share", "Part habituelle"),
    "campaign": ("Campaign", "Campagne"),
    "campaign_told": (
        "{name}: driven from the same rare sources, or begun at the same moment, as",
        "{name} : piloté depuis les mêmes sources rares, ou commencé au même moment, que",
    ),
    "pooled": ("all together", "ensemble"),
    "no_campaign": (
        "None found: it shares no rare source, and no moment of beginning, with another strange account.",
        "Aucune : il ne partage ni source rare ni moment de début avec un autre compte étrange.",
    ),
    "early": (
        "An evaluation within the day would have alerted at {at}, after {records} records.",
        "Une évaluation en cours de journée aurait alerté à {at}, après {records} dossiers.",
    ),
    "early_tag": ("early warning", "alerte précoce"),
    "early_told": (
        "early warning at {at}, after {records} records",
        "alerte précoce à {at}, après {records} dossiers",
    ),
    "first_checks": ("What to check first", "Que vérifier d'abord"),
    "evidence": ("Where it stands in the logs", "Où le lire dans les journaux"),
    "lines": ("{source}, lines {first} to {last}", "{source}, lignes {first} à {last}"),
    "alert_id": ("Alert", "Alerte"),
    "more_alerts": (
        "{} more alerts are in alerts.jsonl and details.parquet.",
        "{} autres alertes se trouvent dans alerts.jsonl et details.parquet.",
    ),
    "files": ("Files read", "Fichiers lus"),
    "file": ("File", "Fichier"),
    "file_lines": ("Lines", "Lignes"),
    "events": ("Events", "Événements"),
    "ignored": ("Ignored", "Ignorées"),
    "rejected": ("Rejected", "Rejetées"),
    "more_files": ("{} more files", "{} autres fichiers"),
    "missing": ("What was missing, and other warnings", "Ce qui manquait, et autres avertissements"),
    "nothing_missing": ("No warning.", "Aucun avertissement."),
    "how": ("How", "Comment"),
    "history": ("History", "Historique"),
    "no_history": ("none: compared with the day's peers alone", "aucun : comparaison aux seuls pairs du jour"),
    "model": ("Model", "Modèle"),
    "model_told": (
        "{version}, learned on {rows} account-days from {first} to {last}",
        "{version}, appris sur {rows} comptes-jours du {first} au {last}",
    ),
    "cold": ("cold: no p-value, only deterministic checks alert", "à froid : pas de p, seules les règles alertent"),
    "false_discovery_rate": ("Aimed-at share of false alerts", "Part visée de fausses alertes"),
    "zone": ("Zone of days", "Fuseau des jours"),
    "versions": ("Versions", "Versions"),
    "made": ("Scored on {}", "Évalué le {}"),
    "summary_told": (
        "Alerts: {alerts}. Early warnings alone: {early}. For review: {reviews}. Account-days scored: {accounts}.",
        "Alertes : {alerts}. Alertes précoces seules : {early}. À examiner : {reviews}. Comptes-jours : {accounts}.",
    ),
    "usual": ("nothing unusual", "rien d'inhabituel"),
    "volume_tier": ("an extreme number of look-ups in a day", "un nombre extrême de consultations en un jour"),
    "canary_record": (
        "records that nobody has a reason to look up",
        "des dossiers que personne n'a de raison de consulter",
    ),
    "reset_then_bulk": (
        "many look-ups from a network new to it, within three days of a reset",
        "de nombreuses consultations depuis un réseau nouveau, moins de trois jours après une réinitialisation",
    ),
    "tool_agent": ("many look-ups by a script's agent", "de nombreuses consultations par l'agent d'un script"),
    "spray": (
        "an address failed to sign in to many accounts",
        "une adresse a échoué à se connecter à de nombreux comptes",
    ),
    "distributed_spray": (
        "many addresses failed to sign in to many accounts",
        "de nombreuses adresses ont échoué à se connecter à de nombreux comptes",
    ),
}

CHECKS_FIRST: dict[str, tuple[str, str]] = {
    "source": (
        "Call the owner on a number you already have, not one from the account: did they work from this address?",
        "Appelez le titulaire à un numéro déjà connu, pas celui du compte : a-t-il travaillé depuis cette adresse ?",
    ),
    "reset": (
        "Find who asked for the reset, from which address, and whether the mailbox is still in the owner's hands.",
        "Cherchez qui a demandé la réinitialisation, d'où, et si la messagerie est encore aux mains du titulaire.",
    ),
    "who": (
        "Take five of these records: is there a reason, such as a screening, a locum or a taken-over practice?",
        "Prenez cinq de ces dossiers : y a-t-il une raison (dépistage, remplaçant, reprise de cabinet) ?",
    ),
    "rhythm": (
        "Machine-like pace: ask whether software or a service provider works with this account.",
        "Cadence de machine : demandez si un logiciel ou un prestataire utilise ce compte.",
    ),
    "volume": (
        "Compare with the practice's size: can so many persons have come?",
        "Comparez à la taille du cabinet : autant de personnes ont-elles pu venir ?",
    ),
    "writes": (
        "Read a few of what was written, and ask the owner about them.",
        "Lisez quelques-unes des écritures, et demandez au titulaire ce qu'il en est.",
    ),
    "shared": (
        "Do not block the address before knowing who shares it.",
        "Ne bloquez pas l'adresse avant de savoir qui la partage.",
    ),
}
"""Families of reasons → what a person checks."""

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "A handful of odd look-ups on demand, or a colleague's curiosity: too few to stand out.",
        "Quelques consultations à la demande, ou la curiosité d'un collègue : trop peu pour ressortir.",
    ),
    (
        "An account that has behaved like this since before the first day learned: its past excuses it.",
        "Un compte qui se comporte ainsi depuis avant le premier jour appris : son passé l'excuse.",
    ),
    (
        "What the logs do not say. What is missing clears nobody.",
        "Ce que les journaux ne disent pas. Ce qui manque n'innocente personne.",
    ),
    (
        "Who a person is, and why. A screening, a locum or a first batch of software can look the same for a day.",
        "Qui est la personne, et pourquoi. Un dépistage, un remplaçant ou un premier lot peuvent y ressembler un jour.",
    ),
    (
        "Whether what was shown was also copied: logs show what the portal answered.",
        "Si ce qui a été affiché a aussi été copié : les journaux montrent ce que le portail a répondu.",
    ),
)

TERMS: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = (
    (
        ("Channel", "Canal"),
        (
            "The portal, or practice software. Reasons are of the alert's channel alone; pictures and tables of all.",
            "Le portail, ou un logiciel métier. Motifs : canal de l'alerte ; graphiques et tableaux : tous canaux.",
        ),
    ),
    (
        ("The comparison", "La comparaison"),
        (
            (
                "Usual: the median of its active days. A week before: the same weekday. Peers: what 99 in 100 of their "
                "days stay under. In red what exceeds its largest day and its peers. Flagged days are left out."
            ),
            (
                "Habituel : médiane de ses jours actifs. Max. : son plus grand jour. 7 jours avant : le même jour "
                "de semaine. Pairs : 99 % de leurs jours. En rouge : plus que max. et pairs. Sans jours signalés."
            ),
        ),
    ),
    (
        ("Foreign", "Étrangers"),
        (
            "Persons whom neither it nor accounts that share patients with it (“around it”) saw in 28 days.",
            "Personnes que ni lui ni les comptes aux patients communs (« autour de lui ») n'ont vues en 28 jours.",
        ),
    ),
    (
        ("Strangers", "Inconnus"),
        (
            "Of the foreign, those asked for from a new network or browser; fewer if patients were seen from there.",
            "Des étrangers, ceux demandés d'un réseau ou navigateur nouveau ; moins si des patients l'ont été de là.",
        ),
    ),
    (
        ("From all over the country", "De tout le pays"),
        (
            "Of the foreign, or of the strangers, those born in another department than most of the day's foreign.",
            "Parmi les étrangers, ou les inconnus, ceux nés hors du département de la plupart des étrangers du jour.",
        ),
    ),
)
"""What the numbers of a page count, each told once."""

PROFESSIONS: dict[str, str] = {
    "general_practitioner": "médecin généraliste",
    "specialist": "médecin spécialiste",
    "pharmacy": "pharmacie",
    "nurse": "infirmier",
    "physiotherapist": "masseur-kinésithérapeute",
    "dentist": "chirurgien-dentiste",
    "midwife": "sage-femme",
    "optician": "opticien",
    "laboratory": "laboratoire",
    "hospital": "hôpital",
    "health_centre": "centre de santé",
    "transporter": "transporteur",
    "supplier": "fournisseur",
    "speech_therapist": "orthophoniste",
}
"""French names of professions as a mapping may name them; others are told as they are logged."""


def profession(name: object, language: Language) -> str:
    """A profession in words; empty where none is known."""
    if not isinstance(name, str):
        return ""
    return PROFESSIONS[name] if language == "fr" and name in PROFESSIONS else name.replace("_", " ")


def say(key: str, language: Language) -> str:
    """The words for a key."""
    return WORDS[key][LANGUAGES.index(language)]


def number(value: float | None, language: Language) -> str:
    """A whole number as the language writes it; a dash for what is not known."""
    if value is None:
        return "–"
    text = f"{value:,.0f}"
    return text if language == "en" else text.replace(",", NARROW)


def amount(value: float | None, language: Language) -> str:
    """A number with one decimal where it is no whole number, as medians and percentiles may be; a dash for none."""
    return number(value, language) if value is None or value == int(value) else decimal(value, language, digits=1)


def listed(texts: Sequence[str], language: Language) -> str:
    """Things one after the other: `a, b and c`."""
    joined = " and " if language == "en" else " et "
    return joined.join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)


def decimal(value: float, language: Language, *, digits: int = 2) -> str:
    """A number with decimals."""
    text = f"{value:.{digits}f}"
    return text if language == "en" else text.replace(".", ",")


def percent(value: float | None, language: Language) -> str:
    """A share."""
    if value is None:
        return "–"
    text = f"{100 * value:.0f}" if value >= 0.01 or value == 0 else f"{100 * value:.1g}"
    return f"{text}%" if language == "en" else f"{text.replace('.', ',')}{NARROW}%"


def long_day(day: date, language: Language) -> str:
    """A day in words: `Thursday 5 February 2026`."""
    first = "1er" if language == "fr" and day.day == 1 else str(day.day)
    return f"{WEEKDAYS[language][day.weekday()]} {first} {MONTHS[language][day.month - 1]} {day.year}"


def short_day(day: date, language: Language) -> str:
    """A day without its weekday."""
    return long_day(day, language).split(" ", 1)[1]


def span(first: date, last: date, language: Language) -> str:
    """One day or several, to stand within a sentence."""
    start, end = short_day(first, language), short_day(last, language)
    if first == last:
        return f"on {start}" if language == "en" else f"le {start}"
    return f"from {start} to {end}" if language == "en" else f"du {start} au {end}"


def probability(value: float, language: Language) -> str:
    """A p-value, with its sign; below a hundred-thousandth nobody asks by how much."""
    if value < SMALLEST_P:
        return f"p < {decimal(SMALLEST_P, language, digits=5)}"
    return f"p = {decimal(value, language, digits=5)}"


def moment(at: datetime, zone: str, language: Language) -> str:
    """A day and the minute, by the portal's clock."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{short_day(local.date(), language)}{' at ' if language == 'en' else ' à '}{local:%H:%M}"


def clock(instant: datetime, zone: str) -> str:
    """The hour and minute by the portal's clock."""
    return f"{instant.astimezone(ZoneInfo(zone)):%H:%M}"
