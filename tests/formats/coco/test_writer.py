"""COCO polygons written exactly: what is written has the pixels that were read, in COCO's own code."""

import contextlib
import io
import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from scipy import ndimage

import segdata
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config, InstanceIds, Layers
from segdata.core.errors import SegdataError
from segdata.core.format import ReadRequest, find_format
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.coco import instances, panoptic
from segdata.testing.pictures import masks_of_runs, runs_of_masks
from segdata.testing.strategies import Details, datasets
from tests.generators.coco_documents import SQUARE, annotation, document, load_all, write_document

Written = dict[str, Any]  # Any: JSON
WIDTH, HEIGHT = 9, 7


def written_as(polygons: str, source: Any, folder: Path) -> tuple[list[Written], Path, LossCounter]:
    """The annotations of what was read, the file, and what was lost."""
    path, losses = folder / f"{polygons}.json", LossCounter()
    instances.write(source.profile, [load_all(source)[0]], path, losses, polygons=polygons)
    return json.loads(path.read_bytes())["annotations"], path, losses


def drawn(folder: Path, *annotations: Written) -> Any:
    """A document on an image of 9 x 7 pixels, read."""
    images = [{"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}]
    listed = [annotation(**each, id=number) for number, each in enumerate(annotations, start=1)]
    return instances.read(ReadRequest(write_document(folder, document(images=images, annotations=listed))))


def coded(*holes: tuple[int, int], box: tuple[int, int, int, int] = (1, 1, 6, 6)) -> Written:
    """The RLE of a box without some pixels."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = 1
    for x, y in holes:
        mask[y, x] = 0
    rle = coco_mask.encode(np.asfortranarray(mask))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def official_masks(path: Path) -> list[np.ndarray]:
    """The masks of all annotations as pycocotools' annToMask makes them."""
    with contextlib.redirect_stdout(io.StringIO()):
        reader = COCO(str(path))
    return [np.asarray(reader.annToMask(each), bool) for each in reader.dataset["annotations"]]


@settings(max_examples=40)
@given(dataset=datasets(Details(several=False, void=False)), polygons=st.sampled_from(["source", "exact", "never"]))
def test_pixels_come_back(dataset: tuple[Profile, list[Batch]], polygons: str) -> None:
    """To us and to pycocotools; the key that marks keyholes does not, and nothing else is lost than otherwise."""
    profile, batches = dataset
    before = concatenate_batches(batches)
    with tempfile.TemporaryDirectory() as folder:
        path, losses, usual = Path(folder) / "out.json", LossCounter(), LossCounter()
        instances.write(profile, batches, Path(folder) / "usual.json", usual)
        instances.write(profile, batches, path, losses, polygons=polygons)
        back, defects = load_all(instances.read(ReadRequest(path)))
        masks = official_masks(path)
    assert [each for each in defects if each.code != "SEG002"] == []
    for column in ("start", "length", "owner"):
        np.testing.assert_array_equal(getattr(back.runs, column), getattr(before.runs, column))
    assert back.segments["attributes"].to_pylist() == before.segments["attributes"].to_pylist()
    for ours, official in zip(masks_of_runs(before.runs, *before.segment_size), masks, strict=True):
        np.testing.assert_array_equal(ours, official)
    lost, expected = ({(each.kind, each.of): each.count for each in some.listed()} for some in (losses, usual))
    if polygons == "never":
        expected[("rings", "segments")] = len(before.segments["rings"].drop_null())
        lost.setdefault(("rings", "segments"), 0)
    assert lost == expected


def test_parts_are_rings_and_holes_are_a_keyhole(tmp_path: Path) -> None:
    parts = coded(*((x, y) for x in (3, 4) for y in range(1, 6)))
    source = drawn(tmp_path, {"segmentation": parts}, {"segmentation": coded((3, 3))}, {"segmentation": [SQUARE]})
    two, hole, square = written_as("exact", source, tmp_path)[0]
    assert two["segmentation"] == [[1, 1, 3, 1, 3, 6, 1, 6], [5, 1, 6, 1, 6, 6, 5, 6]]
    assert "segdata_keyhole" not in two
    ring = [1, 1, 3, 3, 3, 4, 4, 4, 4, 3, 3, 3, 1, 1, 6, 1, 6, 6, 1, 6]
    assert (hole["segmentation"], hole["segdata_keyhole"]) == ([ring], 1)
    assert (hole["area"], hole["bbox"], hole["iscrowd"]) == (24, [1, 1, 5, 5], 0)
    assert square["segmentation"] == [SQUARE]
    assert "segdata_keyhole" not in square


def test_crowds_and_segments_without_pixels_are_rle(tmp_path: Path) -> None:
    """But for a crowd that came as rings, which are kept."""
    empty = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}
    source = drawn(
        tmp_path, {"segmentation": coded(), "iscrowd": 1}, {"segmentation": empty},
        {"segmentation": [SQUARE], "iscrowd": 1},
    )  # fmt: skip
    crowd, nothing, ring = written_as("exact", source, tmp_path)[0]
    assert (crowd["segmentation"], crowd["iscrowd"]) == (coded(), 1)
    assert (nothing["segmentation"]["size"], nothing["area"]) == ([HEIGHT, WIDTH], 0)
    assert (ring["segmentation"], ring["iscrowd"]) == ([SQUARE], 1)


def test_never_writes_rle_and_counts_the_rings(tmp_path: Path) -> None:
    source = drawn(tmp_path, {"segmentation": [SQUARE]}, {"segmentation": coded()})
    items, _, losses = written_as("never", source, tmp_path)
    assert [type(each["segmentation"]) for each in items] == [dict, dict]
    assert [(loss.kind, loss.count, loss.examples) for loss in losses.listed()] == [("rings", 1, ["a.png: 1"])]


def test_what_was_written_exactly_stays_as_it_is(tmp_path: Path) -> None:
    """Rings that others bridged, too; and what was outlined is the source's ring from then on."""
    bridged = [0.5, 0.5, 0.5, 5.25, 6, 5.25, 6, 0.5, 0.5, 0.5, 2, 2, 4, 2, 4, 4, 2, 4, 2, 2]
    source = drawn(tmp_path, {"segmentation": coded((3, 3))}, {"segmentation": [bridged]}, {"segmentation": [SQUARE]})
    items, path, _ = written_as("exact", source, tmp_path)
    assert [each.get("segdata_keyhole") for each in items] == [1, 1, None]
    again = instances.read(ReadRequest(path))
    batch, defects = load_all(again)
    assert defects == []
    assert batch.segments["rings"].to_pylist() == [each["segmentation"] for each in items]
    assert batch.segments["attributes"].null_count == 3
    assert written_as("exact", again, tmp_path)[0] == items
    rings = [each["segmentation"] for each in written_as("source", again, tmp_path)[0]]
    assert rings == [each["segmentation"] for each in items]


def test_rings_that_no_longer_fit_are_outlined_and_counted(tmp_path: Path) -> None:
    source = drawn(tmp_path, {"segmentation": [SQUARE]})
    batch, losses = load_all(source)[0], LossCounter()
    wrong = replace(batch, segments=replace_column(batch.segments, "rings", [[[0.0, 0, 1, 0, 1, 1]]]))
    instances.write(source.profile, [wrong], tmp_path / "out.json", losses, polygons="exact")
    (item,) = json.loads((tmp_path / "out.json").read_bytes())["annotations"]
    assert item["segmentation"] == [SQUARE]
    assert [(loss.kind, loss.count) for loss in losses.listed()] == [("rings", 1)]


def test_what_is_found_does_not_depend_on_how_it_is_written(tmp_path: Path) -> None:
    """Two pinholes, a hole, and two specks: of the segment with holes, and of another."""
    masks = np.zeros((2, 40, 60), bool)
    masks[0, 5:35, 5:25] = masks[1, 5:35, 30:50] = True
    masks[0, 10, 10] = masks[0, 12, 8:10] = masks[0, 20:30, 10:20] = False
    masks[0, 36, 30] = masks[1, 2, 50:52] = True
    coded = [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
    shapes = [{"size": each["size"], "counts": each["counts"].decode()} for each in coded]
    images = [{"id": 1, "file_name": "a.png", "height": 40, "width": 60}]
    listed = [annotation(id=number, segmentation=shape) for number, shape in enumerate(shapes, start=1)]
    source = instances.read(ReadRequest(write_document(tmp_path, document(images=images, annotations=listed))))
    found = []
    for polygons in ("never", "exact"):
        _, path, _ = written_as(polygons, source, tmp_path)
        findings = segdata.validate(path).findings
        found.append([(each.code, each.segments, each.message, each.bbox) for each in findings if each.image])
    assert Counter(code for code, *_ in found[0]) == {"SEG106": 2, "SEG107": 1, "SEG116": 1}
    assert found[1] == found[0]


def test_unknown_choices_are_refused(tmp_path: Path) -> None:
    source = drawn(tmp_path)
    with pytest.raises(SegdataError, match="polygons is 'best', it must be one of: source, exact, never"):
        instances.write(source.profile, [], tmp_path / "out.json", LossCounter(), polygons="best")
    assert not (tmp_path / "out.json").exists()
    (line,) = find_format("coco-instances").write_options.values()
    assert all(f"{choice}" in line for choice in ("source (default): ", "exact: ", "never: "))


NERVE = Taxonomy(categories=(Category(id=1, name="axon"), Category(id=2, name="myelin")))
REAL: list[tuple[str, dict[str, Any], tuple[int, int, int]]] = [  # Any: keywords of `read`
    # annotations that became rings, keyholes and RLE
    ("coco_panoptic_sample", {"format": "coco-panoptic"}, (45, 2, 3)),
    (
        "stardist_nuclei",
        {"config": Config(instance_ids=InstanceIds(category="nucleus"))},
        (491, 0, 0),
    ),
    (
        "axon_sem_corrections",
        {
            "config": Config(layers=Layers(pattern="labels_corrected/{stem}_seg-{category}-manual.png")),
            "taxonomy": NERVE,
        },
        (10, 10, 0),
    ),
    ("vnc_sstem", {"config": Config(layers=Layers(pattern="{category}/{stem}.png"))}, (11, 10, 0)),
]


@pytest.mark.parametrize(("name", "opening", "expected"), REAL)
def test_real_masks_become_polygons(
    real_data: Path, tmp_path: Path, name: str, opening: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    """Keyholes are those in which scipy finds holes. A category that is not in the taxonomy is not written."""
    dataset = segdata.read(real_data / name, **opening)
    batches = list(dataset.batches(in_order=True))
    instances.write(dataset.profile, batches, tmp_path / "out.json", LossCounter(), polygons="exact")
    items = json.loads((tmp_path / "out.json").read_bytes())["annotations"]
    known = np.array(list(dataset.taxonomy.by_id()))
    ours = (
        mask
        for batch in batches
        for mask, category in zip(
            masks_of_runs(batch.runs, *batch.segment_size), batch.segments["category_id"].to_pylist(), strict=True
        )
        if category in known
    )
    sorts: Counter[str] = Counter()
    for item, mine, official in zip(items, ours, official_masks(tmp_path / "out.json"), strict=True):
        np.testing.assert_array_equal(mine, official)
        keyhole = "segdata_keyhole" in item
        sorts["keyhole" if keyhole else type(item["segmentation"]).__name__] += 1
        if not item["iscrowd"]:
            assert keyhole == (ndimage.binary_fill_holes(mine, np.ones((3, 3))) != mine).any()
    assert (sorts["list"], sorts["keyhole"], sorts["dict"]) == expected


def write(
    folder: Path, profile: Profile, masks: list[NDArray[np.bool_]], ids: list[int], **columns: Any
) -> LossCounter:
    """One image with these masks, written."""
    n, losses = len(masks), LossCounter()
    height, width = masks[0].shape
    batch = Batch(
        make_table(BATCH_IMAGES, 1, image_id=["x/a.jpg"], width=[width], height=[height]),
        make_table(BATCH_ANNOTATIONS, 1, image=[0]),
        make_table(BATCH_SEGMENTS, n, **({"annotation": [0] * n, "category_id": [1] * n, "segment_id": ids} | columns)),
        runs_of_masks(masks),
    )
    panoptic.write(profile, [batch], folder / "out", losses)
    return losses


def profile_of(tmp_path: Path) -> Profile:
    return panoptic.read(ReadRequest(write_document(tmp_path, document(annotations=[])))).profile


def test_later_segments_win_and_what_they_hide_is_counted(tmp_path: Path) -> None:
    under, over, hidden = (np.zeros((4, 4), bool) for _ in range(3))
    under[:3], over[2:], hidden[3] = True, True, True
    losses = write(tmp_path, profile_of(tmp_path), [under, hidden, over], [1, 2, 3])
    written_ids = np.asarray(Image.open(tmp_path / "out" / "panoptic" / "x" / "a.png"))[:, :, 0]
    assert written_ids[:, 0].tolist() == [1, 1, 3, 3]
    (entry,) = json.loads((tmp_path / "out" / "panoptic.json").read_bytes())["annotations"]
    assert [(each["id"], each["area"], each["bbox"]) for each in entry["segments_info"]] == [
        (1, 8, [0, 0, 4, 2]),
        (3, 8, [0, 2, 4, 2]),
    ]
    assert [(loss.kind, loss.count, loss.pixels) for loss in losses.listed()] == [
        ("empty-segment", 1, 0),
        ("overlap", 2, 8),
    ]


def test_ids_that_do_not_fit_are_renumbered_and_counted(tmp_path: Path) -> None:
    masks = [np.eye(5, dtype=bool)[[k]] for k in range(5)]
    ids = [2**24, 2**24 - 1, 0, 1, 2**24 - 1]
    losses = write(tmp_path, profile_of(tmp_path), masks, ids)
    pixels = np.asarray(Image.open(tmp_path / "out" / "panoptic" / "x" / "a.png")).astype(np.int64)
    assert (pixels @ [1, 256, 65536])[0].tolist() == [2, 2**24 - 1, 3, 1, 4]
    assert [(loss.kind, loss.count) for loss in losses.listed()] == [("segment-id", 3)]


def test_image_without_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match=r"x/a\.jpg"):
        write(tmp_path, profile_of(tmp_path), [np.zeros((0, 0), bool)], [1])


def test_unsafe_image_names_are_refused(tmp_path: Path) -> None:
    batch = Batch(
        make_table(BATCH_IMAGES, 1, image_id=["../a.jpg"], width=[2], height=[2]),
        make_table(BATCH_ANNOTATIONS, 1, image=[0]),
        BATCH_SEGMENTS.empty_table(),
        Runs.empty(),
    )
    with pytest.raises(SegdataError, match=r"\.\./a\.jpg"):
        panoptic.write(profile_of(tmp_path), [batch], tmp_path / "out", LossCounter())
