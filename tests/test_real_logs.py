"""Logs that nobody here made: every line is accounted for, and what comes on top makes sense.

EDGAR's web log is mostly robots that read company filings in bulk, and the literature that uses it has rules to tell
them from people:

- Loughran and McDonald, The use of EDGAR filings by investors, Journal of Behavioral Finance 18 (2017): an address with
  more than 50 requests in a day is a robot.
- Lee, Ma and Wang, Search-based peer firms, Journal of Financial Economics 116 (2015): more than 50 different companies
  in a day.
- Ryans, Using the EDGAR log file data set, working paper (2017): more than 25 requests in a minute, more than 3
  companies in a minute, or more than 500 requests in a day.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from detector.settings import Settings
from detector.verbs import Scored, score

ROOT = Path(__file__).resolve().parents[1]
MAPPINGS = ROOT / "docs" / "mappings"
TOP = 20
UTC = Settings.model_validate({"portal": {"zone": "UTC", "country": ""}, "engine": {"threads": 2}})
RULES = {
    "Loughran & McDonald 2017": lambda facts: facts["requests"] > 50,
    "Lee, Ma & Wang 2015": lambda facts: facts["companies"] > 50,
    "Ryans 2017": lambda facts: (
        (facts["requests_per_minute"] > 25) | (facts["companies_per_minute"] > 3) | (facts["requests"] > 500)
    ),
}


def edgar_facts(path: Path) -> pd.DataFrame:
    """What the rules look at, counted from the file itself: one row per address."""
    rows = pd.read_csv(path, usecols=["ip", "time", "cik"])
    minutes = rows.assign(minute=rows["time"].str[:5]).groupby(["ip", "minute"])["cik"].agg(["size", "nunique"])
    busiest = minutes.groupby("ip").max()
    days = rows.groupby("ip")["cik"].agg(["size", "nunique"])
    return pd.DataFrame(
        {
            "requests": days["size"],
            "companies": days["nunique"],
            "requests_per_minute": busiest["size"],
            "companies_per_minute": busiest["nunique"],
        }
    )


@pytest.fixture(scope="module")
def edgar(shared_data: Path) -> tuple[Scored, pd.DataFrame]:
    """EDGAR's day, scored without history, beside what the rules look at."""
    path = shared_data / "edgar-2017-01-01.csv.gz"
    return score(path, mapping=MAPPINGS / "edgar.toml", complete=True, settings=UTC), edgar_facts(path)


@pytest.mark.timeout(300)
def test_each_address_on_top_of_edgar_is_a_bulk_reader_by_every_published_rule(
    edgar: tuple[Scored, pd.DataFrame],
) -> None:
    """The twenty strangest addresses are robots by each of the three rules, which call nine in ten addresses people."""
    scored, facts = edgar
    top = scored.scores.nsmallest(TOP, "rank")["account"]
    for name, rule in RULES.items():
        assert rule(facts.loc[top]).all(), name  # type: ignore[no-untyped-call]
        assert rule(facts).mean() < 0.1, name  # type: ignore[no-untyped-call]


@pytest.mark.timeout(300)
def test_bursts_count_on_edgar_as_well_as_totals(edgar: tuple[Scored, pd.DataFrame]) -> None:
    """Some addresses on top are there for their pace: by the day's total they would not be."""
    scored, facts = edgar
    ranked = facts.join(scored.scores.set_index("account")[["rank", "strangeness"]])
    by_total = ranked["requests"].rank(ascending=False)
    bursts = ranked[(ranked["rank"] <= TOP) & (by_total > TOP)]
    assert len(bursts) >= 3
    assert (bursts["requests_per_minute"] >= ranked["requests_per_minute"].quantile(0.99)).all()
    agreement = ranked[["requests", "requests_per_minute"]].corrwith(ranked["strangeness"], method="spearman")
    assert (agreement > 0.5).all()


@pytest.mark.timeout(300)
def test_every_line_of_edgar_is_an_event(edgar: tuple[Scored, pd.DataFrame]) -> None:
    """All 174,856 look-ups of the 2,499 addresses are there, and nobody is missing from the ranking."""
    scored, facts = edgar
    (file,) = scored.files
    assert (file.lines, file.header, file.read, file.rejected, file.events) == (174_857, 1, 174_856, 0, 174_856)
    assert set(scored.scores["account"]) == set(facts.index)
    assert scored.scores["cold"].all()
    assert scored.scores["p_value"].isna().all()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "mapping", "lines"),
    [("apache-combined.log.gz", "apache.toml", 10_000), ("openssh-auth.log.gz", "sshd.toml", 7_121)],
)
def test_the_other_real_logs_are_scored_with_every_line_accounted_for(
    name: str, mapping: str, lines: int, shared_data: Path
) -> None:
    """Lines = header + read + ignored + rejected, and each day is ranked."""
    scored = score(shared_data / name, mapping=MAPPINGS / mapping, complete=True, settings=UTC)
    (file,) = scored.files
    assert file.lines == file.header + file.read + sum(file.ignored.values()) + file.rejected == lines
    assert scored.scores.groupby("day")["rank"].min().eq(1).all()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_password_guessing_in_the_sshd_log_is_found_and_nobody_is_accused(shared_data: Path) -> None:
    """Sprayings are alerts on the portal as a whole; names that only failed to sign in are no accounts."""
    scored = score(shared_data / "openssh-auth.log.gz", mapping=MAPPINGS / "sshd.toml", complete=True, settings=UTC)
    assert {"spray"} <= set(scored.fired["check"])
    assert scored.alerts["account"].isna().all()
    assert set(scored.scores["account"]) <= {"elastic_user_0", "ubuntu"} | {f"elastic_user_{n}" for n in range(10)}
