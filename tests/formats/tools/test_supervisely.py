"""Supervisely projects: what their objects are, by the rules of the SDK."""

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import segdata
from segdata.core.errors import UnreadableError
from segdata.core.format import detect, find_format
from segdata.formats.tools.supervisely_bitmaps import BrokenBitmapError, decode_mask, encode_mask
from segdata.testing.pictures import Mask, masks_of_runs
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

HEIGHT, WIDTH = 12, 16


def project(folder: Path, *objects: dict[str, Any], **said: Any) -> Path:
    """A project of one image `ds/a.png`, with these objects of class cat."""
    classes = [
        {"title": "cat", "shape": "any", "color": "#51C6AA", "id": 9},
        {"title": "dog", "color": "#FF0000", "id": 2},
    ]
    annotation = {"size": {"height": HEIGHT, "width": WIDTH}, "tags": [], "description": ""} | said
    annotation["objects"] = [{"classTitle": "cat", "tags": []} | each for each in objects]
    (folder / "ds/ann").mkdir(parents=True)
    (folder / "ds/img").mkdir()
    (folder / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}), encoding="utf-8")
    (folder / "ds/ann/a.png.json").write_text(json.dumps(annotation), encoding="utf-8")
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(folder / "ds/img/a.png")
    return folder


def png(pixels: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, format="PNG")
    return packed.getvalue()


def bitmap(pixels: np.ndarray, x: int = 0, y: int = 0, kind: str = "bitmap") -> dict[str, Any]:
    data = base64.b64encode(zlib.compress(png(pixels))).decode()
    return {"geometryType": kind, kind: {"data": data, "origin": [x, y]}}


def polygon(exterior: list[Any], *interior: list[Any], kind: str = "polygon") -> dict[str, Any]:
    return {"geometryType": kind, "points": {"exterior": exterior, "interior": list(interior)}}


def masks(opened: segdata.Dataset) -> list[Mask]:
    return [mask for batch in opened for mask in masks_of_runs(batch.runs, *batch.segment_size)]


def sdk_base64_2_data(text: str) -> Mask:
    """The SDK's decoder: OpenCV, alpha of four channels, else all that is not 0."""
    pixels = cv2.imdecode(np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels[:, :, 3] > 0 if pixels.ndim == 3 and pixels.shape[2] == 4 else pixels > 0


@settings(deadline=None)
@given(datasets(Details()))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, made: tuple[object, object]) -> None:
    assert_round_trip(find_format("supervisely"), *made, tmp_path_factory.mktemp("s"))  # type: ignore[arg-type]


@given(arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_the_sdk_reads_what_is_written(mask: Mask) -> None:
    text = encode_mask(mask)
    assert (sdk_base64_2_data(text) == mask).all()
    assert (decode_mask(text, mask.size) == mask).all()


def filtered_png(mask: Mask, filters: list[int]) -> bytes:
    """A mask as a PNG of one bit a pixel, whose rows hold the differences that their filters (0, 1, 2) say."""
    height, width = mask.shape
    rows = np.packbits(mask, axis=1)
    written = b""
    for row, kind in enumerate(filters[:height]):
        left = np.concatenate([[0], rows[row, :-1]]).astype(np.uint8)
        above = rows[row - 1] if row else np.zeros_like(rows[row])
        written += bytes([kind]) + (rows[row] - (0, left, above)[kind]).astype(np.uint8).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    parts = [(b"IHDR", head), (b"PLTE", bytes(3) + b"\xff" * 3), (b"tRNS", b"\0"), (b"IDAT", zlib.compress(written))]
    chunks = (
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        for name, data in [*parts, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@given(
    arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    st.lists(st.sampled_from([0, 1, 2]), min_size=20, max_size=20),
)
def test_rows_of_every_cheap_filter_are_the_mask(mask: Mask, filters: list[int]) -> None:
    packed = filtered_png(mask, filters)
    with Image.open(io.BytesIO(packed)) as image:
        assert (np.asarray(image) == mask).all()
    assert (decode_mask(base64.b64encode(packed).decode(), mask.size) == mask).all()


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_bitmap_is_refused_or_as_pillow_reads_it(at: int, byte: int) -> None:
    mask = np.arange(150).reshape(10, 15) % 7 < 3
    packed = bytearray(filtered_png(mask, [2, 0, 1] * 4))
    packed[at % len(packed)] = byte
    try:
        found = decode_mask(base64.b64encode(bytes(packed)).decode(), mask.size)
    except BrokenBitmapError:
        return
    with Image.open(io.BytesIO(bytes(packed))) as image:
        clear = image.info["transparency"]
        opaque = [True, True] if isinstance(clear, bytes) and 0 not in clear else [clear != 0, clear == 0]
        assert (np.array(opaque)[np.asarray(image)] == found).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 20), st.floats(-3, 20)), min_size=3, max_size=6), st.booleans())
