"""Tile and back: the same labels; pictures of tiles are slices of the pictures, of 8 and 16 bits."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"
TAXONOMY = "unlabelled: 0\ncategories:\n  - {id: 1, name: field, kind: stuff}\n  - {id: 2, name: hut}\n"


def test_tiled_and_back_is_the_same(tmp_path: Path) -> None:
    segdata.tile(SAMPLE, tmp_path / "tiles", (96, 64), overlap=16)
    segdata.untile(tmp_path / "tiles", tmp_path / "whole")
    assert segdata.diff(SAMPLE, tmp_path / "whole").same
    before, after = (segdata.read(each).images for each in (SAMPLE, tmp_path / "whole"))
    assert after["uri"].tolist() == before["uri"].tolist()
    assert after["metadata"].isna().all()


def test_pictures_of_tiles_are_slices(tmp_path: Path) -> None:
    done = segdata.tile(SAMPLE, tmp_path / "tiles", 100, overlap=20)
    assert done.not_copied == ()
    images = segdata.read(tmp_path / "tiles").images
    (source,) = {path.name: path for path in SAMPLE.rglob("street001.jpg")}.values()
    whole = np.array(Image.open(source))
    mine = images[images["image_id"].str.startswith("street001_")]
    assert len(mine) > 4
    for row in mine.itertuples():
        x, y = (int(part[1:]) for part in Path(row.image_id).stem.split("_")[-2:])
        with Image.open(row.uri) as picture:
            np.testing.assert_array_equal(np.array(picture), whole[y : y + row.height, x : x + row.width])
    assert set(mine["group"]) == {"street001.jpg"}
    assert list(segdata.validate(tmp_path / "tiles", select=["SEG0"]).findings) == []


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    """One semantic image of 20 x 24 pixels, with a hut in the middle."""
    root = tmp_path / "fields"
    (root / "masks").mkdir(parents=True)
    (root / "images").mkdir()
    (root / "taxonomy.yaml").write_text(TAXONOMY)
    mask = np.ones((20, 24), np.uint8)
    mask[6:14, 8:17] = 2
    Image.fromarray(mask).save(root / "masks" / "a.png")
    return root


@pytest.mark.parametrize("kind", ["grey16", "colour16", "alpha", "float", "one bit"])
def test_pictures_of_every_depth(fields: Path, tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    name = "a.tif" if kind == "float" else "a.png"
    shape = {"grey16": (20, 24), "colour16": (20, 24, 3), "alpha": (20, 24, 4)}.get(kind, (20, 24))
    pixels = rng.integers(0, 60000, shape, dtype=np.uint16)
    if kind == "alpha":
        pixels = pixels.astype(np.uint8)
    if kind == "one bit":
        Image.fromarray(pixels > 30000).save(fields / "images" / name)
        pixels = (pixels > 30000).astype(np.uint8) * 255
    else:
        pixels = pixels.astype(np.float32) if kind == "float" else pixels
        cv2.imwrite(str(fields / "images" / name), pixels)
    done = segdata.tile(fields, tmp_path / "tiles", 16)
    assert done.not_copied == ()
    uris = segdata.read(tmp_path / "tiles").images["uri"].tolist()
    assert [Path(uri).suffix for uri in uris] == [Path(name).suffix] * 4
    found = cv2.imread(uris[-1], cv2.IMREAD_UNCHANGED)
    assert found.dtype == pixels.dtype
    np.testing.assert_array_equal(found, pixels[4:20, 8:24])


@pytest.mark.parametrize("there", [True, False])
def test_what_cannot_be_cropped_is_named_and_its_labels_are_there(fields: Path, tmp_path: Path, there: bool) -> None:
    if there:
        Image.fromarray(np.zeros((20, 24, 2), np.uint8), "LA").save(fields / "images" / "a.png")
    done = segdata.tile(fields, tmp_path / "tiles", 16)
    why = "2 channels of uint8 fit in no PNG" if there else "no file is known"
    assert done.not_copied == (f"1 image not cropped, {why} (a.png)",)
    assert segdata.read(tmp_path / "tiles").images["uri"].isna().all()
    segdata.untile(tmp_path / "tiles", tmp_path / "whole")
    assert segdata.diff(fields, tmp_path / "whole").same


def test_predictions_on_tiles_are_put_together(fields: Path, tmp_path: Path) -> None:
    """Masks with the names of tiles, in another format: each pixel is that of the nearer tile."""
    segdata.tile(fields, tmp_path / "tiles", 16, overlap=8, crop_images=False)
    segdata.convert(tmp_path / "tiles", tmp_path / "masks", to="colour-masks", on_loss="allow")
    segdata.untile(tmp_path / "masks", tmp_path / "whole", tiles=tmp_path / "tiles")
    found = segdata.read(tmp_path / "whole")
    assert found.image_ids == ["a.png"]
    np.testing.assert_array_equal(found.maps().semantic(0), segdata.read(fields).maps().semantic(0))
    with pytest.raises(SegdataError, match="nothing says what"):
        segdata.untile(tmp_path / "masks", tmp_path / "again")


def test_instances_are_one_by_what_they_share(tmp_path: Path) -> None:
    """Ids that begin anew in each tile mean nothing: only the overlap tells which pieces are one."""
    tiles = tmp_path / "tiles"
    segdata.tile(SAMPLE, tiles, 128, overlap=48, crop_images=False)
    frame = segdata.read(tiles).segments
    ids = frame.groupby("image_id").cumcount() + 1
    dataset = segdata.read(tiles)
    renumbered = _renumbered(dataset, ids.tolist())
    segdata.untile(renumbered, tmp_path / "whole", match="overlap")
    before, after = segdata.read(SAMPLE).segments, segdata.read(tmp_path / "whole").segments
    assert after["area"].sum() == before["area"].sum()
    same = set(before["counts"]) & set(after["counts"])
    assert len(same) >= 0.8 * len(before)
    worse = tmp_path / "worse"
    segdata.untile(renumbered, worse, match="id")
    assert len(set(before["counts"]) & set(segdata.read(worse).segments["counts"])) < len(same)


def _renumbered(dataset: segdata.Dataset, ids: list[int]) -> segdata.Dataset:
    """The tiles with ids that are counted anew in each."""
    from dataclasses import replace

    from segdata.api.convert import with_batches
    from segdata.core.batch import Batch, replace_column

    number = dict(zip(zip(dataset.segments["image_id"], dataset.segments["segment_id"], strict=True), ids, strict=True))

    def alter(batch: Batch) -> Batch:
        names = batch.images["image_id"].take(batch.annotations["image"].take(batch.segments["annotation"]))
        keys = zip(names.to_pylist(), batch.segments["segment_id"].to_pylist(), strict=True)
        return replace(batch, segments=replace_column(batch.segments, "segment_id", [number[key] for key in keys]))

    return with_batches(dataset, alter)


def test_an_image_named_as_a_tile_of_another_is_refused(fields: Path, tmp_path: Path) -> None:
    (fields / "masks" / "a_x00000_y00000.png").write_bytes((fields / "masks" / "a.png").read_bytes())
    with pytest.raises(SegdataError, match="is named as a window of"):
        segdata.tile(fields, tmp_path / "tiles", 16)
    assert not (tmp_path / "tiles").exists()


def test_windows_around_segments(tmp_path: Path) -> None:
    whole = segdata.read(SAMPLE).segments
    name = whole[whole["area"] > 0]["category"].value_counts().index[-1]
    segdata.crop(SAMPLE, tmp_path / "crops", around=name, margin=3)
    crops = segdata.read(tmp_path / "crops")
    assert len(crops) == (whole["category"] == name).sum()
    centred = crops.segments[crops.segments["category"] == name]
    assert set(whole[whole["category"] == name]["area"]) <= set(centred["area"])
    for given in ({"box": (-1, 0, 5, 5)}, {"around": "nobody"}):
        with pytest.raises(SegdataError):
            segdata.crop(SAMPLE, tmp_path / "none", **given)  # type: ignore[arg-type]  # of several types
