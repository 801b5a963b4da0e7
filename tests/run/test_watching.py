"""Blindness: silence, low volume, missing kinds, rejects and drift are told; an ordinary day is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from detector.arriving import REPLACED, Span
from detector.history import History
from detector.learning import Learned
from detector.ledger import Ledger, Receiver, open_ledger
from detector.ledger.outbox import due
from detector.ledger.runs import begin_run, end_run
from detector.ledger.tables import RUNS
from detector.notify.machines import to_ecs, to_ocsf, to_syslog
from detector.notify.messages import compose
from detector.reading import FileCount
from detector.run import run_once
from detector.run.metrics import render_metrics
from detector.run.pauses import newest_event
from detector.run.report import Report
from detector.run.status import status_of
from detector.run.watching import Fault, feed_key, feeds_of, input_faults, operator_rows, watch
from detector.settings import PortalSettings, Settings, load_settings
from tests.run.portal import START, Line, configure, lines_of, write_slice

NOW = datetime(2026, 3, 12, 10, tzinfo=UTC)
"""A Thursday."""
COUNTS = {"events": 100, "logins": 20, "signed_in": 19, "lookups": 80, "with_record": 80}
USUAL = {"files": 1, "lines": 100, "rejects": 0, **COUNTS}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A job with one feed, whose file is there."""
    (tmp_path / "portal.csv").write_text("timestamp\n")
    (tmp_path / "detector.toml").write_text('[history]\nfolder = "history"\n[[input]]\npath = "portal.csv"\n')
    return load_settings(tmp_path / "detector.toml")


@pytest.fixture
def ledger(tmp_path: Path, settings: Settings) -> Ledger:
    """Eight days of runs, every ten minutes from eight to twelve."""
    found = open_ledger(history=tmp_path)
    times = [
        NOW - timedelta(days=day, hours=2) + timedelta(minutes=10 * n) for day in range(8, 0, -1) for n in range(24)
    ]
    with found.writing("testing") as connection:
        connection.execute(insert(RUNS), [ran(settings, at) for at in times])
    return found


@pytest.fixture
def history(tmp_path: Path) -> History:
    """One without a day."""
    return History.open(tmp_path / "history", zone="Europe/Paris", key_id="", create=True)


def ran(settings: Settings, at: datetime, **changes: Any) -> dict[str, Any]:
    """A run's row, as the ledger has it."""
    counts = {**USUAL, "last_at": (at - timedelta(seconds=30)).isoformat(), **changes}
    return {
        "started_at": at,
        "ended_at": at,
        "host": "here",
        "report": {"feeds": {feed_key(settings.input[0].path, settings): counts}},
    }


def keep(ledger: Ledger, settings: Settings, at: datetime, **changes: Any) -> None:
    """Record a run."""
    counts = {**USUAL, "last_at": (at - timedelta(seconds=30)).isoformat(), **changes}
    end_run(
        ledger, begin_run(ledger, at=at), at=at, report={"feeds": {feed_key(settings.input[0].path, settings): counts}}
    )


def today(ledger: Ledger, settings: Settings, *, until: timedelta = timedelta(), **changes: Any) -> None:
    """Record the runs of today up to now, or to so long before."""
    at = NOW - timedelta(hours=2)
    while at < NOW - until:
        keep(ledger, settings, at, **changes)
        at += timedelta(minutes=10)


def report(settings: Settings, *, lag_s: float = 30, rejects: int = 0, **changes: int) -> Report:
    """A run that reads a hundred events."""
    path = settings.input[0].path
    counts = {name: changes.get(name, USUAL[name]) for name in COUNTS}
    at = NOW - timedelta(seconds=lag_s)
    lines = counts["events"]
    file = FileCount(path, "csv", "x", 1, lines + rejects, read=lines, rejected=rejects, events=lines)
    return Report(NOW, Learned(files=(file,), spans=(Span(path, first_at=at, last_at=at, learned_at=at, **counts),)))


def kinds(found: list[Fault]) -> list[str]:
    """What is told of."""
    return [each.kind for each in found]


