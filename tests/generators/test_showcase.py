"""The committed sample data are what the generator makes now."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.generators.showcase import write_showcase

COMMITTED = Path(__file__).parents[2] / "sample_data"


def test_the_committed_files_are_current(tmp_path: Path) -> None:
    write_showcase(tmp_path)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(COMMITTED) for path in COMMITTED.rglob("*") if path.is_file()}
    assert made == kept - {Path("README.md")}
    for path in sorted(made):
        new, old = tmp_path / path, COMMITTED / path
        if path.suffix == ".json":
            assert json.loads(new.read_text()) == json.loads(old.read_text())
        elif path.suffix == ".yaml":
            assert new.read_text() == old.read_text()
        else:
            with Image.open(new) as one, Image.open(old) as other:
                difference = np.abs(np.array(one).astype(int) - np.array(other))
            # Photographs pass through floats and JPEG, which may differ by a level or two between machines.
            is_photo = path.suffix == ".jpg" or path.name == "contact_sheet.png"
            assert difference.max() <= (6 if is_photo else 0)
            assert difference.mean() < 0.5


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*")) < 600_000
