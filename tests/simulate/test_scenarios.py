"""Each attack does what its declaration says, and nothing else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from detector.errors import ConfigError
from detector.schema import ACTIONS
from detector.simulate import SCENARIOS, Attack, Scenario, World, make_attack, parse_attack, quality_world
from detector.simulate import events as ev
from detector.simulate.events import pick
from detector.simulate.geography import commune_of, exists, nir_numbers
from detector.simulate.writing import Story, attacked_day, tell_story

ACCOUNTS, DAYS = 600, 40
DONE = {"lookup": ev.LOOKUP, "write": ev.WRITE, "export": ev.EXPORT}


def story_of(attack: Attack) -> Story:
    """Return the story of a world with one attack."""
    return tell_story(World(accounts=ACCOUNTS, days=DAYS, seed=5, attacks=(attack,)))


def frames(story: Story) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return malicious and honest events of the attacked days."""
    attack = story.plans[0].attack
    first = story.world.index(attack.first_day)
    parts = []
    for index in range(first, first + attack.days):
        events, campaign = attacked_day(story, index=index)
        frame = pd.DataFrame(events._asdict())
        parts.append(frame.assign(malicious=campaign >= 0, day=index))
    every = pd.concat(parts, ignore_index=True)
    return every[every["malicious"]], every[~every["malicious"]]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_declared(scenario: Scenario) -> None:
    """Every victim loses the declared number of records every day, by the declared action, channel and service."""
    attack = scenario.attack.model_copy(update={"spread": 0.0, "accounts": min(scenario.attack.accounts, 4)})
    attack = attack.model_copy(update={"eligible": "anyone"} if attack.eligible == "phone" else {})
    story = story_of(attack)
    malicious, _ = frames(story)
    done = malicious[malicious["action"] == (ev.WRITE if attack.action == "write" else ev.LOOKUP)]
    counted = done.groupby(["account", "day"]).size()
    assert set(done["account"]) == set(story.plans[0].victims)
    assert len(counted) == attack.accounts * attack.days
    assert (counted == attack.records).all()
    assert set(done["channel"]) == {ev.SOFTWARE if attack.channel == "software" else ev.PORTAL}
    assert set(done["service"]) == {ev.SERVICES.index(attack.service)}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_hours(scenario: Scenario) -> None:
    """Records are taken within the declared hours of the portal's clock (a stolen session's while it lasts)."""
    attack = scenario.attack.model_copy(update={"accounts": 2, "eligible": "anyone", "prelude": "none"})
    malicious, _ = frames(story_of(attack))
    done = malicious[malicious["action"] == (ev.WRITE if attack.action == "write" else ev.LOOKUP)]
    local = pd.to_datetime(done["time_us"], unit="us", utc=True).dt.tz_convert("Europe/Paris")
    hour = local.dt.hour + local.dt.minute / 60
    assert hour.min() >= attack.start_hour
    assert hour.max() <= attack.start_hour + attack.hours + 0.26


def test_national_targets() -> None:
    """A national list holds nobody twice in the whole campaign, and few of the account's own area."""
    story = story_of(make_attack("S4", accounts=4, records=80, days=3, first_day=-3, not_found=0))
    malicious, _ = frames(story)
    done = malicious[malicious["action"] == ev.LOOKUP]
    assert not done["person"].duplicated().any()
    home = story.population.accounts.commune[done["account"]]
    assert (commune_of(story.population.geography, done["person"].to_numpy()) == home).mean() < 0.3


def test_local_targets() -> None:
    """A local list holds people of the account's department only, nobody twice."""
    story = story_of(make_attack("S1", accounts=3, records=100, targets="local", not_found=0))
    malicious, _ = frames(story)
    done = malicious[malicious["action"] == ev.LOOKUP]
    geography = story.population.geography
    lives = geography.commune_department[commune_of(geography, done["person"].to_numpy())]
    assert (lives == story.population.accounts.department[done["account"]]).all()
    assert not done.duplicated(["account", "person"]).any()