def test_a_file_that_was_rotated_since_it_was_read_is_of_its_input(tmp_path: Path) -> None:
    """Its name is gone when the run counts what it saw: it makes no input of its own."""
    settings = configure(tmp_path)
    pattern = settings.input[0].path
    seen = report(settings)
    (file,), (span,) = seen.learned.files, seen.learned.spans
    gone = pattern.replace("*", "now.log")
    seen = Report(NOW, Learned(files=(replace(file, path=gone),), spans=(replace(span, path=gone),)))
    found = feeds_of(seen, settings, now=NOW)["feeds"]
    assert {name: counts["files"] for name, counts in found.items()} == {feed_key(pattern, settings): 1}


def test_an_ordinary_morning_is_not_told(ledger: Ledger, settings: Settings, history: History) -> None:
    """Nothing is wrong."""
    today(ledger, settings)
    assert watch(report(settings), settings, ledger, history, now=NOW) == []


def test_a_nightly_run_on_a_monday_reads_a_sunday(tmp_path: Path, settings: Settings, history: History) -> None:
    """It is compared with nights that read days off, not with those that read working days; one too quiet is told."""
    ledger, night = open_ledger(history=tmp_path), datetime(2026, 3, 16, 1, tzinfo=UTC)
    for back in range(14, -1, -1):
        at = night - timedelta(days=back)
        read = at - timedelta(hours=4)
        if back in (0, 2):
            told = watch(
                report(settings, lag_s=(NOW - read).total_seconds(), events=219), settings, ledger, history, now=at
            )
            assert [kind for kind in kinds(told) if kind == "low"] == (["low"] if back else [])
        events = 200 if read.weekday() >= 5 else 4_000
        keep(ledger, settings, at, events=events, lines=events, last_at=read.isoformat())


NIGHTS = {
    "silent": {"events": 0, "logins": 0, "lookups": 0, "with_record": 0},
    "low": {"events": 400, "logins": 20, "lookups": 380, "with_record": 380},
    "missing": {"events": 3_800, "logins": 0, "lookups": 3_800, "with_record": 3_800},
}


@pytest.mark.parametrize("kind", NIGHTS)
@pytest.mark.parametrize("late_s", [0, 20, 600])
def test_a_nightly_run_is_compared_with_nights_that_began_seconds_apart(
    tmp_path: Path, settings: Settings, history: History, kind: str, late_s: int
) -> None:
    """A timer and cron begin each night some seconds earlier or later: what is missing is told all the same."""
    ledger, night = open_ledger(history=tmp_path), datetime(2026, 3, 13, 1, tzinfo=UTC)
    usual = {"events": 4_000, "logins": 200, "lookups": 3_800, "with_record": 3_800}
    for back in range(13, 0, -1):
        at = night - timedelta(days=back) + timedelta(seconds=late_s * (back % 3) / 2)
        keep(ledger, settings, at, **usual, lines=4_000, last_at=(at - timedelta(hours=4)).isoformat())
    now = night + timedelta(seconds=late_s / 4)
    came = Report(now) if kind == "silent" else report(settings, lag_s=4 * 3600, **NIGHTS[kind])
    assert kinds(watch(came, settings, ledger, history, now=now)) == [kind]
    usually = report(settings, lag_s=4 * 3600, **usual)
    assert kinds(watch(usually, settings, ledger, history, now=now)) == []


def test_runs_of_whole_days_are_not_the_measure_of_runs_of_hours(
    tmp_path: Path, settings: Settings, history: History
) -> None:
    """Going over from a run a day to one every six hours, a night without sign-ins is none of those of whole days."""
    ledger, night = open_ledger(history=tmp_path), datetime(2026, 3, 12, 1, tzinfo=UTC)
    day = {"events": 4_000, "logins": 900, "signed_in": 890, "lookups": 3_000}
    for back in range(14, 0, -1):
        keep(ledger, settings, night - timedelta(days=back), **day)
    keep(ledger, settings, night - timedelta(hours=1), **day)
    hours = {"events": 300, "logins": 0, "signed_in": 0, "lookups": 300}
    dawn = night + timedelta(hours=5)
    came = report(settings, lag_s=(NOW - dawn).total_seconds() + 30, **hours)
    assert watch(came, settings, ledger, history, now=dawn) == []


def test_a_night_without_a_run_says_nothing_of_what_is_usual(
    tmp_path: Path, settings: Settings, history: History
) -> None:
    """Of a job that was off for a week, the nights before are what it compares with."""
    ledger, night = open_ledger(history=tmp_path), datetime(2026, 3, 13, 1, tzinfo=UTC)
    for back in (14, 11, 10, 9, 8):
        at = night - timedelta(days=back)
        keep(ledger, settings, at, events=4_000, lines=4_000, last_at=(at - timedelta(hours=4)).isoformat())
    few = report(settings, lag_s=4 * 3600, events=300)
    assert kinds(watch(few, settings, ledger, history, now=night)) == ["low"]


