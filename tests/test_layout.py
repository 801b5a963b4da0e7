"""The shape of the project: which way imports point, how long things get, what must never be in the repository."""

from __future__ import annotations

import ast
import re
import subprocess
from configparser import ConfigParser
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

import pytest

import detector

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "detector"

# The way of the data, lowest first: a module imports from earlier lines, and from its own line without going round in a
# circle. A folder is one entry. A new module or folder goes on the line of what it is made from and for.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "schema", "shipped", "clock", "joins", "prepared"),
    ("reading",),
    ("in_order",),
    ("coded",),
    ("aggregates", "order", "neighbours"),
    ("novelty", "features"),
    ("account_days",),
    ("history",),
    ("deviations",),
    ("baseline",),
    ("rolling", "timeline"),
    ("model",),
    ("training", "checks", "alerting", "early", "explain", "campaigns"),
    ("reasons", "scoring", "alerts", "details", "comparison"),
    ("schedule",),
    ("ledger",),
    ("arriving", "seen", "news", "repeats", "learning", "story"),
    ("settings",),
    ("workspace",),
    ("verbs", "steps"),
    ("simulate", "evaluate", "drill", "shipping"),
    ("output",),
    ("report", "spark"),
    ("incident", "notify"),
    ("run",),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

LONGEST_FUNCTION = 60
"""Lines of code without the docstring; the usual function has under ten."""

LONGEST_MODULE = 520
"""Lines; a colleague reads a file once, top to bottom."""

BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
BANNED_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
BANNED_CALLS = {"joblib.load", "joblib.dump", "to_pickle", "read_pickle"}

MODULES = sorted(PACKAGE.rglob("*.py"))
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path, *, package: Path = PACKAGE) -> str:
    """Return the dotted name of a module file, with `detector.` in front; a folder's `__init__` is the folder."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(("detector", *(parts[:-1] if parts[-1] == "__init__" else parts)))


@cache
def tree_of(path: Path) -> ast.Module:
    """Return a module, parsed once for all tests."""
    return ast.parse(path.read_text(), filename=str(path))


def imports_of(tree: ast.Module, *, module: str, is_package: bool, known: set[str]) -> set[str]:
    """Return the modules of this package that a module imports, anywhere in it, relative imports resolved."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.split(".")[0] == "detector")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")
                above = above[: len(above) - node.level + is_package]
                base = ".".join([*above, *filter(None, [node.module])])
            if base.split(".")[0] == "detector":
                names = {f"{base}.{alias.name}" for alias in node.names}
                found.update(name if name in known else base for name in names)
    return found - {module}


def import_graph() -> dict[str, set[str]]:
    """Return, for each module of the package, the modules of the package that it imports."""
    known = {name_of(path) for path in MODULES}
    return {
        name_of(path): imports_of(
            tree_of(path), module=name_of(path), is_package=path.name == "__init__.py", known=known
        )
        for path in MODULES
    }


def layer_of(module: str) -> str:
    """Return the entry of LAYERS that a module belongs to; the package itself has none."""
    return module.split(".")[1] if "." in module else ""


def wrong_way(graph: dict[str, set[str]]) -> list[str]:
    """Return the imports that point against the way of the data, one sentence each."""
    return [
        f"{module} imports {target}, which comes after it"
        for module, targets in sorted(graph.items())
        for target in sorted(targets)
        if {layer_of(module), layer_of(target)} <= set(RANK) and RANK[layer_of(target)] > RANK[layer_of(module)]
    ]


def definitions(tree: ast.Module) -> list[Definition]:
    """Return every function and class of a module, nested ones included."""
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]


def code_lines(node: Definition) -> int:
    """Return the lines that a definition takes, its docstring not counted."""
    first = node.body[0]
    has_text = ast.get_docstring(node, clean=False) is not None
    text = (first.end_lineno or 0) - first.lineno + 1 if has_text else 0
    return (node.end_lineno or 0) - node.lineno + 1 - text


def undocumented(tree: ast.Module) -> list[str]:
    """Return the public functions, classes and methods of a module that have no docstring."""
    nodes = list(tree.body)
    nodes += [child for node in tree.body if isinstance(node, ast.ClassDef) if _is_public(node) for child in node.body]
    return [
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and _is_public(node)
        and not ast.get_docstring(node)
    ]


def _is_public(node: Definition) -> bool:
    return not node.name.startswith("_")


def tracked_files() -> list[Path]:
    """Return the text files that git tracks; without git or a checkout, the calling test skips and says so."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no list of tracked files: {error}")
    files = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def setup_cfg() -> ConfigParser:
    """Return setup.cfg, read."""
    config = ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    return config


def listed(text: str) -> list[str]:
    """Return the entries of a setup.cfg value with one entry a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


