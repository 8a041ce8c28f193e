"""Panel: datasets of several annotators as one; and what of them cannot be compared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import segdata
from segdata.agreement.comparison import compare_panel
from segdata.agreement.misplaced_labels import find_misplaced
from segdata.agreement.panel import Panel, PanelMember, build_panel
from segdata.api.agreement import agree
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy

ROAD, CAR = Category(id=1, name="road", kind="stuff"), Category(id=2, name="car")
ROADS = Taxonomy(categories=(ROAD, CAR))


def dataset(
    masks: dict[str, np.ndarray], taxonomy: Taxonomy = ROADS, *, name: str = "masks", annotator: str | None = None
) -> OpenDataset:
    return segdata.from_arrays(masks, taxonomy, name=name, annotator=annotator)


def mask(*rows: str) -> np.ndarray:
    return np.array([[int(each) for each in row] for row in rows], np.uint8)


ONE, OTHER = mask("1122", "1122", "0000"), mask("1112", "1112", "0000")


def of(*members: OpenDataset | tuple[str, OpenDataset], pair_by: str | None = None) -> Panel:
    named = [PanelMember(each) if isinstance(each, OpenDataset) else PanelMember(each[1], each[0]) for each in members]
    return build_panel(named, pair_by=pair_by)


def everything(found: Panel) -> list[tuple[str, str, int]]:
    """Image, annotator and number of segments of every annotation."""
    batch = found.load(np.arange(len(found.image_ids)))
    count = np.bincount(batch.segment_annotation, minlength=batch.annotations.num_rows)
    images = batch.images["image_id"].take(batch.annotations["image"]).to_pylist()
    return list(zip(images, batch.annotations["annotator"].to_pylist(), count.tolist(), strict=True))


def test_images_are_paired_by_id_and_what_is_alone_is_told() -> None:
    found = of(("a", dataset({"1.png": ONE, "2.png": ONE})), ("b", dataset({"2.png": OTHER, "3.png": OTHER})))
    assert found.by == "id"
    assert everything(found) == [("1.png", "a", 2), ("2.png", "a", 2), ("2.png", "b", 2), ("3.png", "b", 2)]
    assert [each.code for each in found.defects] == ["SEG410", "SEG410"]
    assert "1 image of 2 images in a is in no other dataset: 1.png" in found.defects[0].message


@pytest.mark.parametrize(
    ("names", "by"),
    [(("x/1.png", "x/1.tif"), "stem"), (("x/1.png", "y/1.tif"), "name"), (("x/1_a.png", "x/1_b.png"), "varying")],
)
def test_the_first_way_that_pairs_any_is_taken(names: tuple[str, str], by: str) -> None:
    one, other = (dataset({name: ONE, name.replace("1", "2"): ONE}) for name in names)
    found = of(("a", one), ("b", other))
    assert (found.by, len(found.image_ids)) == (by, 2)


def test_nothing_in_common_is_an_error_that_shows_names() -> None:
    one, other = dataset({"1.png": ONE, "2.png": ONE}), dataset({"7.png": ONE, "8.png": ONE})
    with pytest.raises(SegdataError, match=r"no image is in two datasets.*a has 1.png.*--pair"):
        of(("a", one), ("b", other))


def test_equal_files_are_paired_by_content_and_repeats_within_a_dataset_are_passes(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name, content in (("1.png", b"1"), ("2.png", b"2"), ("again.png", b"1")):
        (images / name).write_bytes(content)
    data = segdata.from_arrays({"1.png": ONE, "2.png": ONE, "again.png": OTHER}, ROADS, images=images, annotator="anna")
    assert everything(of(data, pair_by="content")) == [
        ("1.png", "anna", 2),
        ("1.png", "anna (2)", 2),
        ("2.png", "anna", 2),
    ]


def test_sizes_that_differ_are_left_out_and_told() -> None:
    found = of(("a", dataset({"1.png": ONE, "2.png": ONE})), ("b", dataset({"1.png": ONE[:2], "2.png": OTHER})))
    batch = found.load(np.arange(2))
    assert [(each.code, each.image, each.annotator) for each in batch.defects] == [("SEG411", "1.png", "b")]
    assert everything(found) == [("1.png", "a", 2), ("2.png", "a", 2), ("2.png", "b", 2)]


def test_categories_are_the_same_by_name_whatever_their_ids() -> None:
    turned = Taxonomy(categories=(Category(id=2, name="road", kind="stuff"), Category(id=1, name="car")))
    swapped = np.choose(ONE, [0, 2, 1])
    found = agree([("a", dataset({"1.png": ONE})), ("b", dataset({"1.png": swapped}, turned))], resamples=100)
    assert found.overall.iou.value == 1
    assert found.overall.kappa.value == 1


def test_what_one_was_not_asked_for_counts_for_nothing() -> None:
    """B has never heard of cars: where a drew one, nobody can disagree."""
    road = Taxonomy(categories=(ROAD,))
    without = np.where(ONE == 2, 0, ONE)
    found = agree([("a", dataset({"1.png": ONE})), ("b", dataset({"1.png": without}, road))], resamples=100)
    assert found.overall.accuracy.value == 1
    assert [each.code for each in found.findings] == ["SEG412"]


def test_an_id_under_another_name_is_told() -> None:
    street = Taxonomy(categories=(Category(id=1, name="street", kind="stuff"), CAR))
    found = of(("a", dataset({"1.png": ONE})), ("b", dataset({"1.png": OTHER}, street)))
    assert [each.name for each in found.profile.taxonomy.categories] == ["road", "car"]
    assert [each.message for each in found.defects] == ["street (id 1) is compared as road"]


def test_a_second_pass_is_not_another_annotator() -> None:
    data = [("anna", dataset({"1.png": ONE})), ("anna", dataset({"1.png": OTHER})), ("ben", dataset({"1.png": ONE}))]
    found = agree(data, resamples=100)
    assert found.annotators == ("anna", "anna (2)", "ben")
    between = {(each.a, each.b): each.scores["iou"].value for each in found.pairs}
    assert found.overall.iou.value == pytest.approx(
        np.mean([between["anna", "ben"], between["anna (2)", "ben"]]), rel=1e-9
    )


def test_several_annotators_cannot_be_called_one() -> None:
    two = dataset({"1.png": ONE}, annotator="x")
    both = Panel(**{name: getattr(of(("x", two), ("y", two)), name) for name in Panel.__dataclass_fields__})
    with pytest.raises(SegdataError, match="x, y, which cannot all be called z"):
        of(("z", OpenDataset(both, both.profile, two.config)), ("y", two)).load(np.arange(1))


def test_names_may_be_letters() -> None:
    data = [("zoe", dataset({"1.png": ONE})), ("anna", dataset({"1.png": OTHER})), ("truth", dataset({"1.png": ONE}))]
    found = agree(data, gold="truth", anonymise=True, resamples=100)
    assert found.annotators == ("A", "truth", "B")
    assert not {"zoe", "anna"} & {each.annotator for each in found.findings}


def test_outside_the_region_nobody_disagrees_and_nobody_agrees(tmp_path: Path) -> None:
    regions = tmp_path / "roi"
    regions.mkdir()
    Image.fromarray(np.repeat([[1, 1, 1, 0]], 3, axis=0).astype(np.uint8)).save(regions / "1.png")
    cut = [dataset({"1.png": each[:, :3]}) for each in (ONE, OTHER)]
    with_roi = []
    for name, array in (("a", ONE), ("b", OTHER)):
        folder = tmp_path / name / "masks"
        folder.mkdir(parents=True)
        Image.fromarray(array).save(folder / "1.png")
        with_roi.append((name, segdata.read(folder, taxonomy=ROADS, roi=regions)))
    expected = agree(list(zip("ab", cut, strict=True)), resamples=100)
    found = agree(with_roi, resamples=100)
    for score in ("iou", "kappa", "accuracy", "dice", "pq", "alpha"):
        assert found.overall.scores[score].value == pytest.approx(expected.overall.scores[score].value), score


def test_a_mirrored_annotation_is_told() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((40, 60)) < 0.02).astype(np.uint8)
    labels[5:15, 5:25] = 1
    found = of(("a", dataset({"1.png": labels})), ("b", dataset({"1.png": labels[:, ::-1]})))
    opposed = compare_panel(found).annotator_pairs
    assert opposed is not None
    (told,) = find_misplaced(found, opposed)
    assert (told.annotator, told.other) == (1, 0)
    assert "mirrored left to right at 1.00" in told.message
    straight = of(("a", dataset({"1.png": labels})), ("b", dataset({"1.png": np.roll(labels, 20, axis=1)})))
    opposed = compare_panel(straight).annotator_pairs
    assert opposed is not None
    assert find_misplaced(straight, opposed) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda xy: xy + np.array([5, -3]), "shifted by -5 px across and +3 px down"),
        (lambda xy: xy * 0.85, "scaled by 1.1"),
        (lambda xy: xy[:, ::-1], "with x and y exchanged"),
        (lambda xy: xy + np.random.default_rng(1).normal(0, 1.5, xy.shape), ""),
    ],
)
def test_a_misplaced_annotator_is_named(change: Callable[[Any], Any], words: str) -> None:
    """Of three, the one whose labels do not lie on those of the others; who draws loosely is left alone."""
    rng = np.random.default_rng(0)
    drawn: dict[str, dict[str, NDArray[np.uint8]]] = {name: {} for name in "abc"}
    for number in range(6):
        picture = {name: Image.new("L", (160, 120)) for name in "abc"}
        for _ in range(6):
            angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
            around = rng.uniform(6, 18, (7, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
            ring = rng.uniform(20, 100, 2) + around
            for name, image in picture.items():
                moved = change(ring) if name == "b" else ring + rng.normal(0, 0.5, ring.shape)
                ImageDraw.Draw(image).polygon([*map(tuple, moved.tolist())], fill=1)
        for name, image in picture.items():
            drawn[name][f"{number}.png"] = np.asarray(image, np.uint8)
    panel = of(*((name, dataset(masks)) for name, masks in drawn.items()))
    opposed = compare_panel(panel).annotator_pairs
    assert opposed is not None
    told = find_misplaced(panel, opposed)
    assert [(one.annotator, one.other) for one in told] == ([(1, 0), (1, 2)] if words else [])
    assert all(words in one.message for one in told), told
