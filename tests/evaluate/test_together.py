"""What joining accounts finds: counted by account, of the attacked and of the others; gateways that move."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from detector.evaluate.scored import Scored
from detector.evaluate.together import CASES, LEAST_SHARED, MOVED_DAY, Told, move_gateways, study_moved, study_together

DAYS = 4


def write_days(folder: Path) -> list[Path]:
    """Days on which as many accounts as make a gateway share an address, and one account has its own."""
    folder.mkdir()
    for day in range(DAYS):
        rows = [(f"a{n}", "192.0.2.1") for n in range(LEAST_SHARED)] + [("alone", "192.0.2.9"), (None, "192.0.2.9")]
        duckdb.from_df(pd.DataFrame(rows, columns=["account", "ip"])).write_parquet(str(folder / f"{day}.parquet"))
    return sorted(folder.glob("*.parquet"))


def test_only_shared_addresses_move_and_only_from_the_day_on(tmp_path: Path) -> None:
    """Nothing else of the days changes."""
    files = write_days(tmp_path / "as_it_was")
    out = tmp_path / "moved"
    out.mkdir()
    move_gateways(files, out=out)
    for number, path in enumerate(files):
        moved = duckdb.read_parquet(str(out / path.name)).df()
        shared = moved.loc[moved["account"].fillna("").str.startswith("a") & (moved["account"] != "alone"), "ip"]
        assert (set(shared) == {"192.0.2.1"}) == (number < MOVED_DAY)
        assert set(moved.loc[~moved.index.isin(shared.index), "ip"]) == {"192.0.2.9"}
        assert len(moved) == LEAST_SHARED + 2


def test_told_warned_and_joined_are_counted_by_account_of_the_day() -> None:
    """Another day's alerts count for nothing."""
    day, other = pd.Timestamp("2026-03-03"), pd.Timestamp("2026-03-04")
    rows = [("a", day, True, "C-1"), ("b", day, True, None), ("c", day, False, None), ("d", other, True, "C-1")]
    scores = pd.DataFrame(rows, columns=["account", "day", "alert", "campaign"])
    early = pd.DataFrame([("c", day), ("e", other)], columns=["account", "day"])
    assert Told.on(day, Scored(scores, early)) == Told({"a", "b"}, {"c"}, {"a"})


@pytest.mark.long
def test_sixty_accounts_are_found_together_though_none_is_alone(tmp_path: Path) -> None:
    """Ten strangers each within twenty minutes; and honest accounts whose gateways move are told of no more."""
    found = study_together(1, accounts=800, scratch=tmp_path, cases=CASES[:1]).iloc[0]
    assert found["alone"] < found["attacked"] / 2 < found["told"]
    assert found["honest_joined"] <= 1
    before, after = study_moved(1, accounts=800, scratch=tmp_path).to_dict("records")
    assert after["shared"] == before["shared"] > 0
    assert after["told"] + after["others_told"] <= before["told"] + before["others_told"] + 1