# Imports


def test_every_module_has_its_place_on_the_way_of_the_data() -> None:
    """Each module and folder of the package stands in LAYERS, and stands there once."""
    present = {layer_of(name_of(path)) for path in MODULES} - {""}
    unknown = sorted(present - set(RANK))
    assert not unknown, f"put {unknown} on the right line of LAYERS in tests/test_layout.py"
    assert len(RANK) == sum(map(len, LAYERS))


def test_imports_point_along_the_way_of_the_data() -> None:
    """No module imports one that comes after it."""
    assert not wrong_way(import_graph())


def test_imports_never_go_round_in_a_circle() -> None:
    """No module imports itself through others."""
    # A folder's `__init__` gathers what its modules offer, so it stands above them whichever way they import.
    graph = {
        module: {t for t in targets if not module.startswith(t + ".")} for module, targets in import_graph().items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports go round: {' → '.join(reversed(error.args[1]))}")


def test_an_import_against_the_way_is_found() -> None:
    """The check sees absolute, relative, nested and type-only imports, and lets the right way pass."""
    known = {"detector", "detector.cli", "detector.schema", "detector.history", "detector.history.store"}
    source = (
        "if True:\n    from detector import cli\ndef f():\n    import detector.history.store\nfrom .. import schema"
    )
    found = imports_of(ast.parse(source), module="detector.reading.csv", is_package=False, known=known)
    assert found == {"detector.cli", "detector.history.store", "detector.schema"}
    assert wrong_way({"detector.reading.csv": found}) == [
        "detector.reading.csv imports detector.cli, which comes after it",
        "detector.reading.csv imports detector.history.store, which comes after it",
    ]
    assert imports_of(ast.parse("from . import store"), module="detector.history", is_package=True, known=known) == {
        "detector.history.store"
    }


def test_inside_the_package_nobody_imports_through_the_package() -> None:
    """Modules import each other directly: only the version may be taken from the package itself."""
    own = {name_of(path) for path in MODULES} | {"detector.__version__"}
    offenders = [
        f"{name_of(path)}: {alias.name}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "detector"
        for alias in node.names
        if f"detector.{alias.name}" not in own
    ]
    assert not offenders


def test_every_library_that_is_imported_is_required() -> None:
    """What the package imports from outside the standard library stands in setup.cfg, in an extra at least."""
    owners = packages_distributions()
    required = {_plain(line) for line in requires("extraction-detector") or []}
    top_level = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        for alias in node.names
    }
    outside = {name: {_plain(owner) for owner in owners[name]} for name in top_level - {"detector"} if name in owners}
    assert not {name for name, distributions in outside.items() if not distributions & required}
    assert "pyarrow" in outside


def _plain(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement.lower().replace("_", "-"), maxsplit=1)[0]


@pytest.mark.parametrize("name", detector.__all__)
def test_each_public_name_is_defined_where_the_package_says(name: str) -> None:
    """Each name that `import detector` offers is found, and defined, in the module named for it."""
    module = import_module(detector._PUBLIC[name])
    assert getattr(detector, name) is getattr(module, name)
    assert getattr(getattr(module, name), "__module__", module.__name__).startswith(module.__name__)


def test_an_unknown_name_of_the_package_is_an_attribute_error_that_lists_the_known_ones() -> None:
    """A misspelt public name says what there is."""
    with pytest.raises(AttributeError, match=r"no attribute 'raed'; it offers .*SchemaError"):
        detector.raed  # noqa: B018 - asking for it is the test
    assert "models_dir" in dir(detector)


# Sizes, names, docstrings


def test_no_module_is_long() -> None:
    """Every module of the package, and every test module, stays within the limit."""
    long = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in [*MODULES, *ROOT.glob("tests/**/*.py")]}
    assert not {name: lines for name, lines in long.items() if lines > LONGEST_MODULE}


def test_no_function_is_long() -> None:
    """Every function of the package stays within the limit."""
    lengths = {
        f"{name_of(path)}.{node.name}": code_lines(node)
        for path in MODULES
        for node in definitions(tree_of(path))
        if not isinstance(node, ast.ClassDef)
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION}


def test_a_docstring_does_not_count_as_code() -> None:
    """The length of a function is that of its code."""
    tree = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1')
    assert [code_lines(node) for node in definitions(tree)] == [2]


def test_every_public_name_has_a_docstring() -> None:
    """Each module, and each public function, class and method in it, says what it is."""
    trees = {name_of(path): tree_of(path) for path in MODULES}
    bare = [f"{module}.{name}" for module, tree in trees.items() for name in undocumented(tree)]
    assert not bare + [module for module, tree in trees.items() if not ast.get_docstring(tree)]