def test_polygons_are_drawn_as_the_sdk_draws_them(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[float, float]], with_hole: bool
) -> None:
    hole = [[5, 5], [9, 5], [9, 8]]
    folder = project(tmp_path_factory.mktemp("s"), polygon(list(map(list, points)), *([hole] if with_hole else [])))
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(expected, [np.array(points).astype(np.int64).astype(np.int32)], 1)
    cv2.fillPoly(expected, [np.array(hole, np.int32)] if with_hole else [], 0)
    assert (masks(segdata.read(folder))[0] == (expected > 0)).all()


def test_bitmaps_of_every_kind(tmp_path: Path) -> None:
    mask = np.array([[True, False, True], [False, True, True]])
    grey = mask.astype(np.uint8) * 255
    rgba = np.dstack([grey * 0 + 7, grey * 0, grey * 0, grey])
    plain = {"geometryType": "bitmap", "bitmap": {"data": base64.b64encode(png(grey)).decode(), "origin": [4, 2]}}
    text = {"geometryType": "bitmap", "bitmap": {"data": encode_mask(mask), "origin": [4, 2]}}
    opened = segdata.read(project(tmp_path, bitmap(grey, 4, 2), bitmap(rgba, 4, 2), plain, text, bitmap(mask, 4, 2)))
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[2:4, 4:7] = mask
    found = masks(opened)
    assert len(found) == 5
    assert all((each == expected).all() for each in found)


def test_soft_masks_are_cut_at_half_and_told(tmp_path: Path) -> None:
    levels = np.array([[0, 60, 128, 255]], np.uint8)
    opened = segdata.read(project(tmp_path, bitmap(levels, 1, 1, "alpha_mask")))
    assert np.argwhere(masks(opened)[0]).tolist() == [[1, 3], [1, 4]]
    (batch,) = opened
    assert [(each.code, each.pixels) for each in batch.defects] == [("SEG010", 2)]


def test_what_objects_say(tmp_path: Path) -> None:
    tags = [{"name": "ripe"}, {"name": "spots", "value": 3}, {"name": "by", "value": "x"}, {"name": "by", "value": "y"}]
    more = [{"name": "confidence", "value": 0.5}, {"name": "iscrowd"}, {"name": "track_id", "value": 4}]
    box = polygon([[1, 1], [3, 3]], kind="rectangle")
    who = {"labelerLogin": "ann", "createdAt": "2020-01-02"}
    folder = project(
        tmp_path,
        box | who | {"id": 77, "tags": tags + more, "description": "sour"},
        box | who | {"createdAt": "2020-01-01"},
        polygon([[1, 1]], kind="point"),
        tags=[{"name": "sunny", "value": "yes"}],
    )
    opened = segdata.read(folder)
    (batch,) = opened
    first, second = batch.segments.to_pylist()
    assert (first["segment_id"], second["segment_id"]) == (77, 1)
    assert dict(first["attributes"]) == {"ripe": "true", "spots": "3", "by": '["x","y"]', "description": '"sour"'}
    assert (first["score"], first["iscrowd"], first["track_id"], first["category_id"]) == (0.5, True, 4, 9)
    assert first["rings"] == [[1.5, 1.5, 3.5, 1.5, 3.5, 3.5, 1.5, 3.5]]
    (annotation,) = batch.annotations.to_pylist()
    assert (annotation["annotator"], annotation["created"]) == ("ann", "2020-01-01")
    assert annotation["attributes"] == [("sunny", '"yes"')]
    assert [(each.code, each.severity) for each in batch.defects] == [("SEG004", "info")]


def test_title_of_one_class_and_id_of_another_is_told(tmp_path: Path) -> None:
    """An id that meta.json lacks is of another project, and tells nothing."""
    ring = [[1, 1], [8, 1], [8, 8]]
    drawn = [polygon(ring) | {"classId": id_} for id_ in (9, 2, 2, 77, None, [2])]
    (found,) = segdata.validate(project(tmp_path, *drawn), select=["SEG202"]).findings
    assert (found.severity, found.image, found.category) == ("warning", "ds/a.png", "cat")
    assert "2 objects have the classTitle 'cat' and the classId of 'dog'" in found.message
    assert len(masks(segdata.read(tmp_path))) == 6


def test_shape_of_an_object_that_its_class_does_not_have(tmp_path: Path) -> None:
    """Supervisely's SDK refuses a polygon of a class of bitmaps; a class without a shape, or of any, takes all."""
    ring = [[1, 1], [8, 1], [8, 8]]
    drawn = [polygon(ring) | {"classTitle": title} for title in ("cat", "dog", "dog")]
    folder = project(tmp_path, *drawn, {**polygon(ring), "geometryType": ["polygon"]})
    assert not segdata.validate(folder, select=["SEG202"]).findings
    meta = json.loads((folder / "meta.json").read_text())
    meta["classes"][1]["shape"] = "bitmap"
    (folder / "meta.json").write_text(json.dumps(meta))
    (found,) = segdata.validate(folder, select=["SEG202"]).findings
    assert "2 objects of 'dog' are a polygon, and meta.json has bitmap for that class" in found.message
    assert (found.severity, found.image, found.category) == ("warning", "ds/a.png", "dog")