def test_enumeration() -> None:
    """Enumerated numbers rise one birth month after the other, and a good part of them belongs to nobody."""
    story = story_of(make_attack("S3", accounts=1, records=400, spread=0))
    malicious, _ = frames(story)
    done = malicious[malicious["action"] == ev.LOOKUP].sort_values("time_us")
    numbers = nir_numbers(story.population.geography, done["person"].to_numpy())[0]
    assert np.mean([a < b for a, b in pairwise(numbers.tolist())]) > 0.99
    missing = ~exists(story.population.geography, done["person"].to_numpy())
    assert ((done["outcome"] == ev.FAILURE).to_numpy() == missing).all()
    assert missing.mean() > 0.25


def test_order() -> None:
    """A sorted list is read by rising numbers, a list by commune commune after commune, another in no order."""
    rising = {}
    for order in ("sorted", "commune", "random"):
        story = story_of(make_attack("S1", accounts=1, records=200, order=order, not_found=0))
        done = frames(story)[0].query(f"action == {ev.LOOKUP}").sort_values("time_us")
        person = done["person"].to_numpy()
        geography = story.population.geography
        keys = nir_numbers(geography, person)[0] if order == "sorted" else commune_of(geography, person)
        rising[order] = float(np.mean(np.diff(keys) >= 0))
    assert rising["sorted"] == 1.0
    assert rising["commune"] == 1.0
    assert 0.3 < rising["random"] < 0.8


@pytest.mark.parametrize(
    ("name", "action", "outcome"),
    [
        ("S1", ev.RESET, ev.SUCCESS),
        ("S7", ev.DELEGATION, ev.SUCCESS),
        ("S9", ev.LOGIN, ev.FAILURE),
        ("S13", ev.LOGIN, ev.FAILURE),
        ("S14", ev.LOGIN, ev.FAILURE),
        ("S16", ev.CHANGE, ev.SUCCESS),
    ],
)
def test_prelude(name: str, action: int, outcome: int) -> None:
    """How the attacker comes in is in the log of every victim before its first record."""
    malicious, _ = frames(story_of(make_attack(name, accounts=2, eligible="anyone")))
    first = malicious[malicious["action"] == ev.LOOKUP].groupby("account")["time_us"].min()
    entry = malicious[(malicious["action"] == action) & (malicious["outcome"] == outcome)]
    assert (entry.groupby("account")["time_us"].min().reindex(first.index) < first).all()


def test_spraying() -> None:
    """A spraying fails on the declared share of the portal, and names some accounts that do not exist."""
    malicious, _ = frames(story_of(make_attack("S14", sprayed=0.5)))
    failed = malicious[(malicious["action"] == ev.LOGIN) & (malicious["outcome"] == ev.FAILURE)]
    assert 0.3 * ACCOUNTS < failed.loc[failed["account"] >= 0, "account"].nunique() <= 0.5 * ACCOUNTS + 3
    assert (failed["account"] == ev.NONE).any()
    assert failed["ip"].nunique() > 20


def test_stolen_session() -> None:
    """A stolen session has the owner's id, another address, and no sign-in of its own."""
    malicious, honest = frames(story_of(make_attack("S15", accounts=3)))
    assert not (malicious["action"] == ev.LOGIN).any()
    owned = honest.groupby("session")["account"].first()
    assert (owned.reindex(malicious["session"]).to_numpy() == malicious["account"].to_numpy()).all()
    own = set(zip(honest["session"], honest["ip"], strict=True))
    assert not own & set(zip(malicious["session"], malicious["ip"], strict=True))


def test_owner_active() -> None:
    """The owner of an account that is abused in parallel works on the first day too."""
    malicious, honest = frames(story_of(make_attack("S8", accounts=4)))
    first = honest[(honest["day"] == honest["day"].min()) & (honest["action"] == ev.LOGIN)]
    assert set(malicious["account"]) <= set(first["account"])