def test_a_missing_docstring_is_found() -> None:
    """Functions, classes and methods without one are listed; private ones need none."""
    tree = ast.parse("def f(): ...\nclass C:\n    '''C.'''\n    def m(self): ...\n    def _n(self): ...\ndef _g(): ...")
    assert undocumented(tree) == ["f", "m"]


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    """No module or folder is named after nothing in particular."""
    parts = {part for path in MODULES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert not parts & BANNED_NAMES


# Safety


def test_nothing_in_the_package_reads_or_writes_a_pickle() -> None:
    """No module imports pickle or its kin, nor calls what loads one: a pickle runs code on loading."""
    assert not [f"{name_of(path)}: {found}" for path in MODULES for found in pickles_in(tree_of(path))]


def test_a_pickle_is_found_however_it_is_reached() -> None:
    """Imports, `from` imports and the loaders of joblib and pandas are all seen."""
    lines = (
        "import pickle",
        "from joblib import load",
        "joblib.load(p)",
        "pd.read_pickle(p)",
        "np.load(p, allow_pickle=True)",
    )
    found = pickles_in(ast.parse("\n".join((*lines, "np.load(p, allow_pickle=False)", "json.load(p)"))))
    assert found == ["pickle", "joblib.load", "joblib.load", "read_pickle", "allow_pickle"]


def pickles_in(tree: ast.Module) -> list[str]:
    """Return every way in which a module touches pickles, in the order of the lines."""
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    return [word for node in sorted(nodes, key=lambda node: node.lineno) for word in _pickles(node)]


def _pickles(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names if alias.name.split(".")[0] in BANNED_IMPORTS]
        case ast.ImportFrom(module=str(module), names=names):
            words = [f"{module}.{alias.name}" for alias in names]
            return [w for w in words if w in BANNED_CALLS or module.split(".")[0] in BANNED_IMPORTS]
        case ast.Call(func=ast.Attribute() as called, keywords=keywords):
            allowed = [k.arg for k in keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
            return sorted({ast.unparse(called), called.attr} & BANNED_CALLS) + list(filter(None, allowed))
    return []


def test_no_tracked_file_names_a_place_of_one_machine() -> None:
    """Outside the tests, nothing refers to the folder of real logs nor to a path of this machine."""
    places = [re.escape(str(place)) for place in {ROOT, Path.home()} if len(place.parts) > 1]
    pattern = re.compile(rf"\bshared/|(?<![\w.])(?:{'|'.join(places)})/")
    offenders = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked_files()
        if ROOT / "tests" not in path.parents
        for match in [pattern.search(path.read_text(errors="replace"))]
        if match
    ]
    assert not offenders


# Packaging


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_and_hashed_and_name_no_index(path: Path) -> None:
    """Each requirement is one version with its hashes, and no line holds an address, a path or an option of pip."""
    text = path.read_text()
    pins = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    pin = r"[a-z0-9][\w.-]*(\[[\w,-]+\])?==[\w.!+]+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"
    assert len(pins) == 1 if path.stem == "requirements-build" else len(pins) > 20
    assert not [text for text in pins if not re.fullmatch(pin, text.rstrip())]
    assert not re.search(r"://|--\w*index|find-links|trusted-host|(?<!\S)/", text)


def test_requirements_agree_with_each_other() -> None:
    """A library has the same version in every requirements file that pins it."""
    pinned: dict[str, set[str]] = {}
    for path in ROOT.glob("requirements*.txt"):
        for name, found in re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), flags=re.MULTILINE):
            pinned.setdefault(name, set()).add(found)
    assert not {name: versions for name, versions in pinned.items() if len(versions) > 1}


def test_the_installed_version_is_the_one_in_the_code() -> None:
    """What setup.cfg declares and what is installed is `detector.__version__`."""
    assert setup_cfg()["metadata"]["version"] == "attr: detector.__version__"
    assert version("extraction-detector") == detector.__version__, "install the project again: make env"


def test_setup_cfg_lists_every_folder_of_the_package() -> None:
    """A wheel carries each folder of the package, and the shipped models."""
    folders = {name_of(path.parent / "__init__.py") for path in MODULES}
    assert sorted(listed(setup_cfg()["options"]["packages"])) == sorted(folders | {"detector.models"}), (
        "bring `packages` in setup.cfg into line"
    )
    assert not [folder for folder in {path.parent for path in MODULES} if not (folder / "__init__.py").is_file()]


def test_pyproject_holds_only_what_cannot_live_in_setup_cfg() -> None:
    """Only the build system and ruff are configured in pyproject.toml."""
    sections = re.findall(r"^\[(.+)\]$", (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert {section for section in sections if not section.startswith("tool.ruff")} == {"build-system"}
