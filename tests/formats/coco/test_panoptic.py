"""COCO panoptic: ids of pixels and what the document says of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.coco import panoptic
from segdata.formats.coco.panoptic_reader import read_regions
from segdata.testing.pictures import masks_of_runs
from tests.generators.coco_documents import document, load_all, write_document

Ids = NDArray[np.uint32]
FIRST, SECOND = 7, 300  # two ids: one fits a byte, the other does not


def picture() -> Ids:
    """5 x 6 pixels: 6 of one id, 12 of the other, the rest unlabelled."""
    ids = np.zeros((5, 6), np.uint32)
    ids[0:3, 0:2] = FIRST
    ids[1:5, 3:6] = SECOND
    return ids


def rgb(ids: Ids) -> NDArray[np.uint8]:
    """As panopticapi's id2rgb: the remainders of dividing by 256, red first."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536 % 256], axis=-1).astype(np.uint8)


def info(id_: int = FIRST, **keys: Any) -> dict[str, Any]:
    """A sound entry of segments_info, with `keys` instead."""
    sound = {"id": id_, "category_id": 1, "iscrowd": 0, "area": 6 if id_ == FIRST else 12, "bbox": [0, 0, 2, 3]}
    return {key: value for key, value in (sound | keys).items() if value is not ...}


