"""Whatever an image is called: it is written, or counted as lost, or refused with its name; nothing lies elsewhere."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import segdata
from segdata.core.errors import SegdataError
from segdata.core.format import Format, formats

WRITTEN = [each for each in formats().values() if each.write is not None]
parts = st.text("ab.\0\n\r\t\x1b /\\:~#%;,\"'<>&é\u202e\u2028-", min_size=1, max_size=6) | st.sampled_from(
    ["..", "x" * 300, "é" * 140, "con", "masks", "ok", ".hidden", "C:"]
)
names = st.builds(
    "{}{}".format, st.lists(parts, min_size=1, max_size=3).map("/".join), st.sampled_from([".png", "", ".JPG"])
)


HOSTILE = (
    "//x/a.png", "../a.png", "a\0b.png", "a\rb.png", "a\nb.png", "ok.png\n", ".png", ".hidden.png", "x" * 300 + ".png",
    "x" * 245 + ".png", "w" * 240 + ".png",
    "y" * 120 + "/" + "z" * 120 + "/" + "y" * 120 + ".png", "C:a.png", "..", "..png", "/etc/a.png",
    "a\x1bb.png", "+a.png", "=1.png", "a\tb.png", "a\u2028b.png",
)  # fmt: skip


def written(folder: Path, *hostile: str) -> Path:
    """A COCO document of images with a segment each, one called ok.png and the others with these names."""
    files = ("ok.png", *hostile)
    document = {
        "images": [{"id": i, "file_name": file, "width": 20, "height": 20} for i, file in enumerate(files, 1)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]]}
            for i in range(1, len(files) + 1)
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    path = folder / "source.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def images_with_segments(dataset: segdata.Dataset) -> set[str]:
    return {batch.images["image_id"][int(row)].as_py() for batch in dataset for row in np.unique(batch.segment_image)}


def files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


NEEDS_THE_SCAN = ("dicom-seg", "rt-struct")


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
@given(hostile=st.lists(names, min_size=1, max_size=8, unique=True))
@example(hostile=list(HOSTILE))
@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_image_is_written_or_counted(each: Format, hostile: list[str]) -> None:
    """Whatever images are called, all that a format can hold are written; the others are counted, with segments."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = segdata.read(written(folder, *hostile), format="coco-instances")
        before = images_with_segments(source)
        target = folder / "below" / f"target{each.file_suffixes[0] if each.file_suffixes else ''}"
        target.parent.mkdir()
        if each.name in NEEDS_THE_SCAN:
            with pytest.raises(SegdataError, match="needs the DICOM file"):
                segdata.convert(source, target, to=each.name)
            assert not list(files_below(target.parent)), "nothing is left behind"
            return
        try:
            result = segdata.convert(source, target, to=each.name)
        except SegdataError as error:
            if "would share the label file" not in str(error):  # a.png and a.jpg
                raise
            assert not list(files_below(target.parent)), "nothing is left behind"
            return
        assert {path.name for path in folder.iterdir()} == {"source.json", "below"}, "nothing lies elsewhere"
        after = images_with_segments(segdata.read(target, format=each.name))
        left_out = {loss.of: loss for loss in result.losses if loss.kind == "image-name"}
        lost = left_out["images"].count if left_out else 0
        assert len(after) + lost == len(before)
        assert lost == (left_out["segments"].count if left_out else 0)
        n_segments = sum(batch.n_segments for batch in source)
        assert result.n_segments == n_segments - lost


def test_images_left_out_are_named_and_proved(tmp_path: Path) -> None:
    source = written(tmp_path, "a\nb.png", "c.png")
    result = segdata.convert(source, tmp_path / "out", to="yolo-seg", verify=True, format="coco-instances")
    (images, segments) = (loss for loss in result.losses if loss.kind == "image-name")
    assert images.examples == ["'a\\nb.png': a name with '\\n'"]
    assert (images.count, segments.count, segments.pixels) == (1, 1, 64)
    assert result.proof is not None
    assert result.proof.holds
    document = json.loads(source.read_text())
    source.write_text(json.dumps({**document, "images": document["images"][1:2]}))
    with pytest.raises(SegdataError, match="rename them"):
        segdata.convert(source, tmp_path / "none", to="yolo-seg", format="coco-instances")


@given(name=names)
def test_the_reader_of_coco_counts_what_it_leaves_out(name: str) -> None:
    """Both images are read with their segments, or joined as one, or a defect says what is left out."""
    with tempfile.TemporaryDirectory() as place:
        source = segdata.read(written(Path(place), name), format="coco-instances")
        n_segments = sum(batch.n_segments for batch in source)
        left_out = [defect for defect in source.source.defects if defect.lost or defect.code == "SEG004"]
        assert n_segments == 2 or left_out
        assert not any(".." in Path(image).parts or Path(image).is_absolute() for image in source.source.image_ids)


def test_a_path_with_two_slashes_is_read_below_the_root(tmp_path: Path) -> None:
    source = segdata.read(written(tmp_path, "//x/a.png"), format="coco-instances")
    assert list(source.source.image_ids) == ["ok.png", "x/a.png"]


def test_images_left_out_are_counted_with_their_annotations(tmp_path: Path) -> None:
    path = written(tmp_path, "b.png")
    document = json.loads(path.read_text())
    document["images"].append({"id": 2, "file_name": "c.png", "width": 20, "height": 20})
    document["images"].append({"id": 3, "file_name": "ok.png", "width": 30, "height": 20})
    document["annotations"].append({**document["annotations"][0], "id": 3, "image_id": 3})
    path.write_text(json.dumps(document))
    result = segdata.convert(segdata.read(path, format="coco-instances"), tmp_path / "out")
    (loss,) = [loss for loss in result.losses if loss.kind == "unreadable"]
    assert loss.count == 3, "two images, and the annotations of the second"
