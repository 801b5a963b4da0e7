"""A day of honest life."""

from __future__ import annotations

from detector.simulate.activity import day_activity
from detector.simulate.events import Events, join_in_time
from detector.simulate.machines import noise_day, robots_day, software_day
from detector.simulate.portal import portal_day
from detector.simulate.scene import Population, Scene, scenes
from detector.simulate.settings import World


def benign_day(world: World, population: Population, *, index: int) -> Events:
    """Return the honest events of day `index`, in order of time."""
    parts = [part for scene in scenes(world, population, index=index) for part in _life(scene)]
    return join_in_time(parts).events


def _life(scene: Scene) -> tuple[Events, ...]:
    people = portal_day(scene, day_activity(scene))
    return people, software_day(scene), robots_day(scene), noise_day(scene)
