"""Damage that once ended in an exception: each is a finding, or a refusal, and hides no other finding."""

import io
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import segdata as api
from segdata.core.errors import SegdataError
from segdata.core.format import formats
from segdata.core.image_files import read_channels
from segdata.core.pixel_limit import open_picture
from segdata.formats.medical.dicom_images import read_dataset
from segdata.formats.video import frame_masks
from segdata.measure.tables.duplicates import decode_thumbnail
from tests.bad_input.sound_datasets import Make, segdata, validated
from tests.bad_input.written_datasets import write_dataset


def with_palette(path: Path, n_bytes: int) -> None:
    """The PNG with a palette of so many bytes, and right check sums."""
    buffer = io.BytesIO()
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L")) % 2
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    data, body = buffer.getvalue(), b"PLTE" + bytes(n_bytes)
    head = b"IHDR" + data[16:24] + b"\x08\x03" + data[26:29]
    made = data[:8]
    for part in (head, body):
        made += struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
    path.write_bytes(made + data[33:])


@pytest.mark.parametrize("n_bytes", [4, 767])
@pytest.mark.parametrize("name", ["colour-masks", "instance-ids", "mapillary-vistas", "davis", "pascal-voc", "layers"])
def test_a_palette_that_is_no_list_of_colours(name: str, n_bytes: int, tmp_path: Path) -> None:
    root = tmp_path / "new"
    data = root / write_dataset(name, root)
    masks = [path for path in sorted(root.rglob("*.png")) if path.relative_to(root).parts[0] != "images"]
    with_palette(masks[-1], n_bytes)
    said = segdata("validate", data, "--from", name, "--format", "json")
    assert said.code == 2 or masks[-1].name in said.out


@pytest.mark.parametrize("file", ["images", "annotations", "segments/part-00000"])
def test_a_damaged_footer(make: Make, tmp_path: Path, file: str) -> None:
    """A byte of the footer at a time."""
    api.convert(make("coco-instances"), tmp_path / "new", jobs=1)
    path = tmp_path / "new/r0001" / f"{file}.parquet"
    sound = path.read_bytes()
    size = int.from_bytes(sound[-8:-4], "little")
    for at in range(len(sound) - 8 - size, len(sound) - 8, size // 12):
        path.write_bytes(sound[:at] + b"\xff" + sound[at + 1 :])
        try:
            api.validate(tmp_path / "new", jobs=1)
        except SegdataError:
            continue


@pytest.mark.parametrize("column", ["segment_id", "category_id", "counts"])
def test_a_segment_without_a_value(make: Make, tmp_path: Path, column: str) -> None:
    api.convert(make("coco-instances"), tmp_path / "new", jobs=1)
    path = tmp_path / "new/r0001/segments/part-00000.parquet"
    table = pq.read_table(path)
    emptied = table[column].to_pylist()
    emptied[0] = None
    field = table.schema.field(column).with_nullable(True)
    pq.write_table(table.set_column(table.column_names.index(column), field, [pa.array(emptied, field.type)]), path)
    result = segdata("validate", tmp_path / "new", "--jobs", "1")
    assert f"column {column} has empty cells" in result.out + result.err
    pq.write_table(table.drop_columns([column]), path)
    result = segdata("validate", tmp_path / "new", "--jobs", "1")
    assert f"no column {column}" in result.out + result.err


def test_columns_whose_names_are_no_text(tmp_path: Path) -> None:
    write_dataset("hugging-face", tmp_path / "new")
    for path in (tmp_path / "new").rglob("*.parquet"):
        table = pq.read_table(path)
        metadata = {**(table.schema.metadata or {}), b"huggingface": b"\xff\xfe{"}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    segdata("validate", tmp_path / "new")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_names_that_no_file_can_have(make: Make, tmp_path: Path, name: str) -> None:
    """Every format can be read, and written or refused in one line that names the image."""
    root = make("coco-instances")
    document = json.loads((root / "coco.json").read_text())
    document["images"][0]["file_name"] = f"{name}.png"
    (root / "coco.json").write_text(json.dumps(document))
    assert segdata("validate", root).code in (0, 1)
    for format in formats().values():
        if format.write is not None:
            (suffix, *_) = (*format.file_suffixes, "")
            said = segdata("convert", root, tmp_path / f"{format.name}{suffix}", "--to", format.name, "--jobs", "1")
            assert said.code < 2 or said.err.count("\n") == 1


@pytest.mark.parametrize("name", ["mots as text", "davis", "colour-masks"])
def test_a_long_name_in_an_index(name: str, tmp_path: Path) -> None:
    root = tmp_path / "new"
    data = root / write_dataset(name, root)
    for path in root.rglob("images.csv"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0], lines[1].replace(".png", "x" * 300 + ".png"), *lines[2:]]))
    segdata("validate", data)


