"""The page that states every benign trait and every attack with its parameters, made from the declarations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel

from detector.simulate import accounts, activity, calendar, geography, machines, portal, professions, sessions, visits
from detector.simulate.presets import DEMO_ATTACKS, PRESETS
from detector.simulate.scenarios import SCENARIOS, Scenario
from detector.simulate.settings import Attack, Traits, World

_HEAD = """\
# Simulated portals

Made from the declarations in `detector/simulate/` by `make docs`.

`detector simulate OUT` writes a portal's logs, and apart from them the truth. The rates of honest life are estimates that
follow public figures where there are any; they describe no real portal. Addresses are of ranges that nobody has on the
public network, and social-security numbers have the serial 000 with a correct key, which no living person has. So nothing
in a simulated log points at anybody.

The same seed gives the same bytes, whatever the number of workers. Honest life is made first and never depends on the
attacks: without the rows that `truth/events.parquet` lists, an attacked world is the honest world of the same seed, row
for row. What honest life comes to is measured in [marginals](marginals.md).

## Files

| file | content |
| --- | --- |
| `events/DAY.parquet` | canonical events of one day of the portal's zone, in the order of time |
| `csv/DAY.csv` | the same rows, in the same order |
| `logs/access`, `logs/keycloak`, `logs/trace` | the same days as an access log behind a proxy, the console of the identity provider, and the application's trace; `logs/NAME.toml` reads each, `logs/detector.toml` all three |
| `mapping.toml` | whether records are social-security numbers or tokens |
| `world.json` | all settings, the seed, the days on which something happens to everybody; written last |
| `truth/events.parquet` | one row per malicious event: file, row, time, day, scenario, campaign, account, record, action |
| `truth/campaigns.parquet` | one row per campaign: scenario, accounts, first and last event |
| `truth/accounts.parquet` | one row per account: who it is, and its benign traits |
| `truth/benign_kinds.parquet` | one row per account, day and kind of honest oddity |
"""  # noqa: E501 - a table's row is one line


def scenarios_page() -> str:
    """Return the page as Markdown."""
    parts = (_HEAD, _world(), _professions(), _traits(), _life(), _attacks(), _parameters(), _presets())
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |", *lines, ""])


def _settings(model: type[BaseModel], *, without: Iterable[str] = ()) -> str:
    fields = {name: field for name, field in model.model_fields.items() if name not in without}
    return _table(
        ("parameter", "default", "meaning"),
        ((f"`{name}`", "" if f.is_required() else f"`{f.default}`", f.description or "") for name, f in fields.items()),
    )


def _world() -> str:
    return "## The world\n\n" + _settings(World, without=("traits", "attacks"))


def _professions() -> str:
    head = (
        "profession",
        "per 4,000",
        "typed look-ups per active day (median, p95, p99)",
        "active share",
        "hours",
        "look-ups by card per typed one",
        "writes per active day",
        "walk-ins",
        "from afar",
        "staff",
        "with software",
    )
    rows = (
        (
            p.name.replace("_", " ") + (" (desk)" if p.desk else ""),
            p.per_4000,
            " / ".join(f"{x:g}" for x in p.lookups),
            p.active_share,
            p.hours,
            p.card_ratio,
            f"{p.writes_per_day} {p.write_service.replace('_', ' ')}" if p.writes_per_day else "none",
            p.walk_in_share,
            p.far_share,
            p.delegates,
            p.software_share,
        )
        for p in professions.PROFESSIONS
    )
    note = (
        "A desk is a shared account: several people and machines, sessions that overlap. The active share is that\n"
        "of an average day of an account that is in business. Counts are negative binomial around its own level.\n"
    )
    return "## Professions\n\n" + _table(head, rows) + "\n" + note


def _traits() -> str:
    return "## Shares of the benign traits\n\n" + _settings(Traits)


def _life() -> str:
    return "## Honest life\n\n" + _table(("what", "how", "kind in the truth"), LIFE)


LIFE = (
    (
        "volumes",
        (
            "an account's level is lognormal and lasts; weeks differ by a factor with a log standard "
            f"deviation of {professions.WEEK_SIGMA}, and neighbouring weeks are alike; days are negative "
            "binomial"
        ),
        "",
    ),
    (
        "panels",
        (
            f"people enter an account's panel, come back for weeks and leave; {portal.REOPENED:.0%} of "
            "look-ups open again what was just seen; walk-ins come besides"
        ),
        "",
    ),
    (
        "geography",
        (
            f"people live in communes of departments; {visits.OWN_COMMUNE:.0%} of an account's people are of "
            f"its own commune, {visits.NEXT_COMMUNE - visits.OWN_COMMUNE:.0%} of the next ones, the rest of "
            "the department, some of anywhere; a few people make most visits, so neighbours share them; one "
            f"person in {geography.MOVED_ONE_IN} was born in another department"
        ),
        "",
    ),
    (
        "week",
        (
            "Monday to Sunday: "
            + ", ".join(f"{share:.1%}" for share in calendar.WEEK)
            + " of the work; accounts have closing days of their own, some close at noon"
        ),
        "",
    ),
    (
        "holidays",
        (
            f"{calendar.HOLIDAY_FACTOR:.0%} of the work on a public holiday, {calendar.BRIDGE_FACTOR:.0%} on "
            f"a bridging day, {calendar.CATCH_UP_FACTOR:.0%} on the working day after; "
            f"{activity.HOLIDAY_FORTNIGHTS:.0%} of account-fortnights are an owner's own holidays"
        ),
        "catch_up_day",
    ),
    (
        "vaccination campaign",
        (f"one day on which everybody does {calendar.CAMPAIGN_FACTOR:g} times as much, for more walk-ins"),
        "vaccination_day",
    ),
    (
        "duty",
        (
            f"each pharmacy has its turn every so many days: {sessions.DUTY_SHARE:.0%} of its sessions then "
            "are in the evening and at night, Sundays included"
        ),
        "duty_night",
    ),
    (
        "overseas",
        f"departments {', '.join(geography.ZONES)} live by their own clocks: day there is night in Paris",
        "",
    ),
    (
        "screening",
        (
            f"{activity.SCREENING_RECORDS[0]} to {activity.SCREENING_RECORDS[1] - 1} people in a day, "
            f"{activity.SCREENS_AREA:.0%} of the time of the whole area, else of the old files"
        ),
        "screening_day",
    ),
    (
        "new accounts and owners",
        (
            f"{activity.FIRST_DAYS_FACTOR:g} times as busy for {activity.FIRST_DAYS} days; a new owner has "
            "another panel, other machines and another address"
        ),
        "new_account, takeover",
    ),
    (
        "dormant accounts",
        ("some were seen in the first days, some wake, some never did anything"),
        "dormant_return",
    ),
    (
        "locums",
        ("one to three weeks with another person, address, browser and pace"),
        "locum",
    ),
    (
        "staff",
        (f"in {sessions.DELEGATE_SHARE:.0%} of the sessions of accounts with staff, staff acts for the account"),
        "",
    ),
    (
        "addresses",
        (
            f"home addresses last {accounts.RENEWAL_DAYS[0]} to {accounts.RENEWAL_DAYS[1]} days, IPv6 ones a "
            "day; hospital proxies, carriers' addresses and a vendor's VPN are shared by many"
        ),
        "",
    ),
    (
        "browsers",
        (
            f"a version every {calendar.RELEASE_EVERY_DAYS} days, taken within the week by most, hardly ever "
            "by some; second machines and phones"
        ),
        "browser_update",
    ),
    (
        "signing in",
        (
            f"password, card, staff card, phone, federation; {sessions.OTHER_MODE_SHARE:.0%} of sessions in "
            f"another way than usual; sessions of at most {sessions.LONGEST_S / 3600:.0f} h; failed tries, "
            "forgotten passwords, noise that names nobody"
        ),
        "",
    ),
    (
        "resets",
        (f"more often from another machine; one wave of forced resets, taken within {sessions.FORCED_RESET_DAYS} days"),
        "forced_reset",
    ),
    (
        "software",
        (
            "a nightly batch at a fixed minute, or calls all day long, on its own channel; the first batch "
            f"is {machines.FIRST_BATCH_FACTOR:g} times a usual one, {machines.FIRST_BATCH_AREA:.0%} of it "
            "people of the area"
        ),
        "first_robot",
    ),
    (
        "accountants' robots",
        (
            "sign in with the account's password from a data centre, daily or weekly, read payments, and "
            "look up hardly anybody"
        ),
        "",
    ),
    (
        "look-ups",
        (
            f"by card, typed, or {portal.TRAITS_SHARE:.0%} by name and birth date; an answer shows "
            "dependants too; a few are downloaded"
        ),
        "",
    ),
)
"""What honest life consists of, how, and which kind of day the truth calls it; numbers come from the code."""


def _attacks() -> str:
    intro = (
        "## Attacks\n\nEach is one declaration; every parameter can be changed: `--attack S1`, or\n"
        "`--attack S1:accounts=3,records=1300,hours=2,day=-1,targets=local`. No account falls victim to two attacks.\n"
    )
    return "\n".join([intro, *(_attack(scenario) for scenario in SCENARIOS)])


def _attack(scenario: Scenario) -> str:
    given = scenario.attack.model_dump(exclude={"scenario"}, exclude_defaults=True)
    stated = ("accounts", "records", "hours")
    values = {name: getattr(scenario.attack, name) for name in stated} | given
    parameters = ", ".join(f"`{name}={value}`" for name, value in values.items())
    return f"### {scenario.name}: {scenario.title}\n\n{scenario.story}\n\n{parameters}\n"


def _parameters() -> str:
    return "## Parameters of an attack\n\n" + _settings(Attack, without=("scenario",))


def _presets() -> str:
    rows = ((f"`{name}`", f"{w.accounts:,}", w.days, w.start, len(w.attacks)) for name, w in PRESETS.items())
    sizes = _table(("preset", "accounts", "days", "first day", "attacks"), rows)
    demo = "; ".join(
        f"{a.scenario}: {a.accounts} account(s), {a.records:,} records a day on {a.days} day(s)" for a in DEMO_ATTACKS
    )
    return f"## Presets\n\n{sizes}\nThe demo's attacks: {demo}.\n"