def save(folder: Path, pixels: NDArray[np.uint8], mode: str = "RGB", name: str = "some/a.png") -> None:
    """A mask."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


def read(folder: Path, *infos: dict[str, Any], **parts: Any) -> tuple[Batch, list[Defect]]:
    """A document with one image of 6 x 5 pixels, whose mask is `picture` unless there is one."""
    if not (folder / "some" / "a.png").exists():
        save(folder, rgb(picture()))
    entry = {"image_id": 1, "file_name": "a.png", "segments_info": list(infos) or [info(), info(SECOND)]}
    path = write_document(folder, document(**({"annotations": [entry]} | parts)))
    return load_all(panoptic.read(ReadRequest(path)))


def test_pixels_and_what_is_said_of_them(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, info(SECOND, iscrowd=1, score=0.5, colour="red"), info())
    assert defects == []
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    np.testing.assert_array_equal(masks[0], picture() == SECOND)
    np.testing.assert_array_equal(masks[1], picture() == FIRST)
    batch.runs.checked(*batch.segment_size)
    first = batch.segments.to_pylist()[0]
    assert (first["segment_id"], first["iscrowd"], first["score"]) == (SECOND, True, 0.5)
    assert (first["declared_area"], first["declared_bbox"]) == (12, [0, 0, 2, 3])
    assert (first["attributes"], first["place"]) == ([("colour", '"red"')], "/annotations/0/segments_info/0")
    assert batch.annotations["encoding"].to_pylist() == ["RGB 8 bit"]


def test_ids_as_text(tmp_path: Path) -> None:
    batch, (defect,) = read(tmp_path, info(id=str(FIRST)), info(SECOND))
    assert len(batch.segments) == 2
    assert (defect.code, defect.severity, defect.place) == ("SEG004", "warning", "/annotations/0/segments_info")


def test_habits(tmp_path: Path) -> None:
    save(tmp_path, rgb(picture()))
    categories = [{"id": 1, "name": "sky", "isthing": 0, "color": [1, 2, 3]}]
    source = panoptic.read(ReadRequest(write_document(tmp_path, document(annotations=[], categories=categories))))
    profile = source.profile
    assert (profile.task, profile.coverage.value, profile.overlap.value) == ("panoptic", "exhaustive", "forbid")
    assert not profile.coverage.declared
    assert (profile.taxonomy.categories[0].kind, profile.taxonomy.categories[0].rgb) == ("stuff", (1, 2, 3))


def test_id_of_the_mask_that_nobody_lists(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, info())
    assert [(each.code, each.file, each.place, each.pixels, each.segments) for each in defects] == [
        ("SEG014", "some/a.png", "x=3, y=1", 12, (SECOND,))
    ]
    assert batch.segments["segment_id"].to_pylist() == [FIRST]


def test_listed_id_that_the_mask_lacks(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, info(), info(SECOND), info(9))
    assert [(each.code, each.place, each.segments) for each in defects] == [
        ("SEG014", "/annotations/0/segments_info/2", (9,))
    ]
    assert batch.n_segments == 2


@pytest.mark.parametrize(
    ("keys", "words"), [({"area": ...}, "area"), ({"area": ..., "iscrowd": ...}, "area and iscrowd"), ({}, None)]
)
def test_segments_without_what_the_evaluation_reads(tmp_path: Path, keys: dict[str, Any], words: str | None) -> None:
    _, defects = read(tmp_path, info(**keys), info(SECOND, **keys))
    told = [one.message for one in defects if "panopticapi" in one.message]
    assert [message.partition(":")[0] for message in told] == [f"no segment has {words}"] * (words is not None)
    assert not [one for one in read(tmp_path, info(**keys), info(SECOND))[1] if "panopticapi" in one.message]


def test_exchanged_red_and_blue_are_named(tmp_path: Path) -> None:
    """And read, for all ids fit then and none before."""
    save(tmp_path, rgb(picture())[:, :, ::-1])
    batch, defects = read(tmp_path)
    assert [(each.code, each.pixels) for each in defects] == [("SEG014", 18)]
    assert "red and blue" in defects[0].message
    assert batch.runs.areas(2).tolist() == [6, 12]


def test_id_listed_twice(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, info(), info(SECOND), info(category_id=2))
    assert [(each.code, each.place) for each in defects] == [("SEG008", "/annotations/0/segments_info/2/id")]
    assert "1 and 2" in defects[0].message
    assert batch.segments["segment_id"].to_pylist() == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("keys", "code", "place"),
    [
        ({"category_id": 9}, "SEG007", "/category_id"),
        ({"category_id": "1"}, "SEG004", "/category_id"),
        ({"category_id": ...}, "SEG004", ""),
        ({"id": 0}, "SEG014", ""),
        ({"id": 2**24}, "SEG014", ""),
        ({"id": "7a"}, "SEG014", ""),
    ],
)
def test_broken_entry_is_left_out(tmp_path: Path, keys: dict[str, Any], code: str, place: str) -> None:
    batch, defects = read(tmp_path, info(SECOND), info(**keys))
    assert (defects[0].code, defects[0].place) == (code, f"/annotations/0/segments_info/1{place}")
    assert batch.segments["segment_id"].to_pylist() == [SECOND]


def test_malformed_detail_is_ignored(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, info(SECOND), info(area="6"))
    assert [(each.code, each.place) for each in defects] == [("SEG004", "/annotations/0/segments_info/1/area")]
    assert batch.segments["declared_area"].to_pylist() == [12, None]


@pytest.mark.parametrize(
    ("mode", "code", "words"),
    [("P", "SEG014", "palette"), ("L", "SEG014", "grey"), ("LA", "SEG014", "alpha"), ("1", "SEG014", "1 bits")],
)
def test_mask_that_cannot_hold_ids(tmp_path: Path, mode: str, code: str, words: str) -> None:
    """Its image is not annotated then: it is neither empty nor full of gaps."""
    save(tmp_path, rgb(picture()), mode)
    batch, defects = read(tmp_path)
    assert [(each.code, each.file) for each in defects] == [(code, "some/a.png")]
    assert words in defects[0].message
    assert (batch.images.num_rows, batch.annotations.num_rows) == (1, 0)


def test_lossy_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    Image.fromarray(rgb(picture())).save(tmp_path / "some" / "a.png", "JPEG")
    _, defects = read(tmp_path)
    assert [each.code for each in defects] == ["SEG010"]


def test_sixteen_bits_a_channel_are_refused(tmp_path: Path) -> None:
    """Pillow reads such a file as if it had 8 bits."""
    import cv2

    (tmp_path / "some").mkdir()
    cv2.imwrite(str(tmp_path / "some" / "a.png"), rgb(picture()).astype(np.uint16))
    _, defects = read(tmp_path)
    assert [each.code for each in defects] == ["SEG014"]
    assert "16 bits" in defects[0].message


@pytest.mark.parametrize(("alpha", "codes"), [(255, []), (0, ["SEG014"])])
def test_alpha(tmp_path: Path, alpha: int, codes: list[str]) -> None:
    pixels = np.dstack([rgb(picture()), np.full((5, 6), 255, np.uint8)])
    pixels[0, 0, 3] = alpha
    save(tmp_path, pixels, "RGBA")
    batch, defects = read(tmp_path)
    assert [each.code for each in defects] == codes
    assert batch.annotations["encoding"].to_pylist() == ([] if codes else ["RGBA 8 bit"])


@pytest.mark.parametrize("cut", [0, 8, 60])
def test_truncated_mask(tmp_path: Path, cut: int) -> None:
    save(tmp_path, rgb(picture()))
    path = tmp_path / "some" / "a.png"
    path.write_bytes(path.read_bytes()[:cut])
    batch, defects = read(tmp_path)
    assert [(each.code, each.file) for each in defects] == [("SEG001", "some/a.png")]
    assert batch.annotations.num_rows == 0


def test_a_colour_profile_without_content(tmp_path: Path) -> None:
    save(tmp_path, rgb(picture()))
    path = tmp_path / "some" / "a.png"
    path.write_bytes(path.read_bytes().replace(b"\0\0\0\0IEND", b"\0\0\0\0iCCP\xa5\x89\x19\x3e\0\0\0\0IEND"))
    _, defects = read(tmp_path)
    assert [(each.code, each.file) for each in defects] == [("SEG001", "some/a.png")]


def test_mask_of_another_size(tmp_path: Path) -> None:
    save(tmp_path, rgb(picture().T))
    batch, defects = read(tmp_path)
    assert [(each.code, each.file) for each in defects] == [("SEG003", "some/a.png")]
    assert "swapped" in defects[0].message
    assert batch.annotations.num_rows == 0


def test_missing_masks(tmp_path: Path) -> None:
    """One by one where others are there, once where none is."""
    entries = [
        {"image_id": i, "file_name": f"{'ab'[i - 1]}.png", "segments_info": [info(), info(SECOND)]} for i in (1, 2)
    ]
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 6, "height": 5} for i in (1, 2)]
    _, defects = read(tmp_path, images=images, annotations=entries)
    assert [(each.code, each.image, each.place) for each in defects] == [
        ("SEG002", "2.jpg", "/annotations/1/file_name")
    ]
    (tmp_path / "some" / "a.png").unlink()
    save(tmp_path, rgb(picture()), name="some/B.PNG")
    source = panoptic.read(ReadRequest(tmp_path / "some.json"))
    batch, defects = load_all(source)
    assert [each.code for each in defects] == ["SEG002"]
    assert "none of the 2 masks" in defects[0].message
    assert (batch.images.num_rows, batch.annotations.num_rows) == (2, 0)


def test_masks_under_the_extension_of_their_images(tmp_path: Path) -> None:
    """The image of that name is no mask."""
    save(tmp_path, rgb(picture()), name="images/a.jpg")
    entry = {"image_id": 1, "file_name": "a.jpg", "segments_info": [info(), info(SECOND)]}
    _, defects = read(tmp_path, annotations=[entry])
    assert ("SEG002", "/annotations/0/file_name") in [(one.code, one.place) for one in defects]
    assert any(one.message.startswith("mask 'some/a.jpg' does not exist; there is 'a.png'") for one in defects)
    assert "SEG010" not in {one.code for one in defects}


def test_images_and_entries_that_do_not_meet(tmp_path: Path) -> None:
    entry = {"image_id": 1, "file_name": "a.png", "segments_info": [info(), info(SECOND)]}
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 6, "height": 5} for i in (1, 2)]
    save(tmp_path, rgb(picture()), name="some/z.png")
    _, defects = read(tmp_path, images=images, annotations=[entry, entry, entry | {"image_id": 9}])
    assert [(each.code, each.place or each.file) for each in defects] == [
        ("SEG008", "/annotations/1/image_id"),
        ("SEG007", "/annotations/2/image_id"),
        ("SEG011", "/images/1"),
        ("SEG011", "some/z.png"),
    ]


@pytest.mark.parametrize("entry", [{"segments_info": 7}, {"file_name": 7}, {"segments_info": ..., "x": 1}])
def test_broken_entries(tmp_path: Path, entry: dict[str, Any]) -> None:
    whole = {"image_id": 1, "file_name": "a.png", "segments_info": []} | entry
    whole = {key: value for key, value in whole.items() if value is not ...}
    _, defects = read(tmp_path, annotations=[whole])
    assert defects[0].code == "SEG004"
    assert defects[0].place is not None
    assert defects[0].place.startswith("/annotations/0")


def test_mask_path_that_leaves_the_root(tmp_path: Path) -> None:
    save(tmp_path, rgb(picture()), name="../secret.png")
    entry = {"image_id": 1, "file_name": "../../secret.png", "segments_info": [info(), info(SECOND)]}
    batch, defects = read(tmp_path, annotations=[entry])
    assert defects[0].code == "SEG015"
    assert batch.n_segments == 0


def test_regions_are_sorted_by_id() -> None:
    ids, first, runs = read_regions(np.array([[5, 0, 3], [5, 3, 3]], np.uint32))
    assert (ids.tolist(), first.tolist()) == ([3, 5], [3, 0])
    assert (runs.start.tolist(), runs.length.tolist(), runs.owner.tolist()) == ([3, 4, 0], [1, 2, 2], [0, 0, 1])


def test_categories_that_do_not_say_whether_they_are_things(tmp_path: Path) -> None:
    save(tmp_path, rgb(picture()))
    content = document(annotations=[{"image_id": 1, "file_name": "a.png", "segments_info": [info(), info(SECOND)]}])
    for isthing, n_told in (({}, 1), ({"isthing": 1}, 0)):
        path = write_document(tmp_path, content | {"categories": [{"id": 1, "name": "cat"} | isthing]})
        told = [each for each in panoptic.read(ReadRequest(path)).defects if "isthing" in each.message]
        assert [(each.code, each.severity) for each in told] == [("SEG004", "info")] * n_told
