"""A fixed share of the record tokens, the same for every account: what a very large portal may content itself with."""

from __future__ import annotations

from detector.aggregates import Aggregates

_DIGITS = 8
"""Hexadecimal digits of the hash that choose: shares are exact to one in four thousand million."""


def keep_tokens(sums: Aggregates, *, fraction: float) -> Aggregates:
    """Keep the account-records of a share of the tokens, chosen by hash, so that shares of records stay unbiased.

    Parameters
    ----------
    sums
        Aggregates; sources and hours stay as they are.
    fraction
        Share of the tokens, over 0, at most 1. A larger share holds all tokens of a smaller one.
    """
    if fraction >= 1:
        return sums
    bound = f"{int(fraction * 16**_DIGITS):0{_DIGITS}x}"
    chosen = sums.records.record.hexdigest("sha256").left(_DIGITS) < bound
    return sums._replace(records=sums.records.filter(chosen))
