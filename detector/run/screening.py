"""Whom early warning or a check could tell of at all: bounds that no count exceeds, cheap enough for everybody.

A run looks at few accounts closely. Whoever is left out here is below every limit whatever a closer look would find:
foreign records are new ones, new ones were touched, and strangers were touched from a source new to the account.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from detector.aggregates import WRITES
from detector.alerts import EXPOSED_TIERS
from detector.checks import CHECKS, RESET_USES, TOOL_USES, VOLUME_TIERS
from detector.early import WATCHED
from detector.novelty import TOOL_AGENT, numbered, used_at_all, with_network
from detector.run.narrowing import TOUCH, named
from detector.run.sums import BOUNDED_BY, COUNTS, as_table
from detector.schema import ACCOUNT_SOURCES
from detector.timeline import Timeline

BOUNDED_CHECKS = ("volume_tier", "canary_record", "reset_then_bulk", "tool_agent")
STRANGE = tuple(signal for signal, count in BOUNDED_BY.items() if count == "strange_deeds")
GROWTH = 1.25
"""Whoever was told of is looked at again once it did a quarter more, since that costs a reading of four weeks."""
TIERS = tuple(least for least, _severity in (*EXPOSED_TIERS, *VOLUME_TIERS))
BOUNDED_SIGNALS = tuple(BOUNDED_BY)
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

    Attributes
    ----------
    sums
        The same, with what looks found since.
    n_looked
        Accounts that were looked at closely.
    waiting
        Accounts that are to be looked at by the next run.
    """

    def __init__(self, sums: pd.DataFrame, limits: pd.DataFrame, *, checks: Sequence[str]) -> None:
        # Of newcomers and of known accounts the lower limit, for a bound need not know which one it is.
        lowest = limits.groupby(level="channel").min() if len(limits) else limits
        self._lowest = lowest.reindex(columns=list(BOUNDED_SIGNALS))
        of_events = {check.name for check in CHECKS if check.of_events}
        self.is_bounded = set(checks) <= {*BOUNDED_CHECKS, *of_events} and set(WATCHED) <= set(BOUNDED_SIGNALS)
        self.n_looked = 0
        self.waiting: tuple[str, ...] = ()
        self._take(sums.reset_index(drop=True))

    def _take(self, sums: pd.DataFrame) -> None:
        self.sums = sums
        deeds = sums["lookups"] + sums["writes"]
        rows = sums.assign(deeds=deeds, strange_deeds=deeds.where(sums["is_strange"].eq(True), 0))
        names = [*COUNTS, "deeds", "strange_deeds", *BOUNDED_SIGNALS, "looked"]
        self.totals = rows.groupby(_PLACE)[names].sum().reset_index()
        self.limits = self._lowest.reindex(self.totals["channel"]).fillna(np.inf).set_index(self.totals.index)
        self.bounds = pd.DataFrame(
            {signal: self.totals[count] - self.totals[signal] for signal, count in BOUNDED_BY.items()}
        )

    def certain(self) -> list[str]:
        """Accounts that a closer look is due to, whatever their past."""
        if not self.is_bounded:
            return sorted(self.totals["account"].unique())
        deeds = self.sums["lookups"] + self.sums["writes"]
        on_portal = self.sums["channel"] == "portal"
        tools = [agent for agent in self.sums["user_agent"].dropna().unique() if re.search(TOOL_AGENT, agent)]
        is_tool = on_portal & self.sums["user_agent"].isin(tools)
        by_tool = deeds[is_tool].groupby(self.sums["account"]).sum()
        by_account = self.totals.groupby("account")[["lookups", "canaries", "strange_deeds"]].sum()
        is_due = (
            (by_account["lookups"] >= min(tier for tier, _severity in VOLUME_TIERS))
            | (by_account["canaries"] > 0)
            | (by_account["strange_deeds"] >= RESET_USES)
        )
        return sorted({*by_account.index[is_due], *by_tool.index[by_tool >= TOOL_USES], *self._reach(["vain_lookups"])})

    def doubtful(self) -> list[str]:
        """Accounts of which nothing tells yet that they are below every limit."""
        return self._reach(list(BOUNDED_SIGNALS))

    def settled(self, told: Mapping[str, int]) -> set[str]:
        """Accounts told of on the day that did hardly more since they were looked at, and cannot have reached a tier.

        Parameters
        ----------
        told
            Records exposed by then, by account.
        """
        found = set()
        sums = self.totals.groupby("account")[["deeds", "looked"]].sum()
        for account, done, looked in sums[sums.index.isin(list(told))].itertuples():
            records = told[account]
            reaches = any(records < least <= records + done - looked for least in TIERS)
            if looked and done < GROWTH * looked and not reaches:
                found.add(account)
        return found

    def most_urgent(self, accounts: Collection[str], *, first: Collection[str], most: int) -> list[str]:
        """Those of the accounts that are looked at now; the others wait.

        Parameters
        ----------
        accounts
            To whom a closer look is due.
        first
            Whom a check told of: they come first, and then those furthest beyond a limit, as many times it.
        most
            How many are looked at.
        """
        beyond = (self.bounds / self.limits).max(axis=1).groupby(self.totals["account"]).max()
        ranked = sorted(accounts, key=lambda account: (account not in first, -beyond.get(account, 0.0), account))
        self.waiting = tuple(sorted(ranked[most:]))
        return sorted(ranked[:most])

    def with_canaries(self) -> set[str]:
        """Accounts that touched a canary."""
        return set(self.totals.loc[self.totals["canaries"] > 0, "account"])

    def note_looked(self, accounts: Sequence[str]) -> None:
        """Remember how much accounts had done when they were looked at closely."""
        sums, done = self.sums.copy(), self.totals.groupby("account")["deeds"].sum()
        theirs = sums["account"].isin(list(accounts))
        first = theirs & ~sums.duplicated("account")
        sums.loc[theirs, "looked"] = 0
        sums.loc[first, "looked"] = sums.loc[first, "account"].map(done).astype("int64")
        self._take(sums)
        self.n_looked = len(accounts)

    def _reach(self, signals: list[str]) -> list[str]:
        reached = (self.bounds[signals] >= self.limits[signals]).any(axis=1)
        return sorted(self.totals.loc[reached, "account"].unique())

    def tell_sources(self, past: Timeline, day: date) -> None:
        """Find out from which sources accounts did something that they did not use in the past.

        A network or an agent, where it may be enough. Each source is asked for once.
        """
        sums = self.sums
        least = self.limits[list(STRANGE)].min(axis=1)
        total = self.totals.groupby("account")["deeds"].transform("sum")
        enough = self.totals.loc[(self.totals["deeds"] >= least) | (total >= RESET_USES), "account"].unique()
        asked = sums[sums["is_strange"].isna() & sums["account"].isin(enough)]
        if asked.empty:
            return
        accounts = asked["account"].unique().tolist()
        used = past.before(
            ACCOUNT_SOURCES, day, only=lambda rows: used_at_all(rows.semi_join(named(accounts), "account"))
        )
        known = with_network(used.select("account", "ip", "user_agent").distinct()).to_pandas()
        # The rows are put back by their number: nothing says in which order they come.
        numbered = as_table(asked.assign(number=asked.index), ("number", "account", "ip", "user_agent"))
        now = with_network(numbered).to_pandas().set_index("number")
        is_new = pd.Series(False, index=now.index)
        for column in ("network", "agent"):
            keys = [pd.MultiIndex.from_frame(rows[["account", column]]) for rows in (now, known)]
            is_new |= now[column].notna() & ~keys[0].isin(keys[1])
        told = sums["is_strange"].astype(object)
        told[is_new.index] = is_new.astype(object)
        self._take(sums.assign(is_strange=told))

    def spare_known(self, accounts: Sequence[str], new: pd.DataFrame) -> None:
        """Take what accounts know from what bounds their signals.

        Parameters
        ----------
        accounts
            Whose records were looked at.
        new
            `account`, `channel`, and records new to the account: `shown`, `written`, `touched`.
        """
        theirs = self.totals.loc[self.totals["account"].isin(accounts), _PLACE]
        counts = theirs.merge(new, on=_PLACE, how="left").fillna({"shown": 0, "written": 0, "touched": 0})
        bounded = {
            "touched": ("far_excess", "lone_strangers", "lone_odd_strangers"),
            "written": ("foreign_writes", "lone_writes"),
        }
        bounds = {signal: counts[name] for name, signals in bounded.items() for signal in signals}
        self.spare(counts[_PLACE].assign(foreign_records=counts["shown"], **bounds))

    def spare(self, found: pd.DataFrame) -> None:
        """Take from what bounds the signals of accounts all that a look did not find.

        Parameters
        ----------
        found
            `account`, `channel`, and for some signals what bounds them now; null where it could not be told.
        """
        names = [name for name in BOUNDED_SIGNALS if name in found.columns]
        counted = self.totals[_PLACE].merge(found[[*_PLACE, *names]], on=_PLACE, how="left")
        spared = (self.bounds[names] - np.fmin(counted[names].astype("float64"), self.bounds[names])).astype("int64")
        sums = self.sums.copy()
        first = ~sums.duplicated(_PLACE)
        place = sums.groupby(_PLACE).ngroup()[first]
        sums.loc[first, names] += spared.loc[place].to_numpy()
        self._take(sums)


def new_to_them(events: ir.Table, own: ir.Table) -> pd.DataFrame:
    """Records of the day that the accounts did not touch in the past (`own_touches`), by account and channel.

    Among those touched are the ones looked up in vain: strangers too.
    """
    shown = (_.action == "lookup") & (_.outcome == "success")
    written = _.action.isin(WRITES) & (_.outcome == "success")
    deeds = events.filter(_.record.notnull()).mutate(
        channel=_.channel.fill_null("portal"), shown=shown, written=written
    )
    touched = deeds.filter((_.action == "lookup") | _.written).group_by([*_PLACE, "record"])
    each = numbered(touched.aggregate(shown=_.shown.max(), written=_.written.max()))
    new = each.anti_join(own, TOUCH)
    found: pd.DataFrame = (
        new.group_by(_PLACE).aggregate(shown=_.shown.sum(), written=_.written.sum(), touched=_.count()).to_pandas()
    )
    return found