def test_a_line_from_the_future_hides_no_silence() -> None:
    """Its time is that of the run which read it."""
    at = "2026-03-12T10:00:00+00:00"
    reports = [
        {
            "at": at,
            "feeds": {"a": {"last_at": "2028-01-01T00:00:00+00:00"}, "b": {"last_at": "2026-03-12T09:00:00+00:00"}},
        },
        {"at": "2026-03-12T10:05:00+00:00", "feeds": {"a": {}}},
    ]
    assert newest_event(reports) == datetime.fromisoformat(at)
    assert newest_event([]) is None


def test_a_line_dated_ahead_is_not_the_newest_event(tmp_path: Path) -> None:
    """It is left out: status and metrics show the newest that was learned, and the clock is told of all the same."""
    portal = configure(tmp_path)
    morning = lines_of(START, accounts=3)
    ahead = Line(morning[-1].at + timedelta(days=400), morning[-1].text.replace("2026-", "2027-"))
    now = morning[-1].at + timedelta(hours=5)
    write_slice(tmp_path / "incoming", now, [*morning, ahead])
    found = run_once(portal, now=now)
    assert [each for each in found.faults if "in the future" in each]
    history, ledger = History.open(tmp_path / "history"), open_ledger(history=tmp_path / "history")
    status = status_of(history, ledger, PortalSettings(), now=now)
    assert status.newest_event == morning[-1].at
    assert f"detector_newest_event_timestamp_seconds {morning[-1].at.timestamp()}\n" in render_metrics(status)
    only = write_slice(tmp_path / "incoming", now + timedelta(minutes=5), [ahead])
    assert only.exists()
    later = now + timedelta(hours=1)
    run_once(portal, now=later)
    assert status_of(history, ledger, PortalSettings(), now=later).newest_event == morning[-1].at


def test_silence_is_told(ledger: Ledger, settings: Settings, history: History) -> None:
    """No event for an hour in which hundreds usually come; a pause of ten minutes is none."""
    today(ledger, settings, until=timedelta(hours=1))
    (found,) = watch(Report(NOW), settings, ledger, history, now=NOW)
    assert found[0] == "silent"
    assert "no event since 2026-03-12 08:49 UTC, where" in found[1]


def test_a_usual_pause_is_no_silence(ledger: Ledger, settings: Settings, history: History) -> None:
    """At night nothing comes, as on every night; nor after ten minutes."""
    today(ledger, settings)
    assert watch(Report(NOW), settings, ledger, history, now=NOW) == []
    keep(ledger, settings, NOW + timedelta(hours=2))
    assert watch(Report(NOW), settings, ledger, history, now=NOW + timedelta(hours=9)) == []


def test_a_low_volume_is_told(ledger: Ledger, settings: Settings, history: History) -> None:
    """A tenth of the usual hour; half of it is not told."""
    today(ledger, settings, events=10, logins=2, lookups=8, with_record=8)
    few = report(settings, events=10, logins=2, lookups=8, with_record=8)
    assert kinds(watch(few, settings, ledger, history, now=NOW)) == ["low"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("logins", "sign-ins in the"),
        ("signed_in", "sign-ins that succeeded"),
        ("lookups", "look-ups"),
        ("with_record", "records"),
    ],
)
def test_a_kind_that_goes_missing_is_told(
    ledger: Ledger, settings: Settings, history: History, kind: str, words: str
) -> None:
    """Sign-ins, look-ups or records that were there every day, while other events come."""
    today(ledger, settings, **dict[str, Any]({kind: 0}))
    (found,) = watch(report(settings, **{kind: 0}), settings, ledger, history, now=NOW)
    assert found.kind == "missing"
    assert f"no {words}" in found.text


