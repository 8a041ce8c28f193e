"""The sample data in the wheel is what the generator makes now."""

from pathlib import Path

import pytest

from segdata import sample
from tests.generators.regenerated import assert_current
from tests.generators.sample.dataset import make
from tests.generators.sample_archive import pack
from tests.pinned_versions import written_with


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the sample data, drawn anew."""
    return make(tmp_path_factory.mktemp("generated"), images=sample.MAX_IMAGES).folder


@written_with("scipy", "numpy", "opencv-python-headless")
def test_the_archive_is_current(generated: Path, tmp_path: Path) -> None:
    sample.make(tmp_path)
    assert_current(tmp_path, generated)


@pytest.mark.parametrize("images", [1, 5])
def test_fewer_images_are_those_that_the_generator_makes(images: int, tmp_path: Path) -> None:
    parts = ("clean", "annotators", "noise")
    make(tmp_path / "generated", images=images, only=parts)
    sample.make(tmp_path / "copied", images=images, only=parts)
    assert_current(tmp_path / "copied", tmp_path / "generated")


def test_an_archive_holds_each_content_once(generated: Path) -> None:
    assert len(pack(generated / "clean")) < 1_500_000
    assert sample.ARCHIVE.stat().st_size < 4_000_000
