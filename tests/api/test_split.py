"""Split: a new revision or lists; what looks the same, or belongs together, is never separated."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError

TAXONOMY = "unlabelled: 0\ncategories:\n  - {id: 1, name: field, kind: stuff}\n  - {id: 2, name: hut}\n"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve images with masks, of which four are one picture, brighter each time."""
    root, rng = tmp_path / "raw", np.random.default_rng(0)
    (root / "masks").mkdir(parents=True)
    (root / "images").mkdir()
    (root / "taxonomy.yaml").write_text(TAXONOMY)
    same = rng.integers(0, 200, (40, 40), dtype=np.uint8)
    for number in range(12):
        pixels = same + np.uint8(5 * number) if number < 4 else rng.integers(0, 255, (40, 40), dtype=np.uint8)
        mask = np.zeros((40, 40), np.uint8)
        mask[:20] = 1
        mask[25 : 30 + number % 3, 5:9] = 2 if number % 2 else 0
        Image.fromarray(pixels).save(root / "images" / f"{number:02d}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number:02d}.png")
    return root


def test_a_canonical_dataset_gets_a_revision(pictures: Path, tmp_path: Path) -> None:
    segdata.convert(pictures, tmp_path / "d")
    before = segdata.hash_of(tmp_path / "d")
    found = segdata.split(tmp_path / "d", {"train": 0.5, "val": 0.25, "test": 0.25})
    assert found.revision == "r0002"
    images = segdata.read(tmp_path / "d").images
    assert dict(zip(images["image_id"], images["split"], strict=True)) == dict(found.assignment.part_of)
    assert len({found.assignment.part_of[f"{number:02d}.png"] for number in range(4)}) == 1
    assert segdata.hash_of(tmp_path / "d") == before
    assert list(segdata.validate(tmp_path / "d", select=["SEG304"]).findings) == []


def test_the_first_revision_is_as_it_was(pictures: Path, tmp_path: Path) -> None:
    segdata.convert(pictures, tmp_path / "d")
    segdata.split(tmp_path / "d")
    assert segdata.read(tmp_path / "d", options={"revision": "r0001"}).images["split"].isna().all()


def test_lists_name_every_image_once(pictures: Path, tmp_path: Path) -> None:
    found = segdata.split(pictures, lists=tmp_path / "lists", near=False)
    named = [line for path in found.lists for line in path.read_text().splitlines()]
    assert sorted(named) == sorted(segdata.read(pictures).image_ids)
    assert found.assignment.largest == 1
    with pytest.raises(SegdataError, match="exists already"):
        segdata.split(pictures, lists=tmp_path / "lists", near=False)


def test_what_is_in_a_part_stays_there(pictures: Path, tmp_path: Path) -> None:
    segdata.convert(pictures, tmp_path / "d")
    first = segdata.split(tmp_path / "d", {"train": 0.5, "val": 0.5}).assignment.part_of
    again = segdata.split(tmp_path / "d", {"train": 0.8, "val": 0.2}, keep=True, seed=7).assignment.part_of
    assert dict(again) == dict(first)


def test_a_split_is_overwritten_only_on_request(pictures: Path, tmp_path: Path) -> None:
    segdata.convert(pictures, tmp_path / "d")
    segdata.split(tmp_path / "d", {"train": 0.5, "val": 0.5})
    with pytest.raises(SegdataError, match=r"has a split already .*--keep .*--overwrite"):
        segdata.split(tmp_path / "d", {"a": 0.5, "b": 0.5})
    assert segdata.split(tmp_path / "d", {"a": 0.5, "b": 0.5}, dry_run=True).revision is None
    assert segdata.split(tmp_path / "d", {"a": 0.5, "b": 0.5}, overwrite=True).revision == "r0003"


def test_nothing_is_written_for_a_try_or_a_foreign_format(pictures: Path, tmp_path: Path) -> None:
    assert segdata.split(pictures, dry_run=True).lists == ()
    with pytest.raises(SegdataError, match="--lists DIR"):
        segdata.split(pictures)
