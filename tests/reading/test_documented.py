"""The pages on formats and mappings tell all there is."""

from __future__ import annotations

import pytest

from detector.reading import load_mapping
from detector.reading.formats import FORMATS
from detector.reading.mapping import GROUPS, REQUEST_COLUMNS, Csv, Mapping, Request, Time
from tests.reading.samples import MAPPINGS, ROOT

FORMATS_PAGE = (ROOT / "docs" / "formats.md").read_text()
MAPPING_PAGE = (ROOT / "docs" / "mapping.md").read_text()


@pytest.mark.parametrize("name", [form.name for form in FORMATS])
def test_every_format_is_in_the_list(name: str) -> None:
    """A format is documented under the name that `--input-format` knows."""
    assert f"| `{name}` |" in FORMATS_PAGE


@pytest.mark.parametrize(
    "name",
    sorted(
        {*Mapping.model_fields, *Time.model_fields, *Csv.model_fields, *Request.model_fields, *GROUPS, *REQUEST_COLUMNS}
    ),
)
def test_every_key_of_a_mapping_is_told(name: str) -> None:
    """A key that a mapping may hold is on its page."""
    forms = (f"`{name}`", f"`[{name}]`", f"`[[{name}]]`", f"`[{name}] kind", f"`{name}:", f"`{name} ")
    assert any(form in MAPPING_PAGE for form in forms), name


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_mapping_loads_and_is_listed(path: object) -> None:
    """A mapping to start from is a mapping, and the page links to it."""
    name = str(path).rpartition("/")[2]
    load_mapping(MAPPINGS / name)
    assert f"(mappings/{name})" in MAPPING_PAGE
