"""Malicious events: what an attack does with its victims, hour by hour, in the portal's own terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from detector.aggregates import FACTS
from detector.clock import day_start
from detector.drill.victims import Habits
from detector.schema import EVENTS
from detector.simulate.settings import Attack

SOURCE = "drill"
"""The file that malicious events come from."""
TOOL = "python-requests/2.32.3"
SIGN_IN_S = 5.0
LATE_S = 900.0
"""Each account begins up to a quarter of an hour later."""
LAST_S = 86_340.0
"""Nothing happens in the last minute of a day, nor after it."""
NETWORKS = 256
"""198.18.0.0/15, which the Internet does not route (RFC 2544), has 512 networks of 256 addresses."""
PAUSE_SHARE, PAUSE_FACTOR = 0.04, 40.0
"""Share of gaps that are pauses of a bursty robot, and how much longer they are."""


@dataclass(frozen=True)
class Cells:
    """One row per malicious look-up or write, by attacked day, victim and time.

    Attributes
    ----------
    day, victim, place
        Number of the day, of the victim, and of the record within the account-day.
    timestamp
        UTC.
    """

    day: NDArray[np.int64]
    victim: NDArray[np.int64]
    place: NDArray[np.int64]
    timestamp: pd.Series[pd.Timestamp]


def make_cells(attack: Attack, *, victims: int, days: Sequence[date], zone: str, rng: np.random.Generator) -> Cells:
    """When each record of an attack is read or written, by the hours and the pace that the attack states."""
    accounts = len(days) * victims
    starts = np.array([day_start(day, zone=zone).timestamp() for day in days]).repeat(victims)
    begin = np.minimum(attack.start_hour * 3600 + rng.uniform(0, LATE_S, accounts), LAST_S - 60)
    length = np.minimum(attack.hours * 3600, LAST_S - begin)
    elapsed = np.cumsum(_gaps(attack, (accounts, attack.records), rng=rng), axis=1)
    seconds = (starts + begin)[:, None] + elapsed / elapsed[:, -1:] * length[:, None]
    cell = np.arange(accounts).repeat(attack.records)
    return Cells(
        day=cell // victims,
        victim=cell % victims,
        place=np.tile(np.arange(attack.records), accounts),
        timestamp=pd.Series(_instants(seconds.ravel())),
    )


def _gaps(attack: Attack, shape: tuple[int, int], *, rng: np.random.Generator) -> NDArray[np.float64]:
    """All alike, like people's, or like people's with long pauses."""
    if attack.pace == "regular":
        return np.maximum(1 + rng.normal(0, 0.06, shape), 0.2)
    gaps = rng.lognormal(0, 0.9, shape)
    return gaps * np.where(rng.random(shape) < PAUSE_SHARE, PAUSE_FACTOR, 1.0) if attack.pace == "bursts" else gaps


def _instants(seconds: NDArray[np.float64]) -> pd.DatetimeIndex:
    return pd.to_datetime(np.round(seconds * 1e6).astype(np.int64), unit="us", utc=True).as_unit("us")


def make_events(
    attack: Attack,
    *,
    victims: pd.DataFrame,
    records: pd.DataFrame,
    cells: Cells,
    habits: Habits,
    rng: np.random.Generator,
) -> pa.Table:
    """The attack as a table of events.

    Parameters
    ----------
    attack
        What is done.
    victims
        `choose_victims`.
    records
        One row per cell: `record`, its facts, and `missing`, which tells records that nobody has.
    cells
        When.
    habits
        What the portal logs: an attack holds nothing that the portal does not log.
    rng
        Chance.

    Returns
    -------
    pa.Table
        `EVENTS`.
    """
    deeds = _deeds(attack, victims=victims, records=records, cells=cells, habits=habits, rng=rng)
    rows = pd.concat([_sign_ins(deeds, cells), deeds], ignore_index=True) if habits.signs_in else deeds
    rows = rows.sort_values(["timestamp", "account"], ignore_index=True)
    rows = rows.assign(line=np.arange(1, len(rows) + 1), source=SOURCE)
    table = pa.Table.from_pandas(rows.drop(columns="cell"), preserve_index=False).replace_schema_metadata(None)
    return EVENTS.check(table)


def _deeds(
    attack: Attack,
    *,
    victims: pd.DataFrame,
    records: pd.DataFrame,
    cells: Cells,
    habits: Habits,
    rng: np.random.Generator,
) -> pd.DataFrame:
    whose = victims.iloc[cells.victim].reset_index(drop=True)
    missing = records["missing"].to_numpy() & (attack.action != "write")
    writes = attack.action == "write"
    cell = cells.day * len(victims) + cells.victim
    deeds = pd.DataFrame(
        {
            "timestamp": cells.timestamp,
            "account": whose["account"],
            "action": attack.action,
            "outcome": np.where(missing, "failure", "success"),
            "ip": _addresses(attack, whose, cells) if habits.addresses else None,
            "n_records": None if writes else np.where(missing, 0, 1),
            "channel": "portal",
            "auth_mode": whose["auth_mode"],
            "record_id_mode": "typed" if habits.modes and not writes else None,
            "session": [f"{SOURCE}-{number}" for number in cell] if habits.sessions else None,
            "user_agent": _agents(attack, whose, cells, habits, rng=rng),
            "profession": whose["profession"],
            "organisation": whose["organisation"],
            "cell": cell,
        }
    )
    return deeds.join(records[["record", *FACTS]]) if habits.tokens else deeds


def _addresses(attack: Attack, whose: pd.DataFrame, cells: Cells) -> pd.Series[str]:
    """The owner's own, or addresses that nobody has; a data centre is one network, homes and hosts are many."""
    turn = cells.place // attack.rotate if attack.rotate else np.zeros_like(cells.place)
    step = 0 if attack.sources == "datacentre" else turn
    network = (cells.victim * 7 + cells.day * 31 + step) % NETWORKS
    host = 1 + (turn * 13 + cells.victim) % 250
    made = pd.Series([f"198.18.{third}.{fourth}" for third, fourth in zip(network, host, strict=True)])
    if attack.sources != "office":
        return made
    own: pd.Series[str] = whose["ip"].where(whose["ip"].notna(), made)
    return own


def _agents(
    attack: Attack, whose: pd.DataFrame, cells: Cells, habits: Habits, *, rng: np.random.Generator
) -> pd.Series[str]:
    if attack.agents == "tool":
        return pd.Series(TOOL, index=whose.index)
    if attack.agents == "owner" or not habits.browsers:
        own: pd.Series[str] = whose["user_agent"]
        return own
    of_victim = rng.integers(0, len(habits.browsers), cells.victim.max() + 1)
    chosen: pd.Series[str] = pd.Series(habits.browsers).iloc[of_victim[cells.victim]].reset_index(drop=True)
    return chosen


def _sign_ins(deeds: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """One before the first record of each account-day."""
    first = deeds[cells.place == 0]
    nothing = ["n_records", "record_id_mode", "record", *FACTS]
    before = first["timestamp"] - pd.Timedelta(seconds=SIGN_IN_S)
    bare = first.drop(columns=nothing, errors="ignore")
    sign_ins: pd.DataFrame = bare.assign(timestamp=before, action="login", outcome="success")
    return sign_ins
