"""Blindness: what a run did not see and should have. It compares with what earlier runs saw at the same time of day."""

from __future__ import annotations

import math
import os
import re
import statistics
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from detector.alerts import alert_id
from detector.clock import day_start
from detector.history import History
from detector.ledger import Ledger
from detector.ledger.runs import Run, list_runs
from detector.ledger.store import OPERATOR
from detector.reading.dumps import expand, is_present
from detector.run.kinds import KINDS, LOW_LEAST, lost_kinds
from detector.run.pauses import find_silence, newest_event
from detector.run.report import Report
from detector.run.whole_days import hold_days
from detector.schedule import WatchSettings
from detector.settings import Settings, holidays_of

FEWEST_DAYS = 3
"""Comparable days without which nothing is usual."""
FEWEST_RUNS = 20
FEWEST_WEEKS = 2
LONGEST_PAUSE = timedelta(days=4)
PUNCTUAL = timedelta(minutes=15)
"""Runs of different days at the same time of the day, within this, are each other's like."""
REACH = 2
"""So many times as long as usual is another way of running, or an outage that one run made up for."""
DAYS_A_WEEK = 7
KINDS_SPAN = timedelta(hours=6)
"""What came in so long tells which kinds of event are there."""
SEVERITIES = {"silent": "high", "failed": "high", "missing": "high", "input": "high", "model": "high", "many": "high"}
UNKNOWN = (
    "this input was not among those of earlier runs: until some days have passed, nothing tells what is usual of it, "
    "and so neither its silence nor what it lacks"
)
TITLE_LENGTH = 160
"""What a subject line or a table shows; what is beyond it stands among the reasons."""
SUM = ("files", "lines", "rejects", "events", *KINDS)


class Fault(NamedTuple):
    """What is wrong, for an operator.

    Attributes
    ----------
    kind
        Which kind of thing.
    text
        A sentence.
    subject
        What it concerns: of each kind and subject there is one alert a day. None: what the sentence names first.
    day
        The day that it concerns; None: that of the run.
    title
        The sentence in short; None: its beginning.
    """

    kind: str
    text: str
    subject: str | None = None
    day: date | None = None
    title: str | None = None


class Seen(NamedTuple):
    """What one run saw of one feed."""

    at: datetime
    counts: dict[str, Any]


def feeds_of(report: Report, settings: Settings, *, now: datetime) -> dict[str, Any]:
    """What a run saw, as it is kept in the ledger: counts by input, and what was done."""
    feed_of = _feeds_of_files(settings)
    feeds: dict[str, dict[str, Any]] = {feed_key(each.path, settings): dict.fromkeys(SUM, 0) for each in settings.input}
    spans = {span.path: span for span in report.learned.spans}
    for file in report.learned.files:
        # A file that was rotated away since it was read is of the input whose pattern its path has.
        feed = feed_of.get(file.path) or next(
            (feed_key(each.path, settings) for each in settings.input if fnmatch(file.path, each.path)), file.path
        )
        counts = feeds.setdefault(feed, dict.fromkeys(SUM, 0))
        counts["files"] += 1
        counts["lines"] += file.read + file.rejected
        counts["rejects"] += file.rejected
        if (span := spans.get(file.path)) is not None:
            for name in ("events", *KINDS):
                counts[name] += getattr(span, name)
            last = span.last_at.astimezone(UTC).isoformat()
            counts["last_at"] = max(counts.get("last_at", last), last)
            learned = span.learned_at and span.learned_at.astimezone(UTC).isoformat()
            counts["learned_at"] = max(counts.get("learned_at") or "", learned or "") or None
    done = {
        "raised": len(report.recorded.raised),
        "grown": len(report.recorded.grown),
        "judged": [str(day) for day in report.judged],
        "closed": [str(day) for day in report.closed],
        "late": [str(day) for day in report.late],
        "faults": list(report.faults),
        "delivered": report.delivered.delivered,
        "undelivered": report.delivered.failed,
        "model": report.model,
        "trained": report.retrained.version if report.retrained else None,
    }
    return {"feeds": feeds, "at": now.isoformat(), **done}


