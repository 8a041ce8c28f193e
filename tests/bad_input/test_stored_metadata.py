"""Metadata of dataset.yaml and of images are JSON texts that anybody may have edited: what is none counts as absent."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import segdata
from tests.bad_input.sound_datasets import segdata as run_segdata
from tests.bad_input.sound_datasets import validated, write_sound
from tests.bad_input.written_datasets import write_dataset
from tests.generators.nifti_files import write_nifti

TEXTS = {
    "cut off": "[",
    "deep": "[" * 100_000,
    "digits": "9" * 5000,
    "NUL": "\0",
    "text": '"x"',
    "null": "null",
    "list": "[1e999]",
    "other keys": '{"a": 1}',
    "large ids": '{"99999999999999999999": "y", "x": 99999999999999999999}',
    "other values": '{"1": 2, "layers": 1, "files": 3}',
    "no layers": '{"layers": {"": {"x": 2}}, "labels": {"a": 1e999}}',
    "no name": '{"files": {"a.nii.gz": {"": ""}, "b.nii": {"": "../../x\\u0000.nii"}}}',
}
# Who reads an item of dataset.yaml's metadata, besides `validate`.
WRITERS = {"unknown_categories": "coco-instances", "aliases_used": "canonical", "category_keys": "coco-instances"}
WRITERS |= {"info": "coco-instances", "licenses": "youtube-vis", "nnunet": "nnunet"}


def _with_metadata(root: Path, metadata: dict[str, str]) -> None:
    manifest = yaml.safe_load((root / "dataset.yaml").read_text())
    (root / "dataset.yaml").write_text(yaml.safe_dump({**manifest, "metadata": metadata}))


def _convert(data: Path, to: str, folder: Path) -> Path:
    """Convert; misuse is refused, and nothing else happens."""
    folder.mkdir()
    target = folder / ("new.json" if to in ("coco-instances", "youtube-vis") else "new")
    said = run_segdata("convert", data, target, "--to", to, "--jobs", "1", "--on-loss", "allow")
    assert said.code in (0, 2), said.err
    assert "raceback" not in said.err
    return target


@pytest.mark.parametrize("what", TEXTS)
def test_metadata_of_a_dataset(what: str, tmp_path: Path) -> None:
    write_dataset("canonical", tmp_path / "data")
    expected = [each["code"] for each in validated(tmp_path / "data").findings]
    for key, to in WRITERS.items():
        _with_metadata(tmp_path / "data", {key: TEXTS[what]})
        assert [each["code"] for each in validated(tmp_path / "data").findings] == expected
        assert _convert(tmp_path / "data", to, tmp_path / key).exists() or to in ("nnunet", "youtube-vis")


@pytest.mark.parametrize("what", TEXTS)
def test_layers_of_volumes(what: str, tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    for name in ("a.nii.gz", "b.nii"):
        write_nifti(tmp_path / "scans" / "labels" / name, np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 3)
    segdata.convert(tmp_path / "scans", tmp_path / "data", jobs=1)
    _with_metadata(tmp_path / "data", {"volume_layers": TEXTS[what]})
    target = _convert(tmp_path / "data", "nifti", tmp_path / "out")
    assert sorted(path.name for path in (target / "labels").iterdir()) == ["a.nii.gz", "b.nii"]


@pytest.mark.parametrize(
    "value",
    [f"[{'9' * 400}, 1, 0, 0, 0, 1]", "[1e999, 0, 0, 0, 1, 0]", "[1, 0]", '"x"', '{"raster": "a.tif", "x": 0, "y": 0}']
    + [
        f'{{"raster": "a.tif", "raster_width": {side}, "raster_height": {side}, "x": 0, "y": 0}}'
        for side in ("9" * 30, 2**31, 2**31 - 1)
    ],
)
def test_places_of_images(value: str, tmp_path: Path) -> None:
    """Keys that COCO does not know are metadata, too, and some of them are those of rasters."""
    pytest.importorskip("rasterio")
    write_sound("coco-instances", tmp_path / "data")
    document = json.loads((tmp_path / "data" / "coco.json").read_text())
    for image in document["images"]:
        image.update(transform="@", window="@", crs="@", tags="@", tile="@")
    (tmp_path / "data" / "coco.json").write_text(json.dumps(document).replace('"@"', value))
    target = _convert(tmp_path / "data", "geotiff", tmp_path / "out")
    assert len(list(target.rglob("*.tif"))) == 3
