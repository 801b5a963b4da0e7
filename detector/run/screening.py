"""Whom early warning or a check could tell of at all: bounds that no count exceeds, cheap enough for everybody.

A run looks at few accounts closely. Whoever is left out here is below every limit whatever a closer look would find:
foreign records are new ones, new ones were touched, and strangers were touched from a source new to the account.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from detector.aggregates import WRITES
from detector.checks import CHECKS, RESET_USES, TOOL_USES, VOLUME_TIERS
from detector.early import WATCHED
from detector.novelty import TOOL_AGENT, used_at_all, with_network
from detector.run.narrowing import named
from detector.run.sums import COUNTS, as_table
from detector.schema import ACCOUNT_SOURCES
from detector.timeline import Timeline

BOUNDED_CHECKS = ("volume_tier", "canary_record", "reset_then_bulk", "tool_agent")
STRANGE = ("far_excess", "lone_strangers")
BOUNDED_SIGNALS = (*STRANGE, "vain_lookups", "foreign_writes", "foreign_records")
"""What the bounds below are of. A check or signal that is not named here is bounded by nothing: all are asked for."""
_PLACE = ["account", "channel"]


class Screen:
    """Sums of the accounts that changed, and the limits of early warning.

    Parameters
    ----------
    sums
        `detector.run.sums.SUMS` of the accounts that changed.
    limits
        `detector.early.find_limits`; empty where nobody can be warned of early.
    checks
        Names of the checks that run.
    """

    def __init__(self, sums: pd.DataFrame, limits: pd.DataFrame, *, checks: Sequence[str]) -> None:
        self.sums = sums.assign(deeds=sums["lookups"] + sums["writes"])
        self.totals = self.sums.groupby(_PLACE)[[*COUNTS, "deeds"]].sum().reset_index()
        # Of newcomers and of known accounts the lower limit, for a bound need not know which one it is.
        lowest = limits.groupby(level="channel").min() if len(limits) else limits
        lowest = lowest.reindex(columns=list(BOUNDED_SIGNALS))
        self.limits = lowest.reindex(self.totals["channel"]).fillna(np.inf)
        self.limits.index = self.totals.index
        of_events = {check.name for check in CHECKS if check.of_events}
        self.is_bounded = set(checks) <= {*BOUNDED_CHECKS, *of_events} and set(WATCHED) <= set(BOUNDED_SIGNALS)

    def certain(self) -> list[str]:
        """Accounts that a closer look is due to, whatever their past."""
        if not self.is_bounded:
            return sorted(self.totals["account"].unique())
        tools = [agent for agent in self.sums["user_agent"].dropna().unique() if re.search(TOOL_AGENT, agent)]
        by_tool = self.sums[self.sums["user_agent"].isin(tools)].groupby("account")["deeds"].sum()
        by_account = self.totals.groupby("account")[["lookups", "canaries"]].sum()
        least = min(tier for tier, _severity in VOLUME_TIERS)
        return sorted(
            {
                *self.totals.loc[self.totals["misses"] >= self.limits["vain_lookups"], "account"],
                *by_account.index[(by_account["lookups"] >= least) | (by_account["canaries"] > 0)],
                *by_tool.index[by_tool >= TOOL_USES],
            }
        )

    def by_source(self) -> list[str]:
        """Accounts that did enough for a warning if a source of theirs is new to them."""
        return sorted(self.totals.loc[self.totals["deeds"] >= self._least, "account"].unique())

    @property
    def _least(self) -> pd.Series:
        strangers = self.limits[list(STRANGE)].min(axis=1)
        return strangers.clip(upper=RESET_USES).rename("least")

    def by_records(self) -> list[str]:
        """Accounts that touched enough records for a warning from whatever source."""
        counts = self.totals
        reached = (counts["deeds"] >= self.limits["foreign_records"]) | (
            counts["writes"] >= self.limits["foreign_writes"]
        )
        return sorted(counts.loc[reached, "account"].unique())

    def exceed(self, new: pd.DataFrame, *, strange: pd.DataFrame) -> list[str]:
        """Accounts with enough records new to them.

        Parameters
        ----------
        new
            `account`, `channel`, and records new to the account: `shown`, `written`, `touched`.
        strange
            `account`, `channel`, and `strange_deeds` from sources new to the account.
        """
        rows = self.totals[_PLACE].join(self.limits).merge(new, on=_PLACE).merge(strange, on=_PLACE, how="left")
        strangers = rows[["strange_deeds", "touched"]].min(axis=1)
        found = (
            (rows["shown"] >= rows["foreign_records"])
            | (rows["written"] >= rows["foreign_writes"])
            | (strangers >= rows[list(STRANGE)].min(axis=1))
        )
        after_reset = strange.loc[strange["strange_deeds"] >= RESET_USES, "account"]
        return sorted({*rows.loc[found, "account"], *after_reset})

    def from_new_source(self, past: Timeline, day: date) -> pd.DataFrame:
        """What accounts did from a network or an agent that they did not use in the past, where it may be enough.

        Returns
        -------
        pd.DataFrame
            `account`, `channel`, `strange_deeds`.
        """
        accounts = self.by_source()
        sources = as_table(self.sums[self.sums["account"].isin(accounts)], (*_PLACE, "ip", "user_agent", "deeds"))
        used = past.before(
            ACCOUNT_SOURCES, day, only=lambda rows: used_at_all(rows.semi_join(named(accounts), "account"))
        )
        known = with_network(used.select("account", "ip", "user_agent").distinct()).to_pandas()
        now = with_network(sources).to_pandas()
        is_new = pd.Series(False, index=now.index)
        for column in ("network", "agent"):
            keys = [pd.MultiIndex.from_frame(rows[["account", column]]) for rows in (now, known)]
            is_new |= now[column].notna() & ~keys[0].isin(keys[1])
        found = now[is_new].groupby(_PLACE)["deeds"].sum().rename("strange_deeds").reset_index()
        enough = found.merge(self.totals[_PLACE].join(self._least), on=_PLACE)
        chosen: pd.DataFrame = enough.loc[enough["strange_deeds"] >= enough["least"], [*_PLACE, "strange_deeds"]]
        return chosen


def new_to_them(events: ir.Table, own: ir.Table) -> pd.DataFrame:
    """Records of the day that the accounts did not touch in the past, by account and channel."""
    shown = (_.action == "lookup") & (_.outcome == "success")
    written = _.action.isin(WRITES) & (_.outcome == "success")
    deeds = events.filter(_.record.notnull()).mutate(
        channel=_.channel.fill_null("portal"), shown=shown, written=written
    )
    touched = deeds.filter(_.shown | _.written).group_by([*_PLACE, "record"])
    each = touched.aggregate(shown=_.shown.max(), written=_.written.max())
    known = own.filter((own.lookups > 0) | (own.writes > 0)).select("account", "record").distinct()
    new = each.anti_join(known, ["account", "record"])
    found: pd.DataFrame = (
        new.group_by(_PLACE).aggregate(shown=_.shown.sum(), written=_.written.sum(), touched=_.count()).to_pandas()
    )
    return found
