"""What a run works with: the key, the canaries, the model, and scratch that vanishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detector import verbs
from detector.errors import ConfigError, EngineError, HistoryError, ModelError
from detector.history import History
from detector.reading import Input, Mapping, key_id, token
from detector.settings import Settings
from detector.shipped import models_dir
from detector.workspace import MODEL, OUTSIDE, Workspace, key_beside, to_inputs, workspace

KEY = bytes(range(32))
NIR = "184120099900041"
"""Serial 000, which no living person has."""
ENV = {"DETECTOR_KEY": KEY.hex()}
TOKENS = Mapping.model_validate({"records": {"kind": "token"}})


def settings(**stages: dict[str, Any]) -> Settings:
    """Settings with some values set."""
    return Settings.model_validate(stages)


def test_scratch_is_gone_afterwards_however_the_run_ends(tmp_path: Path) -> None:
    """An interruption leaves nothing in the temporary folder."""

    def interrupted() -> None:
        with workspace(settings(engine={"temp_folder": tmp_path}), env=ENV) as place:
            (place.scratch / "events.parquet").touch()
            assert list(tmp_path.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_duckdb_works_in_utc_and_within_its_limits(tmp_path: Path) -> None:
    """The engine's settings are those of the file."""
    chosen = settings(engine={"memory_limit": "1GB", "threads": 1, "temp_folder": tmp_path})
    with workspace(chosen, env=ENV) as place:
        asked = "SELECT current_setting('TimeZone'), current_setting('threads'), current_setting('memory_limit')"
        zone, threads, memory = place.con.con.execute(asked).fetchall()[0]
    assert (zone, threads) == ("UTC", 1)
    assert memory.startswith("953")  # MiB


def test_a_memory_limit_that_is_none_is_refused() -> None:
    """What DuckDB does not understand is a setting's error."""
    with pytest.raises(ConfigError, match=r"\[engine\]: DuckDB refuses .*expected, say, memory_limit = '1GB'"):
        workspace(settings(engine={"memory_limit": "much"}), env=ENV).__enter__()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT list(i) FROM range(20_000_000) rows(i)", r"raise \[engine\] memory_limit"),
        (
            "CREATE TEMP TABLE much AS SELECT hash(i) FROM range(20_000_000) rows(i)",
            r"the disk of \[engine\] temp_folder",
        ),
    ],
)
def test_memory_that_duckdb_lacks_is_told_in_the_users_settings(tmp_path: Path, query: str, told: str) -> None:
    """DuckDB's own words name settings of its own, which nobody can reach."""
    chosen = settings(engine={"memory_limit": "32MB", "threads": 1, "temp_folder": tmp_path})

    def run() -> None:
        with workspace(chosen, env=ENV) as place:
            place.con.con.execute("SET max_temp_directory_size = '8MB'")
            place.con.con.execute(query).fetchall()

    with pytest.raises(EngineError, match=told) as caught:
        run()
    assert "SET" not in str(caught.value)


def test_a_temporary_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message names the folder."""
    with pytest.raises(ConfigError, match=r"temp_folder .*absent: cannot be written \(No such file"):
        workspace(settings(engine={"temp_folder": tmp_path / "absent"}), env=ENV).__enter__()


def test_canaries_are_tokens_whether_listed_as_tokens_or_identifiers(tmp_path: Path) -> None:
    """A file of canaries may hold identifiers, with gaps and keys or without; the run holds tokens alone."""
    listed = tmp_path / "canaries.txt"
    listed.write_text(f"# watched\n{NIR}\n1 84 12 00 999 000\n\nabc\n")
    with workspace(settings(portal={"canaries": ["given"], "canaries_file": listed}), env=ENV) as place:
        canaries = place.canaries
    of_nir = token(NIR[:13], key=KEY)
    assert canaries == ("given", of_nir, of_nir, "abc")


def test_canaries_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A missing list is no empty list."""
    with (
        workspace(settings(portal={"canaries_file": tmp_path / "absent"}), env=ENV) as place,
        pytest.raises(ConfigError, match=r"absent: the canaries cannot be read"),
    ):
        place.canaries  # noqa: B018 - asking is the test


def test_a_key_is_needed_only_where_tokens_are_made() -> None:
    """Dumps whose records are tokens already belong to no key of ours."""
    made, given = Input(path="a"), Input(path="b", mapping=Mapping.model_validate({"records": {"kind": "token"}}))
    with workspace(Settings(), env=ENV) as place:
        assert place.key_id([made]) == place.key_id([given, made]) == key_id(KEY)
        assert place.key_id([given]) == OUTSIDE


def test_a_history_made_with_another_key_is_refused(tmp_path: Path) -> None:
    """Tokens of two keys cannot be compared."""
    chosen = settings(history={"folder": tmp_path / "h"})
    with workspace(chosen, env=ENV) as place:
        place.history(create=True, inputs=[Input(path="a")])
    with (
        workspace(chosen, env={"DETECTOR_KEY": bytes(32).hex()}) as place,
        pytest.raises(HistoryError, match="key_id is"),
    ):
        place.history(inputs=[Input(path="a")])


