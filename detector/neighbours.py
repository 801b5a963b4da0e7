"""Which accounts share a record: of those that met on a day, not of all, since all links are far more than there is
memory for. Accounts that read everybody are told apart.

Records are told apart by numbers, and everything is done range by range of these: a day's numbers are kept sorted, so
that a range is read once, and what is held does not grow with the past.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _
from scipy.sparse import csr_array

from detector.joins import to_frame
from detector.prepared import hold, in_ranges

MAX_READERS = 32
"""A record read by more accounts than this in 28 days is at home everywhere: it makes nobody neighbours and is foreign
to nobody. It bounds the work to 32 pairs for each pair of account and record."""
PAIR = ("reader", "neighbour")
FEW = 1_000
"""For so few accounts it pays to take out of the past what bears on them, before it is cut into ranges."""
RANGE_ROWS = 4_000_000
"""Rows of a range, about; some 100 bytes each while it is worked on."""


HUB_SHARE, HUB_TIMES = 0.02, 5
"""An account is a *hub* that touched more than two in a hundred of all records, and five times as many as accounts do
on average, which of a handful nobody does. A laboratory or a hospital's desk shares records with everybody who works
around, and would vouch for whatever they read: as a record that many read, it vouches for nothing."""
ENOUGH_RECORDS = 20_000
"""Among so many records the share of a hub is known to a twentieth of itself (binomial, one standard deviation)."""
SAMPLED = 2**58
"""Numbers of records below it: one in 64, which lie together."""


def find_hubs(touched: ir.Table) -> ir.Table:
    """Accounts that touched so much of what anybody did that to share a record with them tells nothing.

    Parameters
    ----------
    touched
        As `find_neighbours` takes it.

    Returns
    -------
    ir.Table
        `reader`; held.
    """
    if touched.get_backend().name == "duckdb":
        part = hold(_sampled, touched)
        if to_frame(part.aggregate(n=_.code.nunique()))["n"].iloc[0] >= ENOUGH_RECORDS:
            return hold(_hubs, part)
    return hold(_hubs, touched)


def _sampled(touched: ir.Table) -> ir.Table:
    return touched.filter(_.code < ibis.literal(SAMPLED, "uint64")).select("reader", "code")


def _hubs(touched: ir.Table) -> ir.Table:
    links = touched.select("reader", "code").distinct()
    sizes = links.aggregate(n_records=_.code.nunique(), n_readers=_.reader.nunique(), n_links=_.count())
    many = ibis.greatest(HUB_SHARE * sizes.n_records, HUB_TIMES * sizes.n_links / sizes.n_readers)
    counts = links.group_by("reader").aggregate(n=_.count())
    return counts.cross_join(sizes.select(many=many)).filter(_.n > _.many).select("reader")


def find_neighbours(met: ir.Table, touched: ir.Table) -> ir.Table:
    """Of accounts that met, those that share a record which at most `MAX_READERS` accounts touched.

    Parameters
    ----------
    met
        `reader` and `neighbour`, numbers of accounts; held.
    touched
        `reader` and `code`, numbers of accounts and of the records that they touched; a pair may be there again and
        again.

    Returns
    -------
    ir.Table
        The pairs of `met` that are neighbours, each once; held.
    """
    pairs = hold(_distinct, met.select(*PAIR))
    if pairs.get_backend().name != "duckdb":
        return hold(_joined, pairs, hold(_distinct, touched.select("reader", "code")))
    n_readers = to_frame(pairs.aggregate(n=_.reader.nunique()))["n"].iloc[0]
    if n_readers == 0:
        return pairs
    if n_readers <= FEW:
        touched = hold(_around, pairs, touched)
    found = _Links(pairs.to_pyarrow())
    in_ranges(found.look_at, touched, by="code", range_rows=RANGE_ROWS)
    return hold(_among, pairs, ibis.memtable(found.shared))


def _distinct(rows: ir.Table) -> ir.Table:
    return rows.distinct()


def _among(pairs: ir.Table, shared: ir.Table) -> ir.Table:
    return pairs.semi_join(shared, PAIR)


def _around(pairs: ir.Table, touched: ir.Table) -> ir.Table:
    """Whoever touched what the readers of some pairs touched."""
    own = touched.semi_join(pairs, "reader").select("code").distinct()
    return touched.select("reader", "code").semi_join(own, "code").distinct()


def _joined(pairs: ir.Table, held: ir.Table) -> ir.Table:
    """The same by joins, which a cluster cuts into ranges itself."""
    popular = held.group_by("code").having(_.count() > MAX_READERS).aggregate(n=_.count())
    own = held.semi_join(pairs, "reader").anti_join(popular, "code")
    others = held.select("code", neighbour=_.reader).semi_join(pairs, "neighbour")
    return own.inner_join(others, "code").select(*PAIR).semi_join(pairs, PAIR).distinct()


class _Links:
    """Pairs of accounts, and which of them are known to share a record, found as a product of sparse matrices.

    Joined with itself, the past would give a row for each two readers of each record: to hash those took nine tenths of
    the time.
    """

    def __init__(self, pairs: pa.Table) -> None:
        self._pairs = pairs
        self._accounts, places = np.unique(
            np.concatenate([pairs[name].to_numpy() for name in PAIR]), return_inverse=True
        )
        readers, others = np.split(places, 2)
        shape = (len(self._accounts),) * 2
        numbers = csr_array((np.arange(1, pairs.num_rows + 1), (readers, others)), shape=shape)
        self._asking = np.unique(readers)
        self._numbers = numbers[self._asking]
        self._is_shared = np.zeros(pairs.num_rows, dtype=bool)

    @property
    def shared(self) -> pa.Table:
        """The pairs that share a record, as far as was looked."""
        return self._pairs.filter(pa.array(self._is_shared))

    def look_at(self, touched: pa.Table) -> None:
        """Look at records that some accounts touched; whatever is there of a record is there at once."""
        named = touched["reader"].combine_chunks().dictionary_encode()
        n_accounts = len(self._accounts)
        # Accounts that nobody asks for make a record popular all the same.
        places = pc.index_in(named.dictionary, value_set=pa.array(self._accounts)).fill_null(-1).to_numpy()
        is_other = places < 0
        accounts = np.where(is_other, n_accounts + np.cumsum(is_other) - 1, places)[named.indices.to_numpy()]
        records = _by_record(touched["code"].to_numpy(), accounts, n_accounts=n_accounts + int(is_other.sum()))
        records = records[:, :n_accounts]
        linked = records.T.tocsr()[self._asking] @ records
        # Threads set the same marks, if any.
        self._is_shared[(linked * self._numbers).data - 1] = True


def _by_record(codes: np.ndarray, accounts: np.ndarray, *, n_accounts: int) -> csr_array:
    """Records × accounts that touched them, of records that two accounts touched or more, and not too many."""
    # What lies in order already, day by day, is merged: the stable way of sorting finds that out.
    order = np.argsort(codes, kind="stable")
    codes, accounts = codes[order], accounts[order]
    begins = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])) if len(codes) else np.empty(0, dtype=np.int64)
    shape = (len(begins), n_accounts)
    found = csr_array((np.ones(len(codes), dtype=bool), accounts, np.append(begins, len(codes))), shape=shape)
    found.sum_duplicates()
    n_readers = np.diff(found.indptr)
    return found[(n_readers > 1) & (n_readers <= MAX_READERS)]
