"""`python -m detector.evaluate.together`: what joining accounts into campaigns finds, and whom it spares.

Each case is one day of a simulated portal: attacks whose accounts take too little to be found alone, and days on which
shared addresses change. What is said of campaigns in docs/design.md comes from here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd
import typer

from detector.campaigns import CampaignSettings
from detector.evaluate.bench import Bench, bench_of, judged_files
from detector.evaluate.cache import kept_folder
from detector.evaluate.counts import connect
from detector.evaluate.judge import ProjectDetector
from detector.evaluate.labels import is_hijack
from detector.evaluate.markup import markdown_table
from detector.evaluate.placing import WORKING_DAYS, place_occasions
from detector.evaluate.runs import score, score_files
from detector.evaluate.scored import Scored
from detector.simulate.settings import Attack, World

DAYS, JUDGED_DAYS = 49, 7
MOVED_DAY = 2
"""Judged day, from 0, on which shared addresses change: a Wednesday."""
LEAST_SHARED = 6
"""Accounts behind an address that makes it a gateway."""


class Case(NamedTuple):
    """Attacks of one day that are one campaign."""

    title: str
    attacks: tuple[Attack, ...]


class Told(NamedTuple):
    """Accounts of one day that alert, of which there is an early warning, and that are in a campaign."""

    told: set[str]
    warned: set[str]
    joined: set[str]

    @classmethod
    def on(cls, day: pd.Timestamp, scored: Scored) -> Told:
        """Those of a day."""
        scores, early = (table[table["day"] == day] for table in scored)
        return cls(
            set(scores.loc[scores["alert"], "account"]),
            set(early["account"]),
            set(scores.loc[scores["campaign"].notna(), "account"]),
        )


def _case(title: str, **attack: object) -> Case:
    return Case(title, (Attack.model_validate({"scenario": title, **attack}),))


AREA = {"targets": "local", "start_hour": 8.5, "hours": 8.0}
CASES = (
    _case("60 × 10 strangers within twenty minutes", accounts=60, records=10, start_hour=10.0, hours=0.3),
    _case("60 × 25 people of the area, from 8.30 on", accounts=60, records=25, **AREA),
    _case("60 × 100 people of the area, from 8.30 on", accounts=60, records=100, **AREA),
    Case(
        "60 × 10 strangers, begun over ten hours",
        tuple(
            Attack(
                scenario="60 × 10 strangers, begun over ten hours",
                accounts=6,
                records=10,
                start_hour=8.0 + hour,
                hours=1.0,
            )
            for hour in range(10)
        ),
    ),
    _case("60 × 100 strangers", accounts=60, records=100, start_hour=8.5, hours=8.0),
    _case("19 × 75 strangers (S4), a network each", accounts=19, records=75, start_hour=8.5, hours=8.0),
    _case("19 × 75 strangers (S4), shared sources", accounts=19, records=75, start_hour=8.5, hours=8.0, shared=True),
    _case("40 × 8 strangers, shared sources", accounts=40, records=8, start_hour=8.5, hours=8.0, shared=True),
    _case(
        "60 × 25 of the area, from the practices' own machines",
        accounts=60,
        records=25,
        sources="office",
        agents="owner",
        eligible="active",
        **AREA,
    ),
    _case("4 × 30 pages saved as files", accounts=4, records=30, start_hour=12.0, hours=6.0, action="export"),
)
"""Each account behind a network of its own, unless it is said otherwise."""


def study_together(seed: int, *, accounts: int, scratch: Path, cases: Sequence[Case] = CASES) -> pd.DataFrame:
    """Measure each case on a working day of its own.

    Returns
    -------
    One row per case: `attack`, accounts `attacked`, of these `alone` (told of by the whole day without campaigns),
    `told` of (with them), `joined`, and `any` (told of, or warned of within the day); and of honest accounts of that
    day `honest_told` and `honest_joined`.
    """
    found = []
    for first in range(0, len(cases), WORKING_DAYS):
        planted = cases[first : first + WORKING_DAYS]
        bench = _bench(seed, planted, accounts=accounts, scratch=scratch)
        detector = ProjectDetector()
        with_campaigns, without = (
            score(bench, detector=each, scenarios=bench.scenarios) for each in (detector, _without_campaigns(detector))
        )
        for number, case in enumerate(planted):
            day = bench.split.days.iloc[number]
            found.append({"attack": case.title, **_measure(bench, day, with_campaigns, without)})
    return pd.DataFrame(found)


def study_moved(seed: int, *, accounts: int, scratch: Path) -> pd.DataFrame:
    """Measure, without any attack, the day on which each shared address becomes another, of another network.

    Returns
    -------
    Two rows, as it was and moved: `addresses`, the `accounts` behind shared addresses, and of these and of the others
    how many are told of and joined.
    """
    bench = _bench(seed, (), accounts=accounts, scratch=scratch)
    as_it_was = judged_files(bench, scenarios=set())
    moved = kept_folder(bench.scratch / "moved", make=lambda out: move_gateways(as_it_was, out=out))
    day, detector = bench.split.days.iloc[MOVED_DAY], ProjectDetector()
    behind = _behind(as_it_was[MOVED_DAY])
    found = []
    for title, files in (("as it was", as_it_was), ("moved", sorted(moved.glob("*.parquet")))):
        scored = score_files(bench, detector=detector, files=files)
        seen, among = Told.on(day, scored), set(behind["account"])
        found.append(
            {
                "addresses": title,
                "shared": behind["ip"].nunique(),
                "accounts": len(among),
                "told": len(seen.told & among),
                "joined": len(seen.joined & among),
                "others_told": len(seen.told - among),
            }
        )
    return pd.DataFrame(found)


def _bench(seed: int, cases: Sequence[Case], *, accounts: int, scratch: Path) -> Bench:
    attacks = tuple(
        attack.model_copy(update={"first_day": number - JUDGED_DAYS, "days": 1})
        for number, case in enumerate(cases)
        for attack in case.attacks
    )
    occasions = place_occasions(days=DAYS, judged_days=JUDGED_DAYS, seed=seed)
    world = World(seed=seed, accounts=accounts, days=DAYS, attacks=attacks, **occasions)
    return bench_of(world, judged_days=JUDGED_DAYS, scratch=scratch)


def _without_campaigns(detector: ProjectDetector) -> ProjectDetector:
    nobody = CampaignSettings(false_discovery_rate=1e-300)
    changed = detector.settings.score.model_copy(update={"campaigns": nobody})
    return replace(detector, settings=detector.settings.model_copy(update={"score": changed}))


def _measure(bench: Bench, day: pd.Timestamp, with_campaigns: Scored, without: Scored) -> dict[str, int]:
    events = bench.facts.events
    attacked = set(events.loc[is_hijack(events) & (events["day"] == day), "account"])
    found, alone = Told.on(day, with_campaigns), Told.on(day, without)
    return {
        "attacked": len(attacked),
        "alone": len(alone.told & attacked),
        "told": len(found.told & attacked),
        "joined": len(found.joined & attacked),
        "any": len((found.told | found.warned) & attacked),
        "honest_told": len(found.told - attacked),
        "honest_joined": len(found.joined - attacked),
    }


def _behind(path: Path) -> pd.DataFrame:
    """Accounts behind each shared address of a day: `ip`, `account`."""
    with connect() as con:
        uses = con.read_parquet(str(path)).select("ip, account").filter("account IS NOT NULL").distinct().df()
    shared: pd.DataFrame = uses[uses.groupby("ip")["account"].transform("size") >= LEAST_SHARED]
    return shared


def move_gateways(files: Sequence[Path], *, out: Path) -> None:
    """Give each address that is shared on the day another one, each of a network of its own, from that day on."""
    shared = sorted(_behind(files[MOVED_DAY])["ip"].unique())
    # 198.18.0.0/15 is for benchmarks (RFC 2544): nobody's.
    new = {ip: f"198.{18 + number // 250}.{number % 250}.7" for number, ip in enumerate(shared)}
    names = pd.DataFrame({"ip": list(new), "new_ip": list(new.values())})
    with connect() as con:
        con.register("moved", names)
        for number, path in enumerate(files):
            rows = con.read_parquet(str(path))
            if number >= MOVED_DAY:
                rows = rows.set_alias("e").join(con.table("moved").set_alias("m"), "e.ip = m.ip", how="left")
                rows = rows.select("e.* REPLACE (coalesce(m.new_ip, e.ip) AS ip)")
            rows.write_parquet(str(out / path.name))


def main(
    *,
    seed: Annotated[int, typer.Option(help="Makes the portal.")] = 1,
    accounts: Annotated[int, typer.Option(help="Of the portal.")] = 3_000,
    scratch: Annotated[Path, typer.Option(help="Where worlds and scores are kept.")] = Path("build/quality"),
) -> None:
    """Print what joining accounts finds, and whom it spares, as Markdown."""
    tables = (study_together, study_moved)
    for study in tables:
        sys.stdout.write(markdown_table(study(seed, accounts=accounts, scratch=scratch)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
