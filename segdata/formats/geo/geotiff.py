"""GeoTIFF: label rasters that lie somewhere in the world, with coordinate system and transform kept.

Read: a label raster has one band of whole numbers, which are category ids, or three of 8 bits, which are colours
(`band` chooses among several); with `instance_ids` in segdata.yaml values are segment ids. Images are found by name as
for other masks, with any number of bands, in one file or, like `a_B02.tif` and `a_B08.tif`, in one file each. Pixels
that nodata, a mask band or alpha excludes are a segment of a void category: the taxonomy's, else `nodata`; if your
taxonomy lists the value, it takes precedence. Class names come from taxonomy.yaml, an attribute table or names in
`labels.tif.aux.xml`, or `labels.tif.vat.dbf`. An image's metadata keep `crs` (EPSG code or WKT), `transform` (a to f: x
y to a x + b y + c, d x + e y + f), the image's `bands` and the labels' `tags`. A raster of more than 2**26 pixels is
read in windows of 2048 x 2048, each an image `<raster>/<row>_<column>` whose metadata item `window` says which part it
is; you set another side with `tile`. Labels that lie elsewhere than their image are SEG017, as are values that are not
whole numbers.

Written: `masks/*.tif` (deflate, tiled, 8, 16 or 32 bits) with coordinate system, transform, tags, colour table and, for
the first void category, nodata; windows are put together again. rasters.json says which window of which raster each
image is, and keeps what TIFF has no tag for. You need the extra `geo`. Source: OGC GeoTIFF 1.1 (19-008r4); GDAL,
doc/source/drivers/raster/gtiff.rst.
"""

from pathlib import Path

from segdata.core.format import FILE_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.core.tiff_files import CHANNELS, GEOGRAPHIC, SAMPLE_FORMAT, tiff_tags
from segdata.formats.shared import CATEGORY_MASK_LOSSES

ALIASES = ("tif", "tiff", "gtiff", "raster")
NAMES = FILE_NAMES
LOSSES: frozenset[LossKind] = CATEGORY_MASK_LOSSES | {"spatial"}
CHECKED = ("GDAL through rasterio", "Snyder (1987) for areas")
READ_OPTIONS = {
    "tile": "side of windows in pixels, each an image; 0: whole rasters; default: 2048 if a raster is large",
    "band": "band that holds the labels, from 1; default: the only one, or three as colours",
    "preset": "class preset, if nothing names the classes, as for colour-masks",
}
WRITE_OPTIONS = {
    "values": "category: category ids; instance: segment numbers, with a table of them; default: by the task"
}
_TIFF = (".tif", ".tiff")
_N_SAMPLED = 8
_INDEX = "rasters.json"  # as in raster_files, which is slow to import


def detect(probe: FileProbe) -> FormatMatch | None:
    """An index of segdata, or masks in a known layout that are georeferenced TIFF files or lie beside a .tfw."""
    if _INDEX in probe.names and probe.root.is_dir():
        return FormatMatch(1.0, f"{_INDEX} says which window of which raster each image is")
    sample_of_folder = {name.rpartition("/")[0]: name for name in probe.matching(r"\.tiff?$")}
    if not any(_is_placed(probe.path(name)) for name in sample_of_folder.values()):
        return None
    from segdata.formats.shared.mask_layouts import UnclearMasksError, find_layouts

    try:
        layouts_found = find_layouts(probe.root)
    except UnclearMasksError:
        return None
    masks = [path for layout in layouts_found for path in layout.mask_files()][:_N_SAMPLED]
    is_bare = bool(layouts_found) and layouts_found[0].masks == probe.root
    placed = [path for path in masks if path.suffix.lower() in _TIFF and _is_placed(path, as_labels=is_bare)]
    if not placed:
        return None
    named = not is_bare or not {"taxonomy.yaml", "segdata.yaml"}.isdisjoint(probe.names)
    return FormatMatch(0.98 if named else 0.85, f"{placed[0].name} is a GeoTIFF in the place of labels")


read = ImportedOnCall("segdata.formats.geo.geotiff_reader:open_geotiff")


write = ImportedOnCall("segdata.formats.geo.geotiff_writer:write_geotiff")


def _is_placed(path: Path, as_labels: bool = False) -> bool:
    """Whether a TIFF file is georeferenced; `as_labels`: and has one band of whole numbers."""
    try:
        tags = tiff_tags(path)
    except OSError:
        return False
    world = any(path.with_suffix(suffix).is_file() for suffix in (".tfw", ".tifw", ".wld"))
    is_labels = tags.get(CHANNELS, 1) == 1 and tags.get(SAMPLE_FORMAT, 1) in (1, 2)
    return (bool(GEOGRAPHIC & tags.keys()) or world) and (is_labels or not as_labels)
