"""From whole columns of numbers to the canonical table with its text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detector.schema import ACTIONS, CHANNELS, EVENTS, OUTCOMES, RECORD_ID_MODES
from detector.simulate import events as ev
from detector.simulate.accounts import account_names, organisation_names
from detector.simulate.draws import Bits, Flags, Salt, mix
from detector.simulate.events import Events
from detector.simulate.geography import nir_numbers
from detector.simulate.professions import NAMES
from detector.simulate.scene import Population
from detector.simulate.settings import World
from detector.simulate.sources import address_texts, agent_texts

CANONICAL = tuple(
    c.name for c in EVENTS.columns if c.name not in ("source", "line") and not c.name.startswith("record_")
)
COLUMNS = (*CANONICAL[: CANONICAL.index("session")], "record_id_mode", *CANONICAL[CANONICAL.index("session") :])
"""Columns of a simulated file: the canonical ones but the facts that reading takes from the identifier."""

NIR_LENGTH = 15
TOKEN_LENGTH = 32
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(256, 2)


@dataclass(frozen=True)
class Names:
    """The texts that codes stand for, made once a world."""

    account: pa.Array
    organisation: pa.Array
    profession: pa.Array
    agent: pa.Array


def make_names(population: Population) -> Names:
    """Return the texts of a population."""
    accounts = population.accounts
    return Names(
        account=account_names(accounts, population.geography),
        organisation=organisation_names(accounts),
        profession=pa.array(NAMES).take(pa.array(accounts.profession)),
        agent=agent_texts(),
    )


def event_table(world: World, population: Population, names: Names, *, events: Events) -> pa.Table:
    """Return events as the canonical table, one row per event in the given order; times are UTC."""
    account = _codes(events.account)
    columns = {
        "timestamp": pa.array(events.time_us, pa.timestamp("us", "UTC")),
        "account": names.account.take(account),
        "action": _words(ACTIONS, events.action),
        "outcome": _words(OUTCOMES, events.outcome),
        "ip": _distinct(events.ip),
        "record": record_texts(world, population, events.person),
        "n_records": _codes(events.shown).cast(pa.int32()),
        "service": _words(ev.SERVICES, events.service),
        "channel": _words(CHANNELS, events.channel),
        "auth_mode": _words(ev.AUTH_MODES, events.auth_mode),
        "record_id_mode": _words(RECORD_ID_MODES, events.record_id_mode),
        "session": hexadecimal(events.session, valid=events.session != 0),
        "user_agent": names.agent.take(_codes(events.user_agent)),
        "profession": names.profession.take(account),
        "organisation": names.organisation.take(account),
        "delegate": _delegates(events, names.account.take(account)),
    }
    return pa.table(columns).select(COLUMNS)


def _codes(codes: npt.NDArray[np.signedinteger]) -> pa.Array:
    return pa.array(codes, mask=codes < 0)


def _words(words: tuple[str, ...], codes: npt.NDArray[np.int8]) -> pa.Array:
    return pa.array(words).take(_codes(codes))


def _distinct(address: npt.NDArray[np.int64]) -> pa.Array:
    """Return addresses as text, each distinct one written once."""
    encoded = pa.array(address).dictionary_encode()
    return address_texts(encoded.dictionary.to_numpy()).take(encoded.indices)


def _delegates(events: Events, account: pa.Array) -> pa.Array:
    number = pa.array(np.where(events.delegate == ev.LOCUM, ev.LOCUM, events.delegate + 1), mask=events.delegate < 0)
    letter = pa.array(np.where(events.delegate == ev.LOCUM, "L", "D"))
    return pc.binary_join_element_wise(account, pc.binary_join_element_wise(letter, number.cast(pa.string()), ""), "-")


def record_texts(world: World, population: Population, person: npt.NDArray[np.int64]) -> pa.Array:
    """Return what identifies each person: a social-security number with serial 000, or a token; null where none."""
    valid = person >= 0
    if world.records == "token":
        bits = np.stack([mix(world.seed, person, Salt.TOKEN), mix(world.seed, person, Salt.TOKEN, 1)], axis=1)
        return fixed_text(_HEX[bits.view(np.uint8)].reshape(len(person), TOKEN_LENGTH), valid=valid)
    number, letter = nir_numbers(population.geography, np.where(valid, person, 0))
    return fixed_text(_digits(number, letter), valid=valid)


def _digits(number: npt.NDArray[np.int64], letter: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return 15 characters a row; in Corsica the department's second digit is a letter."""
    text = np.empty((len(number), NIR_LENGTH), np.uint8)
    rest = number
    for place in range(NIR_LENGTH - 1, -1, -1):
        rest, digit = np.divmod(rest, 10)
        text[:, place] = digit + ord("0")
    corsican = letter > 0
    text[corsican, 5] = ord("2")
    text[corsican, 6] = letter[corsican]
    return text


def hexadecimal(bits: Bits, *, valid: Flags) -> pa.Array:
    """Return 16 hexadecimal digits for each 64-bit number."""
    return fixed_text(_HEX[bits.view(np.uint8).reshape(len(bits), 8)].reshape(len(bits), 16), valid=valid)


def fixed_text(characters: npt.NDArray[np.uint8], *, valid: Flags) -> pa.Array:
    """Return text of fixed length from a matrix of ASCII characters, null where not `valid`."""
    offsets = np.zeros(len(characters) + 1, np.int32)
    np.cumsum(valid * np.int32(characters.shape[1]), out=offsets[1:])
    bitmap = np.packbits(valid, bitorder="little")
    data = np.ascontiguousarray(characters[valid])
    buffers = [pa.py_buffer(bitmap), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(characters), buffers)
