"""Filter: a dataset of what meets the conditions, and a word on what was dropped."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"


def test_filter_nothing_is_identical(tmp_path: Path) -> None:
    found = segdata.filter(SAMPLE, tmp_path / "all")
    assert (found.images, found.annotations, found.segments, found.pixels) == (0, 0, 0, 0)
    assert segdata.diff(SAMPLE, tmp_path / "all", strict=True).same


def test_a_category_stays_pixel_by_pixel(tmp_path: Path) -> None:
    whole = segdata.read(SAMPLE)
    name = whole.segments["category"].value_counts().index[0]
    found = segdata.filter(SAMPLE, tmp_path / "one", category=name, copy_images=True)
    before = whole.segments[whole.segments["category"] == name]
    after = segdata.read(tmp_path / "one").segments
    assert after["counts"].tolist() == before["counts"].tolist()
    assert found.segments == len(whole.segments) - len(before)
    assert found.pixels == int(whole.segments["area"].sum() - before["area"].sum())
    assert found.written.not_copied == ()
    assert "filtered: (category in" in (tmp_path / "one" / "dataset.yaml").read_text().replace("\n    ", " ")


def test_findings_choose_images(tmp_path: Path) -> None:
    first, *others = segdata.read(SAMPLE).image_ids
    found = [
        segdata.Finding(code=code, rule="speck", severity="warning", message="", image=image)
        for code, image in (("SEG106", first), *(("SEG101", other) for other in others))
    ]
    segdata.filter(SAMPLE, tmp_path / "flagged", finding="seg106", findings=found)
    assert segdata.read(tmp_path / "flagged").image_ids == [first]


def test_misuse_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    for given, said in (
        ({"category": "caar"}, "no category 'caar'"),
        ({"where": "aera > 3"}, "no column 'aera'"),
        ({"where": "category > 3"}, "cannot be evaluated"),
        ({"finding": "SEG101"}, "needs a report"),
        ({"min_area": 10**12}, "no image"),
    ):
        with pytest.raises(SegdataError, match=said):
            segdata.filter(SAMPLE, tmp_path / "out", **given)  # type: ignore[arg-type]  # of several types
        assert list(tmp_path.iterdir()) == []


TAXONOMY = "unlabelled: 0\ncategories:\n  - {id: 1, name: field, kind: stuff}\n  - {id: 2, name: hut}\n"


def drawn(root: Path, boxes: dict[str, Sequence[int]], taxonomy: str = TAXONOMY, grey: int = 90) -> Path:
    """A folder of images of one grey, with masks: field, and a hut in a box [top, bottom, left, right]."""
    (root / "masks").mkdir(parents=True)
    (root / "images").mkdir()
    (root / "taxonomy.yaml").write_text(taxonomy)
    for name, (top, bottom, left, right) in boxes.items():
        mask = np.ones((12, 16), np.uint8)
        mask[top:bottom, left:right] = 2
        Image.fromarray(np.full((12, 16), grey, np.uint8)).save(root / "images" / f"{name}.png")
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")
    return root


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return drawn(tmp_path / "whole", {name: (at, at + 3, at, 2 * at + 2) for at, name in enumerate("abcdef")})


def test_parts_of_a_dataset_are_the_dataset(whole: Path, tmp_path: Path) -> None:
    lists = segdata.split(whole, {"x": 0.5, "y": 0.3, "z": 0.2}, lists=tmp_path / "lists", near=False).lists
    parts = [segdata.read(whole, only=path.read_text().split()) for path in lists]
    found = segdata.merge(parts, tmp_path / "again", copy_images=True)
    assert found.n_shared == 0
    assert segdata.diff(whole, tmp_path / "again", strict=True).same
    assert (tmp_path / "again" / "images" / "a.png").is_file()
    assert segdata.read(tmp_path / "again").segments["category_id"].tolist() == [1, 2] * 6


def test_a_dataset_with_itself_is_itself(whole: Path, tmp_path: Path) -> None:
    found = segdata.merge([whole, whole], tmp_path / "again")
    assert (found.n_shared, found.remarks) == (6, ())
    assert segdata.diff(whole, tmp_path / "again", strict=True).same


def test_annotators_of_one_image_stay_apart(tmp_path: Path) -> None:
    for name in ("anna", "bob"):
        drawn(tmp_path / name, {"a": (0, 4, 0, 4 if name == "anna" else 5), "b": (1, 2, 1, 2)})
    segdata.merge([tmp_path / "anna", tmp_path / "bob"], tmp_path / "unnamed")
    unnamed = segdata.read(tmp_path / "unnamed").annotations
    assert list(zip(unnamed["image_id"], unnamed["annotator"], strict=True)) == [
        (image, name) for image in ("a.png", "b.png") for name in ("anna", "bob")
    ]
    both = [segdata.read(tmp_path / name, annotator="carl") for name in ("anna", "bob")]
    found = segdata.merge(both, tmp_path / "named")
    assert found.remarks == ("annotations by 'carl' in bob are by 'carl (bob)'",)
    one = segdata.read(tmp_path / "named").segments
    assert set(one["annotator"]) == {"carl", "carl (bob)"}
    assert len(one) == 8


def test_another_picture_is_another_image(whole: Path, tmp_path: Path) -> None:
    other = drawn(tmp_path / "other", {"a": (0, 1, 0, 1)}, grey=30)
    found = segdata.merge([whole, other], tmp_path / "both")
    assert found.remarks == ("image 'a.png' of other is another picture: it is 'other/a.png'",)
    images = segdata.read(tmp_path / "both").images.set_index("image_id")
    assert len(images) == 7
    assert dict(images.loc["other/a.png", "metadata"]) == {"merged_from": '"a.png"'}
    apart = segdata.merge([whole, other], tmp_path / "apart", apart=True)
    assert apart.remarks == ()
    assert "whole/a.png" in segdata.read(tmp_path / "apart").image_ids


def test_taxonomies_are_one_and_sources_are_kept(whole: Path, tmp_path: Path) -> None:
    other = drawn(tmp_path / "o", {"z": (2, 5, 2, 5)}, TAXONOMY.replace("hut", "barn").replace("field", "meadow"))
    segdata.merge([whole, other], tmp_path / "both")
    both = segdata.read(tmp_path / "both")
    assert [(each.id, each.name) for each in both.taxonomy.categories] == [
        (1, "field"), (2, "hut"), (3, "meadow"), (4, "barn")
    ]  # fmt: skip
    z = both.segments[both.segments["image_id"] == "z.png"]
    assert z["category"].tolist() == ["meadow", "barn"]
    assert z["segment_id"].tolist() == [3, 4]  # in semantic data the id is that of the category
    origins = json.loads(both.profile.metadata["merged_from"])
    assert [each["path"] for each in origins] == [str(whole), str(other)]


def test_a_map_makes_one_of_what_is_called_otherwise(whole: Path, tmp_path: Path) -> None:
    thing = TAXONOMY.replace("hut}", "field2}").replace("field, kind: stuff", "hut, kind: stuff")
    other = drawn(tmp_path / "o", {"z": (2, 5, 2, 5)}, thing)
    with pytest.raises(SegdataError, match="'hut'") as caught:
        segdata.merge([whole, other], tmp_path / "both")
    assert str(whole) in str(caught.value)
    assert str(other) in str(caught.value)
    (tmp_path / "map.yaml").write_text("categories: {hut: field, field2: hut}\n")
    segdata.merge([whole, other], tmp_path / "both", taxonomy_maps={1: tmp_path / "map.yaml"})
    segments = segdata.read(tmp_path / "both").segments
    assert segments[segments["image_id"] == "z.png"]["category"].tolist() == ["field", "hut"]


def test_what_cannot_be_merged_is_said(whole: Path, tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "sample_data" / "panoptic"
    for data, said in (([whole], "two datasets"), ([whole, sample], "different tasks")):
        with pytest.raises(SegdataError, match=said):
            segdata.merge(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()
