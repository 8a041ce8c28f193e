"""GeoTIFF: what is written comes back and lies where it lay; values mean what the file says; GDAL reads the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import segdata
from segdata.core.batch import replace_column
from segdata.core.errors import SegdataError
from segdata.core.format import FileProbe, Format, detect, find_format
from segdata.core.losses import LossCounter
from segdata.core.taxonomy import Category, Taxonomy
from segdata.core.tiff_files import create_raster, open_raster
from segdata.formats.geo.geotiff import write
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

rasterio = pytest.importorskip("rasterio")
UTM = rasterio.Affine(0.5, 0.0, 399960.25, 0.0, -0.5, 5800020.75)
TAXONOMY = Taxonomy(
    categories=(
        Category(id=1, name="field", kind="stuff", color=(10, 200, 30)),
        Category(id=2, name="house", color=(200, 0, 0)),
        Category(id=9, name="cloud", kind="void"),
    ),
    unlabelled=0,
)


def geotiff(path: Path, pixels: NDArray[np.generic], **profile: object) -> Path:
    """A raster of one band, or of several where `pixels` are (bands, height, width)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    colors = profile.pop("colors", None)
    said = {"crs": "EPSG:32633", "transform": UTM, "dtype": bands.dtype, **profile}
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    with create_raster(path, **size, **said) as raster:
        if colors:
            raster.write_colormap(1, colors)
        raster.write(bands)
    return path


def labels(**read: object) -> dict[str, object]:
    return {"taxonomy": TAXONOMY, **read}


def shown(dataset: segdata.Dataset, row: int = 0) -> list[list[int]]:
    """The category id of each pixel, 0 where it is unlabelled."""
    batch = dataset.source.load(np.array([row]))
    height, width = (int(side[0]) for side in batch.image_size)
    pixels = np.zeros(width * height, int)
    for start, length, owner in zip(batch.runs.start, batch.runs.length, batch.runs.owner, strict=True):
        pixels[start : start + length] = batch.segments["category_id"][int(owner)].as_py()
    return pixels.reshape(width, height).T.tolist()  # type: ignore[no-any-return]


def codes(dataset: segdata.Dataset) -> list[str]:
    """Of everything that is wrong, but for images that are not here."""
    met = [*dataset.source.defects, *(defect for batch in dataset for defect in batch.defects)]
    return sorted(each.code for each in met if each.severity != "info")


@settings(max_examples=25)
@given(datasets(Details()), st.sampled_from(["category", "instance"]))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, dataset: tuple, values: str) -> None:
    chosen = find_format("geotiff")

    def write(profile: object, batches: object, target: Path, losses: object) -> None:
        assert chosen.write is not None
        chosen.write(profile, batches, target, losses, values=values)

    named = Format(chosen.name, chosen.summary, chosen.text, chosen.losses, chosen.detect, chosen.read, write)
    assert_round_trip(named, *dataset, tmp_path_factory.mktemp("law"))


TILED = st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(4, 17))


