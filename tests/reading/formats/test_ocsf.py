"""Open Cybersecurity Schema Framework."""

from __future__ import annotations

from detector.reading import Input
from tests.reading.reads import Read, column, mapping
from tests.reading.samples import SAMPLES, sample


def test_classes_and_activities_become_actions(reads: Read) -> None:
    """Authentication, account change, API and datastore activity are read; other classes are counted."""
    reading = reads(sample("ocsf.jsonl"))
    assert column(reading, "action") == ["login", "login", "password_reset", "lookup", "lookup"]
    assert column(reading, "outcome") == ["success", "failure", "success", "success", "success"]
    assert column(reading, "account") == ["751234561", "unknown", "751234561", "751234561", "751234561"]
    assert column(reading, "delegate") == [None, None, "helpdesk", None, None]
    assert reading.files[0].ignored == {"class 4002 activity 3": 1}


def test_a_list_of_resources_is_as_many_records(reads: Read) -> None:
    """One answer may show several records; the first is the record looked up."""
    reading = reads(sample("ocsf.jsonl"))
    assert column(reading, "n_records") == [None, None, None, 2, None]
    assert column(reading, "record_sex") == [None, None, None, "1", "1"]


def test_forwarded_addresses_come_from_trusted_proxies(reads: Read) -> None:
    """The list of X-Forwarded-For counts if the peer is trusted."""
    reading = reads(Input(path=str(SAMPLES / "ocsf.jsonl"), mapping=mapping(trusted_proxies=["10.0.0.0/8"])))
    assert column(reading, "ip")[3] == "203.0.113.9"
