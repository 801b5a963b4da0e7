"""Severity after ENISA: Recommendations for a methodology of the assessment of severity of breaches, 2013.

SE = DPC × EI + CB: the context of the data (1 to 4), the ease of identification (0.25 to 1), the circumstances.
"""

from __future__ import annotations

from typing import NamedTuple

CONFIDENTIALITY_UNKNOWN = 0.5
"""Data disclosed to recipients of unknown number."""
INTEGRITY_RECOVERABLE = 0.25
"""Data altered, and the original can be restored."""
MALICIOUS = 0.5
"""Deliberate, to harm or to profit."""
LEVELS = ((4.0, "very_high"), (3.0, "high"), (2.0, "medium"), (0.0, "low"))


class Severity(NamedTuple):
    """The terms, their sum, and its level (low under 2, medium under 3, high under 4, very_high)."""

    dpc: float
    ei: float
    circumstances: tuple[tuple[str, float], ...]
    score: float
    level: str


def assess(*, dpc: float, ei: float, written: bool) -> Severity:
    """Severity of an extraction through hijacked accounts.

    Parameters
    ----------
    dpc, ei
        As the operator judges them for the portal's data (`[incident]` in the settings).
    written
        Whether records were written to as well.
    """
    circumstances = [("confidentiality", CONFIDENTIALITY_UNKNOWN), ("malicious", MALICIOUS)]
    if written:
        circumstances.insert(1, ("integrity", INTEGRITY_RECOVERABLE))
    score = dpc * ei + sum(term for _name, term in circumstances)
    return Severity(dpc, ei, tuple(circumstances), score, next(name for least, name in LEVELS if score >= least))
