"""Client addresses behind proxies: the right-most hop that no trusted proxy added.

An address is compared as 32 hexadecimal digits (RFC 4291, IPv4 mapped into ::ffff:0:0/96), since DuckDB needs an
extension to know addresses, and an extension needs a network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from detector.reading import sql

_V4_PREFIX = "0" * 20 + "ffff"


def client_address(peer: str, forwarded: str, *, trusted: Sequence[str]) -> str:
    """SQL for the client's address: the peer, unless it is a trusted proxy and passed on whose request it is.

    `forwarded` is an X-Forwarded-For: addresses between commas, the nearest hop last, perhaps with ports.
    """
    if not trusted:
        return peer
    hops = f"list_transform(string_split({forwarded}, ','), lambda hop: {_bare('trim(hop)')})"
    untrusted = f"list_filter({hops}, lambda hop: NOT {_is_within('hop', trusted)})[-1]"
    return sql.cases([(_is_within(_bare(peer), trusted), f"coalesce(nullif({untrusted}, ''), {peer})")], otherwise=peer)


def _bare(address: str) -> str:
    """An address without port and brackets."""
    with_port = sql.matches_whole(address, r"[0-9.]+:\d+")
    return sql.cases(
        [
            (f"{address}[1] = '['", f"regexp_extract({address}, '\\[([^\\]]*)\\]', 1)"),
            (with_port, f"split_part({address}, ':', 1)"),
            (f"{address} = 'unix:'", "'127.0.0.1'"),
        ],
        otherwise=address,
    )


def _is_within(address: str, networks: Sequence[str]) -> str:
    digits = _digits(address)
    return (
        "coalesce("
        + " OR ".join(f"{digits} BETWEEN '{low}' AND '{high}'" for low, high in map(_span, networks))
        + ", false)"
    )


def _digits(address: str) -> str:
    """An address as 32 digits; null for anything else."""
    v4 = sql.matches_whole(address, r"\d{1,3}(?:\.\d{1,3}){3}")
    octets = (
        f"array_to_string(list_transform(string_split({address}, '.'), lambda part: printf('%02x', part::INTEGER)), '')"
    )
    v6 = sql.matches_whole(f"lower({address})", r"[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}")
    return sql.cases(
        [(v4, f"'{_V4_PREFIX}' || {octets}"), (v6, _v6_digits(f"lower({address})"))], otherwise="NULL::VARCHAR"
    )


def _v6_digits(address: str) -> str:
    def padded(half: str) -> str:
        groups = f"list_filter(string_split({half}, ':'), lambda part: part <> '')"
        return f"array_to_string(list_transform({groups}, lambda part: lpad(part, 4, '0')), '')"

    left, right = padded(f"split_part({address}, '::', 1)"), padded(f"split_part({address}, '::', 2)")
    return f"({left} || repeat('0', 32 - strlen({left}) - strlen({right})) || {right})"


def _span(network: str) -> tuple[str, str]:
    """First and last address of a network, as digits."""
    parsed = ipaddress.ip_network(network)
    prefix = _V4_PREFIX if parsed.version == 4 else ""
    width = 32 - len(prefix)
    return prefix + f"{int(parsed[0]):0{width}x}", prefix + f"{int(parsed[-1]):0{width}x}"
