"""The committed sample data are what the generator makes now."""

import shutil
from pathlib import Path

from tests.generators.regenerated import assert_current
from tests.generators.showcase import write_showcase
from tests.pinned_versions import written_with

COMMITTED = Path(__file__).parents[2] / "sample_data"


@written_with("scipy", "numpy", "pillow")
def test_the_committed_files_are_current(tmp_path: Path) -> None:
    write_showcase(tmp_path)
    shutil.copy(COMMITTED / "README.md", tmp_path)
    assert_current(COMMITTED, tmp_path, photographs=["contact_sheet.png"])


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*")) < 600_000
