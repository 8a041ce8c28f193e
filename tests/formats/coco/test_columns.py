"""Documents whose lists are scanned into columns say and hold what they do when they are read item by item."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core import kernels
from segdata.core.errors import SegdataError
from segdata.core.format import ReadRequest
from segdata.formats.coco import columns, instances, instances_reader
from segdata.formats.coco import document as documents
from segdata.formats.coco.document import ScannedItems
from segdata.formats.coco.instances_reader import InstancesSource
from tests.generators.coco_documents import SQUARE, annotation, document, write_document

pytestmark = pytest.mark.skipif(
    not kernels.is_compiled("scan_items"), reason="without compiled kernels items are decoded one by one"
)

IMAGES = [{"id": id_, "file_name": f"{id_}.png", "width": 6, "height": 5} for id_ in (3, 1, 2)]
ANNOTATIONS = [
    annotation(id=id_, image_id=1 + id_ % 3, bbox=[1, 1, 2, 2], area=4.0, **more)
    for id_, more in enumerate(
        (
            {},
            {"iscrowd": 1, "segmentation": {"size": [5, 6], "counts": [6, 2, 22]}},
            {"score": 0.5, "colour": "r\u00f6t", "attributes": {"a": [{}, {"id": 1}]}},
            {"segmentation": [SQUARE, [1, 1, 2]], "track_id": 7},
            {"also": [1], "segmentation": {"size": [5, 6], "counts": "62d0"}},
        ),
        start=5,
    )
]
SOUND = document(images=IMAGES, annotations=ANNOTATIONS, info={"year": 2026}, licenses=[{"id": 1, "name": "x"}])
VALUES = [
    *(b"NaN", b"-Infinity", b'"7"', b"7", b"null", b"1.0", b"-0", b"01", b"1e3", b"[]", b"{}", b"true", b'"a\\tb"'),
    *(b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\xff"', b"99999999999999999999", b"4611686018427387905", b'"../x.png"'),
]
KEYS = [b'"id"', b'"image_id"', b'"category_id"', b'"file_name"', b'"width"', b'"bbox"', b'"i\\u0064"', b'"more"']


def damaged(text: bytes, rng: random.Random) -> bytes:
    """One to three values, keys, items or letters changed, added or lost."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        how = rng.random()
        if how < 0.4:
            place = rng.choice([*re.finditer(rb'(?<=: )(-?[\d.]+|"[^"]*")', text), None])
            text = text if place is None else text[: place.start()] + rng.choice(VALUES) + text[place.end() :]
        elif how < 0.6:
            place = rng.choice([*re.finditer(rb'"[a-z_]+"(?=: )', text), None])
            text = text if place is None else text[: place.start()] + rng.choice(KEYS) + text[place.end() :]
        elif how < 0.8:
            at = rng.choice([match.end() for match in re.finditer(rb"\{", text)] or [0])
            text = text[:at] + rng.choice(KEYS) + b": " + rng.choice(VALUES) + b", " + text[at:]
        elif how < 0.9:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + bytes([rng.choice(b'{}[],:"\\ 0e.\n\x01\xe4')]) + text[at + rng.randrange(2) :]
        elif how < 0.95:
            at = rng.choice([match.start() for match in re.finditer(rb"\{", text)] or [0])
            text = text[:at] + rng.choice(VALUES) + b", " + text[at:]
        else:
            text = b"\xef\xbb\xbf" + text[: rng.randrange(len(text) // 2, len(text) * 2)]
    return text


def everything(path: Path) -> list[Any]:
    """What is read of a document."""
    try:
        source = instances.read(ReadRequest(path))
    except SegdataError as error:
        return [str(error)]
    read: list[Any] = [source.image_ids, source.profile, list(map(str, source.defects))]
    for rows in source.chunks():
        batch = source.load(rows)
        read += [table.to_pylist() for table in (batch.images, batch.annotations, batch.segments)]
        read += [batch.runs.start.tolist(), batch.runs.length.tolist(), batch.runs.owner.tolist()]
        read += [list(map(str, batch.defects))]
    return json.loads(json.dumps(read, default=str))  # NaN equals itself as text only


@pytest.mark.parametrize("portion", [50, 10**9])
def test_damaged_documents_are_read_as_item_by_item(portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_SCANNED_BYTES", portion)
    monkeypatch.setattr(columns, "_MIN_MAPPED_BYTES", 1 if portion == 50 else 10**9)
    scanned = documents._scanned_document
    n_scanned = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(250):
            rng = random.Random(seed)
            text = json.dumps(SOUND, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1))).encode()
            path = write_document(Path(folder), damaged(text, rng) if seed else text)
            monkeypatch.setattr(documents, "_scanned_document", scanned)
            in_columns = everything(path)
            n_scanned += path.stat().st_size > 0 and scanned_document(path) is not None
            monkeypatch.setattr(documents, "_scanned_document", lambda *_: None)
            assert in_columns == everything(path), (seed, path.read_bytes())
    assert n_scanned > 100


@pytest.mark.parametrize("between", [b",", b" " * 80 + b"," + b"\n" * 80])
def test_blanks_longer_than_a_portion(between: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(SOUND).encode().replace(b"[{", b"[" + b" " * 200 + b"{").replace(b"}, {", b"}" + between + b"{")
    path = write_document(tmp_path, text)
    whole = everything(path)
    monkeypatch.setattr(columns, "_SCANNED_BYTES", 50)
    assert scanned_document(path) is not None
    assert everything(path) == whole


def scanned_document(path: Path) -> object:
    file = columns.FileBytes.read(path)
    return columns.scan_document(file, file.data, {})


def opened(folder: Path, **parts: Any) -> InstancesSource:
    return instances.read(ReadRequest(write_document(folder, document(**parts))))


def test_a_broken_annotation_does_not_make_the_others_objects(tmp_path: Path) -> None:
    source = opened(
        tmp_path, annotations=[annotation(id=1), {"id": 2}, annotation(id=3, category_id="x"), annotation(id=4)]
    )
    assert isinstance(source.items, ScannedItems)
    assert [defect.place for defect in source.defects if defect.code == "SEG004"] == [
        "/annotations/1",
        "/annotations/2/category_id",
    ]
    batch = source.load(source.chunks()[0])
    assert batch.segments["segment_id"].to_pylist() == [1, 4]
    assert batch.segments["place"].to_pylist() == ["/annotations/0", "/annotations/3"]


def test_ids_that_are_texts_are_read_item_by_item(tmp_path: Path) -> None:
    source = opened(tmp_path, annotations=[annotation(id="a"), annotation(id=2)])
    assert not isinstance(source.items, ScannedItems)
    assert source.load(source.chunks()[0]).segments["source_id"].to_pylist() == ["a", None]


NUMBERS = st.integers(-5, 60) | st.sampled_from([-(2**62) + 1, 2**62 - 1, 10**6])


@given(st.lists(NUMBERS, min_size=1, max_size=12, unique=True), st.lists(NUMBERS, max_size=12))
def test_annotations_find_their_images_by_close_and_by_distant_ids(ids: list[int], wanted: list[int]) -> None:
    row_of = {id_: row for row, id_ in enumerate(ids)}
    rows = instances_reader._image_rows(np.array(wanted, np.int64), row_of)
    assert rows.tolist() == [row_of.get(id_, -1) for id_ in wanted]


def test_a_mapped_file_that_is_replaced_is_read_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_MIN_MAPPED_BYTES", 1)
    source = opened(tmp_path, images=IMAGES, annotations=ANNOTATIONS)
    assert isinstance(source.items, ScannedItems)
    assert source.items.scanned.file.mapping is not None
    before = source.load(source.chunks()[0]).segments.to_pylist()
    other = write_document(tmp_path, b"{}", "other.json")
    other.replace(tmp_path / "some.json")
    assert source.load(source.chunks()[0]).segments.to_pylist() == before


def long_document() -> dict[str, Any]:
    """Some 400 KB, in several batches."""
    images = [{"id": id_, "file_name": f"{id_}.png", "width": 64, "height": 50} for id_ in range(900)]
    rings = [[[1, 1, 60, 2, 55 + id_ % 4, 45, 30, 40, 3, 47]] for id_ in range(2700)]
    annotations = [annotation(id=id_, image_id=id_ // 3, segmentation=ring) for id_, ring in enumerate(rings)]
    return {"images": images, "annotations": annotations}


@pytest.mark.parametrize("left", [0, 1, 4096, 100_000, 250_000, 390_000])
def test_a_mapped_file_that_is_cut_is_refused(left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last pages are gone: to read them would end the process."""
    monkeypatch.setattr(columns, "_MIN_MAPPED_BYTES", 1)
    monkeypatch.setattr(instances_reader, "segments_per_chunk", lambda n_segments, height: 500)
    source = opened(tmp_path, **long_document())
    first, *_, last = source.chunks()
    assert len(source.load(first).segments) > 0
    os.truncate(source.items.scanned.file.path, left)
    for rows in (last, first):
        with pytest.raises(SegdataError, match=rf"another program changed the file.*{left:,} now"):
            source.load(rows)


def test_a_mapped_file_that_is_cut_while_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_MIN_MAPPED_BYTES", 1)
    monkeypatch.setattr(columns, "_SCANNED_BYTES", 20_000)
    path = write_document(tmp_path, document(**long_document()))
    scan, calls = kernels.scan_items, []

    def scan_and_cut(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 4:
            os.truncate(path, 50_000)
        return scan(*given)

    monkeypatch.setattr(kernels, "scan_items", scan_and_cut)
    with pytest.raises(SegdataError, match="another program changed the file while it was read"):
        instances.read(ReadRequest(path))


def test_a_mapped_file_that_is_written_again_in_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_MIN_MAPPED_BYTES", 1)
    source = opened(tmp_path, images=IMAGES, annotations=ANNOTATIONS)
    path = source.items.scanned.file.path
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    with pytest.raises(SegdataError, match="another program changed the file"):
        source.load(source.chunks()[0])


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="the system has no such signal")
@pytest.mark.parametrize("fault", ["os.kill(os.getpid(), signal.SIGBUS)", "print(other[5000])"])
def test_other_bus_errors_end_the_process_as_before(fault: str, tmp_path: Path) -> None:
    program = f"""if True:
        import mmap, os, pathlib, signal, sys
        from segdata.formats.coco import columns
        columns._MIN_MAPPED_BYTES = 1
        path = pathlib.Path({str(tmp_path)!r}, "a")
        path.write_bytes(bytes(9000))
        ours = columns.FileBytes.read(path)
        with path.open("rb") as file:
            other = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        os.truncate(path, 0)
        assert ours.data[8999] == 0
        {fault}"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGBUS, "", "")
