"""Client addresses behind proxies."""

from __future__ import annotations

import ipaddress

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.reading import sql
from detector.reading.network import client_address

NETWORKS = ("10.0.0.0/8", "192.0.2.128/25", "fd00::/8", "2001:db8:1::/48")
ADDRESSES = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.sampled_from([ipaddress.ip_network(net)[place] for net in NETWORKS for place in (0, 1, -1)]),
).map(str)


def found(peer: str, forwarded: str | None, *, trusted: tuple[str, ...] = NETWORKS) -> str:
    """The address that SQL finds."""
    asked = sql.select({"ip": client_address("p", "f", trusted=trusted)}, "(SELECT ?::VARCHAR AS p, ?::VARCHAR AS f)")
    with duckdb.connect() as con:
        return str(con.execute(asked, [peer, forwarded]).fetchall()[0][0])


def expected(peer: str, hops: list[str]) -> str:
    """The right-most address that is in no trusted network, by Python's own arithmetic."""

    def is_trusted(address: str) -> bool:
        parsed = ipaddress.ip_address(address)
        return any(parsed in ipaddress.ip_network(net) for net in NETWORKS)

    if not is_trusted(peer):
        return peer
    return next((hop for hop in reversed(hops) if not is_trusted(hop)), peer)


@settings(max_examples=12)  # each plans a long query
@given(peer=ADDRESSES, hops=st.lists(ADDRESSES, max_size=4))
def test_the_client_is_the_one_that_python_finds(peer: str, hops: list[str]) -> None:
    """For any peer and hops, of both versions and at the edges of networks."""
    assert found(peer, ", ".join(hops) or None) == expected(peer, hops)


def test_addresses_are_known_in_every_notation() -> None:
    """Compressed, mixed case, with brackets and ports, IPv4 as IPv6: an address is the same address."""
    assert found("::ffff:10.1.1.1", "203.0.113.7, ::FFFF:10.2.2.2") == "203.0.113.7"
    assert found("10.1.1.1", "FD00:0:0::1, [fd12::9]:443, 203.0.113.7:80, fd00:0:0:0:0:0:0:1") == "203.0.113.7"


def test_what_is_no_address_is_nobodys_proxy() -> None:
    """A word in the header is not trusted, and so is what the proxy saw; a peer that is a word has no say."""
    assert found("10.1.1.1", "203.0.113.7, unknown") == "unknown"
    assert found("somewhere", "203.0.113.7") == "somewhere"
    assert found("999.1.1.1", "203.0.113.7") == "999.1.1.1"


def test_nobody_is_trusted_by_default() -> None:
    """Without networks the header counts for nothing."""
    assert found("10.1.1.1", "203.0.113.7", trusted=()) == "10.1.1.1"
