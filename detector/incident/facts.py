"""What an inquiry comes to: accounts, addresses, records, a timeline."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from detector.incident.attribution import SIGNS
from detector.incident.ground import OPENS_DOORS, TOUCHES
from detector.incident.inquiry import NETWORK_ACCOUNTS, Inquiry, shared_networks
from detector.joins import attach, to_frame

DOOR_WITHIN = timedelta(hours=72)
"""A reset as long before the first malicious look-up opened the door."""
AT_THE_SAME_TIME = timedelta(minutes=30)
EXAMPLES = 10
INTERNAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
TIED, POSSIBLE = "tied", "possible"


def tagged(inquiry: Inquiry) -> ir.Table:
    """The accounts' events of the window, with `tied`."""
    units = inquiry.attributed.units
    marks = ibis.memtable(units[["unit", "tied"]])
    window = inquiry.mine.filter(_.day.between(inquiry.start, inquiry.end))
    return attach(window, marks, "unit").mutate(tied=_.tied.fill_null(False))


def records_of(events: ir.Table) -> pd.DataFrame:
    """One row per account and record that it was shown, saved or wrote to in the window.

    Returns
    -------
    pd.DataFrame
        account, record; `bound`: tied (the evidence ties it to the attack) or possible; first_at, last_at, queries,
        n_shown (persons in the largest answer), services, saved, written: of the tied events where there are any.
    """
    touched = events.filter(_.record.notnull() & _.success & _.action.isin(TOUCHES))
    best = touched.mutate(is_tied=touched.tied.max().over(ibis.window(group_by=["account", "record"])))
    counted = best.filter(best.tied == best.is_tied)
    rows = counted.group_by(["account", "record"]).aggregate(
        tied=_.tied.max(),
        first_at=_.timestamp.min(),
        last_at=_.timestamp.max(),
        queries=(_.action == "lookup").cast("int64").sum(),
        n_shown=ibis.ifelse(_.action == "lookup", _.n_records.fill_null(1), 1).max(),
        services=_.service.fill_null("").collect(distinct=True),
        saved=(_.action == "export").max(),
        written=(_.action == "write").max(),
    )
    found = to_frame(rows.mutate(services=ibis.literal("+").join(rows.services.sort())))
    found = found.assign(bound=found["tied"].map({True: TIED, False: POSSIBLE})).drop(columns="tied")
    return found.sort_values(["account", "record"], ignore_index=True)


def answered(events: ir.Table) -> pd.DataFrame:
    """Successful look-ups: account, day, ip, tied, lookups. A dossier counts no others: failed ones showed nobody."""
    done = events.filter((_.action == "lookup") & _.success)
    found = to_frame(done.group_by(["account", "day", "ip", "tied"]).aggregate(lookups=_.count()))
    return found.assign(day=pd.to_datetime(found["day"]).dt.date)


def accounts_of(inquiry: Inquiry, events: ir.Table, records: pd.DataFrame, lookups: pd.DataFrame) -> pd.DataFrame:
    """One row per account: to reset, why, when, how the door was opened, and whether the owner worked meanwhile.

    Parameters
    ----------
    inquiry, events, records
        What was found; its tagged events; the records of these.
    lookups
        As `answered` tells them.
    """
    units = inquiry.attributed.units
    asked = lookups.groupby("account")["lookups"].sum()
    asked_tied = lookups[lookups["tied"]].groupby("account")["lookups"].sum()
    doors = _doors(inquiry, events)
    lower = records[records["bound"] == TIED].groupby("account")["record"].nunique()
    upper = records.groupby("account")["record"].nunique()
    professions = to_frame(inquiry.mine.group_by("account").aggregate(profession=_.profession.max()))
    known = professions.set_index("account")["profession"]
    rows = []
    for account in inquiry.accounts:
        own = units[units["account"] == account]
        tied = own[own["tied"]]
        rows.append(
            {
                "account": account,
                "profession": known.get(account),
                "origin": "found" if account in inquiry.found else "asked",
                "signs": [name for name in SIGNS if any(name in signs for signs in tied["signs"])],
                "first_at": tied["first_at"].min(),
                "last_at": tied["last_at"].max(),
                "lookups_tied": int(asked_tied.get(account, 0)),
                "lookups_window": int(asked.get(account, 0)),
                "records_tied": int(lower.get(account, 0)),
                "records_window": int(upper.get(account, 0)),
                "addresses": int(tied["ip"].nunique()),
                "owner_active": _owner_active(own, tied),
                **doors.get(account, {"door": "unknown" if tied.empty else "none", "door_at": pd.NaT, "door_ip": None}),
            }
        )
    return pd.DataFrame(rows).sort_values(["first_at", "account"], na_position="last", ignore_index=True)


def _owner_active(own: pd.DataFrame, tied: pd.DataFrame) -> str:
    """Whether there is other activity: at the same time, on the same days, or not at all; unknown without an attack."""
    if tied.empty:
        return "unknown"
    others = own[~own["tied"] & (own["lookups"] + own["logins"] + own["records"] > 0)]
    for start, end in zip(tied["first_at"] - AT_THE_SAME_TIME, tied["last_at"] + AT_THE_SAME_TIME, strict=True):
        if ((others["first_at"] <= end) & (others["last_at"] >= start)).any():
            return "same_time"
    return "same_days" if others["day"].isin(set(tied["day"])).any() else "no"


