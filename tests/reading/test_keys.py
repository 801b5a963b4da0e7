"""Keys: where they come from, and that they stay private."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import ConfigError
from detector.reading import key_id, load_key
from detector.report.french import told


def test_key_file_comes_before_the_environment(tmp_path: Path) -> None:
    """`--key-file` wins over the variables; raw bytes and hexadecimal digits are both keys."""
    raw, digits = tmp_path / "raw", tmp_path / "hex"
    raw.write_bytes(bytes(range(32)))
    digits.write_text("ab" * 32 + "\n")
    raw.chmod(0o600)
    env = {"DETECTOR_KEY_FILE": str(digits), "DETECTOR_KEY": "cd" * 32}
    assert load_key(raw, env=env, history_dir=None) == (bytes(range(32)), None)
    assert load_key(None, env=env, history_dir=None).key == b"\xab" * 32
    assert load_key(None, env={"DETECTOR_KEY": "cd" * 32}, history_dir=None).key == b"\xcd" * 32


def test_a_key_is_made_beside_the_history_once(tmp_path: Path) -> None:
    """Without a key one is made outside the history folder, for its owner alone; the next run finds it."""
    history = tmp_path / "history"
    made = load_key(None, env={}, history_dir=history)
    path = tmp_path / "history.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.notice is not None
    assert str(path) in made.notice
    assert "une clé a été créée" in told(made.notice, "fr")
    assert load_key(None, env={}, history_dir=history) == (made.key, None)
    assert not history.exists()


def test_a_key_that_others_may_read_is_told(tmp_path: Path) -> None:
    """A key file with loose permissions works, and the user is told."""
    path = tmp_path / "key"
    path.write_bytes(bytes(32))
    path.chmod(0o644)
    notice = load_key(path, env={}, history_dir=None).notice
    assert notice is not None
    assert "chmod 600" in notice


@pytest.mark.parametrize("content", [b"", b"short", b"z" * 64, b"ab" * 31])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """A key of another length is an error that tells how to make one, and does not show it."""
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"--key-file .*found {len(content)} bytes, expected a key of 32 bytes"):
        load_key(path, env={}, history_dir=None)


def test_an_absent_key_file_is_refused(tmp_path: Path) -> None:
    """A key file that is not there is an error: another key would make other tokens."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_key(tmp_path / "absent", env={}, history_dir=tmp_path)


def test_without_a_history_the_key_is_for_this_run(tmp_path: Path) -> None:
    """Two runs without key and history have two keys, and both are told so."""
    first, second = (load_key(None, env={}, history_dir=None) for _ in range(2))
    assert first.key != second.key
    assert "cannot be compared" in (first.notice or "")
    assert list(tmp_path.iterdir()) == []


def test_key_id_tells_keys_apart_and_gives_nothing_away() -> None:
    """The id of a key is short, stable, and no part of it."""
    assert key_id(bytes(32)) != key_id(bytes(31) + b"\1")
    assert len(key_id(bytes(32))) == 12
    assert key_id(bytes(32)) == key_id(bytes(32))
