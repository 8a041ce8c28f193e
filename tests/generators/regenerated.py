"""Committed files and what their generator writes now."""

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image


def assert_current(committed: Path, regenerated: Path, photographs: Collection[str] = ()) -> None:
    """Assert that two folders hold the same files.

    Bytes may differ in images alone, with the library that packs them: PNGs have the same pixels, and JPEGs and those
    named as `photographs`, which pass through floats, may differ by a few grey levels between machines.
    """
    old, new = (
        {path.relative_to(root) for path in root.rglob("*") if path.is_file()} for root in (committed, regenerated)
    )
    assert new == old
    for path in sorted(new):
        one, other = (root / path for root in (committed, regenerated))
        if one.read_bytes() == other.read_bytes():
            continue
        if path.suffix == ".json":
            assert json.loads(one.read_text()) == json.loads(other.read_text())
            continue
        assert path.suffix in (".jpg", ".png"), path
        with Image.open(one) as first, Image.open(other) as second:
            difference = np.abs(np.array(first).astype(int) - np.array(second))
        assert difference.max() <= (6 if path.suffix == ".jpg" or path.name in photographs else 0), path
        assert difference.mean() < 0.5