def _doors(inquiry: Inquiry, events: ir.Table) -> dict[str, dict[str, Any]]:
    """What let the attacker in, where something is tied: a change within three days before, else his first sign-in."""
    begun = to_frame(
        events.filter(_.tied & _.action.isin(TOUCHES)).group_by("account").aggregate(begun_at=_.timestamp.min())
    )
    asked = inquiry.mine.filter(_.success & _.action.isin((*OPENS_DOORS, "login")))
    marks = ibis.memtable(inquiry.attributed.units[["unit", "tied"]])
    tries = to_frame(attach(asked, marks, "unit").select("account", "action", "timestamp", "ip", "tied"))
    tries = tries.merge(begun, on="account")
    tries = tries[tries["timestamp"] <= tries["begun_at"]].sort_values("timestamp")
    found = {}
    for account, rows in tries.groupby("account"):
        changes = rows[rows["action"].isin(OPENS_DOORS) & (rows["begun_at"] - rows["timestamp"] <= DOOR_WITHIN)]
        sign_ins = rows[(rows["action"] == "login") & rows["tied"].map(lambda value: value is True or value == 1)]
        chosen = changes.tail(1) if len(changes) else sign_ins.head(1)
        if len(chosen):
            row = chosen.iloc[0]
            found[str(account)] = {"door": row["action"], "door_at": row["timestamp"], "door_ip": row["ip"]}
    return found


def addresses_of(inquiry: Inquiry, *, found_earlier: Collection[str] = ()) -> pd.DataFrame:
    """One row per address that is tied to the attack, with who else uses it, and whether it may be blocked.

    Of accounts to which nothing is tied, the addresses in the window stand as well, none of them to be blocked.

    Parameters
    ----------
    inquiry
        What was found.
    found_earlier
        Accounts that are part of the incident by what they did on earlier days.

    Returns
    -------
    pd.DataFrame
        ip, network, first_at, last_at, lookups, accounts; others (accounts outside the incident that use the address),
        examples of them, others_network; `decision`: block, or keep (do not block); `reason`: a name in `REASONS`.
    """
    units = inquiry.attributed.units
    is_tied = units["tied"] & units["ip"].notna()
    attack = set(units.loc[is_tied, "ip"])
    is_open = ~units["account"].isin(set(units.loc[is_tied, "account"])) & (units["day"] <= inquiry.end)
    grouped = (
        units[is_tied | (is_open & units["ip"].notna() & ~units["ip"].isin(attack))]
        .groupby("ip")
        .agg(
            network=("network", "max"),
            first_at=("first_at", "min"),
            last_at=("last_at", "max"),
            lookups=("lookups", "sum"),
            accounts=("account", "nunique"),
        )
    )
    incident = [*inquiry.accounts, *found_earlier]
    others = inquiry.users[~inquiry.users["account"].isin(incident)]
    same = others.groupby("ip")["account"].agg(lambda found: sorted(set(found)))
    near = others.groupby("network")["account"].nunique()
    owners = set(units.loc[~units["tied"] & (units["records"] > 0), "ip"].dropna())
    shared = shared_networks(inquiry.users, incident)
    rows = []
    for row in grouped.reset_index().to_dict("records"):
        users = same.get(row["ip"], [])
        tied = row["ip"] in attack
        reason = _reason(row, users, owners=owners, shared=shared) if tied else "nothing_tied"
        rows.append(
            {
                **row,
                "others": len(users),
                "examples": list(users[:EXAMPLES]),
                "others_network": int(near.get(row["network"], 0)),
                "decision": "block" if reason == "alone" else "keep",
                "reason": reason,
            }
        )
    columns = [*grouped.reset_index().columns, "others", "examples", "others_network", "decision", "reason"]
    return pd.DataFrame(rows, columns=columns).sort_values(["first_at", "ip"], ignore_index=True)


def with_answered(addresses: pd.DataFrame, lookups: pd.DataFrame) -> pd.DataFrame:
    """The addresses with their successful look-ups: the tied ones, or all where nothing is tied to the address."""
    open_ones = set(addresses.loc[addresses["reason"] == "nothing_tied", "ip"])
    counted = lookups[lookups["tied"] | lookups["ip"].isin(open_ones)].groupby("ip")["lookups"].sum()
    return addresses.assign(lookups=addresses["ip"].map(counted).fillna(0).astype("int64"))


def rare_addresses(addresses: pd.DataFrame) -> list[str]:
    """Of the attack's addresses, those that hardly anybody else uses: who came from them before is worth a look."""
    own = addresses["reason"].isin(["alone", "others"]) & (addresses["others"] < NETWORK_ACCOUNTS)
    return list(addresses.loc[own, "ip"])


