"""Tests of bytes that other versions of a package write otherwise, or compute in another last digit."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def written_with(*packages: str) -> pytest.MarkDecorator:
    """Skip a test where one of these packages has another version than in constraints.txt, as in `make test-lowest`."""
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE))
    others = [f"{name} {version(name)}" for name in packages if version(name) != pinned[name]]
    return pytest.mark.skipif(bool(others), reason=f"what is expected was written without {', '.join(others)}")
