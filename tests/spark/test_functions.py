"""DuckDB's own functions all have a counterpart on Spark."""

from __future__ import annotations

import ast
from pathlib import Path

import detector
from detector.spark.functions import FUNCTIONS

BUILTIN = "ibis.udf.scalar.builtin"


def builtins_in(tree: ast.Module) -> set[str]:
    """The names of the database's functions that a module declares."""
    return {
        next((str(ast.literal_eval(k.value)) for k in call.keywords if k.arg == "name"), node.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and ast.unparse(call.func) == BUILTIN
    }


def test_every_function_of_duckdb_is_known_on_spark() -> None:
    """Whoever uses another function of DuckDB in an expression says what it is on Spark."""
    modules = Path(detector.__file__).parent.rglob("*.py")
    declared = {name for path in modules for name in builtins_in(ast.parse(path.read_text()))}
    assert declared
    assert declared == set(FUNCTIONS)


def test_a_declared_function_is_found_by_its_name_in_the_database() -> None:
    """The name that is given goes before that of the Python function."""
    source = f"@{BUILTIN}(name='a')\ndef f(x): ...\n@{BUILTIN}()\ndef g(x): ...\ndef h(x): ..."
    assert builtins_in(ast.parse(source)) == {"a", "g"}