def test_few_sign_ins_of_a_small_portal_are_not_missed_beside_a_theft(
    tmp_path: Path, settings: Settings, history: History
) -> None:
    """Where five sign-ins are usual, three beside three hundred look-ups of a thief are no lost feed."""
    ledger = open_ledger(history=tmp_path)
    few = {"events": 12, "logins": 5, "signed_in": 5, "lookups": 7, "with_record": 7}
    for day in range(8, 0, -1):
        keep(ledger, settings, NOW - timedelta(days=day), **few)
    theft = report(settings, events=332, logins=3, signed_in=3, lookups=329, with_record=329)
    assert watch(theft, settings, ledger, history, now=NOW) == []


@pytest.mark.parametrize(("left", "expected"), [(40, []), (2, ["missing"])])
def test_a_kind_of_which_hardly_any_is_left_is_told(
    ledger: Ledger, settings: Settings, history: History, left: int, expected: list[str]
) -> None:
    """Three in a hundred look-ups have their record still; half of them is not told, since days differ."""
    today(ledger, settings, with_record=left)
    found = watch(report(settings, with_record=left), settings, ledger, history, now=NOW)
    assert kinds(found) == expected
    assert all(" records in its look-ups in the last " in each.text for each in found)


def test_an_input_that_earlier_runs_did_not_have_is_told(ledger: Ledger, settings: Settings, history: History) -> None:
    """By another path nothing is known of it, and nothing would be missed."""
    today(ledger, settings)
    renamed = Path(settings.input[0].path).with_name("other.csv")
    Path(settings.input[0].path).rename(renamed)
    changed = settings.model_copy(update={"input": (settings.input[0].model_copy(update={"path": str(renamed)}),)})
    (found,) = watch(Report(NOW), changed, ledger, history, now=NOW)
    assert found.kind == "feed"
    assert found.text.startswith("other.csv: this input was not among those of earlier runs")


def test_an_input_is_the_same_however_the_settings_are_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a path from where one stands, by a whole one, and once the folder was moved."""
    monkeypatch.chdir(tmp_path)
    near = load_settings(Path("detector.toml"))
    assert near.input[0].path != settings.input[0].path
    moved = tmp_path.with_name("moved")
    keys = {feed_key(each.input[0].path, each) for each in (settings, near)}
    tmp_path.rename(moved)
    try:
        there = load_settings(moved / "detector.toml")
        assert {feed_key(there.input[0].path, there)} == keys == {"../portal.csv"}
    finally:
        moved.rename(tmp_path)


def test_broken_files_of_one_input_and_cause_are_one_fault(tmp_path: Path) -> None:
    """A log that changed its format is a broken file every five minutes: one alert a day, another for another cause."""
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"s{n:03}.csv" for n in range(30)]
    for path in paths:
        path.write_text("timestamp\n")
    (tmp_path / "detector.toml").write_text('[history]\nfolder = "history"\n[[input]]\npath = "in/*"\n')
    settings = load_settings(tmp_path / "detector.toml")
    told = [f"{path}: {n} of {n} lines cannot be read" for n, path in enumerate(paths, start=40)]
    several = input_faults([*told, f"{paths[0]} was replaced by another file"], settings)
    assert [each.text.partition(" lines")[0] for each in several] == [
        f"{paths[0]}: 40 of 40",
        f"{paths[0]} was replaced by another file",
    ]
    assert several[0].text.endswith("(29 more files of its input have the same)")
    assert several[0].title == "s000.csv: 40 of 40 lines cannot be read"
    (later,) = input_faults([told[7]], settings)
    assert later.subject == several[0].subject != several[1].subject


def test_what_is_wrong_with_a_file_has_a_short_title_and_is_told_whole(tmp_path: Path, settings: Settings) -> None:
    """In a message, a syslog line, ECS and OCSF: the file's name and what it is on top, path and remedy in the text."""
    path = settings.input[0].path
    (fault,) = input_faults([f"{path} {REPLACED}"], settings)
    ledger = open_ledger(history=tmp_path)
    ledger.record(operator_rows([fault], now=NOW, zone="Europe/Paris"), at=NOW, receivers=[Receiver("log")])
    (delivery,) = due(ledger, receiver="log", now=NOW)
    alert = ledger.alert(delivery.alert_id)
    assert alert.title.startswith("portal.csv was replaced by another file of the same time: ")
    assert (len(alert.title) <= 162, alert.title[-1], alert.reasons) == (True, "…", [fault.text])
    (message,) = compose([(delivery, alert)], digest=5, zone="UTC")
    assert (len(message.title) < 200, fault.text in message.body) == (True, True)
    assert to_syslog(delivery, alert, now=NOW, zone="UTC").decode().endswith(fault.text)
    assert fault.text in to_ecs(delivery, alert, zone="UTC")["event"]["reason"]
    assert fault.text in to_ocsf(delivery, alert, zone="UTC")["finding_info"]["desc"]