@settings(max_examples=25)
@given(TILED, st.randoms(use_true_random=False), st.booleans())
def test_windows_are_one_raster_again(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], random: object, instances: bool
) -> None:
    """Any raster, cut into windows of any side, is written as the raster that it was."""
    height, width, side = shape
    folder = tmp_path_factory.mktemp("tiles")
    pixels = np.random.default_rng(random.randrange(2**32)).choice([0, 1, 2, 9], (height, width))  # type: ignore[attr-defined]
    geotiff(folder / "labels.tif", pixels.astype(np.uint8), nodata=9)
    dataset = segdata.read(folder / "labels.tif", taxonomy=TAXONOMY, options={"tile": side})
    assert len(dataset) == -(-height // side) * -(-width // side)
    values = {"values": "instance" if instances else "category"}
    written = segdata.convert(dataset, folder / "again", to="geotiff", verify=True, write_options=values)
    assert written.proof is not None
    assert written.proof.holds, written.proof
    with rasterio.open(folder / "again" / "masks" / "labels.tif") as raster:
        assert raster.crs == rasterio.crs.CRS.from_epsg(32633)
        assert raster.transform == UTM
        assert raster.read(1).tolist() == pixels.tolist()
        assert raster.nodata == (None if instances else 9)


def test_only_the_windows_that_are_there_come_back(tmp_path: Path) -> None:
    """Of a raster some windows may be left out: they are no images afterwards, and nodata for others."""
    geotiff(tmp_path / "big.tif", np.ones((40, 60), np.uint8))
    dataset = segdata.read(tmp_path / "big.tif", taxonomy=TAXONOMY, options={"tile": 20})
    kept = ["big.tif/000000_000040", "big.tif/000020_000000"]
    part = segdata.read(tmp_path / "big.tif", taxonomy=TAXONOMY, options={"tile": 20}, only=kept)
    assert len(dataset) == 6
    segdata.convert(part, tmp_path / "part", to="geotiff")
    back = segdata.read(tmp_path / "part")
    assert back.image_ids == kept
    assert [json.loads(value) for key, value in back.images["metadata"][0] if key == "transform"] == [
        [0.5, 0.0, 399960.25 + 20, 0.0, -0.5, 5800020.75]
    ]
    with rasterio.open(tmp_path / "part" / "masks" / "big.tif") as raster:
        pixels = raster.read(1)
    assert (pixels[:20, 40:] == 1).all()
    assert (pixels[20:, :20] == 1).all()
    assert (pixels == 9).sum() == 1600, "what was not written is nodata, the id of the category of kind void"


def test_windows_that_overlap_are_images_by_themselves(tmp_path: Path) -> None:
    geotiff(tmp_path / "big.tif", np.arange(1, 13, dtype=np.uint8).reshape(3, 4) % 3)
    dataset = segdata.read(tmp_path / "big.tif", taxonomy=TAXONOMY, options={"tile": 2})
    rows = dataset.source.load(np.arange(2))
    window = json.dumps({"raster": "big.tif", "raster_width": 4, "raster_height": 3, "x": 1, "y": 0})

    said = rows.images["metadata"].to_pylist()
    moved = [said[0], [(key, window if key == "window" else value) for key, value in said[1]]]
    images = replace_column(rows.images, "metadata", moved)
    write(
        dataset.profile, [type(rows)(images, rows.annotations, rows.segments, rows.runs)], tmp_path / "w", LossCounter()
    )
    assert sorted(path.name for path in (tmp_path / "w" / "masks").rglob("*.tif")) == ["000000_000002.tif", "big.tif"]
    assert shown(segdata.read(tmp_path / "w"), 1) == shown(dataset, 1)


def test_nodata_is_void_unless_the_taxonomy_says_what_it_is(tmp_path: Path) -> None:
    pixels = np.array([[1, 2], [255, 9]], np.uint8)
    geotiff(tmp_path / "labels.tif", pixels, nodata=255)
    assert shown(segdata.read(tmp_path / "labels.tif", taxonomy=TAXONOMY)) == [[1, 2], [9, 9]]
    small = Taxonomy(categories=TAXONOMY.categories[:2])
    dataset = segdata.read(tmp_path / "labels.tif", taxonomy=small)
    assert [(each.id, each.name, each.kind) for each in dataset.taxonomy.categories][2:] == [(255, "nodata", "void")]
    assert shown(dataset) == [[1, 2], [255, 0]]
    assert codes(dataset) == ["SEG009"], "9 is in no taxonomy"
    as_unlabelled = Taxonomy(categories=TAXONOMY.categories, unlabelled=255)
    assert shown(segdata.read(tmp_path / "labels.tif", taxonomy=as_unlabelled)) == [[1, 2], [0, 9]]
    as_category = Taxonomy(categories=(*TAXONOMY.categories, Category(id=255, name="sea", kind="stuff")))
    assert shown(segdata.read(tmp_path / "labels.tif", taxonomy=as_category)) == [[1, 2], [255, 9]]


@pytest.mark.parametrize(("values", "flagged"), [((None, 1, 1), True), ((1, 1, 1), False), ((None, 0, 9), False)])
def test_a_class_as_nodata_in_some_rasters(tmp_path: Path, values: tuple[int | None, ...], flagged: bool) -> None:
    for number, value in enumerate(values):
        geotiff(tmp_path / f"{number}.tif", np.array([[0, 1], [2, 1]], np.uint8), nodata=value)
    taxonomy = Taxonomy(unlabelled=0, categories=(Category(id=1, name="water"), Category(id=2, name="field")))
    found = segdata.validate(tmp_path, taxonomy=taxonomy, select="SEG202").findings
    assert [(one.file, "nodata is 1 in 2 of 3 rasters" in one.message) for one in found] == [("1.tif", True)] * flagged


@pytest.mark.parametrize("inside", [True, False])
def test_what_a_mask_band_hides_is_void(tmp_path: Path, inside: bool) -> None:
    """GDAL keeps masks in the TIFF, or beside it in labels.tif.msk."""
    pixels = np.array([[1, 2], [2, 1]], np.uint8)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside):
        path = geotiff(tmp_path / "labels.tif", pixels)
        with rasterio.open(path, "r+") as raster:
            raster.write_mask(np.array([[255, 0], [255, 255]], np.uint8))
    assert (tmp_path / "labels.tif.msk").exists() is not inside
    assert shown(segdata.read(path, taxonomy=TAXONOMY)) == [[1, 9], [2, 1]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32"])
def test_any_type_of_value_is_read(tmp_path: Path, dtype: str) -> None:
    path = geotiff(tmp_path / "labels.tif", np.array([[0, 1], [2, 9]]).astype(dtype))
    dataset = segdata.read(path, format="geotiff", taxonomy=TAXONOMY)
    assert shown(dataset) == [[0, 1], [2, 9]]
    assert codes(dataset) == []


def test_values_that_are_no_labels_are_found_and_left_out(tmp_path: Path) -> None:
    pixels = np.array([[1, 1.5], [np.nan, -3.4e38], [2, 9]], np.float32)
    path = geotiff(tmp_path / "labels.tif", pixels, nodata=-3.4e38)
    dataset = segdata.read(path, format="geotiff", taxonomy=TAXONOMY)
    assert shown(dataset) == [[1, 0], [0, 9], [2, 9]]
    defect = next(defect for batch in dataset for defect in batch.defects)
    assert (defect.code, defect.place, defect.pixels) == ("SEG017", "x=0, y=1", 2)
    wide = geotiff(tmp_path / "wide.tif", np.array([[1, 2**40]], np.int64))
    assert codes(segdata.read(wide, taxonomy=TAXONOMY)) == ["SEG017"]


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_mean_categories_and_alpha_void(tmp_path: Path, alpha: bool) -> None:
    colors = np.array([[[10, 200, 30], [200, 0, 0]], [[0, 0, 0], [9, 9, 9]]], np.uint8).transpose(2, 0, 1)
    seen = np.array([[[255, 0], [255, 255]]], np.uint8)
    bands = np.concatenate([colors, seen]) if alpha else colors
    path = geotiff(tmp_path / "labels.tif", bands, photometric="RGB", **({"alpha": "YES"} if alpha else {}))
    taxonomy = Taxonomy(categories=TAXONOMY.categories, unlabelled=[0, 0, 0])
    dataset = segdata.read(path, taxonomy=taxonomy, format="geotiff")
    assert shown(dataset) == [[1, 9 if alpha else 2], [0, 0]]
    assert codes(dataset) == ["SEG009"]


def test_a_band_of_many_is_chosen(tmp_path: Path) -> None:
    pixels = np.stack([np.full((2, 2), 7), [[1, 2], [2, 2]]] * 3).astype(np.uint16)
    path = geotiff(tmp_path / "labels.tif", pixels)
    assert shown(segdata.read(path, format="geotiff", taxonomy=TAXONOMY, options={"band": "2"})) == [[1, 2], [2, 2]]
    defect = next(iter(next(iter(segdata.read(path, format="geotiff", taxonomy=TAXONOMY))).defects))
    assert "6 bands of uint16" in defect.message


def test_values_may_be_segments(tmp_path: Path) -> None:
    """As segdata.yaml says; nodata that is not the background is void."""
    geotiff(tmp_path / "masks" / "a.tif", np.array([[0, 70000, 70000], [5, 5, 4]], np.uint32), nodata=4)
    (tmp_path / "segdata.yaml").write_text("instance_ids: {category: house}\n")
    dataset = segdata.read(tmp_path, format="geotiff", taxonomy=TAXONOMY)
    assert shown(dataset) == [[0, 2, 2], [2, 2, 9]]
    assert sorted(dataset.segments["segment_id"]) == [4, 5, 70000]
    assert segdata.read(tmp_path, format="geotiff").segments["category"].tolist() == ["void", "house", "house"]


def test_a_coloured_raster_without_names_has_a_category_for_each_value(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "labels.tif", np.array([[0, 3, 4]], np.uint8), nodata=4, colors={3: (1, 2, 3)})
    dataset = segdata.read(path)
    said = [(each.id, each.name, each.kind, each.rgb) for each in dataset.taxonomy.categories]
    assert said == [
        (0, "category_0", "stuff", (0, 0, 0)),
        (3, "category_3", "stuff", (1, 2, 3)),
        (4, "nodata", "void", None),
    ]
    with pytest.raises(SegdataError, match=r"nothing says what their values mean; write taxonomy\.yaml"):
        segdata.read(geotiff(tmp_path / "grey.tif", np.array([[0, 3, 4]], np.uint8)))


def test_overviews_are_no_images(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "labels.tif", np.ones((512, 512), np.uint8))
    with rasterio.open(path, "r+") as raster:
        raster.build_overviews([2, 4])
    assert segdata.read(path, taxonomy=TAXONOMY).image_ids == ["labels.tif"]


def scene(folder: Path, image_at: object = UTM, crs: str = "EPSG:32633") -> Path:
    geotiff(folder / "masks" / "a.tif", np.array([[1, 2, 2], [0, 2, 2]], np.uint8))
    path = geotiff(folder / "images" / "a.tif", np.zeros((4, 2, 3), np.uint16), transform=image_at, crs=crs)
    with rasterio.open(path, "r+") as raster:
        raster.descriptions = ("red", "green", "blue", "nir")
    return folder


def test_an_image_of_many_bands_is_found_and_its_bands_are_kept(tmp_path: Path) -> None:
    dataset = segdata.read(scene(tmp_path), taxonomy=TAXONOMY)
    assert dataset.profile.format == "geotiff"
    assert codes(dataset) == []
    metadata = dict(dataset.images["metadata"][0])
    assert json.loads(metadata["bands"]) == ["red", "green", "blue", "nir"]
    assert json.loads(metadata["crs"]) == "EPSG:32633"
    assert json.loads(metadata["transform"]) == list(UTM)[:6]
    segdata.convert(dataset, tmp_path / "canonical")
    segdata.convert(tmp_path / "canonical", tmp_path / "again", to="geotiff", verify=True)
    assert dict(segdata.read(tmp_path / "again").images["metadata"][0]) == metadata


@pytest.mark.parametrize(
    ("at", "crs", "words"),
    [
        (rasterio.Affine(0.5, 0.0, 399960.75, 0.0, -0.5, 5800020.75), "EPSG:32633", "up to 1 px from the image"),
        (UTM, "EPSG:32632", "in EPSG:32633, the image in EPSG:32632"),
    ],
)
def test_labels_that_lie_elsewhere_than_their_image_are_found(tmp_path: Path, at: object, crs: str, words: str) -> None:
    dataset = segdata.read(scene(tmp_path, at, crs), taxonomy=TAXONOMY)
    assert codes(dataset) == ["SEG017"]
    assert words in dataset.source.defects[0].message


def test_coordinate_systems_and_tags_come_back(tmp_path: Path) -> None:
    """An EPSG code, a system of nobody's, a turned transform, none at all, and the file's own tags."""
    own = rasterio.crs.CRS.from_proj4("+proj=laea +lat_0=51.5 +lon_0=7.25 +datum=WGS84 +units=m")
    turned = rasterio.Affine(0.0866, -0.05, 7.1, 0.05, 0.0866, 51.3)
    for name, said in {
        "a.tif": {"crs": own, "transform": turned},
        "b.tif": {"crs": "EPSG:4326"},
        "c.tif": {"crs": None, "transform": rasterio.Affine.identity()},
    }.items():
        path = geotiff(tmp_path / "masks" / name, np.ones((2, 2), np.uint8), **said)
        with rasterio.open(path, "r+") as raster:
            raster.update_tags(TIFFTAG_SOFTWARE="QGIS", AREA_OR_POINT="Point" if name == "b.tif" else "Area")
    segdata.convert(tmp_path, tmp_path / "again", to="geotiff", taxonomy=TAXONOMY)
    for name in ("a.tif", "b.tif", "c.tif"):
        with open_raster(tmp_path / "masks" / name) as before, open_raster(tmp_path / f"again/masks/{name}") as now:
            assert (before.crs, before.transform, before.tags()) == (now.crs, now.transform, now.tags())


def test_ids_beyond_32_bits_are_refused(tmp_path: Path) -> None:
    taxonomy = Taxonomy(categories=(Category(id=2**32, name="far"),))
    dataset = segdata.from_arrays({"a.png": np.zeros((2, 2), np.uint8)}, taxonomy)
    with pytest.raises(SegdataError, match="4294967296 does not fit"):
        segdata.convert(dataset, tmp_path / "w", to="geotiff")
    assert list(tmp_path.iterdir()) == []


def test_detection(tmp_path: Path) -> None:
    """GeoTIFFs among the masks, or alone; not photographs from above, nor TIFFs that lie nowhere."""
    scene(tmp_path / "scene")
    assert detect(tmp_path / "scene") == "geotiff"
    assert detect(tmp_path / "scene" / "masks" / "a.tif") == "geotiff"
    geotiff(tmp_path / "plain" / "masks" / "a.tif", np.ones((2, 2), np.uint8), crs=None, transform=None)
    assert detect(tmp_path / "plain") == "colour-masks"
    (tmp_path / "plain" / "masks" / "a.tfw").write_text("0.5\n0\n0\n-0.5\n1\n2\n")
    assert detect(tmp_path / "plain") == "geotiff"
    geotiff(tmp_path / "photos" / "a.tif", np.zeros((3, 40, 40), np.uint8))
    assert find_format("geotiff").detect(FileProbe(tmp_path / "photos")) is None


def test_segments_are_detected_too(tmp_path: Path) -> None:
    geotiff(tmp_path / "a.tif", np.ones((2, 2), np.uint16))
    (tmp_path / "segdata.yaml").write_text("instance_ids: {category: house}\n")
    assert detect(tmp_path) == "geotiff"
