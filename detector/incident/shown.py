"""What a service shows of a person, in words for letters."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from detector.settings import Settings

DATA: dict[str, tuple[str, str]] = {
    "name": ("surname and first name", "nom et prénom"),
    "birth_date": ("date of birth", "date de naissance"),
    "sex": ("sex", "sexe"),
    "nir": ("social-security number", "numéro de sécurité sociale"),
    "doctor": ("declared doctor", "médecin traitant déclaré"),
    "c2s": ("complementary health cover (C2S)", "complémentaire santé solidaire (C2S)"),
    "ame": ("state medical aid (AME)", "aide médicale de l'État (AME)"),
    "full_cover": ("full cover of care (100 %)", "prise en charge à 100\u202f%"),
    "rights": ("rights to health insurance", "droits à l'assurance maladie"),
    "address": ("postal address", "adresse postale"),
    "phone": ("telephone number", "numéro de téléphone"),
    "email": ("e-mail address", "adresse électronique"),
    "bank": ("bank details", "coordonnées bancaires"),
    "care": ("care and reimbursements", "soins et remboursements"),
}
UNKNOWN = ("[to be completed: what {} shows]", "[à compléter : ce que montre {}]")
ASSUMED = ("[to be confirmed: {}]", "[à confirmer : {}]")
NO_SERVICE = ("the service used", "le service utilisé")


class Data(NamedTuple):
    """A piece of data in words, or what a person must complete or confirm.

    text
        As it stands in a letter.
    is_told
        The operator has said that the service displays it.
    """

    text: str
    is_told: bool


def shown_texts(exposures: pd.DataFrame, settings: Settings) -> list[dict[str, str]]:
    """For each kind of exposure: `shown_en` and `shown_fr`, the data that its services display, as a list in words."""
    return [
        {
            f"shown_{language}": (" ; " if place else "; ").join(
                data.text for data in data_of(services, settings, place=place)
            )
            for place, language in enumerate(("en", "fr"))
        }
        for services in exposures["services"]
    ]


def data_of(services: str, settings: Settings, *, place: int) -> list[Data]:
    """The data that services (joined by +) display; place 0 is English, 1 French.

    What a service shows is for the operator to say (`[shown]`). The list that is shipped is one portal's: it is only
    proposed, for a person to confirm.
    """
    is_told = "shown" in settings.model_fields_set
    found: list[Data] = []
    for service in services.split("+"):
        listed = settings.shown.get(service)
        if listed is None:
            found.append(Data(UNKNOWN[place].format(service or NO_SERVICE[place]), is_told=False))
            continue
        names = [DATA[name][place] if name in DATA else name for name in listed]
        found += [Data(name, is_told=True) for name in names] if is_told else [_assumed(names, place)]
    return list(dict.fromkeys(found))


def _assumed(names: list[str], place: int) -> Data:
    return Data(ASSUMED[place].format(", ".join(names)), is_told=False)
