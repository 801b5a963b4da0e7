"""Access logs: requests, quotes, addresses, proxies."""

from __future__ import annotations

from pathlib import Path

from detector.reading import Input, token
from tests.reading.reads import KEY, NIR, Read, balanced, column, mapping, rows_of
from tests.reading.samples import sample


def test_requests_become_events_by_their_rules(reads: Read) -> None:
    """Method and path give action, record and service; what matches no rule, or is nobody's, is ignored and counted."""
    reading = reads(sample("access.log", mapping="portal"))
    assert column(reading, "action") == ["login", "lookup", "lookup", "lookup", "write", "lookup"]
    assert column(reading, "outcome") == ["success", "success", "failure", "failure", "success", "success"]
    assert column(reading, "service") == ["sign-in", *["infopatient"] * 3, "arret-travail", "infopatient"]
    assert reading.files[0].ignored == {"ignore '\"GET /static/'": 1, "no HTTP request": 1, "no account": 1}
    assert balanced(reading)


def test_an_identifier_in_a_path_has_one_token_however_it_is_written(reads: Read) -> None:
    """Percent-encoded gaps and the key change nothing, and the number stands nowhere in the events."""
    reading = reads(sample("access.log", mapping="portal"))
    assert column(reading, "record")[1:3] == [token(NIR[:13], key=KEY)] * 2
    assert not any(NIR[:13] in str(value) for row in rows_of(reading) for value in row.values())


def test_addresses_names_and_quotes_are_read(reads: Read) -> None:
    """IPv6, `unix:`, a virtual host before, a name with a space, and both ways to escape a quote."""
    reading = reads(sample("access.log", mapping="portal"))
    assert column(reading, "ip")[2:5] == ["2001:db8::17", "unix:", "192.0.2.11"]
    assert column(reading, "account")[-1] == "jean dupont"
    assert column(reading, "user_agent")[2:4] == ['Agent "quoted" \\ end', 'say "hello"']


def test_the_client_is_the_last_hop_that_no_trusted_proxy_added(reads: Read) -> None:
    """X-Forwarded-For counts from trusted peers only, from the right, without ports; a forged hop never counts."""
    trusting = mapping(trusted_proxies=["10.0.0.0/8", "fd00::/8"])
    assert column(reads(sample("proxied.log", mapping=trusting)), "ip") == [
        "203.0.113.9",
        "203.0.113.9",
        "203.0.113.9",
        "192.0.2.66",
        "10.0.0.5",
        "2001:db8::5",
        "unknown",
    ]


def test_without_trusted_proxies_the_peer_is_the_client(reads: Read) -> None:
    """A header that anybody can send says nothing by default."""
    found = column(reads(sample("proxied.log")), "ip")
    assert set(found) == {"10.0.0.5", "192.0.2.66", "fd00::2"}


def test_syslog_envelopes_are_opened(reads: Read) -> None:
    """Lines in RFC 5424 and RFC 3164 envelopes are read as the lines within."""
    reading = reads(sample("wrapped.log", mapping="portal"))
    assert column(reading, "outcome") == ["success", "failure", "success"]
    assert reading.files[0].format == "combined"


def test_real_requests_are_look_ups_of_their_paths(reads: Read) -> None:
    """A cut of a real log: all but its broken line, which is a reject with its place and text."""
    reading = reads(sample("apache.log", mapping="apache"))
    assert reading.files[0].events == 40
    assert column(reading, "record")[0] == "/presentations/logstash-monitorama-2013/images/kibana-search.png"
    (reject,) = reading.rejects.to_pylist()
    assert (reject["line"], reject["reason"]) == (41, "not a line of an access log")
    assert reject["text"].startswith("46.118.127.106 - - [20/May/2015")


def test_the_whole_real_log_is_accounted_for(reads: Read, shared_data: Path) -> None:
    """10,000 requests of a real web server: one is cut off, all others are events of 1,753 addresses at most."""
    path = shared_data / "apache-combined.log.gz"
    reading = reads(sample(str(path), mapping="apache"))
    count = reading.files[0]
    assert (count.lines, count.events, count.rejected) == (10_000, 9_999, 1)
    assert balanced(reading)
    assert len(set(column(reading, "account"))) == 1_753


def test_a_request_whose_path_holds_spaces_is_a_request(reads: Read, tmp_path: Path) -> None:
    """Some servers answer it: a robot must not pass unseen by leaving spaces as they are."""
    path = tmp_path / "access.log"
    path.write_text(
        '192.0.2.1 - A [01/Mar/2026:09:00:00 +0000] "GET /record/a b HTTP/1.1" 200 5 "-" "x"\n'
        '192.0.2.1 - A [01/Mar/2026:09:00:01 +0000] "GET /old" 200 5 "-" "x"\n'
        '192.0.2.1 - A [01/Mar/2026:09:00:02 +0000] "\\x16\\x03 x" 400 5 "-" "x"\n'
    )
    reading = reads(Input(path=str(path), mapping=mapping(records={"kind": "token"})))
    assert column(reading, "record") == ["/record/a b", "/old"]
    assert reading.files[0].ignored == {"no HTTP request": 1}