def test_objects_of_several_people_are_one_annotation(tmp_path: Path) -> None:
    """Who drew which is an attribute: none of them went through the whole image."""
    box = polygon([[1, 1], [3, 3]], kind="rectangle")
    (batch,) = segdata.read(project(tmp_path, box | {"labelerLogin": "ann"}, box | {"labelerLogin": "bob"}))
    assert batch.annotations["annotator"].to_pylist() == [None]
    assert [dict(each) for each in batch.segments["attributes"].to_pylist()] == [
        {"labelerLogin": '"ann"'},
        {"labelerLogin": '"bob"'},
    ]


def test_nested_datasets_and_files_that_stay_alone(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", bitmap(np.ones((2, 2), np.uint8)))
    nested = folder / "ds/datasets/train"
    (nested / "ann").mkdir(parents=True)
    (nested / "img").mkdir()
    (nested / "ann/b.jpg.json").write_text((folder / "ds/ann/a.png.json").read_text())
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(folder / "ds/img/alone.png")
    opened = segdata.read(folder)
    images = dict(zip(opened.images["image_id"], opened.images["split"].fillna(""), strict=True))
    assert images == {"ds/a.png": "", "ds/alone.png": "", "ds/train/b.jpg": "train"}
    assert sorted(each.code for each in opened.source.defects) == ["SEG002", "SEG011"]
    assert len(segdata.read(folder / "ds").annotations) == 2


def test_a_project_below_the_folder(tmp_path: Path) -> None:
    """Repositories have theirs in `project/`, beside a README."""
    project(tmp_path / "project", polygon([[1, 1], [6, 1], [6, 6]]))
    opened = segdata.read(tmp_path)
    assert (opened.profile.format, list(opened.image_ids)) == ("supervisely", ["project/ds/a.png"])
    assert [category.name for category in opened.profile.taxonomy.categories] == ["cat", "dog"]
    project(tmp_path / "older", polygon([[1, 1], [6, 1], [6, 6]]))
    with pytest.raises(UnreadableError, match="several projects; give one of their folders as DATA: older, project"):
        segdata.read(tmp_path, format="supervisely")


@pytest.mark.parametrize("kind", ["videos", "volumes", "point_clouds"])
def test_other_projects_are_refused(tmp_path: Path, kind: str) -> None:
    folder = project(tmp_path)
    (folder / "meta.json").write_text(json.dumps({"classes": [], "projectType": kind}))
    with pytest.raises(UnreadableError, match=f"a project of {kind}; only projects of images are read"):
        segdata.read(folder)


@pytest.mark.parametrize("kind", [["videos"], {"a": 1}, 7, None])
def test_a_kind_of_project_that_is_no_text_is_that_of_images(tmp_path: Path, kind: object) -> None:
    folder = project(tmp_path)
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"projectType": kind}))
    assert len(segdata.read(folder, format="supervisely")) == 1


def test_lemons(real_data: Path) -> None:
    """Its README: objects per image 3, 3, 7, 4, 5, 4, and 196 pixels of IMG_3861 in two masks."""
    folder = real_data / "supervisely_lemons"
    assert detect(folder) == "supervisely"
    opened = segdata.read(folder)
    assert opened.segments.groupby("image_id").size().tolist() == [3, 3, 7, 4, 5, 4]
    overlap = [finding.pixels for finding in segdata.validate(opened).findings if finding.code == "SEG102"]
    assert overlap == [196]
    assert not opened.source.defects
    text = json.loads((folder / "ds1/ann/IMG_3861.jpeg.json").read_text())["objects"]
    expected = [sdk_base64_2_data(each["bitmap"]["data"]).sum() for each in text]
    assert opened.segments[opened.segments["image_id"] == "ds1/IMG_3861.jpeg"]["area"].tolist() == expected


def test_lemons_written_again(real_data: Path, tmp_path: Path) -> None:
    done = segdata.convert(real_data / "supervisely_lemons", tmp_path / "s", to="supervisely", verify=True)
    assert done.losses == ()
    assert done.proof is not None
    assert done.verified == 26


@pytest.mark.parametrize(("x", "y", "is_exchanged"), [(2, 12, True), (15, 12, False), (0, 0, None)])
def test_an_origin_that_fits_if_row_and_column_are_exchanged(
    tmp_path: Path, x: int, y: int, is_exchanged: bool | None
) -> None:
    opened = segdata.read(project(tmp_path, bitmap(np.ones((3, 3), bool), x, y)))
    messages = [defect.message for batch in opened for defect in batch.defects]
    assert ["are row and column exchanged?" in message for message in messages] == (
        [] if is_exchanged is None else [is_exchanged]
    )
