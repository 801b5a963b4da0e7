"""A small portal with March's attack on its last two nights, and the dossier of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from detector.incident import Case, Dossier, prepare_dossier
from detector.settings import Settings
from detector.simulate import World, make_attack, simulate

KEY = bytes(range(32))
START, FIRST, LAST = date(2026, 2, 26), date(2026, 3, 10), date(2026, 3, 11)
AWARE = datetime(2026, 3, 12, 8, tzinfo=UTC)


class Portal(NamedTuple):
    """A simulated portal: its folder, its victims, the key, and the settings that name the key."""

    folder: Path
    victims: list[str]
    key_file: Path
    settings: Settings

    @property
    def dumps(self) -> list[str]:
        """All days, oldest first."""
        return [str(path) for path in sorted((self.folder / "events").glob("*.parquet"))]

    @property
    def mapping(self) -> Path:
        """The mapping of its dumps."""
        return self.folder / "mapping.toml"

    def case(self, *, accounts: list[str] | None = None, first: date = FIRST, last: date = LAST) -> Case:
        """The attack, as whoever asks knows it."""
        return Case(accounts or self.victims, first, last, aware_at=AWARE, by="tests", why="a test")

    def truth(self) -> pd.DataFrame:
        """The malicious events, with what the dumps say of each."""
        told = pd.read_parquet(self.folder / "truth" / "events.parquet")
        rows = []
        for source in sorted(set(told["source"])):
            day = pd.read_parquet(self.folder / "events" / str(source))
            rows.append(day.iloc[told.loc[told["source"] == source, "line"] - 1])
        found: pd.DataFrame = pd.concat(rows)
        return found


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """Three hundred accounts, fourteen days; a robot reads 130 records a night from each of three accounts."""
    folder = tmp_path_factory.mktemp("incident") / "portal"
    attack = make_attack("S1", accounts=3, records=130, spread=0, days=2, first_day=-2, eligible="active")
    simulate(World(accounts=300, days=14, start=START, attacks=(attack,)), folder)
    campaigns = pd.read_parquet(folder / "truth" / "campaigns.parquet")
    key_file = folder.parent / "portal.key"
    key_file.write_bytes(KEY)
    key_file.chmod(0o600)
    settings = Settings()
    settings = settings.model_copy(update={"history": settings.history.model_copy(update={"key_file": key_file})})
    return Portal(folder, sorted(campaigns["accounts"].iloc[0]), key_file, settings)


@pytest.fixture(scope="session")
def made(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dossier, Path]:
    """The dossier of the attack, as tables and as a folder."""
    out = tmp_path_factory.mktemp("dossier") / "out"
    dossier = prepare_dossier(
        portal.case(), out=out, dumps=portal.dumps, mapping=portal.mapping, settings=portal.settings
    )
    return dossier, out
