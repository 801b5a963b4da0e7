"""Addresses that became known as an attack's: a list of them, and who used them on past days."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd
from ibis import _

from detector.checks import FIRED
from detector.errors import ConfigError
from detector.joins import to_frame

KNOWN_ADDRESS = "known_address"
"""Name of the check, as alerts tell it."""
SEVERITY = "high"
USES = ("logins", "lookups", "writes")
"""What is a use: whoever only failed to sign in took nothing."""


@dataclass(frozen=True)
class AddressList:
    """Networks by version and length of prefix: the leading bits of each."""

    prefixes: Mapping[tuple[int, int], frozenset[int]]

    def has(self, text: str | None) -> bool:
        """Whether an address as logged is in one of the networks; what is no address is in none."""
        try:
            address = ipaddress.ip_address(str(text))
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(
            int(address) >> (address.max_prefixlen - length) in found
            for (version, length), found in self.prefixes.items()
            if version == address.version
        )


def load_addresses(path: Path) -> AddressList:
    """Read a list: an address or a network (CIDR) a line; what follows `#` is a comment.

    Raises
    ------
    ConfigError
        If the file cannot be read, names nothing, or a line is neither.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the list of addresses cannot be read ({error})") from error
    found: dict[tuple[int, int], set[int]] = defaultdict(set)
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise ConfigError(
                f"{path}, line {number}: expected an address or a network such as 203.0.113.0/24 ({error})"
            ) from error
        bits = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        found[network.version, network.prefixlen].add(bits)
    if not found:
        raise ConfigError(f"{path}: names no address; expected one a line")
    return AddressList({key: frozenset(bits) for key, bits in found.items()})


def find_users(sources: ir.Table, listed: AddressList) -> pd.DataFrame:
    """Accounts that used an address of the list, as a check that fired.

    Parameters
    ----------
    sources
        `account_sources` of some days.
    listed
        The list.

    Returns
    -------
    pd.DataFrame
        `detector.checks.FIRED`, one row per account and day; `value` counts sign-ins, look-ups and writes.
    """
    addresses = sources.filter(_.ip.notnull()).select("ip").distinct().to_pyarrow()["ip"].to_pylist()
    chosen = [ip for ip in addresses if listed.has(ip)]
    if not chosen:
        return pd.DataFrame(columns=list(FIRED))
    uses = sources.filter(_.ip.isin(chosen)).group_by(["account", "day", "ip"])
    sums = uses.aggregate(**{name: sources[name].sum() for name in USES})
    rows = to_frame(sums.filter(_.logins + _.lookups + _.writes > 0).order_by(["account", "day", "ip"]))
    rows = rows.assign(value=rows[list(USES)].sum(axis=1))
    each = rows.groupby(["account", "day"], as_index=False)
    found = each.agg(**{name: (name, "sum") for name in (*USES, "value")}, ip=("ip", ", ".join))
    evidence = [
        f"{row.lookups:,.0f} look-ups, {row.writes:,.0f} writes and {row.logins:,.0f} sign-ins from listed {row.ip}"
        for row in found.itertuples()
    ]
    return found.assign(check=KNOWN_ADDRESS, severity=SEVERITY, evidence=evidence)[list(FIRED)]


def with_checks(scores: pd.DataFrame, fired: pd.DataFrame) -> pd.DataFrame:
    """Scores (`SCORES`) in which a check that fired alerts; who alerted already stays where it is."""
    if fired.empty:
        return scores
    names = fired.assign(day=pd.to_datetime(fired["day"])).groupby(["account", "day"])["check"].agg(set)
    keys = pd.MultiIndex.from_arrays([scores["account"], pd.to_datetime(scores["day"])])
    added = pd.Series(names.reindex(keys).to_numpy(), index=scores.index, dtype=object)
    is_added = added.notna()
    checks = [
        sorted({*(known if isinstance(known, list) else ()), *more}) if told else known
        for known, more, told in zip(scores["checks"], added, is_added, strict=True)
    ]
    queue = scores["queue"].where(~is_added | scores["alert"], "check")
    checks_column = pd.Series(checks, index=scores.index, dtype=object)
    return scores.assign(checks=checks_column, queue=queue, alert=scores["alert"] | is_added)