def test_half_of_a_surrogate_pair_in_yaml(make: Make) -> None:
    root = make("colour-masks")
    text = (root / "taxonomy.yaml").read_text()
    (root / "taxonomy.yaml").write_text(text.replace("name: car", 'name: "c\\ud800r"'))
    said = segdata("validate", root)
    assert said.code == 2
    assert f"{root / 'taxonomy.yaml'}:" in said.err
    assert "half of a surrogate pair" in said.err


def test_a_character_0_in_the_name_of_a_table(make: Make) -> None:
    root = make("instance-ids")
    (root / "segdata.yaml").write_text('instance_ids:\n  table: "ids\\0.csv"\n')
    said = segdata("validate", root)
    assert said.code == 2
    assert "ids\\x00.csv': cannot be read: embedded null byte" in said.err


def test_a_pipe_beside_a_document_is_not_waited_for(make: Make) -> None:
    root = make("coco-instances")
    (root / "images/a.png").unlink()
    os.mkfifo(root / "images/a.png")
    said = validated(root / "coco.json")
    assert said.has("SEG001", "images/a.png", "a.png", None, "pipe") or "pipe" in said.out + said.err


def test_no_picture_is_read_from_a_pipe(tmp_path: Path) -> None:
    """Whoever opens one waits until somebody writes; hashes, edges and reports of images all open them here."""
    os.mkfifo(tmp_path / "a.png")
    for read in (open_picture, lambda path: read_channels(str(path), (1, 1))):
        with pytest.raises(OSError, match="pipe"):
            read(tmp_path / "a.png")
    assert decode_thumbnail(str(tmp_path / "a.png"), (8, 8)) is None


def test_a_palette_with_transparency_is_decoded_without_a_word_of_pillow(tmp_path: Path) -> None:
    """Pillow warns of such a picture whenever it is converted; its colours are the same."""
    levels = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    picture = Image.fromarray(levels).convert("P")
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "transparent.png", transparency=bytes([0, 128, 255]))
    plain, transparent = (decode_thumbnail(str(tmp_path / f"{name}.png"), (8, 8)) for name in ("plain", "transparent"))
    assert plain is not None
    assert transparent is not None  # a warning would have ended it here
    np.testing.assert_array_equal(plain, transparent)


def test_an_image_without_extension_whose_name_no_file_can_have(make: Make) -> None:
    root = make("coco-instances")
    document = json.loads((root / "coco.json").read_text())
    document["images"][0]["file_name"] = "a" * 300
    (root / "coco.json").write_text(json.dumps(document))
    assert segdata("validate", root / "coco.json").code in (0, 1)


@pytest.mark.parametrize("name", ["colour-masks", "npz", "canonical"])
def test_files_that_change_while_they_are_read(name: str, tmp_path: Path) -> None:
    """Another program truncates, replaces and restores the files all the time."""
    root, spare = tmp_path / "new", tmp_path / "spare"
    data = root / write_dataset(name, root)
    shutil.copytree(root, spare)
    files, stop = [path for path in root.rglob("*") if path.is_file()], threading.Event()

    def change() -> None:
        rng = np.random.default_rng(0)
        while not stop.is_set():
            path = files[rng.integers(len(files))]
            sound = (spare / path.relative_to(root)).read_bytes()
            path.write_bytes(sound[: rng.integers(len(sound) + 1)])
            path.write_bytes(sound)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(5):
            segdata("validate", data, "--from", name, "--jobs", "1")
    finally:
        stop.set()
        thread.join()
    assert validated(data, "--from", name).code == 0


def test_one_damaged_label_file_hides_no_other_finding(tmp_path: Path) -> None:
    root = tmp_path / "new"
    write_dataset("colour-masks", root)
    first, second, _ = sorted(path for path in root.rglob("*.png") if path.relative_to(root).parts[0] == "masks")
    with_palette(first, 5)
    second.write_bytes(b"")
    files = {each["file"] for each in validated(root).findings if each["code"] == "SEG001"}
    assert {first.name, second.name} <= {Path(file).name for file in files}


def test_types_of_pyarrow_errors_are_covered() -> None:
    from segdata.store.revision_reader import DECODER_ERRORS

    assert issubclass(UnicodeDecodeError, DECODER_ERRORS)
    assert issubclass(pa.ArrowInvalid, DECODER_ERRORS)


