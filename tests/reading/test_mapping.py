"""Mappings: what they hold, and what is told of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import ConfigError
from detector.reading import Input, Mapping, load_mapping
from tests.reading.reads import mapping

FULL = """
ignore = ["^GET /health"]
authority = ["lookup", "write"]
trusted_proxies = ["10.0.0.0/8", "fd00::/8"]
[columns]
account = ["user.id", "user.name"]
record = "patient"
[actions]
read = "lookup"
"*" = "ignore"
[outcomes]
found = "success"
[channels]
integrated = "software"
[record_id_modes]
vitale = "card"
[constants]
channel = "portal"
[records]
kind = "token"
[accounts]
kind = "hash"
[time]
columns = ["date", "time"]
format = "%d/%m/%Y %H:%M:%S"
zone = "UTC"
year = 2017
[[requests]]
method = "GET"
path = "^/patient/(?P<record>[^/?]+)"
action = "lookup"
service = "infopatient"
[csv]
delimiter = ";"
"""


def written(folder: Path, text: str) -> Path:
    """A mapping file."""
    path = folder / "mapping.toml"
    path.write_text(text)
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    """A full mapping file becomes a mapping with all of it."""
    found = load_mapping(written(tmp_path, FULL))
    assert found.columns == {"account": ("user.id", "user.name"), "record": ("patient",)}
    assert found.actions == {"read": "lookup", "*": "ignore"}
    assert found.requests[0].service == "infopatient"
    assert found.time.year == 2017
    assert found.source_columns == ("user.id", "user.name", "patient", "date", "time")


def test_a_mapping_does_not_change() -> None:
    """Settings are frozen."""
    with pytest.raises(ValueError, match="frozen"):
        Mapping().records = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colums = {}", "unknown key 'colums'; expected one of columns, actions"),
        ("[records]\nkind = 'nis'", "records.kind: .*'nir' or 'token'"),
        ("[records]\nknid = 'nir'", "unknown key 'records.knid'"),
        ("[actions]\nread = 'look-up'", "actions.read: 'look-up' is not one of login, .*ignore"),
        ("[columns]\nacount = 'x'", "columns.acount: 'acount' is not one of timestamp, account"),
        ("[time]\nzone = 'Paris'", "time.zone: 'Paris' is not a time zone"),
        ("[time]\nyear = 17", "time.year: "),
        ("ignore = ['(']", "ignore.0: '\\('"),
        ("[[requests]]\npath = '(?P<patient>x)'", "requests.0.path: the group 'patient' is not one of action, record"),
        ("[[requests]]\npath = '(?=x)'", "requests.0.path: .*RE2"),
        ("trusted_proxies = ['10.0.0.1/8']", "trusted_proxies.0: 10.0.0.1/8 has host bits set"),
        ("authority = ['reading']", "authority.0: 'reading' is not one of"),
        ("[csv]\ndelimiter = ';;'", "csv.delimiter: "),
        ("= 1", "not TOML"),
    ],
)
def test_a_wrong_mapping_is_refused_by_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    """The error names the file, the key, what was found and what was expected."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=told) as caught:
        load_mapping(path)
    assert str(path) in str(caught.value)


def test_an_absent_mapping_is_refused(tmp_path: Path) -> None:
    """A mapping that is not there is a configuration error."""
    with pytest.raises(ConfigError, match="the mapping cannot be read"):
        load_mapping(tmp_path / "absent.toml")


def test_an_input_takes_a_mapping_or_its_file(tmp_path: Path) -> None:
    """`mapping` may be the mapping, or the path of its file."""
    path = written(tmp_path, FULL)
    assert Input.model_validate({"path": "x", "mapping": str(path)}).mapping == load_mapping(path)


def test_a_users_mapping_goes_over_a_formats() -> None:
    """What the user leaves open comes from the format; a constant replaces a column, and a column a constant."""
    default = mapping(
        columns={"ip": "remote", "timestamp": "t"}, constants={"action": "lookup"}, actions={"a": "login"}
    )
    asked = mapping(columns={"action": "a"}, constants={"ip": "x"}, actions={"b": "logout"}, time={"columns": ["d"]})
    found = asked.over(default)
    assert found.columns == {"action": ("a",)}
    assert found.constants == {"ip": "x"}
    assert found.actions == {"a": "login", "b": "logout"}