def test_a_short_fault_is_told_once_in_a_message(tmp_path: Path) -> None:
    """Its sentence is the title, and not repeated below it."""
    ledger, text = open_ledger(history=tmp_path), "all inputs: no event since noon"
    rows = operator_rows([Fault("silent", text)], now=NOW, zone="Europe/Paris")
    ledger.record(rows, at=NOW, receivers=[Receiver("log")])
    (delivery,) = due(ledger, receiver="log", now=NOW)
    (message,) = compose([(delivery, ledger.alert(delivery.alert_id))], digest=5, zone="UTC")
    assert (message.title.endswith(text), message.body.count(text)) == (True, 1)


def test_rising_rejects_are_told(ledger: Ledger, settings: Settings, history: History) -> None:
    """Ten of a hundred lines, where usually all can be read; too few lines tell nothing."""
    today(ledger, settings)
    assert kinds(watch(report(settings, rejects=10, events=200), settings, ledger, history, now=NOW)) == ["rejects"]
    assert watch(report(settings, rejects=10, events=90), settings, ledger, history, now=NOW) == []


@pytest.mark.parametrize(("lag_s", "expected"), [(-400, ["clock"]), (400, ["late"]), (200, []), (-200, [])])
def test_a_clock_that_drifts_is_told(
    ledger: Ledger, settings: Settings, history: History, lag_s: float, expected: list[str]
) -> None:
    """Events from the future, or much later than they usually come."""
    today(ledger, settings)
    assert kinds(watch(report(settings, lag_s=lag_s), settings, ledger, history, now=NOW)) == expected


@pytest.mark.parametrize(("hour", "lag_s", "expected"), [(9, 1_200, ["late"]), (9, 300, []), (21, 10_800, [])])
def test_a_slow_clock_is_held_against_runs_at_the_same_time_of_the_day(
    tmp_path: Path, settings: Settings, history: History, hour: int, lag_s: float, expected: list[str]
) -> None:
    """In the evening the newest event is two or three hours old, which says nothing of the morning."""
    ledger = open_ledger(history=tmp_path)
    for back in range(12, 0, -1):
        for at, usual in ((9, 60 + 5 * back), (21, 7_200 + 400 * back)):
            time = NOW.replace(hour=at) - timedelta(days=back)
            keep(ledger, settings, time, last_at=(time - timedelta(seconds=usual)).isoformat())
    now = NOW.replace(hour=hour)
    if hour == 21:
        keep(ledger, settings, now.replace(hour=9))
    before = (NOW - now).total_seconds() + lag_s
    told = watch(report(settings, lag_s=before), settings, ledger, history, now=now)
    assert [kind for kind in kinds(told) if kind == "late"] == expected


@pytest.mark.parametrize(("events", "expected"), [(2, []), (40, ["late"])])
def test_a_newest_event_is_old_where_hardly_any_happen(
    tmp_path: Path, settings: Settings, history: History, events: int, expected: list[str]
) -> None:
    """An hour in which a dozen events usually come may as well have had its last one at its begin."""
    ledger = open_ledger(history=tmp_path)
    times = [NOW - timedelta(days=day, minutes=10 * n) for day in range(8, -1, -1) for n in range(24, -1, -1)]
    with ledger.writing("testing") as connection:
        connection.execute(insert(RUNS), [ran(settings, at, events=events) for at in times[:-1]])
    told = watch(report(settings, lag_s=3_000, events=events), settings, ledger, history, now=NOW)
    assert [kind for kind in kinds(told) if kind == "late"] == expected


