"""Client addresses behind proxies: the right-most hop that no trusted proxy added.

Addresses are compared as numbers (IPv4) and hexadecimal digits (IPv6): DuckDB needs an extension to know addresses, and
an extension needs a network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from detector.reading import sql


def client_address(peer: str, forwarded: str, *, trusted: Sequence[str]) -> str:
    """SQL for the client's address: the peer, unless it is a trusted proxy and passed on whose request it is.

    `forwarded` is an X-Forwarded-For: addresses between commas, the nearest hop last, perhaps with ports.
    """
    if not trusted:
        return peer
    hops = f"list_transform(string_split({forwarded}, ','), lambda hop: {_bare('trim(hop)')})"
    untrusted = f"list_filter({hops}, lambda hop: NOT {_is_within('hop', trusted)})[-1]"
    passed_on = f"{forwarded} IS NOT NULL AND {_let(_bare(peer), _is_within('a', trusted))}"
    return sql.cases([(passed_on, f"coalesce(nullif({untrusted}, ''), {peer})")], otherwise=peer)


def _let(value: str, expression: str) -> str:
    """An expression over `a`, which is computed once: DuckDB has no other way to name a value within an expression."""
    return f"list_transform([{value}], lambda a: {expression})[1]"


def _bare(address: str) -> str:
    """An address without port and brackets, nor the `::ffff:` that a server listening on IPv6 puts before IPv4."""
    return sql.cases(
        [
            (f"starts_with({address}, '[')", f"regexp_extract({address}, '\\[([^\\]]*)\\]', 1)"),
            (sql.matches_whole(address, r"[0-9.]+:\d+"), f"split_part({address}, ':', 1)"),
            (sql.matches_whole(address, "::(?i:ffff):[0-9.]+"), f"split_part({address}, ':', 4)"),
            (f"{address} = 'unix:'", "'127.0.0.1'"),
        ],
        otherwise=address,
    )


def _is_within(address: str, networks: Sequence[str]) -> str:
    """Whether an address is in one of the networks; what is no address is in none."""
    spans = [ipaddress.ip_network(network) for network in networks]
    v4 = [f"{_v4_number(address)} BETWEEN {int(net[0])} AND {int(net[-1])}" for net in spans if net.version == 4]
    v6 = [
        f"{_v6_digits(address)} BETWEEN '{int(net[0]):032x}' AND '{int(net[-1]):032x}'"
        for net in spans
        if net.version == 6
    ]
    kinds = [
        (sql.matches_whole(address, r"\d{1,3}(?:\.\d{1,3}){3}"), " OR ".join(v4) or "false"),
        (sql.matches_whole(address, r"[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}"), " OR ".join(v6) or "false"),
    ]
    return sql.cases(kinds, otherwise="false")


def _v4_number(address: str) -> str:
    octets = (f"split_part({address}, '.', {place})::BIGINT * {256 ** (4 - place)}" for place in range(1, 5))
    return f"({' + '.join(octets)})"


def _v6_digits(address: str) -> str:
    """An IPv6 address (RFC 4291) as its 32 hexadecimal digits: `::` stands for as many zeros as are missing."""

    def padded(half: str) -> str:
        groups = f"list_filter(string_split({half}, ':'), lambda part: part <> '')"
        return f"array_to_string(list_transform({groups}, lambda part: lpad(part, 4, '0')), '')"

    left, right = (padded(f"split_part(lower({address}), '::', {half})") for half in (1, 2))
    return f"({left} || repeat('0', 32 - strlen({left}) - strlen({right})) || {right})"
