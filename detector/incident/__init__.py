"""What the operator needs after an alert: who, from where, whose records, and the texts that the law asks for."""

from detector.incident.dossier import Case, Dossier, incident
from detector.incident.tokens import join_tokens

__all__ = ["Case", "Dossier", "incident", "join_tokens"]
