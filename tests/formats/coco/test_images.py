"""Image entries of a document: duplicates, sizes, names, and the files themselves."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import segdata
from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest, Source
from segdata.formats.coco import instances
from tests.generators.coco_documents import annotation, document, load_all, write_document


def entry(**keys: Any) -> dict[str, Any]:
    """A sound image entry, with `keys` instead."""
    sound = {"id": 1, "file_name": "a.png", "width": 6, "height": 5}
    return {key: value for key, value in (sound | keys).items() if value is not ...}


def read(folder: Path, *images: dict[str, Any], **request: Any) -> tuple[Batch, list[Defect]]:
    """A document with these images, and an annotation of the image 1 and of the image 2."""
    annotations = [annotation(), annotation(id=2, image_id=2)] if len(images) > 1 else [annotation()]
    path = write_document(folder, document(images=list(images), annotations=annotations))
    return load_all(instances.read(ReadRequest(path, **request)))


def picture(path: Path, width: int = 6, height: int = 5, orientation: int | None = None) -> None:
    """An image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.new("RGB", (width, height)).save(path, exif=exif)


def test_same_image_id_twice(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, entry(), entry(file_name="b.png"))
    assert [(each.code, each.place) for each in defects] == [
        ("SEG008", "/images/1/id"),
        ("SEG007", "/annotations/1/image_id"),
    ]
    assert batch.images["image_id"].to_pylist() == ["a.png"]


def test_same_file_under_two_ids_is_one_image(tmp_path: Path) -> None:
    """The annotations of both are on it."""
    batch, defects = read(tmp_path, entry(), entry(id=2))
    assert [(each.code, each.place) for each in defects] == [("SEG008", "/images/1/file_name")]
    assert (batch.images.num_rows, batch.n_segments) == (1, 2)


@pytest.mark.parametrize("key", ["coco_url", "flickr_url"])
def test_names_that_are_exchanged_by_their_urls(key: str, tmp_path: Path) -> None:
    """Where most URLs have the name of their file; else files were renamed, and the same name is chance."""
    urls = ["b.png", "a.png", "c.png", "d.png", "e.png"]
    names = ["a.png", "b.png", "c.png", "d.png", "e.png"]
    images = [entry(id=row + 1, file_name=name, **{key: f"http://x/{urls[row]}"}) for row, name in enumerate(names)]
    found = [(each.code, each.place, each.severity) for each in read(tmp_path / "two", *images)[1]]
    assert found == [("SEG004", "/images/0/file_name", "warning"), ("SEG004", "/images/1/file_name", "warning")]
    for row, image in enumerate(images):
        image[key] = f"http://x/{names[row - 1]}"
    assert read(tmp_path / "renamed", *images)[1] == []
    for image in images:
        image[key] = "http://x/8186/8119368305_4e622c8349_z.jpg"
    assert read(tmp_path / "other", *images)[1] == []


def test_same_file_with_two_sizes_keeps_the_first(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, entry(), entry(id=2, width=60))
    assert [(each.code, each.lost) for each in defects] == [("SEG008", True), ("SEG007", True)]
    assert batch.segments["segment_id"].to_pylist() == [1]


@pytest.mark.parametrize("keys", [{"width": 0}, {"height": -5}, {"width": 2.5}, {"width": ...}, {"height": None}])
def test_image_without_size_is_kept_without_segments(tmp_path: Path, keys: dict[str, Any]) -> None:
    batch, defects = read(tmp_path, entry(**keys))
    assert [(each.code, each.place) for each in defects] == [("SEG004", "/images/0")]
    assert (batch.images.num_rows, batch.annotations.num_rows, batch.n_segments) == (1, 1, 0)


