"""Addresses to block, in the forms that firewalls and partners take: a list, an nftables set, a STIX 2.1 bundle."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import pandas as pd
import stix2

from detector.incident.facts import REASONS
from detector.output.text import visible

NAMESPACE = UUID("9b1d4b0e-4f35-5c39-8a0c-6f1f0a4f6d11")
"""Of this project's STIX ids: the same dossier has the same ids."""
BLOCK = "block"
TABLE = "extraction"
"""Of nftables; nothing else is in it."""


def plain_list(addresses: pd.DataFrame) -> str:
    """The addresses that may be blocked, one a line."""
    return "".join(f"{ip}\n" for ip in to_block(addresses))


def to_block(addresses: pd.DataFrame) -> list[str]:
    """The addresses that may be blocked, as numbers order them; each is read as an address, so nothing else gets in."""
    found = {ipaddress.ip_address(ip) for ip in addresses.loc[addresses["decision"] == BLOCK, "ip"]}
    return [str(ip) for ip in sorted(found, key=lambda ip: (ip.version, int(ip)))]


def nftables(addresses: pd.DataFrame) -> str:
    """A table with a set per version and a rule that drops what comes from it; load it with `nft -f`.

    It takes the place of an earlier one at a stroke: what may no longer be blocked is let through, and no rule stands
    twice. (Declared first, so that there is something to delete on the first day too.)
    """
    lines = [f"table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    for version in (4, 6):
        listed = [ip for ip in to_block(addresses) if ipaddress.ip_address(ip).version == version]
        elements = f"\n\t\telements = {{ {', '.join(listed)} }}" if listed else ""
        lines.append(f"\tset attackers{version} {{\n\t\ttype ipv{version}_addr{elements}\n\t}}")
    rules = [f"\t\t{family} saddr @attackers{version} drop" for version, family in ((4, "ip"), (6, "ip6"))]
    chain = "\t\ttype filter hook input priority -10; policy accept;"
    lines += ["\tchain input {", chain, *rules, "\t}", "}"]
    return "\n".join(lines) + "\n"


def stix_bundle(addresses: pd.DataFrame, *, producer: str, about: str, at: datetime) -> str:
    """A bundle with an indicator per address to block, and the others as observed, marked not to be blocked.

    Parameters
    ----------
    addresses
        As `detector.incident.facts.addresses_of` returns them.
    producer
        Who tells it.
    about
        What the dossier is about; the ids depend on it.
    at
        When the last of it was seen; the time of the objects, so that the same dossier has the same bytes.

    Raises
    ------
    stix2.exceptions.STIXError
        If an object would not be valid STIX 2.1.
    """
    identity = stix2.Identity(
        id=_id("identity", producer), created=at, modified=at, name=visible(producer), identity_class="organization"
    )
    marking = stix2.TLP_AMBER
    common = {"created": at, "modified": at, "created_by_ref": identity.id, "object_marking_refs": [marking.id]}
    objects: list[Any] = [identity, marking]
    for row in addresses.to_dict("records"):
        if not _is_address(row["ip"]):
            continue
        objects += _indicator(row, about, common) if row["decision"] == BLOCK else _shared(row, about, common)
    bundle = stix2.Bundle(id=_id("bundle", about), objects=objects)
    text: str = bundle.serialize(pretty=True)
    stix2.parse(text, allow_custom=False)
    return text + "\n"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _counted(n: int, of_one: str, of_many: str) -> str:
    return f"{n} {of_one if n == 1 else of_many}"


def _id(kind: str, name: str) -> str:
    return f"{kind}--{uuid5(NAMESPACE, f'{kind}|{name}')}"


def _indicator(row: dict[Any, Any], about: str, common: dict[str, Any]) -> list[Any]:
    address = ipaddress.ip_address(row["ip"])
    return [
        stix2.Indicator(
            id=_id("indicator", f"{about}|{address}"),
            name=f"Extraction of records from {address}",
            description=f"{_counted(row['lookups'], 'look-up', 'look-ups') if row['lookups'] else 'Activity'} tied to "
            f"an attack, by {_counted(row['accounts'], 'account', 'accounts')}; no other account uses it.",
            indicator_types=["malicious-activity"],
            pattern=f"[ipv{address.version}-addr:value = '{address}']",
            pattern_type="stix",
            valid_from=row["first_at"].to_pydatetime(),
            **common,
        )
    ]


def _shared(row: dict[Any, Any], about: str, common: dict[str, Any]) -> list[Any]:
    address = ipaddress.ip_address(row["ip"])
    kind = stix2.IPv4Address if address.version == 4 else stix2.IPv6Address
    observed = kind(value=str(address))
    note = stix2.Note(
        id=_id("note", f"{about}|{address}"),
        abstract="Do not block",
        content=f"{address}: {REASONS[row['reason']][0]}. "
        f"{_counted(row['others'], 'other account uses it', 'other accounts use it')}, "
        f"{_counted(row['others_network'], 'comes', 'come')} from its network.",
        object_refs=[observed.id],
        **common,
    )
    return [observed, note]
