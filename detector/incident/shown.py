"""What a service shows of a person, in words for letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

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
NO_SERVICE = ("the service used", "le service utilisé")


def shown_texts(exposures: pd.DataFrame, shown: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """For each kind of exposure: `shown_en` and `shown_fr`, the data that its services display, as a list in words."""
    return [
        {
            f"shown_{language}": "; ".join(data_of(services, shown, place=place)).replace(
                "; ", " ; " if place else "; "
            )
            for place, language in enumerate(("en", "fr"))
        }
        for services in exposures["services"]
    ]


def data_of(services: str, shown: Mapping[str, Sequence[str]], *, place: int) -> list[str]:
    """The data that services (joined by +) display; place 0 is English, 1 French."""
    found: list[str] = []
    for service in services.split("+"):
        listed = shown.get(service)
        if listed is None:
            found.append(UNKNOWN[place].format(service or NO_SERVICE[place]))
        else:
            found += [DATA[name][place] if name in DATA else name for name in listed]
    return list(dict.fromkeys(found))
