"""The shared part of the formats stands below the families: it imports none of them."""

import ast
from pathlib import Path

import segdata.formats.shared

FOLDER = Path(segdata.formats.shared.__file__).parent


def test_shared_modules_import_no_family() -> None:
    imported = {
        (path.name, node.module)
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("segdata.formats")
    }
    assert imported  # else this test would look at nothing
    assert {pair for pair in imported if not pair[1].startswith("segdata.formats.shared")} == set()
