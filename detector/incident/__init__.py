"""What the operator needs after an alert: who, from where, whose records, and the texts that the law asks for."""

from detector.incident.case import Case, Dossier
from detector.incident.dossier import prepare_dossier
from detector.incident.tokens import join_tokens

__all__ = ["Case", "Dossier", "join_tokens", "prepare_dossier"]