def feed_key(path: str, settings: Settings) -> str:
    """An input's path from the history's folder, as the manifest has those of files.

    However the settings were named, and wherever history and logs were moved together, it is the same input.
    """
    assert settings.history.folder is not None, "a job has a history"  # noqa: S101
    return os.path.relpath(path, settings.history.folder)


def _feeds_of_files(settings: Settings) -> dict[str, str]:
    present = expand([each for each in settings.input if is_present(each)])
    return {dump.path: feed_key(dump.input.path, settings) for dump in present}


def input_faults(faults: Collection[str], settings: Settings) -> list[Fault]:
    """What is wrong with files, told once for each input and cause.

    A log whose format changed is a broken file every five minutes.
    """
    if not faults:
        return []
    feed_of = _feeds_of_files(settings)
    groups: dict[str, list[str]] = {}
    for text in faults:
        path = max((path for path in feed_of if text.startswith(path)), key=len, default="")
        cause = re.sub(r"\d+", "#", text.removeprefix(path))
        groups.setdefault(f"{feed_of.get(path, path)} {cause}", []).append(text)
    found = []
    for subject, texts in groups.items():
        others = len(texts) - 1
        more = f" ({others} more file{'s' * (others > 1)} of its input {'have' if others > 1 else 'has'} the same)"
        path = max((path for path in feed_of if texts[0].startswith(path)), key=len, default="")
        title = f"{Path(path).name}{texts[0].removeprefix(path)}"
        found.append(Fault("input", f"{texts[0]}{more if others else ''}", subject, title=title))
    return found


def watch(report: Report, settings: Settings, ledger: Ledger, history: History, *, now: datetime) -> list[Fault]:
    """What is wrong with what came.

    Parameters
    ----------
    report
        Of the run that is at work.
    settings
        Of the run.
    ledger
        Its runs tell what is usual.
    history
        Its days do, as long as the runs of no input tell whether this pause is, or how much and what usually comes.
    now
        The time, with its zone.
    """
    limits = settings.watch
    # A pause of a weekend, two weeks ago, began before that.
    runs = list_runs(ledger, since=now - timedelta(days=limits.past_days) - LONGEST_PAUSE)
    past = [run for run in runs if run.report and run.started_at < now]
    present = feeds_of(report, settings, now=now)["feeds"]
    zone, days_off = settings.portal.zone, holidays_of(settings.portal.country)
    off = set(days_off(now.year)) | set(days_off((now - timedelta(days=31)).year))
    found: list[Fault] = []
    is_known = tells_counts = False
    known_feeds = {feed for run in past for feed in run.report.get("feeds", {})}
    for feed, counts in present.items():
        told_of = min(datetime.fromisoformat(counts.get("last_at", now.isoformat())), now)
        calendar = _Calendar(zone, now, off, told_of=told_of)
        seen = [*_seen(past, feed), Seen(now, counts)]
        if known_feeds and feed not in known_feeds:
            found.append(Fault("feed", f"{_called(feed)}: {UNKNOWN}"))
        found += [Fault(kind, f"{_called(feed)}: {text}") for kind, text in _faults(seen, calendar, limits)]
        is_known |= _knows(seen, calendar, limits)
        tells_counts |= _usual(seen, "events", calendar, KINDS_SPAN, limits) is not None
    if past and not tells_counts:
        told = hold_days(history, settings.portal, limits, first_run=past[0].started_at, now=now)
        found += [Fault(each.kind, f"all inputs: {each.text}", day=each.day) for each in told]
    if not is_known:
        newest = newest_event(run.report for run in past)
        silence = find_silence(history, settings.portal, newest=newest, now=now).told(least=limits.silent_events)
        found += [Fault("silent", silence)] if silence else []
    return found


def _called(feed: str) -> str:
    """A file by its name; a pattern, which alone says little, with its folder."""
    path = Path(feed)
    return f"{path.parent.name}/{path.name}" if has_magic(path.name) else path.name


class Stretch(NamedTuple):
    """An earlier stretch of time, and whether it ended on the same day of the week."""

    start: datetime
    end: datetime
    is_weekday: bool


