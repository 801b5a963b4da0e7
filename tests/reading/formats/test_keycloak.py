"""Keycloak's events in three notations."""

from __future__ import annotations

from pathlib import Path

from tests.reading.reads import Read, balanced, column
from tests.reading.samples import sample


def test_json_events_are_read(reads: Read) -> None:
    """Types become actions and outcomes; types of no interest and administrators' events are counted by kind."""
    reading = reads(sample("keycloak.jsonl"))
    assert column(reading, "action") == ["login", "login", "login", "password_reset", "logout"]
    assert column(reading, "outcome") == ["success", "failure", "failure", "success", "success"]
    assert reading.files[0].ignored == {"action CODE_TO_TOKEN": 1, "admin event": 1}
    assert balanced(reading)


def test_an_id_takes_the_name_that_a_success_gave_it(reads: Read) -> None:
    """Events with a user's id alone belong to the account that signed in with that id; a failure names nobody else."""
    assert column(reads(sample("keycloak.jsonl")), "account") == ["751234561", "nobody", None, "751234561", "751234561"]
    quoted = column(reads(sample("keycloak-quoted.log")), "account")
    assert quoted == ["admin", "751234561", "751234561", "751234561"]


def test_console_lines_with_quotes_are_read(reads: Read) -> None:
    """Event lines are read, other lines counted; a name that holds a quote cannot pass itself off as an address."""
    reading = reads(sample("keycloak-quoted.log"))
    assert column(reading, "outcome") == ["failure", "success", "success", "failure"]
    assert column(reading, "ip") == ["192.0.2.99", "192.0.2.10", "192.0.2.10", "192.0.2.10"]
    assert column(reading, "session") == ["c1", "s9", "s9", None]
    assert reading.files[0].ignored == {"no event": 2}


def test_console_lines_without_quotes_are_read(reads: Read) -> None:
    """Older lines have no quotes and no realm name; `null` as text is null."""
    reading = reads(sample("keycloak-unquoted.log"))
    assert column(reading, "account") == ["admin", "751234561"]
    assert [str(at) for at in column(reading, "timestamp")] == [
        "2019-03-01 08:00:00.464000+00:00",
        "2019-03-01 08:00:01.464000+00:00",
    ]


def test_a_source_that_logs_errors_only_is_told(reads: Read, tmp_path: Path) -> None:
    """Keycloak logs no success by default: then the user is warned, and else is not; nor of a second of a night."""
    told = "2 sign-ins failed and none succeeded"
    a_second = sample("keycloak-unquoted.log")
    text = Path(a_second.path).read_text(encoding="utf-8")
    all_day = tmp_path / "keycloak.log"
    all_day.write_text(text.replace("09:00:01", "19:00:01"), encoding="utf-8")
    assert any(told in warning for warning in reads(a_second.model_copy(update={"path": str(all_day)})).warnings)
    assert not any(told in warning for warning in reads(a_second).warnings)
    assert not any("none succeeded" in warning for warning in reads(sample("keycloak.jsonl")).warnings)