def model_folder(**history: Path) -> Path:
    """Where the model is looked for."""
    with workspace(settings(history=history), env=ENV) as place:
        return place.model_folder()


def test_the_model_is_the_one_named_else_the_historys_else_the_shipped_one(tmp_path: Path) -> None:
    """From the nearest to the farthest."""
    assert model_folder().parent == models_dir()
    assert model_folder(folder=tmp_path).parent == models_dir()
    (tmp_path / MODEL).mkdir()
    assert model_folder(folder=tmp_path) == tmp_path / MODEL
    (tmp_path / "other").mkdir()
    assert model_folder(folder=tmp_path, model=tmp_path / "other") == tmp_path / "other"


def test_a_model_that_was_named_must_be_there(tmp_path: Path) -> None:
    """Another model is never taken in its place."""
    with pytest.raises(ModelError, match=r"absent: no such model; make one with `detector train"):
        model_folder(folder=tmp_path, model=tmp_path / "absent")


def test_the_key_beside_a_history_is_found(tmp_path: Path) -> None:
    """It is the folder's name with `.key`; absent, there is none."""
    assert key_beside(tmp_path / "h") is None
    (tmp_path / "h.key").touch()
    assert key_beside(tmp_path / "h") == tmp_path / "h.key"
    assert key_beside(None) is None


def test_dumps_named_win_over_those_of_the_settings(tmp_path: Path) -> None:
    """Paths share the mapping and the format given; without any path the settings' inputs are read."""
    mapping = tmp_path / "m.toml"
    mapping.write_text('[records]\nkind = "token"\n')
    chosen = settings(input=[{"path": "of-settings"}])  # type: ignore[arg-type]
    named = to_inputs(["a", "b"], settings=chosen, mapping=mapping, form="csv")
    assert [(i.path, i.format, i.mapping.records.kind) for i in named] == [("a", "csv", "token"), ("b", "csv", "token")]
    assert [entry.path for entry in to_inputs((), settings=chosen)] == ["of-settings"]


def test_no_dump_at_all_is_an_error() -> None:
    """Nothing to read is said before anything else is done."""
    with pytest.raises(ConfigError, match=r"no dump: name files, folders or globs, or give \[\[input\]\]"):
        to_inputs((), settings=Settings())


def test_a_workspace_holds_the_zone_of_the_portal() -> None:
    """Days are those of the portal."""
    with workspace(settings(portal={"zone": "Indian/Reunion"}), env=ENV) as place:
        assert isinstance(place, Workspace)
        assert place.zone == "Indian/Reunion"


def test_a_file_that_the_settings_mean_is_read_as_they_say(tmp_path: Path) -> None:
    """By whatever path it is called, alone or in a folder; another file, or one with a mapping of its own, is not."""
    (tmp_path / "logs").mkdir()
    for name in ("a.csv", "b.csv", "other.txt"):
        (tmp_path / "logs" / name).write_text("timestamp\n")
    known = Input(path=str(tmp_path / "logs" / "*.csv"), format="csv", mapping=TOKENS)
    chosen = Settings(input=(known, Input(path=str(tmp_path / "not-yet" / "*"))))
    (alone,) = to_inputs(str(tmp_path / "logs" / ".." / "logs" / "a.csv"), settings=chosen)
    assert (alone.mapping, alone.format) == (TOKENS, "csv")
    folder = to_inputs(tmp_path / "logs", settings=chosen)
    assert [(Path(each.path).name, each.mapping == TOKENS) for each in folder] == [
        ("a.csv", True),
        ("b.csv", True),
        ("other.txt", False),
    ]
    for given in (tmp_path / "logs" / "other.txt", tmp_path / "absent.csv", "-"):
        assert to_inputs([given], settings=chosen) == [Input(path=str(given))]
    assert to_inputs([tmp_path / "logs" / "a.csv"], settings=chosen, mapping=Mapping())[0].mapping == Mapping()


def test_what_is_held_is_computed_anew_without_a_key(tmp_path: Path) -> None:
    """None is made or asked for, whoever made the history; unless canaries must become tokens like its own."""
    folder = tmp_path / "history"
    History.open(folder, zone="Europe/Paris", key_id=key_id(KEY), create=True)
    assert verbs.learn(history=folder).days == ()
    assert key_beside(folder) is None
    (tmp_path / "canaries.txt").write_text(f"{NIR}\n")
    listed = settings(portal={"canaries_file": str(tmp_path / "canaries.txt")})
    with pytest.raises(HistoryError, match="name the key that it was made with"):
        verbs.learn(history=folder, settings=listed)
    (tmp_path / "key").write_bytes(KEY)
    named = listed.model_copy(update={"history": listed.history.model_copy(update={"key_file": tmp_path / "key"})})
    assert verbs.learn(history=folder, settings=named).days == ()