@pytest.mark.parametrize(("shift_s", "expected"), [(900, "late"), (-900, "clock"), (60, None)])
def test_a_source_whose_clock_drifts_from_the_others_is_named(
    tmp_path: Path, history: History, shift_s: float, expected: str | None
) -> None:
    """Of two sources, one of whose clocks goes wrong, that one alone is told of; a minute is none."""
    for name in ("portal.csv", "gateway.csv"):
        (tmp_path / name).write_text("timestamp\n")
    (tmp_path / "detector.toml").write_text(
        '[history]\nfolder = "history"\n[[input]]\npath = "portal.csv"\n[[input]]\npath = "gateway.csv"\n'
    )
    settings = load_settings(tmp_path / "detector.toml")
    found = open_ledger(history=tmp_path)
    right, wrong = (each.path for each in settings.input)
    keys = {path: feed_key(path, settings) for path in (right, wrong)}
    for run in range(40, 0, -1):
        at = NOW - timedelta(minutes=10 * run)
        counts = {keys[path]: {**USUAL, "last_at": (at - timedelta(seconds=30)).isoformat()} for path in (right, wrong)}
        end_run(found, begin_run(found, at=at), at=at, report={"feeds": counts})
    lags = {right: 30.0, wrong: 30.0 + shift_s}
    spans = tuple(
        Span(path, **COUNTS, first_at=at, last_at=at, learned_at=at)
        for path, lag in lags.items()
        for at in [NOW - timedelta(seconds=lag)]
    )
    files = tuple(FileCount(path, "csv", "x", 1, 100, read=100, events=100) for path in lags)
    told = watch(Report(NOW, Learned(files=files, spans=spans)), settings, found, history, now=NOW)
    assert kinds(told) == ([expected] if expected else [])
    assert all(each.text.startswith("gateway.csv: ") for each in told)


def test_nothing_is_usual_yet(settings: Settings, history: History, tmp_path: Path) -> None:
    """In its first days the job does not know, and says nothing of volume."""
    ledger = open_ledger(history=tmp_path)
    keep(ledger, settings, NOW - timedelta(days=1))
    assert watch(Report(NOW), settings, ledger, history, now=NOW) == []


QUARTERS = {"work": (20, 2_000, 2_200, 150), "saturday": (5, 300, 100, 10), "sunday": (2, 20, 15, 4)}
"""Events of a small portal in each six hours of a working day, a Saturday, a Sunday."""
SILENT_TUESDAY, SILENT_SUNDAY = datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("silent_from", "expected"),
    [(None, None), (SILENT_TUESDAY, "2026-03-31 12:00"), (SILENT_SUNDAY, "2026-03-29 18:00")],
)
def test_a_small_portal_is_quiet_at_weekends(
    tmp_path: Path, settings: Settings, history: History, silent_from: datetime | None, expected: str | None
) -> None:
    """A run every six hours for three weeks: nothing is told of weekends and Monday mornings, but of silence.

    A feed that ends on a Tuesday is told of that noon; one that ends on a Sunday, once thirty events would have come.
    """
    ledger, told = open_ledger(history=tmp_path), []
    for quarter in range(4 * 23):
        # The wall clock of the portal is an hour ahead, and the job starts half a minute late.
        begin = datetime(2026, 3, 9, tzinfo=UTC) + timedelta(hours=6 * quarter)
        kind = {5: "saturday", 6: "sunday"}.get(begin.weekday(), "work")
        events = QUARTERS[kind][begin.hour // 6]
        if silent_from is not None and begin >= silent_from:
            events = 0
        end = begin + timedelta(hours=6)
        at = end - timedelta(minutes=59, seconds=30)
        told += [(kind, end) for kind in kinds(seen_at(ledger, settings, history, at, events))]
    assert {kind for kind, _ in told} <= {"silent"}
    assert next((f"{at:%Y-%m-%d %H:%M}" for _, at in told), None) == expected


def seen_at(ledger: Ledger, settings: Settings, history: History, at: datetime, events: int) -> list[Fault]:
    """What a run that reads so many events tells of; it is recorded."""
    path, last = settings.input[0].path, at - timedelta(minutes=2)
    counts = {"events": events, "logins": events // 5, "lookups": events // 2, "with_record": events // 2}
    counts["signed_in"] = counts["logins"]
    learned = Learned()
    if events:
        file = FileCount(path, "csv", "x", 1, events, read=events, rejected=0, events=events)
        learned = Learned(files=(file,), spans=(Span(path, first_at=last, last_at=last, learned_at=last, **counts),))
    found = watch(Report(at, learned), settings, ledger, history, now=at)
    newest = {"last_at": last.isoformat()} if events else {}
    row = {"files": int(bool(events)), "lines": events, "rejects": 0, **counts, **newest}
    end_run(ledger, begin_run(ledger, at=at), at=at, report={"feeds": {feed_key(path, settings): row}})
    return found
