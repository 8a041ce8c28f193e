"""GeoTIFF: rasters of labels that lie somewhere in the world, with coordinate system and transform kept.

A raster of labels has one band of whole numbers, which are ids of categories, or three of 8 bits, which are colours
(`band` says which of several holds the labels); with `instance_ids` in segdata.yaml values are ids of segments. Images
are found by name as for other masks, with any number of bands. What nodata, a mask band or alpha says means nothing is
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

import msgspec

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import check_choice
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Policy, Profile, Task
from segdata.core.taxonomy import Taxonomy
from segdata.formats.beyond import BESIDE_PIXELS, BY_CATEGORY
from segdata.formats.geo.folder import RasterFolder
from segdata.formats.geo.index import INDEX, write_index
from segdata.formats.geo.look import Looker
from segdata.formats.geo.meaning import band_of, rule_of, taxonomy_of, with_void
from segdata.formats.geo.opening import open_rasters
from segdata.formats.geo.painter import CategoryPainter, Painter, SegmentPainter
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.layout import RivalFoldersError, layouts
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.tifftags import CHANNELS, GEOGRAPHIC, SAMPLE_FORMAT, tiff_tags
from segdata.formats.unheld import count_spatial, count_unheld

LOSSES: frozenset[Kind] = BY_CATEGORY | {"spatial"}
CHECKED = ("GDAL through rasterio", "Snyder (1987) for areas")
READ_OPTIONS = {
    "tile": "side in pixels of the windows that rasters are cut into, each an image; 0: none; default: 2048 for large",
    "band": "the band that holds the labels, from 1; default: the only one, or three as colours",
    "preset": "the classes, where nothing names them, as for colour-masks",
}
WRITE_OPTIONS = {
    "values": "category: ids of categories; instance: numbers of segments, with a table of them; default: by the task"
}
TABLE = "instances.csv"
_HELD = frozenset(f"images.{name}" for name in ("channels", "sequence", "frame", "split", "group", "metadata"))
_TIFF = (".tif", ".tiff")
_LOOKED_AT = 8
_PER_CHUNK = 2**25  # pixels of images that are loaded at once


def detect(seen: Glance) -> Clue | None:
    """Our index, or masks in a known layout that are TIFF files with a place in the world, or lie beside a .tfw."""
    if INDEX in seen.names and seen.root.is_dir():
        return Clue(1.0, f"{INDEX} says which window of which raster each image is")
    one_a_folder = {name.rpartition("/")[0]: name for name in seen.matching(r"\.tiff?$")}
    if not any(_is_placed(seen.path(name)) for name in one_a_folder.values()):
        return None
    try:
        found = layouts(seen.root)
    except RivalFoldersError:
        return None
    masks = [path for layout in found for path in layout.mask_files()][:_LOOKED_AT]
    alone = bool(found) and found[0].masks == seen.root
    placed = [path for path in masks if path.suffix.lower() in _TIFF and _is_placed(path, as_labels=alone)]
    if not placed:
        return None
    named = not alone or not {"taxonomy.yaml", "segdata.yaml"}.isdisjoint(seen.names)
    return Clue(0.98 if named else 0.85, f"{placed[0].name} is a GeoTIFF in the place of labels")


def read(request: Request) -> PerImageSource:
    """Open a raster of labels, or a folder of them, with their images.

    Raises UnreadableError where nothing says what values mean, and SegdataError where rasterio is not installed.
    """
    opened = open_rasters(request)
    band, config, heads = band_of(request), request.config.instance_ids, opened.heads.values()
    task: Task = "semantic"
    if config is None:
        given, declared = taxonomy_of(request, opened, band)
        taxonomy, void = with_void(given, heads)
        look = Looker(request.root, taxonomy, void, band)
    else:
        taxonomy, rule = rule_of(request, config, heads)
        declared = request.taxonomy is not None
        task = "panoptic" if {each.kind for each in taxonomy.categories} >= {"thing", "stuff"} else "instance"
        look = Looker(request.root, taxonomy, None, band, rule, config.background or 0)
    profile = Profile(
        name=request.root.stem,
        format="geotiff",
        task=task,
        taxonomy=taxonomy,
        taxonomy_declared=declared,
        coverage=Policy("exhaustive" if config is None else "sparse"),
        overlap=Policy("forbid"),
        files=str(request.root),
        places=opened.places,
    )
    largest = max((entry.record.n_pixels for entry in opened.entries if entry.record is not None), default=1)
    per_chunk = max(1, min(16, _PER_CHUNK // largest))
    return PerImageSource(
        request.root, profile, opened.entries, tuple(opened.defects), look, request.annotator, per_chunk=per_chunk
    )


def write(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, *, values: str | None = None
) -> None:
    """Write a dataset as GeoTIFFs; pixels stay what they are, and lie where they lay.

    Raises SegdataError for category ids that 32 bits do not hold.
    """
    by = values or ("category" if profile.task == "semantic" else "instance")
    check_choice("values", by, ("category", "instance"))
    count_spatial(profile, losses)
    target.mkdir(parents=True)
    if by == "category":
        painter = CategoryPainter(profile.taxonomy, losses)
        void = next(iter(profile.taxonomy.void_ids), None)
        folder = RasterFolder(target, painter.most, void, profile.taxonomy)
        _save(folder, painter, batches, losses, BY_CATEGORY)
        taxonomy = _with_blank(profile.taxonomy, painter.blank) if painter.used else profile.taxonomy
        write_beside(target, profile, taxonomy)
    else:
        numbers = SegmentPainter(profile.taxonomy, losses, target / TABLE)
        try:
            folder = RasterFolder(target, None, None, None)
            _save(folder, numbers, batches, losses, BESIDE_PIXELS)
        finally:
            numbers.close()
        write_beside(target, profile, profile.taxonomy, InstanceIds(table=TABLE))
    write_index(target, folder.rows)


def _save(
    folder: RasterFolder, painter: Painter, batches: Iterable[Batch], losses: Losses, kinds: frozenset[Kind]
) -> None:
    """Write all images, while what rasters do not hold is counted."""
    try:
        for batch in batches:
            count_unheld(batch, losses, kinds, _HELD)
            for picture in painter.pictures(batch):
                folder.save(picture)
    finally:
        folder.close()


def _with_blank(taxonomy: Taxonomy, blank: int) -> Taxonomy:
    """The taxonomy, which says what unlabelled pixels have."""
    color = taxonomy.unlabelled_color
    if color is not None and set(color) == {blank}:
        return taxonomy
    return msgspec.structs.replace(taxonomy, unlabelled=blank)


def _is_placed(path: Path, as_labels: bool = False) -> bool:
    """Whether a TIFF file lies somewhere in the world; `as_labels`: and has one band of whole numbers."""
    try:
        tags = tiff_tags(path)
    except OSError:
        return False
    world = any(path.with_suffix(suffix).is_file() for suffix in (".tfw", ".tifw", ".wld"))
    is_labels = tags.get(CHANNELS, 1) == 1 and tags.get(SAMPLE_FORMAT, 1) in (1, 2)
    return (bool(GEOGRAPHIC & tags.keys()) or world) and (is_labels or not as_labels)