class _Calendar:
    """Which earlier stretches of time are comparable with one that ends now.

    What kind of day it is follows from what was told of: a nightly run on a Monday reads a Sunday.
    """

    def __init__(self, zone: str, now: datetime, days_off: set[Any], *, told_of: datetime) -> None:
        self._zone, self._now, self._days_off = ZoneInfo(zone), now, days_off
        self._day = told_of.astimezone(self._zone).date()

    def comparable(self, span: timedelta, *, days: int) -> list[Stretch]:
        """The same stretch of the wall clock on earlier days of the same kind, work days or days off."""
        local = self._now.astimezone(self._zone)
        found = []
        for back in range(1, days + 1):
            end = (local - timedelta(days=back)).astimezone(UTC)
            if self._is_off(self._day) == self._is_off(self._day - timedelta(days=back)):
                found.append(Stretch(end - span, end, is_weekday=back % DAYS_A_WEEK == 0))
        return found

    @property
    def is_off(self) -> bool:
        """Whether what is told of is a day off."""
        return self._is_off(self._day)

    @property
    def kind_since(self) -> datetime:
        """When the days of this kind began: the midnight after the latest day of the other kind."""
        first = self._day
        while self._is_off(first - timedelta(days=1)) == self.is_off:
            first -= timedelta(days=1)
        return day_start(first, zone=self._zone.key)

    def _is_off(self, day: Any) -> bool:
        return day in self._days_off or day.weekday() >= 5


def _seen(runs: Sequence[Run], feed: str) -> Iterator[Seen]:
    for run in runs:
        counts = run.report.get("feeds", {}).get(feed)
        if counts is not None:
            yield Seen(run.started_at, counts)


def _faults(seen: Sequence[Seen], calendar: _Calendar, limits: WatchSettings) -> Iterator[tuple[str, str]]:
    silence = _silence(seen, calendar, limits)
    if silence is not None:
        yield "silent", silence
    else:
        yield from _low(seen, calendar, limits)
    yield from _missing(seen, calendar, limits)
    yield from _rejects(seen, limits)
    yield from _drift(seen, calendar, limits)


def _silence(seen: Sequence[Seen], calendar: _Calendar, limits: WatchSettings) -> str | None:
    now = seen[-1].at
    last = _last_seen(seen)
    if last is None or (now - last).total_seconds() < limits.silent_least_s:
        return None
    usual = _usual_since(last, seen, calendar, limits)
    if usual is None or usual < limits.silent_events:
        return None
    told = (datetime.fromisoformat(each.counts["last_at"]) for each in seen if "last_at" in each.counts)
    newest = min(last, max(told, default=last))
    return f"no event since {newest:%Y-%m-%d %H:%M} UTC, where {usual:.0f} usually come"


def _last_seen(seen: Sequence[Seen]) -> datetime | None:
    return next((each.at for each in reversed(seen) if each.counts["events"]), None)


def _knows(seen: Sequence[Seen], calendar: _Calendar, limits: WatchSettings) -> bool:
    """Whether there is no pause, or runs tell whether it is usual."""
    last = _last_seen(seen)
    return last is not None and (last == seen[-1].at or _usual_since(last, seen, calendar, limits) is not None)


def _usual_since(last: datetime, seen: Sequence[Seen], calendar: _Calendar, limits: WatchSettings) -> float | None:
    """Events that usually come in such a pause; on every such weekday, or at least since days of this kind began.

    On a Monday before anybody worked nothing came since Saturday, as on every Monday. So a pause that began on days
    off is held against the same pause of earlier weeks; and what of it lies in working days, against working days.
    """
    now = seen[-1].at
    same_weekday = [
        _sum(seen, "events", each.start, each.end)
        for each in _known(seen, calendar, now - last, limits)
        if each.is_weekday
    ]
    if len(same_weekday) >= FEWEST_WEEKS and min(same_weekday) >= limits.silent_events:
        return statistics.median(same_weekday)
    if calendar.kind_since >= now:
        return None
    return _usual(seen, "events", calendar, now - max(last, calendar.kind_since), limits, is_fresh=True)