REASONS: dict[str, tuple[str, str]] = {
    "alone": ("no other account uses it", "aucun autre compte ne l'utilise"),
    "others": ("other accounts use it", "d'autres comptes l'utilisent"),
    "network": (
        f"{NETWORK_ACCOUNTS} or more other accounts come from its network (hospital, carrier)",
        f"{NETWORK_ACCOUNTS} autres comptes ou plus viennent de son réseau (hôpital, opérateur)",
    ),
    "owner": ("the owner of an account works from it", "le titulaire d'un compte travaille depuis cette adresse"),
    "untied": ("nothing ties it to the attack without the dumps", "rien ne la rattache à l'attaque sans les journaux"),
    "nothing_tied": (
        "nothing that was done from it is tied to the attack",
        "rien de ce qui en a été fait n'est rattaché à l'attaque",
    ),
    "internal": ("an internal address", "une adresse interne"),
    "unreadable": ("not an address", "pas une adresse"),
}


def _reason(row: Mapping[Any, Any], users: Sequence[str], *, owners: set[str], shared: frozenset[str]) -> str:
    try:
        address = ipaddress.ip_address(row["ip"])
    except ValueError:
        return "unreadable"
    if any(address in network for network in INTERNAL if network.version == address.version):
        return "internal"
    if users:
        return "others"
    if row["network"] in shared:
        return "network"
    return "owner" if row["ip"] in owners else "alone"


DEEDS: dict[str, tuple[str, str]] = {
    "password_reset": ("password reset", "réinitialisation du mot de passe"),
    "account_change": ("change of the account's details", "modification des coordonnées du compte"),
    "delegation": ("delegation created", "création d'une délégation"),
    "login": ("sign-in", "connexion"),
    "none": (
        "no sign-in logged (a stolen session, perhaps)",
        "aucune connexion journalisée (session volée, peut-être)",
    ),
    "begins": ("first malicious look-up", "première consultation malveillante"),
    "day": ("malicious look-ups of the day", "consultations malveillantes du jour"),
    "ends": ("last malicious look-up", "dernière consultation malveillante"),
}


def timeline_of(inquiry: Inquiry, accounts: pd.DataFrame, lookups: pd.DataFrame) -> pd.DataFrame:
    """What happened, in order: at, account, deed (a name in `DEEDS`), ip, lookups (successful ones)."""
    units = inquiry.attributed.units
    tied = units[units["tied"]]
    by_day = lookups[lookups["tied"]].groupby(["account", "day"])["lookups"].sum()
    rows: list[dict[str, Any]] = []
    for row in accounts.to_dict("records"):
        if row["door"] in DEEDS and row["door"] != "none":
            rows.append({"at": row["door_at"], "account": row["account"], "deed": row["door"], "ip": row["door_ip"]})
        own = tied[(tied["account"] == row["account"]) & (tied["lookups"] + tied["records"] > 0)]
        if own.empty:
            continue
        first, last = own.loc[own["first_at"].idxmin()], own.loc[own["last_at"].idxmax()]
        rows.append({"at": first["first_at"], "account": row["account"], "deed": "begins", "ip": first["ip"]})
        rows.append({"at": last["last_at"], "account": row["account"], "deed": "ends", "ip": last["ip"]})
        for day, part in own.groupby("day"):
            count = int(by_day.get((row["account"], day), 0))
            rows.append({"at": part["first_at"].min(), "account": row["account"], "deed": "day", "lookups": count})
    table = pd.DataFrame(rows, columns=["at", "account", "deed", "ip", "lookups"])
    order = table["deed"].map({name: place for place, name in enumerate(DEEDS)})
    return table.assign(order=order).sort_values(["at", "order", "account"], ignore_index=True).drop(columns="order")


def evidence_of(events: ir.Table) -> ir.Table:
    """The tokenised events that carry the numbers, without the facts about persons that nobody needs as evidence."""
    kept = (
        "timestamp", "account", "action", "outcome", "ip", "record", "n_records", "service", "channel", "auth_mode",
        "record_id_mode", "session", "user_agent", "source", "line",
    )  # fmt: skip
    return events.filter(_.tied).select(*kept).order_by(["source", "line", "timestamp", "account"])


def counts_of(records: pd.DataFrame, events: ir.Table) -> dict[str, int]:
    """Persons and queries, at least (tied) and at most (the window)."""
    looked = events.filter((_.action == "lookup") & _.success)
    sums = looked.aggregate(tied=_.tied.cast("int64").sum(), window=_.count()).to_pyarrow().to_pylist()[0]
    lower = records[records["bound"] == TIED]
    return {
        "records_lower": int(lower["record"].nunique()),
        "records_upper": int(records["record"].nunique()),
        "queries_lower": int(sums["tied"] or 0),
        "queries_upper": int(sums["window"]),
        "dependants_lower": _dependants(lower),
        "dependants_upper": _dependants(records),
        "saved_lower": int(lower.loc[lower["saved"], "record"].nunique()),
        "written_lower": int(lower.loc[lower["written"], "record"].nunique()),
    }


def _dependants(records: pd.DataFrame) -> int:
    """Other persons that the answers showed beside the one asked for; nothing says who they are."""
    most = records.groupby("record")["n_shown"].max()
    return int((most - 1).clip(lower=0).sum())