def test_size_comes_from_the_file_when_the_document_has_none(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    batch, defects = read(tmp_path, entry(width=...))
    assert [each.code for each in defects] == ["SEG004"]
    assert (batch.images["width"].to_pylist(), batch.n_segments) == ([6], 1)


@pytest.mark.parametrize("keys", [{"file_name": ...}, {"file_name": 7}, {"width": "6"}, {"id": ...}, {"file_name": ""}])
def test_broken_entry_is_left_out(tmp_path: Path, keys: dict[str, Any]) -> None:
    batch, defects = read(tmp_path, entry(**keys), entry(id=2, file_name="b.png"))
    assert defects[0].code == "SEG004"
    assert defects[0].place is not None
    assert defects[0].place.startswith("/images/0")
    assert batch.images["image_id"].to_pylist() == ["b.png"]
    assert batch.segments["segment_id"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../a.png", "a.png"), ("/etc/a.png", "etc/a.png"), ("C:\\x\\a.png", "x/a.png"), ("x/../../a.png", "x/a.png")],
)
def test_path_that_leaves_the_root_is_named_and_made_safe(tmp_path: Path, name: str, kept: str) -> None:
    batch, defects = read(tmp_path, entry(file_name=name))
    assert [(each.code, each.place, each.image) for each in defects] == [("SEG015", "/images/0/file_name", kept)]
    assert batch.images["image_id"].to_pylist() == [kept]


def test_backslashes_are_separators(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, entry(file_name="x\\a.png"))
    assert (batch.images["image_id"].to_pylist(), defects) == (["x/a.png"], [])


@pytest.mark.parametrize("folder", ["", "images", "train", "images/train", "../images/train", "../train", "pictures"])
def test_images_are_found(tmp_path: Path, folder: str) -> None:
    picture(tmp_path / "annotations" / folder / "a.png")
    path = write_document(tmp_path, document(), "annotations/instances_train.json")
    source = instances.read(ReadRequest(path))
    assert source.load(source.chunks()[0]).images["uri"][0].as_py().endswith("a.png")
    assert source.defects == []


def informations(source: Source) -> list[tuple[str, str]]:
    return [(each.code, each.message) for each in source.defects if each.severity == "info"]


def test_no_image_at_all_is_one_information(tmp_path: Path) -> None:
    images = [entry(id=i, file_name=f"{i}.png") for i in range(1, 4)]
    source = instances.read(ReadRequest(write_document(tmp_path, document(images=images))))
    (told,) = informations(source)
    assert told[0] == "SEG002"
    assert "none of the 3 image files was found" in told[1]
    assert "--images" in told[1]
    assert source.load(source.chunks()[0]).defects == ()


def test_one_missing_image_is_a_defect_and_similar_names_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "B.JPG")
    _, defects = read(tmp_path, entry(), entry(id=2, file_name="b.jpg"), entry(id=3, file_name="c.png"))
    assert [(each.code, each.image) for each in defects] == [("SEG002", "b.jpg"), ("SEG002", "c.png")]
    assert "'B.JPG'" in defects[0].message


def test_given_folder_goes_before_all_others(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "elsewhere" / "a.png")
    batch, defects = read(tmp_path, entry(), images=tmp_path / "elsewhere")
    assert batch.images["uri"].to_pylist() == [(tmp_path / "elsewhere" / "a.png").as_posix()]
    assert defects == []


@pytest.mark.parametrize(
    ("size", "orientation", "code", "words"),
    [((5, 6), None, "SEG003", "swapped"), ((9, 9), None, "SEG003", "9x9"), ((5, 6), 6, "SEG012", "turned")],
)
def test_file_of_another_size(
    tmp_path: Path, size: tuple[int, int], orientation: int | None, code: str, words: str
) -> None:
    picture(tmp_path / "a.png", *size, orientation)
    batch, defects = read(tmp_path, entry())
    assert [each.code for each in defects] == [code]
    assert words in defects[0].message
    assert batch.n_segments == 1


def test_broken_image_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    _, defects = read(tmp_path, entry())
    assert [(each.code, each.file) for each in defects] == [("SEG001", "a.png")]


def test_image_files_that_nobody_names(tmp_path: Path) -> None:
    """Only where no other document names them."""
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "images" / "z.png")
    _, defects = read(tmp_path, entry())
    assert [(each.code, each.file) for each in defects] == [("SEG011", "z.png")]
    write_document(tmp_path, document(), "other.json")
    os.mkfifo(tmp_path / "pipe.json")
    assert len(read(tmp_path, entry())[1]) == 1
    (tmp_path / "third.json").write_text('{"images": [{"file_name": "images/z.png"}]}')
    assert read(tmp_path, entry())[1] == []


def test_further_keys_become_metadata(tmp_path: Path) -> None:
    batch, _ = read(tmp_path, entry(license=3, date="2019", extra={"b": [1, None]}), entry(id=2, file_name="b.png"))
    assert batch.images["metadata"].to_pylist() == [
        [("license", "3"), ("date", '"2019"'), ("extra", '{"b": [1, null]}')],
        None,
    ]
    assert batch.images["source_id"].to_pylist() == ["1", "2"]


def test_images_that_no_document_names_are_told(tmp_path: Path) -> None:
    """Also where another document lies beside: what that one names is no stray file."""
    for split, names in {"train": ("a", "b"), "val": ("c",)}.items():
        for name in names:
            (tmp_path / split).mkdir(exist_ok=True)
            Image.new("RGB", (4, 3)).save(tmp_path / split / f"{name}.jpg")
        listed = [{"id": 1, "file_name": f"{names[0]}.jpg", "width": 4, "height": 3}]
        content = {"images": listed, "annotations": [], "categories": [{"id": 1, "name": "crab"}]}
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    (tmp_path / "annotations/folder.json").mkdir()
    stray = [one.image for one in segdata.validate(tmp_path, select="SEG011").findings]
    assert stray == ["b.jpg"]