def test_unseen_and_dormant() -> None:
    """Created accounts have no event before; dormant ones none in the weeks before."""
    for name, since in (("S7", 0), ("S9", DAYS - 20)):
        story = story_of(make_attack(name, accounts=2, first_day=-2, days=2))
        for index in range(since, DAYS - 2, 3):
            accounts = attacked_day(story, index=index).events
            used = pick(accounts, (accounts.action != ev.LOGIN) | (accounts.outcome == ev.SUCCESS)).account
            assert not set(used.tolist()) & set(story.plans[0].victims.tolist())


def test_shared_sources() -> None:
    """Accounts in concert come from the same addresses with one browser; others from their own."""
    together, _ = frames(story_of(make_attack("S4", accounts=3, days=1, first_day=-1)))
    apart, _ = frames(story_of(make_attack("S4", accounts=3, days=1, first_day=-1, shared=False)))
    assert together.groupby("ip")["account"].nunique().max() == 3
    assert together["user_agent"].nunique() == 1
    assert apart.groupby("ip")["account"].nunique().max() == 1


def test_rotation() -> None:
    """An attacker who rotates takes another address every so many records."""
    malicious, _ = frames(story_of(make_attack("S2", accounts=1, records=100, spread=0, days=1, rotate=25)))
    assert malicious.loc[malicious["action"] == ev.LOOKUP].groupby("ip").size().tolist() == [25] * 4


def test_sessions_end() -> None:
    """No session of an attacker outlasts the portal's four hours."""
    malicious, _ = frames(story_of(make_attack("S2", accounts=2, days=1)))
    lasted = malicious[malicious["session"] > 0].groupby("session")["time_us"].agg(lambda t: t.max() - t.min())
    assert len(lasted) > 2
    assert lasted.max() <= 4 * 3600 * 1e6


def test_own_streams() -> None:
    """No account falls victim twice."""
    victims = [v for plan in tell_story(quality_world(3)).plans for v in plan.victims.tolist()]
    assert len(victims) == len(set(victims)) > 60


def test_quality_world() -> None:
    """The world for measuring plants what is asked for, within its last fourteen days, locally if asked."""
    every = quality_world(1)
    assert {attack.scenario for attack in every.attacks} == {scenario.name for scenario in SCENARIOS}
    assert all(-14 <= a.first_day <= -a.days for a in every.attacks)
    assert quality_world(1, scenarios=()).attacks == ()
    alone = quality_world(1, scenarios=("S4",), targets="local").attacks
    assert [(a.scenario, a.targets) for a in alone] == [("S4", "local")]
    assert alone[0].first_day == next(a.first_day for a in every.attacks if a.scenario == "S4")


def test_parse() -> None:
    """An attack is written as its name, with parameters of one's own after a colon."""
    assert parse_attack("s1") == make_attack("S1")
    attack = parse_attack("S1:accounts=3,records=1300, hours=2,day=-1,targets=local")
    assert parse_attack("S4:days=3").first_day == -3
    assert attack == make_attack("S1", accounts=3, records=1300, spread=0, hours=2, first_day=-1, targets="local")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S99", "unknown scenario 'S99'; known are S1"),
        ("S1:accounts", "'accounts' is not parameter=value"),
        ("S1:colour=red", "colour: Extra inputs are not permitted"),
        ("S1:accounts=0,hours=99", "accounts: Input should be greater than or equal to 1; hours"),
    ],
)
def test_bad_attack(text: str, message: str) -> None:
    """What cannot be meant is told with the text and what is known."""
    with pytest.raises(ConfigError, match=message) as caught:
        parse_attack(text)
    assert text in str(caught.value)


def test_impossible_attack() -> None:
    """An attack outside the window, or on more accounts than there are, is refused."""
    with pytest.raises(ConfigError, match="do not lie within the world's 40 days"):
        story_of(make_attack("S1", first_day=39, days=2))
    with pytest.raises(ConfigError, match=r"needs 500 accounts of the kind 'software', the world has \d+ to spare"):
        story_of(make_attack("S12", accounts=500))


def test_actions_known() -> None:
    """The codes of actions are those of the schema."""
    assert (ACTIONS[ev.LOOKUP], ACTIONS[ev.WRITE], ACTIONS[ev.EXPORT]) == tuple(DONE)
