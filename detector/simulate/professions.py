"""The professions of the portal: how many, how busy, when, what they write, whom they see.

Numbers are estimates for a simulator, not published figures: typed look-ups per active day, shares of accounts and
write rates come from the project's notes on the field, the rest is set so that the measured marginals agree with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

WEEK_SIGMA = 0.35
"""Standard deviation of the log of an account's weekly level: busy weeks follow busy weeks."""

NORMAL_P99 = 2.326
"""The 99th percentile of a standard normal."""


@dataclass(frozen=True)
class Profession:
    """One profession: `lookups` are median, p95 and p99 of typed look-ups per active account-day."""

    name: str
    per_4000: int
    """Accounts of 4,000."""
    lookups: tuple[float, float, float]
    active_share: float
    """Share of days on which an account that is in business does something."""
    hours: str
    """Name of the profile of opening hours."""
    card_ratio: float
    """Look-ups by card for one typed look-up."""
    writes_per_day: float
    write_service: str
    walk_in_share: float
    return_share: float
    """Of look-ups of the panel, the share that are return visits, by design of the turnover."""
    far_share: float
    """Of patients, the share who live outside the department."""
    delegates: float
    software_share: float
    software_lookups: float
    """Median look-ups of the practice software on a working day."""
    clientele: int = 0
    """Professions of one clientele have the same regulars; 0: the chronically ill."""
    desk: bool = False
    """A shared account: several people, several machines, concurrent sessions."""
    shape: float = 2.0
    """Shape of the gamma that makes daily counts negative binomial: the smaller, the more the days differ."""

    @property
    def account_sigma(self) -> float:
        """Standard deviation of the log of the account effect: what p99 over median leaves after weeks and days."""
        total = np.log(self.lookups[2] / self.lookups[0]) / NORMAL_P99
        rest = total**2 - WEEK_SIGMA**2 - float(polygamma(1, self.shape))
        return float(np.sqrt(max(rest, 0.15)))


PROFESSIONS = (
    Profession("pharmacy", 200, (4, 25, 60), 0.82, "shop", 0.5, 0.3, "medical_device", 0.35, 0.55, 0.05, 4.0, 0.7, 60),
    Profession(
        "general_practitioner", 530, (2, 12, 30), 0.54, "office", 0.6, 2.2, "sick_leave", 0.18, 0.55, 0.04, 0.8, 0.3, 14
    ),
    Profession("specialist", 350, (2, 12, 30), 0.4, "office", 0.5, 0.5, "sick_leave", 0.3, 0.35, 0.09, 0.8, 0.2, 10),
    Profession("nurse", 1000, (3, 15, 35), 0.45, "rounds", 0.3, 0.9, "care_plan", 0.15, 0.7, 0.03, 0.2, 0.25, 10),
    Profession(
        "physiotherapist", 760, (1, 8, 20), 0.34, "office", 0.3, 0.03, "care_plan", 0.15, 0.6, 0.04, 0.1, 0.15, 8
    ),
    Profession(
        "dentist", 360, (2, 12, 30), 0.36, "office", 0.4, 0.05, "prior_agreement", 0.35, 0.2, 0.06, 0.7, 0.2, 10, 1
    ),
    Profession("midwife", 100, (2, 10, 25), 0.38, "office", 0.4, 0.3, "pregnancy", 0.2, 0.5, 0.04, 0.1, 0.15, 8, 2),
    Profession(
        "speech_therapist", 200, (1, 8, 20), 0.31, "office", 0.3, 0.02, "care_plan", 0.12, 0.65, 0.03, 0.1, 0.1, 6, 3
    ),
    Profession(
        "optician", 120, (5, 30, 70), 0.68, "shop", 0.3, 0.2, "prior_agreement", 0.5, 0.15, 0.06, 1.0, 0.2, 15, 1
    ),
    Profession("transporter", 50, (6, 40, 120), 0.7, "rounds", 0.1, 0.0, "transport", 0.3, 0.5, 0.1, 1.5, 0.2, 20),
    Profession(
        "laboratory", 40, (20, 120, 300), 0.85, "desk", 0.2, 0.0, "none", 0.45, 0.3, 0.06, 3.0, 0.4, 60, 0, True, 4.0
    ),
    Profession(
        "health_centre",
        30,
        (20, 120, 300),
        0.8,
        "desk",
        0.4,
        1.0,
        "sick_leave",
        0.3,
        0.4,
        0.06,
        4.0,
        0.3,
        40,
        0,
        True,
        4.0,
    ),
    Profession(
        "hospital", 90, (6, 40, 100), 0.65, "always", 0.2, 0.5, "sick_leave", 0.5, 0.3, 0.12, 2.0, 0.0, 0, 0, True, 3.0
    ),
    Profession("supplier", 170, (2, 12, 40), 0.38, "office", 0.1, 0.3, "prior_agreement", 0.4, 0.4, 0.1, 0.5, 0.1, 10),
)

NAMES = tuple(profession.name for profession in PROFESSIONS)


def column(field: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return one field of all professions as numbers, in their order."""
    return np.array([float(getattr(profession, field)) for profession in PROFESSIONS])
