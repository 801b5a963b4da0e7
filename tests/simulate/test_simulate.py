"""The simulated world as a whole: exact, repeatable, honest about what it planted."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from stdnum.fr import nir

from detector.errors import ConfigError
from detector.simulate import World, parse_attack, simulate
from detector.simulate.text import COLUMNS

ATTACKS = tuple(parse_attack(text) for text in ("S1:accounts=2,records=40,day=-2", "S4:accounts=2,days=2,day=-2", "S5"))
WORLD = World(accounts=200, days=4, seed=11, attacks=ATTACKS)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world with attacks on its last two days."""
    out = tmp_path_factory.mktemp("attacked")
    simulate(WORLD, out)
    return out


def days(out: Path) -> dict[str, pa.Table]:
    """Return each day's events by file name."""
    return {path.name: pq.read_table(path) for path in sorted((out / "events").iterdir())}


def content(out: Path) -> dict[str, bytes]:
    """Return all files of a world."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_removal_of_malicious_rows(attacked: Path, tmp_path: Path) -> None:
    """Without its malicious rows an attacked world is the benign world of the same seed."""
    simulate(WORLD.model_copy(update={"attacks": ()}), tmp_path)
    truth = pq.read_table(attacked / "truth" / "events.parquet").to_pandas()
    benign, removed = days(tmp_path), 0
    for name, table in days(attacked).items():
        lines = set(truth.loc[truth["source"] == name, "line"])
        keep = [row + 1 not in lines for row in range(table.num_rows)]
        removed += len(lines)
        assert table.filter(pa.array(keep)).equals(benign[name])
    assert removed == len(truth) > 0


def test_repeatable(attacked: Path, tmp_path: Path) -> None:
    """Two runs with one seed give identical bytes, and so does another number of workers."""
    simulate(WORLD, tmp_path, workers=2)
    assert content(tmp_path) == content(attacked)


def test_another_seed(attacked: Path, tmp_path: Path) -> None:
    """Another seed gives another world."""
    simulate(WORLD.model_copy(update={"seed": 12}), tmp_path)
    assert content(tmp_path)["events/2026-01-05.parquet"] != content(attacked)["events/2026-01-05.parquet"]


def test_identifiers(attacked: Path) -> None:
    """Every record is a social-security number with a correct key and the serial 000, which no living person has."""
    records = {r for table in days(attacked).values() for r in table["record"].to_pylist() if r is not None}
    assert len(records) > 500
    assert all(nir.is_valid(record) and record[10:13] == "000" for record in records)


def test_columns(attacked: Path) -> None:
    """A simulated file has the canonical columns, as plain text, without those that reading adds."""
    table = next(iter(days(attacked).values()))
    assert table.column_names == list(COLUMNS)
    assert not {"source", "line", "record_sex", "record_key_ok"} & set(COLUMNS)
    assert table.schema.field("account").type == pa.string()
    assert table.schema.field("timestamp").type == pa.timestamp("us", "UTC")


def test_truth(attacked: Path) -> None:
    """The truth names the row, and says of it what the row says."""
    truth = pq.read_table(attacked / "truth" / "events.parquet").to_pylist()
    tables = {name: table.to_pylist() for name, table in days(attacked).items()}
    for row in truth:
        event = tables[row["source"]][row["line"] - 1]
        assert all(row[name] == event[name] for name in ("timestamp", "account", "record", "action"))
        assert row["source"] == f"{row['day']}.parquet"
    campaigns = {c["campaign"]: c for c in pq.read_table(attacked / "truth" / "campaigns.parquet").to_pylist()}
    assert {c["scenario"] for c in campaigns.values()} == {"S1", "S4", "S5"}
    for row in truth:
        campaign = campaigns[row["campaign"]]
        assert campaign["start"] <= row["timestamp"] <= campaign["end"]
        assert row["account"] in campaign["accounts"]


def test_tokens(tmp_path: Path) -> None:
    """Records can be tokens, one for each number, and the mapping says so."""
    world = World(accounts=120, days=1, seed=2)
    simulate(world, tmp_path / "nir")
    simulate(world.model_copy(update={"records": "token"}), tmp_path / "token")
    numbers, tokens = (next(iter(days(tmp_path / kind).values()))["record"] for kind in ("nir", "token"))
    pairs = set(zip(numbers.to_pylist(), tokens.to_pylist(), strict=True))
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert all(len(token) == 32 for token in tokens.to_pylist() if token)
    assert (tmp_path / "token" / "mapping.toml").read_text() == '[records]\nkind = "token"\n'


def test_volume(tmp_path: Path) -> None:
    """A world for benchmarks has as many times the look-ups."""
    rows = []
    for volume in (1.0, 5.0):
        simulate(World(accounts=300, days=1, seed=2, volume=volume), tmp_path)
        table = next(iter(days(tmp_path).values()))
        rows.append(sum(action == "lookup" for action in table["action"].to_pylist()))
    assert 4 < rows[1] / rows[0] < 6


def test_earlier_world_is_replaced(tmp_path: Path) -> None:
    """No day of an earlier world stays among the new ones, and strange files are left alone."""
    simulate(World(accounts=100, days=3), tmp_path)
    simulate(World(accounts=100, days=1), tmp_path)
    assert len(days(tmp_path)) == 1
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(ConfigError, match=r"holds 'thesis.txt'.*choose an empty folder"):
        simulate(World(accounts=100, days=1), tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_bad_formats(tmp_path: Path) -> None:
    """An unknown format, or none, is refused before anything is written."""
    for formats in (("parquet", "xlsx"), ()):
        with pytest.raises(ConfigError, match="expected some of parquet, csv, logs"):
            simulate(World(accounts=100, days=1), tmp_path / "out", formats=formats)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "settings", [{"accounts": 99}, {"zone": "Europe/Pariss"}, {"colour": 1}, {"traits": {"duty": 2}}]
)
def test_bad_settings(settings: dict[str, object]) -> None:
    """Impossible and unknown settings are refused."""
    with pytest.raises(ValidationError, match=str(next(iter(settings)))):
        World.model_validate(settings)
