"""The dossier says what happened in the simulated portal, no more and no less, and the same each time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
import stix2

from detector.errors import ConfigError
from detector.incident import Case, Dossier, prepare_dossier
from detector.incident.documents import HERE
from detector.incident.originals import fingerprint
from detector.reading.records import token
from detector.report.rendering import environment
from detector.settings import Settings
from detector.verbs import learn as learn_days
from tests.incident.conftest import FIRST, KEY, LAST, Portal
from tests.incident.test_identifiers import identifiers, words_in

Made = tuple[Dossier, Path]


def _shown(portal: Portal) -> set[str]:
    """Tokens of the records that the attack was shown."""
    truth = portal.truth()
    shown = truth[(truth["action"] == "lookup") & (truth["outcome"] == "success")]
    return {token(str(nir)[:13], key=KEY) for nir in shown["record"]}


def test_the_lower_bound_is_nearly_the_truth_and_never_above_it(portal: Portal, made: Made) -> None:
    """At least 97 % of the records that the attack was shown, and no other; the upper bound is not below."""
    dossier, _out = made
    shown, records = _shown(portal), dossier.records
    lower, upper = set(records.loc[records["bound"] == "tied", "record"]), set(records["record"])
    assert lower <= shown <= upper
    assert len(lower) >= 0.97 * len(shown)
    assert (dossier.counts["records_lower"], dossier.counts["records_upper"]) == (len(lower), len(upper))
    assert len(shown) > 700


def test_all_addresses_of_the_attack_are_listed_and_nobody_elses(portal: Portal, made: Made) -> None:
    """What is to be blocked is what only the attack used."""
    dossier, out = made
    used = set(portal.truth()["ip"])
    honest = set(pd.concat([pd.read_parquet(dump) for dump in portal.dumps[:-2]])["ip"])
    assert set(dossier.addresses["ip"]) == used
    blocked = set((out / "addresses.txt").read_text().split())
    assert blocked == used - honest


def test_each_account_is_listed_with_the_reset_that_opened_the_door(portal: Portal, made: Made) -> None:
    """All victims, each with its reset, before its first malicious look-up."""
    dossier, out = made
    assert sorted(dossier.accounts["account"]) == portal.victims
    assert set(dossier.accounts["door"]) == {"password_reset"}
    assert (dossier.accounts["door_at"] <= dossier.accounts["last_at"]).all()
    assert set(pd.read_csv(out / "accounts.csv", dtype=str)["account"]) == set(portal.victims)


def test_the_same_dumps_give_the_same_bytes(portal: Portal, made: Made, tmp_path: Path) -> None:
    """In another folder, and again in the same one."""
    _dossier, out = made
    before = _bytes(out)
    for folder in (tmp_path / "other", tmp_path / "other"):
        prepare_dossier(portal.case(), out=folder, dumps=portal.dumps, mapping=portal.mapping, settings=portal.settings)
        assert _bytes(folder) == before


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_other_victims_are_found_and_the_window_is_widened_and_amended(portal: Portal, tmp_path: Path) -> None:
    """From the last night alone the first is missing; with more dumps the dossier is amended and says by how much."""
    folder = tmp_path / "out"
    case = portal.case(first=LAST)
    past = portal.dumps[:-2]
    last_night = [*past, portal.dumps[-1]]
    first = prepare_dossier(case, out=folder, dumps=last_night, mapping=portal.mapping, settings=portal.settings)
    assert first.start == LAST
    second = prepare_dossier(case, out=folder, dumps=portal.dumps, mapping=portal.mapping, settings=portal.settings)
    assert (second.start, second.end) == (FIRST, LAST)
    revisions = json.loads((folder / "incident.json").read_text())["revisions"]
    assert [revision["number"] for revision in revisions] == [1, 2]
    changes = revisions[1]["changes"]
    assert changes["window"] == {"start": [LAST.isoformat(), FIRST.isoformat()]}
    was, now = changes["counts"]["records_lower"]
    assert (was, now) == (first.counts["records_lower"], second.counts["records_lower"])
    assert changes["records_tied_added"] == now - was
    notice = (folder / "notices" / "notice-complementary.fr.html").read_text()
    assert "personnes ajoutées à la borne basse" in notice
    assert "12 mars 2026 à 09:00" in notice
    assert "15 mars 2026 à 09:00" in notice


def test_a_version_that_changes_nothing_says_so() -> None:
    """From the second on; the first has nothing to be compared with."""
    env = environment(HERE)
    for language, text in (("fr", "Rien n'a changé"), ("en", "Nothing has changed")):
        source = env.loader.get_source(env, f"summary.{language}.html.j2")[0] if env.loader else ""
        part = source[source.index("{% if changes %}") : source.index("{% endif %}", source.index(text)) + 11]
        told = [env.from_string(part).render(changes=[], revision=number) for number in (1, 2)]
        assert [text in each for each in told] == [False, True]


def test_history_alone_gives_an_upper_bound_and_says_that_the_lower_is_unknown(
    portal: Portal, made: Made, tmp_path: Path
) -> None:
    """The same upper bound as from the dumps, no address to block, and no evidence."""
    dossier, _out = made
    learn_days(portal.dumps, history=tmp_path / "history", mapping=portal.mapping, settings=portal.settings)
    bare = prepare_dossier(portal.case(), out=tmp_path / "out", history=tmp_path / "history", settings=portal.settings)
    assert bare.counts["records_lower"] is None
    assert bare.counts["records_upper"] == dossier.counts["records_upper"]
    assert (bare.counts["dependants_upper"] or 0) >= (dossier.counts["dependants_upper"] or 0) > 0
    assert set(bare.addresses["decision"]) == {"keep"}
    assert "lower bound is unknown" in bare.remarks[0][0]
    assert "inconnu" in (tmp_path / "out" / "summary.fr.html").read_text()
    logged = (tmp_path / "history" / "actions.jsonl").read_text()
    assert '"verb": "incident"' in logged
    assert '"by": "tests"' in logged
    assert not identifiers(portal) & words_in(tmp_path)


def test_no_identifier_that_went_in_comes_out(portal: Portal, made: Made) -> None:
    """Neither in a file of the dossier, nor in a column of its tables, with its key or without."""
    _dossier, out = made
    assert not identifiers(portal) & words_in(out)


def test_the_manifest_has_the_hash_of_every_file_and_of_every_original(portal: Portal, made: Made) -> None:
    """Whoever is given the dossier, and later the logs, can check both."""
    _dossier, out = made
    manifest = json.loads((out / "manifest.json").read_text())
    files = {name: hashlib.sha256(content).hexdigest() for name, content in _bytes(out).items()}
    assert manifest["files"] == {name: digest for name, digest in files.items() if name != "manifest.json"}
    originals = {each["name"]: each["sha256"] for each in manifest["originals"]}
    assert originals == {dump: hashlib.sha256(Path(dump).read_bytes()).hexdigest() for dump in portal.dumps}


def test_evidence_leads_to_the_line_it_comes_from(portal: Portal, made: Made) -> None:
    """Its fingerprint is that of the row, under the key; the row itself stays with the operator."""
    evidence = pd.read_parquet(made[1] / "evidence.parquet")
    row = evidence.iloc[17]
    original = pd.read_parquet(row["source"], dtype_backend="pyarrow").iloc[int(row["line"]) - 1]
    values = [None if value is pd.NA or value != value else value for value in original]
    plain = [value.to_pydatetime() if isinstance(value, pd.Timestamp) else value for value in values]
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), default=str)
    assert row["original"] == fingerprint(text.encode(), key=KEY)
    assert row["original"] != fingerprint(text.encode(), key=None)
    assert len(evidence) == len(portal.truth())


def test_the_bundle_is_stix_and_holds_an_indicator_per_address_to_block(made: Made) -> None:
    """It parses without custom properties; its ids do not change."""
    dossier, out = made
    bundle = stix2.parse((out / "stix.json").read_text(), allow_custom=False)
    patterns = [each.pattern for each in bundle.objects if each.type == "indicator"]
    blocked = dossier.addresses.loc[dossier.addresses["decision"] == "block", "ip"]
    assert sorted(patterns) == sorted(f"[ipv4-addr:value = '{ip}']" for ip in blocked)


def test_each_person_has_one_line_of_the_mail_merge_and_its_letter_is_there(made: Made) -> None:
    """The certain before the possible; letters are concrete about what was shown."""
    dossier, out = made
    merge = pd.read_csv(out / "letters" / "mail-merge.csv", dtype=str)
    assert merge["record"].is_unique
    assert len(merge) == dossier.counts["records_upper"]
    assert (merge["certain"] == "yes").sum() == dossier.counts["records_lower"]
    for name in set(merge["letter"]):
        for language in ("fr", "en"):
            assert (out / "letters" / f"letter-{name}.{language}.html").is_file()
    letter = (out / "letters" / "letter-A.fr.html").read_text()
    assert "numéro de sécurité sociale" in letter
    assert "ont été consultées" in letter


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("letter-A.fr", ("Nous avons bloqué", "La CNIL a été informée")),
        ("letter-A.en", ("We blocked", "The regulator was told")),
        ("professionals.fr", ("Votre compte est bloqué", "Les personnes concernées sont informées")),
        ("professionals.en", ("Your account is blocked", "We inform the persons")),
        ("faq.fr", ("Le portail lui-même n'a pas été percé", "Chaque personne concernée reçoit une lettre")),
        ("faq.en", ("The portal itself was not broken into", "Each person concerned gets a letter")),
    ],
)
def test_what_the_operator_did_is_for_a_person_to_confirm(made: Made, name: str, claims: tuple[str, ...]) -> None:
    """No log tells what was blocked, who was told, or that the portal held: it is marked in letters and answers."""
    text = (made[1] / "letters" / f"{name}.html").read_text()
    told = "à confirmer par une personne" if name.endswith("fr") else "to be confirmed by a person"
    for claim in claims:
        assert f"<mark>[{told}] {claim}" in text


def test_templates_of_the_operator_take_the_place_of_ours(portal: Portal, tmp_path: Path) -> None:
    """One is replaced, the others stay; a broken one is told."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "faq.fr.html.j2").write_text("Nous sommes {{ controller }}.\n")
    told = portal.settings.incident.model_copy(update={"templates": own, "controller": "La <Caisse>"})
    settings = portal.settings.model_copy(update={"incident": told})
    out = tmp_path / "out"
    prepare_dossier(portal.case(), out=out, dumps=portal.dumps, mapping=portal.mapping, settings=settings)
    assert (out / "letters" / "faq.fr.html").read_text() == "Nous sommes La &lt;Caisse&gt;.\n"
    assert "What happened?" in (out / "letters" / "faq.en.html").read_text()
    (own / "faq.fr.html.j2").write_text("{{ nobody_knows }}")
    with pytest.raises(ConfigError, match=r"a template cannot be filled in .*nobody_knows"):
        prepare_dossier(portal.case(), out=out, dumps=portal.dumps, mapping=portal.mapping, settings=settings)


def test_what_cannot_be_found_out_is_an_error(portal: Portal, tmp_path: Path) -> None:
    """No account, a window that ends before it begins, neither dumps nor history, no key, a foreign folder."""
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="no account"):
        prepare_dossier(Case([], FIRST, LAST), out=out)
    with pytest.raises(ConfigError, match=r"ends .* before it begins"):
        prepare_dossier(Case(["a"], LAST, FIRST), out=out)
    with pytest.raises(ConfigError, match="neither dumps nor a history"):
        prepare_dossier(Case(["a"], FIRST, LAST), out=out)
    with pytest.raises(ConfigError, match="no key: the dumps hold identifiers"):
        prepare_dossier(
            Case(["a"], FIRST, LAST), out=out, dumps=portal.dumps[:1], mapping=portal.mapping, settings=Settings()
        )
    nobody = portal.case(accounts=["nobody"])
    with pytest.raises(ConfigError, match="hold no event of these accounts"):
        prepare_dossier(nobody, out=out, dumps=portal.dumps[:8], mapping=portal.mapping, settings=portal.settings)
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="found other things"):
        prepare_dossier(
            portal.case(), out=tmp_path, dumps=portal.dumps, mapping=portal.mapping, settings=portal.settings
        )
