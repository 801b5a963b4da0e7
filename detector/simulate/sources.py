"""Addresses and user agents.

All addresses are of ranges that nobody on the public network has (240.0.0.0/4, reserved; 2001:db8::/32,
documentation), so that a list of addresses to block made from a simulation blocks nobody. The first byte tells the kind
of network, the second the provider or the region.
An address is a 64-bit number: below 2⁴⁰ an IPv4 address, from there an IPv6 address of the documentation prefix.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detector.simulate.calendar import DayFacts, releases
from detector.simulate.draws import Integers, Salt, below, mix
from detector.simulate.professions import PROFESSIONS
from detector.simulate.settings import Traits

HOME, HOME_V6, MOBILE, HOSPITAL, VPN = range(5)
"""Kinds of networks that honest accounts come from."""

FIRST_BYTE = {
    "home": 240,
    "home_more": 241,
    "mobile": 243,
    "hospital": 244,
    "vendor": 245,
    "datacentre": 250,
    "hosting": 251,
}
IPV6 = 1 << 40
MOBILE_ADDRESSES_PER_DEPARTMENT = 6
"""A carrier puts hundreds of subscribers behind one address."""
VPN_ADDRESSES = 8

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X)"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{v}.0"
BROWSERS = (
    f"{_WINDOWS}) {_CHROME} Safari/537.36",
    f"{_WINDOWS}) {_CHROME} Safari/537.36 Edg/{{v}}.0.0.0",
    f"{_WINDOWS}; rv:{{v}}.0) Gecko/20100101 Firefox/{{v}}.0",
    f"{_MAC} {_SAFARI} Safari/605.1.15",
    f"{_MAC} {_CHROME} Safari/537.36",
    f"{_IPHONE} {_SAFARI} Mobile/15E148 Safari/604.1",
    f"{_ANDROID} {_CHROME} Mobile Safari/537.36",
)
"""Ordinary browsers; `v` is the version. The first four are the common ones of practices."""

BROWSER_SHARES = (0.42, 0.25, 0.15, 0.08, 0.05, 0.03, 0.02)
OTHER_BROWSER_SHARES = (0.2, 0.1, 0.1, 0.1, 0.05, 0.25, 0.2)
VERSION_AT_EPOCH = 60
SOFTWARE = ("PharmaSuite/8.4", "CabinetPlus/12.1", "TourneeLib/5.0", "LaboLine/3.7")
TOOLS = (
    "python-requests/2.32.3",
    "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0",
    "curl/8.9.1",
)
PAYMENTS_ROBOTS = ("Releve-Connect/2.3", "ComptaSync/4.1 (+bank aggregation)")

# A user agent is one number: fixed ones first, then browser × version.
_FIXED = (*SOFTWARE, *TOOLS, *PAYMENTS_ROBOTS)
_VERSIONS = 200


def choose_network(rng: np.random.Generator, traits: Traits, profession: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Return what kind of network each account usually comes from."""
    edges = np.cumsum([traits.mobile, traits.ipv6, traits.vpn])
    kinds = np.array([MOBILE, HOME_V6, VPN, HOME], np.int8)
    usual = kinds[np.searchsorted(edges, rng.random(len(profession)), side="right")]
    hospital = np.array([p.name == "hospital" for p in PROFESSIONS])[profession]
    return np.where(hospital, HOSPITAL, usual).astype(np.int8)


def choose_browser(rng: np.random.Generator, count: int) -> npt.NDArray[np.int8]:
    """Return the usual browser of each account."""
    return rng.choice(len(BROWSERS), count, p=BROWSER_SHARES).astype(np.int8)


def choose_other_browser(rng: np.random.Generator, count: int) -> npt.NDArray[np.int8]:
    """Return the browser of each account's second machine."""
    return rng.choice(len(BROWSERS), count, p=OTHER_BROWSER_SHARES).astype(np.int8)


def ipv4(first: npt.ArrayLike, second: npt.ArrayLike, rest: npt.ArrayLike) -> Integers:
    """Return addresses from the first byte, the second and 16 bits more."""
    parts = (np.asarray(first, np.int64) << 24) | (np.asarray(second, np.int64) << 16)
    return np.asarray(parts | np.asarray(rest, np.int64), np.int64)


def usual_address(
    network: npt.NDArray[np.integer],
    *,
    who: Integers,
    department: Integers,
    commune: Integers,
    renewal_days: Integers,
    day: DayFacts,
) -> Integers:
    """Return the address of each account (or person) `who` on a day.

    Home addresses last `renewal_days`, IPv6 ones a day; mobile, hospital and VPN addresses are shared.
    """
    turn = (day.number + below(renewal_days, who, Salt.ADDRESS)) // renewal_days
    area = department + 1
    bits = mix(Salt.ADDRESS, who, turn)
    home = ipv4(FIRST_BYTE["home"] + (bits >> np.uint64(40)) % 2, area, bits % np.uint64(65_521))
    privacy = IPV6 + (below(2**20, Salt.NETWORK, who) << 20) + below(2**20, Salt.ADDRESS, who, day.number)
    mobile = ipv4(FIRST_BYTE["mobile"], area, below(MOBILE_ADDRESSES_PER_DEPARTMENT, who, day.number, Salt.PROXY))
    hospital = ipv4(FIRST_BYTE["hospital"], area, commune % 251 * 256 + 10)
    vpn = ipv4(FIRST_BYTE["vendor"], 16, below(VPN_ADDRESSES, who, Salt.NETWORK))
    return np.asarray(np.choose(network, [home, privacy, mobile, hospital, vpn]), np.int64)


def browser_agent(browser: npt.NDArray[np.integer], lag_days: Integers, day: DayFacts) -> npt.NDArray[np.int64]:
    """Return the user agent of a browser that updates itself `lag_days` after a release."""
    return len(_FIXED) + browser.astype(np.int64) * _VERSIONS + releases(day, lag_days) % _VERSIONS


def fixed_agent(name: str) -> int:
    """Return the number of a tool's or a robot's user agent."""
    return _FIXED.index(name)


def software_agent(profession: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Return the practice software of each profession."""
    return np.asarray(profession.astype(np.int64) % len(SOFTWARE), np.int64)


def agent_texts() -> pa.Array:
    """Return all user agents, at the place of their number."""
    versions = [t.format(v=VERSION_AT_EPOCH + v) for t in BROWSERS for v in range(_VERSIONS)]
    return pa.array([*_FIXED, *versions], pa.string())


def address_texts(address: Integers) -> pa.Array:
    """Return addresses as text."""
    address = np.asarray(address, np.int64)
    parts = [pa.array(address >> shift & 255).cast(pa.string()) for shift in (24, 16, 8, 0)]
    version_4 = pc.binary_join_element_wise(*parts, ".")
    if not (address >= IPV6).any():
        return version_4
    words = [_hexadecimal(address >> shift & 0xFFFF) for shift in (24, 8)] + [_hexadecimal(address & 0xFFFF)]
    version_6 = pc.binary_join_element_wise("2001", "db8", words[0], "1", "0", words[1], words[2], "1", ":")
    return pc.if_else(pa.array(address >= IPV6), version_6, version_4)


def _hexadecimal(word: Integers) -> pa.Array:
    texts = pa.array([f"{value:x}" for value in range(65_536)])
    return texts.take(pa.array(word))