def _low(seen: Sequence[Seen], calendar: _Calendar, limits: WatchSettings) -> Iterator[tuple[str, str]]:
    hour = timedelta(hours=1)
    usual = _usual(seen, "events", calendar, hour, limits)
    came = _sum(seen, "events", seen[-1].at - hour, seen[-1].at)
    if usual is not None and usual >= LOW_LEAST and 0 < came < limits.low_share * usual:
        yield "low", f"{came} events in the last hour, where {usual:.0f} usually come"


def _missing(seen: Sequence[Seen], calendar: _Calendar, limits: WatchSettings) -> Iterator[tuple[str, str]]:
    """A kind of event that was there and is there no more, while others come."""
    names = ("events", *KINDS)
    came = {name: _sum(seen, name, seen[-1].at - KINDS_SPAN, seen[-1].at) for name in names}
    usual = {name: _usual(seen, name, calendar, KINDS_SPAN, limits) for name in names}
    for each in lost_kinds(came, usual, least=limits.least_lines):
        left = f"{each.left} in the last {came['events']} events"
        yield "missing", f"{left}, where {each.usual:.0f} usually come in six hours"


def _rejects(seen: Sequence[Seen], limits: WatchSettings) -> Iterator[tuple[str, str]]:
    counts = seen[-1].counts
    lines, rejects = counts["lines"], counts["rejects"]
    if lines < limits.least_lines:
        # Slices of a few lines tell together.
        start = seen[-1].at - timedelta(hours=6)
        lines, rejects = (_sum(seen, name, start, seen[-1].at) for name in ("lines", "rejects"))
    past_lines = sum(each.counts["lines"] for each in seen[:-1])
    usual = sum(each.counts["rejects"] for each in seen[:-1]) / past_lines if past_lines else 0.0
    if lines >= limits.least_lines and rejects / lines >= max(limits.reject_share, 3 * usual):
        yield "rejects", f"{rejects} of {lines} new lines cannot be read, usually {usual:.1%}"


def _drift(seen: Sequence[Seen], calendar: _Calendar, limits: WatchSettings) -> Iterator[tuple[str, str]]:
    """A clock ahead, or events that come later than usual: not where hardly any happen meanwhile, as on a Sunday."""
    told = [each for each in seen if each.counts.get("last_at")]
    if not seen[-1].counts.get("last_at"):
        return
    lag, past = _lag_s(told[-1]), _lags_like(told, calendar, limits)
    if lag < -limits.drift_s:
        yield "clock", f"its newest event lies {_age(-lag)} in the future: a clock is wrong; {NOT_READ}"
    elif past:
        usual = statistics.median(past)
        spread = statistics.quantiles(past, n=20)[-1] - statistics.quantiles(past, n=20)[0]
        meanwhile = _usual(seen, "events", calendar, timedelta(seconds=lag), limits)
        is_lull = meanwhile is not None and meanwhile < limits.silent_events
        if lag > usual + limits.drift_s + 2 * spread and not is_lull:
            yield (
                "late",
                f"its newest event is {_age(lag)} old, usually {_age(usual)}: it comes late, or a clock is wrong",
            )


def _lags_like(told: Sequence[Seen], calendar: _Calendar, limits: WatchSettings) -> list[float]:
    """How old the newest event usually is at such a time of such a day; of all runs, where too few days tell.

    At night and on Sundays the newest event is hours old: among all runs a clock that is half an hour slow hides.
    """
    past = told[:-1]
    if len(past) < FEWEST_RUNS:
        return []
    ends = [each.end for each in calendar.comparable(timedelta(), days=limits.past_days)]
    like = [each for each in past if any(abs(each.at - end) <= PUNCTUAL for end in ends)]
    return [_lag_s(each) for each in (like if len({each.at.date() for each in like}) >= FEWEST_DAYS else past)]


NOT_READ = (
    "lines dated after tomorrow are left out and not read again (`detector learn --replace` brings them in, once they "
    "are right)"
)


