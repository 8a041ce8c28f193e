"""Exports: what is imported on first use is what type checkers see, in the package and in the surfaces of plugins."""

import ast
from importlib import import_module
from pathlib import Path

import pytest


def typed_exports(source: str) -> dict[str, str]:
    """Name -> module of what a module imports for type checkers alone."""
    blocks = (node for node in ast.parse(source).body if isinstance(node, ast.If))
    imports = (node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name: node.module or "" for node in imports for alias in node.names}


@pytest.mark.parametrize("name", ["segdata", "segdata.formats.plugin", "segdata.rules.plugin"])
def test_every_name_is_typed_and_found_in_one_place(name: str) -> None:
    module = import_module(name)
    assert module.__file__ is not None
    assert typed_exports(Path(module.__file__).read_text("utf-8")) == module._HOME
    for public in module._HOME:
        assert getattr(module, public) is not None