def test_an_area_that_no_float_holds_exactly(tmp_path: Path) -> None:
    """A stored area of 2^62 + 1: what the dataset says, rounded, and not what the pixels say."""
    write_dataset("canonical", tmp_path / "data")
    file, table = next(
        (path, pq.read_table(path))
        for path in sorted((tmp_path / "data").rglob("*.parquet"))
        if "area" in pq.read_schema(path).names
    )
    position = table.schema.get_field_index("area")
    areas = table["area"].to_pylist()
    column = pa.array([2**62 + 1, *areas[1:]], table.schema.field("area").type)
    pq.write_table(table.set_column(position, table.schema.field("area"), column), file)
    assert any(each["code"] == "SEG013" for each in validated(tmp_path / "data").findings)
    api.convert(tmp_path / "data", tmp_path / "out", to="canonical")


def test_a_dicom_file_whose_name_holds_a_character_0(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no file can have this name"):
        read_dataset(tmp_path / "a\0.dcm")


def test_codes_of_a_large_frame_are_decoded_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As numpy decodes them all at once, which takes 8 bytes a pixel."""
    meaning = np.array([7, 0, 3, 2**32 - 1, 5], np.uint32)
    monkeypatch.setattr(frame_masks, "_PIXELS_PER_BLOCK", 100)
    rng = np.random.default_rng(0)
    for shape in [(0, 5), (5, 0), (1, 1), (33, 7), (3, 250), (40, 99), (40, 100), (40, 101)]:
        codes = rng.integers(0, 4, shape, dtype=np.uint32)
        frame = codes.copy()
        assert frame_masks._decode_in_place(frame, meaning).tolist() == np.bincount(codes.ravel(), minlength=5).tolist()
        assert np.array_equal(frame, meaning[codes])
    monkeypatch.undo()
    frame = np.zeros((1 << 13, 1 << 13), np.uint32)
    tracemalloc.start()
    frame_masks._decode_in_place(frame, meaning)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * frame.size


def huge_labels(folder: Path) -> Path:
    """A COCO file of two images, one of 672 million pixels, whose picture is smaller."""
    sizes = {"small.png": (40, 30), "huge.png": (32_000, 21_000)}
    images = [
        {"id": number, "file_name": name, "width": width, "height": height}
        for number, (name, (width, height)) in enumerate(sizes.items(), start=1)
    ]
    box = {"segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]], "bbox": [1, 1, 8, 8], "area": 64, "iscrowd": 0, "category_id": 1}
    boxes = [{"id": number, "image_id": number, **box} for number in (1, 2)]
    data = folder / "labels.json"
    data.write_text(json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "a"}]}))
    (folder / "images").mkdir()
    for name, size in {"small.png": (40, 30), "huge.png": (320, 210)}.items():
        pixels = np.random.default_rng(0).integers(0, 255, size[::-1], dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
    return data


@pytest.mark.parametrize("to", ["kitti-step", "colour-masks", "pascal-voc"])
def test_an_image_whose_mask_memory_does_not_hold(to: str, tmp_path: Path) -> None:
    """A refusal that names the image and its size, and nothing is written; a format of run lengths takes it."""
    data = huge_labels(tmp_path)
    program = (
        "import resource, sys, segdata\n"
        "segdata.convert(sys.argv[1], sys.argv[2] + '/first', to='canonical', jobs=1)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))\n"
        "try: segdata.convert(sys.argv[1], sys.argv[2] + '/out', to=sys.argv[3], jobs=1)\n"
        "except segdata.SegdataError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(data), str(tmp_path), to], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for part in ("labels.json", f"out of memory while writing {to}", "'huge.png' (32,000 x 21,000 pixels)", "--jobs 1"):
        assert part in done.stdout
    assert not (tmp_path / "out").exists()


def test_an_image_whose_outlines_memory_does_not_hold(tmp_path: Path) -> None:
    """Labels of more pixels than a picture may have are not compared with it."""
    data = huge_labels(tmp_path)
    document = json.loads(data.read_text())
    (box, *_) = document["annotations"][1:]
    corners = [(x, y) for x in range(0, 30_000, 3_000) for y in range(0, 20_000, 2_000)]
    document["annotations"] += [
        box | {"id": 10 + k, "segmentation": [[x, y, x + 1500, y, x + 1500, y + 900, x, y + 900]]}
        for k, (x, y) in enumerate(corners)
    ]
    data.write_text(json.dumps(document))
    program = (
        "import resource, sys, segdata\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "print(segdata.validate(sys.argv[1], jobs=1, select=['SEG106', 'SEG314']).n_images)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(data)], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
