"""Numbers in foreign files that Python reads, and that no array, id or pixel holds; and pictures that are damaged."""

import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.core.errors import SegdataError
from segdata.core.image_files import read_channels
from segdata.formats.shared.images import read_header
from tests.bad_input.sound_datasets import segdata as run_segdata
from tests.bad_input.sound_datasets import validated, write_sound
from tests.generators.nifti_files import write_nifti

NUMBERS = ("1e999", "-1e999", "NaN", "9" * 25, "9" * 400, "-1", "1.5", "true", "null", "[]", '"x"', '"²"', '"٣"')


@pytest.mark.parametrize("number", NUMBERS)
def test_a_table_of_instance_ids(number: str, tmp_path: Path) -> None:
    write_sound("instance-ids", tmp_path)
    row = f'{{"value": {number}, "category": "car"}}, {{"value": 7, "category": "car", "segment_id": {number}}}'
    (tmp_path / "ids.json").write_text(f"[{row}]")
    (tmp_path / "segdata.yaml").write_text("instance_ids: {table: ids.json, background: 0}\n")
    said = validated(tmp_path)
    assert said.code < 2 or "ids.json" in said.err


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("content", ['[{"id": @, "name": "x"}]', '{"x": @, "y": 0}', '{"names": {"1": "a", "2": @}}'])
def test_names_of_categories(number: str, content: str, tmp_path: Path) -> None:
    write_sound("colour-masks", tmp_path)
    (tmp_path / "taxonomy.yaml").unlink()
    (tmp_path / "id2label.json").write_text(content.replace("@", number))
    assert validated(tmp_path).code in (0, 1, 2)


@pytest.mark.parametrize("number", ["9" * 25, "9" * 5000, "-" + "9" * 25, "²", "", "1e999"])
def test_names_of_voxels(number: str, tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    voxels = np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 3
    labels = {"dseg.tsv": f"index\tname\n{number}\tx\n1\n", "dataset.json": f'{{"labels": {{"{number}": "x"}}}}'}
    labels["names.txt"] = f'# ITK-SnAP Label Description File\n{number} 255 0 0 1 1 1 "x"\n'
    for name, text in labels.items():
        write_nifti(tmp_path / name / "labels" / "a.nii.gz", voxels)
        (tmp_path / name / "labels" / name).write_text(text)
        assert validated(tmp_path / name).code < 2


@pytest.mark.parametrize("number", ["²", "٣", "9" * 25, "9" * 200])
def test_slices_of_volumes(number: str, tmp_path: Path) -> None:
    write_sound("coco-instances", tmp_path)
    document = json.loads((tmp_path / "coco.json").read_text())
    document["images"][0]["file_name"] = f"x.nii/{number}"
    (tmp_path / "coco.json").write_text(json.dumps(document))
    assert validated(tmp_path, "--images", tmp_path / "images").code == 1


KINDS = ("BMP", "DDS", "GIF", "IM", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TIFF", "WEBP")


@pytest.mark.filterwarnings("ignore")  # Pillow's, of what is damaged
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_picture_is_an_os_error(kind: str, tmp_path: Path) -> None:
    """Of all kinds that Pillow opens, whatever they are called: its plugins raise nearly everything."""
    rng, buffer, path = random.Random(kind), io.BytesIO(), tmp_path / "a.png"
    Image.effect_noise((33, 21), 80).convert("RGB").save(buffer, kind)
    n_damaged = 0
    for _ in range(60):
        data = bytearray(buffer.getvalue())
        for _ in range(rng.choice((1, 2, 4))):
            data[rng.randrange(min(len(data), rng.choice((60, 400))))] = rng.choice((0, 255, rng.randrange(256)))
        path.write_bytes(data)
        for read in (lambda: read_header(path), lambda: read_channels(str(path), (21, 33))):
            try:
                read()
            except (OSError, SegdataError):
                n_damaged += 1
    assert n_damaged


def test_a_damaged_picture_is_not_cropped(tmp_path: Path) -> None:
    """Of any kind that Pillow takes, whatever the file is called."""
    write_sound("canonical", tmp_path / "data")
    (image,) = [path for path in (tmp_path / "data").rglob("*.png") if path.name == "a.png"]
    image.write_bytes(b"P6\n4\xff0 30\n255\n" + bytes(3600))
    said = run_segdata("tile", tmp_path / "data", tmp_path / "tiles", "--size", "16")
    assert (said.code, "not cropped" in said.out + said.err) == (1, True), said.err