def _age(seconds: float) -> str:
    """How long, in the largest unit of which it is two or more."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _lag_s(each: Seen) -> float:
    """How old the newest event of a run was; none where it saw none."""
    if "last_at" not in each.counts:
        return 0.0
    return (each.at - datetime.fromisoformat(each.counts["last_at"])).total_seconds()


def _sum(seen: Sequence[Seen], name: str, start: datetime, end: datetime, *, is_fresh: bool = False) -> int:
    """What runs in a stretch of time saw; or only those that saw something that happened in it."""
    runs = [each for each in seen if start < each.at <= end]
    if is_fresh:
        runs = [each for each in runs if each.at - timedelta(seconds=_lag_s(each)) >= start]
    return int(sum(each.counts.get(name, 0) for each in runs))


def _known(seen: Sequence[Seen], calendar: _Calendar, span: timedelta, limits: WatchSettings) -> list[Stretch]:
    """Comparable stretches since the first run that is known, in which there was a run at all.

    Each ends with the run that came next to the time of this one: timers and cron are late by seconds. Where its first
    run had far longer to read than that of the present stretch, as when there was one a day, it is not comparable.
    """
    times = [each.at for each in seen]
    longest = REACH * max(span, _reach(times, seen[-1].at - span))
    found = []
    for each in calendar.comparable(span, days=limits.past_days):
        near = (at for at in times if abs(at - each.end) <= PUNCTUAL)
        end = min(near, key=lambda at: abs(at - each.end), default=each.end)
        shifted = Stretch(end - span, end, each.is_weekday)
        has_run = any(shifted.start < at <= shifted.end for at in times)
        if shifted.start >= times[0] and has_run and _reach(times, shifted.start) <= longest:
            found.append(shifted)
    return found


def _reach(times: Sequence[datetime], start: datetime) -> timedelta:
    """How long the first run after an instant had to read: the time since the run before it."""
    after = bisect_right(times, start)
    return times[after] - times[after - 1] if 0 < after < len(times) else timedelta()


def _usual(
    seen: Sequence[Seen],
    name: str,
    calendar: _Calendar,
    span: timedelta,
    limits: WatchSettings,
    *,
    is_fresh: bool = False,
) -> float | None:
    """The median of comparable stretches, and no more than the most on the same weekday.

    None where too few runs are known; of a day off, also where that weekday is not known yet, since a Saturday says
    little of a Sunday.
    """
    stretches = _known(seen, calendar, span, limits)
    sums = [_sum(seen, name, each.start, each.end, is_fresh=is_fresh) for each in stretches]
    same_weekday = [count for each, count in zip(stretches, sums, strict=True) if each.is_weekday]
    if len(sums) < FEWEST_DAYS or (calendar.is_off and not same_weekday):
        return None
    return min(statistics.median(sums), max(same_weekday, default=math.inf))


def shortened(text: str) -> str:
    """A text as a title: whole, or its first words."""
    if len(text) <= TITLE_LENGTH:
        return text
    words = text[:TITLE_LENGTH].rpartition(" ")[0] or text[:TITLE_LENGTH]
    return f"{words.rstrip(' ,;:(')} …"


def operator_rows(faults: Sequence[Fault], *, now: datetime, zone: str) -> list[dict[str, Any]]:
    """Operator's alerts as rows of the ledger: one a day for each kind of fault and what it concerns.

    The title is short; the sentence as a whole is the one reason.
    """
    today = now.astimezone(ZoneInfo(zone)).date()
    rows = {}
    for kind, text, concerned, concerned_day, title in faults:
        day = concerned_day or today
        named = text.partition(":")[0] if kind not in ("failed", "model", "training") else ""
        subject = named if concerned is None else concerned
        found = alert_id(None, day, check=f"operator:{kind}:{subject}")
        rows[found] = {
            "alert_id": found,
            "kind": OPERATOR,
            "account": None,
            "day": day,
            "channel": None,
            "queue": None,
            "severity": SEVERITIES.get(kind, "medium"),
            "records_exposed": None,
            "title": shortened(title or text),
            "checks": [kind],
            "campaign": None,
            "score": None,
            "p_value": None,
            "strangeness": None,
            "reasons": [text],
            "evidence": [],
            "model_version": None,
            "first_at": None,
            "last_at": now,
            "alert_at": now,
        }
    return list(rows.values())
