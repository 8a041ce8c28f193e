"""GeoTIFF: rasters of labels that lie somewhere in the world, with coordinate system and transform kept.

A raster of labels has one band of whole numbers, which are ids of categories, or three of 8 bits, which are colours
(`band` says which of several holds the labels); with `instance_ids` in segdata.yaml values are ids of segments. Images
are found by name as for other masks, with any number of bands, in one file or, as `a_B02.tif` and `a_B08.tif`, in a
file each. What nodata, a mask band or alpha says means nothing is
a segment of a category of kind void: of the taxonomy's, else `nodata`; a taxonomy that has the value goes before. The
names of classes come from taxonomy.yaml, an attribute table or names in `labels.tif.aux.xml`, or `labels.tif.vat.dbf`.
An image's metadata keep `crs` (EPSG code or WKT), `transform` (a to f: x y to a x + b y + c, d x + e y + f), the
image's `bands` and the labels' `tags`. A raster of more than 2**26 pixels is read in windows of 2048 x 2048, each an
image `<raster>/<row>_<column>` whose metadata say in `window` what it is a part of; `tile` chooses another side.
Labels that lie elsewhere than their image are SEG017, as are values that are no whole numbers.
Written: `masks/*.tif` (deflate, tiled, 8, 16 or 32 bits) with coordinate system, transform, tags, colour table and,
for the first category of kind void, nodata; windows are put together again. rasters.json says which window of which
raster each image is, and keeps what TIFF has no tag for.
Needs the extra `geo`. Source: OGC GeoTIFF 1.1 (19-008r4); GDAL, doc/source/drivers/raster/gtiff.rst.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest
from segdata.core.profile import Profile
from segdata.core.tiff_files import CHANNELS, GEOGRAPHIC, SAMPLE_FORMAT, tiff_tags
from segdata.formats.geo.raster_windows import RASTER_INDEX
from segdata.formats.shared.declared_losses import CATEGORY_MASK_LOSSES

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.shared.per_image import PerImageSource


LOSSES: frozenset[LossKind] = CATEGORY_MASK_LOSSES | {"spatial"}
CHECKED = ("GDAL through rasterio", "Snyder (1987) for areas")
READ_OPTIONS = {
    "tile": "side in pixels of the windows that rasters are cut into, each an image; 0: none; default: 2048 for large",
    "band": "the band that holds the labels, from 1; default: the only one, or three as colours",
    "preset": "the classes, where nothing names them, as for colour-masks",
}
WRITE_OPTIONS = {
    "values": "category: ids of categories; instance: numbers of segments, with a table of them; default: by the task"
}
_TIFF = (".tif", ".tiff")
_LOOKED_AT = 8


def detect(seen: FileProbe) -> FormatMatch | None:
    """Our index, or masks in a known layout that are TIFF files with a place in the world, or lie beside a .tfw."""
    if RASTER_INDEX in seen.names and seen.root.is_dir():
        return FormatMatch(1.0, f"{RASTER_INDEX} says which window of which raster each image is")
    one_a_folder = {name.rpartition("/")[0]: name for name in seen.matching(r"\.tiff?$")}
    if not any(_is_placed(seen.path(name)) for name in one_a_folder.values()):
        return None
    from segdata.formats.shared.pairing import RivalFoldersError, find_layouts

    try:
        found = find_layouts(seen.root)
    except RivalFoldersError:
        return None
    masks = [path for layout in found for path in layout.mask_files()][:_LOOKED_AT]
    alone = bool(found) and found[0].masks == seen.root
    placed = [path for path in masks if path.suffix.lower() in _TIFF and _is_placed(path, as_labels=alone)]
    if not placed:
        return None
    named = not alone or not {"taxonomy.yaml", "segdata.yaml"}.isdisjoint(seen.names)
    return FormatMatch(0.98 if named else 0.85, f"{placed[0].name} is a GeoTIFF in the place of labels")


def read(request: ReadRequest) -> "PerImageSource":
    """Open a raster of labels, or a folder of them, with their images.

    Raises UnreadableError where nothing says what values mean, and SegdataError where rasterio is not installed.
    """
    from segdata.formats.geo.geotiff_reader import open_geotiff

    return open_geotiff(request)


def write(
    profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter, *, values: str | None = None
) -> None:
    """Write a dataset as GeoTIFFs; pixels stay what they are, and lie where they lay.

    Raises SegdataError for category ids that 32 bits do not hold.
    """
    from segdata.formats.geo.geotiff_writer import write_geotiff

    write_geotiff(profile, batches, target, losses, values=values)


def _is_placed(path: Path, as_labels: bool = False) -> bool:
    """Whether a TIFF file lies somewhere in the world; `as_labels`: and has one band of whole numbers."""
    try:
        tags = tiff_tags(path)
    except OSError:
        return False
    world = any(path.with_suffix(suffix).is_file() for suffix in (".tfw", ".tifw", ".wld"))
    is_labels = tags.get(CHANNELS, 1) == 1 and tags.get(SAMPLE_FORMAT, 1) in (1, 2)
    return (bool(GEOGRAPHIC & tags.keys()) or world) and (is_labels or not as_labels)
