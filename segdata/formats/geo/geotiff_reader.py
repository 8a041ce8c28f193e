"""GeoTIFF reader: rasters of labels and their images, whole or in windows, what values mean, and their segments."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.config import Coverage, InstanceIds
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import Task
from segdata.core.runs import Flags
from segdata.core.safe_text import shell_word, whole_number
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.geo.georeference import Georeference
from segdata.formats.geo.raster_files import (
    BROKEN,
    MASKED,
    RASTER_INDEX,
    WINDOW_SIDE,
    RasterHeader,
    RasterIndexRow,
    RasterValues,
    RasterWindow,
    Window,
    cut_windows,
    parse_side,
    read_class_names,
    read_raster_header,
    read_raster_index,
    read_raster_values,
)
from segdata.formats.shared.colour_tables import find_colour_table, load_colour_table, load_preset
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.instance_id_rules import IdRule, id_rule
from segdata.formats.shared.mask_files import (
    UNKNOWN,
    UNLABELLED,
    Legend,
    MaskFile,
    ValueRuns,
    category_annotation,
    colour_legend,
    index_legend,
    undecodable_mask,
    unknown_value_defects,
    value_place,
)
from segdata.formats.shared.pairing import pair_masks
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames

_MAX_OFFSET = 0.01  # distance in pixels between labels and image


@dataclass(frozen=True, slots=True)
class _RasterPart:
    """The part of a label raster that is one image: all of it, or a window."""

    head: RasterHeader
    window: Window | None = None

    @property
    def n_pixels(self) -> int:
        where = self.window or self.head
        return where.width * where.height


@dataclass
class OpenRasters:
    """The rasters of a dataset."""

    root: Path  # base of the paths in messages
    # the images; the record of an annotated one is its `_RasterPart`
    entries: list[ImageEntry] = field(default_factory=list)
    # of the label rasters, in file order
    heads: dict[Path, RasterHeader] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)  # found on the way
    places: dict[str, str] = field(default_factory=dict)  # the folders that were read, by what is in them

    def head(self, path: Path, image_id: str) -> RasterHeader | None:
        """The header of an image's label raster; if it cannot be read, None, and adds a defect."""
        if path not in self.heads:
            try:
                self.heads[path] = read_raster_header(path)
            except OSError as error:
                self.defects.append(replace(undecodable_mask(self.root, path, error), image=image_id))
                return None
        return self.heads[path]


def _open_rasters(request: ReadRequest) -> OpenRasters:
    """Open the rasters of a request; raises UnreadableError if there are none."""
    rasters = OpenRasters(request.root)
    if request.root.is_dir() and (request.root / RASTER_INDEX).is_file():
        _add_indexed(rasters, images_folder(request))
        return rasters
    pairing = pair_masks(request.root, images_folder(request), paged=False)
    if not any(entry.files for entry in pairing.entries):
        raise UnreadableError(
            f"{request.root}: found no label rasters; a dataset has images/ and masks/, or is a folder of rasters"
        )
    rasters.defects += pairing.defects
    rasters.places = pairing.places
    side = parse_side(request.options.get("tile"))
    for entry in pairing.entries:
        rasters.entries += _raster_entries(rasters, entry, side)
    return rasters


def _raster_entries(rasters: OpenRasters, entry: ImageEntry, side: int | None) -> Iterator[ImageEntry]:
    """The images in a raster: the whole raster, or its windows."""
    head = rasters.head(entry.files[0], entry.image_id) if entry.files else None
    image = _image_header(entry)
    if head is None:
        yield replace(entry, files=(), metadata={} if image is None else image.metadata)
        return
    file = relative_path(rasters.root, head.path)
    try:
        parts = cut_windows(head.width, head.height, side)
    except OSError as error:
        rasters.defects.append(Defect("SEG001", f"mask cannot be read: {error}", file, image=entry.image_id))
        return
    if image is not None and (image.width, image.height) == (head.width, head.height):
        rasters.defects += _place_defects(head, image, file, entry.image_id)
    metadata = _metadata(head, image)
    if not parts:
        yield replace(entry, record=_RasterPart(head), metadata=metadata)
        return
    fits = image is not None and (image.width, image.height) == (head.width, head.height)
    if image is not None and not fits:
        message = f"the mask is {head.width}x{head.height}, the image file is {image.width}x{image.height}"
        rasters.defects.append(Defect("SEG003", message, file, image=entry.image_id))
    for part in parts:
        place = Georeference.from_metadata(metadata).shift(part.x, part.y)
        piece = RasterWindow(entry.image_id, head.width, head.height, part)
        yield replace(
            entry,
            image_id=f"{entry.image_id}/{part.y:06d}_{part.x:06d}",
            image=None,
            uri=part.uri(entry.image) if entry.image is not None and fits else None,
            channels=_window_channels(entry, part) if fits else None,
            record=_RasterPart(head, part),
            metadata={**metadata, **place.metadata, **piece.metadata},
        )


def _window_channels(entry: ImageEntry, part: Window) -> tuple[Mapping[str, str | None], ...] | None:
    if entry.channels is None:
        return None
    return tuple({**channel, "uri": part.uri(Path(channel["uri"]))} for channel in entry.channels if channel["uri"])


def _image_header(entry: ImageEntry) -> RasterHeader | None:
    """The header of an image that is a GeoTIFF; defects of images are reported elsewhere."""
    if entry.image is None or entry.image.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        return read_raster_header(entry.image)
    except OSError:
        return None


def _metadata(head: RasterHeader, image: RasterHeader | None) -> dict[str, str]:
    """The metadata to keep: the labels', the image's band names, and its georeference if the labels have none."""
    of_image = {} if image is None else image.metadata
    of_labels = {key: value for key, value in head.metadata.items() if key != "bands"}
    return {key: value for key, value in of_image.items() if key != "tags"} | of_labels


def _place_defects(head: RasterHeader, image: RasterHeader, file: str, image_id: str) -> list[Defect]:
    """SEG017 if labels and image have the same size but different georeferences."""
    label_place, image_place = head.place, image.place
    if label_place.crs is not None and image_place.crs is not None and label_place.crs != image_place.crs:
        message = f"the labels lie in {_shorten(label_place.crs)}, the image in {_shorten(image_place.crs)}"
        return [Defect("SEG017", message, file, image=image_id)]
    if label_place.transform is None or image_place.transform is None:
        return []
    corners = [(0, 0), (head.width, 0), (0, head.height), (head.width, head.height)]
    pixel = max(abs(number) for number in (*label_place.transform[:2], *label_place.transform[3:5]))
    apart = 0.0
    for x, y in corners:
        (x0, y0), (x1, y1) = (
            (corner[2], corner[5]) for corner in (_corner(label_place, x, y), _corner(image_place, x, y))
        )
        apart = max(apart, abs(x0 - x1) / pixel, abs(y0 - y1) / pixel)
    if apart <= _MAX_OFFSET:
        return []
    message = (
        f"the labels lie up to {apart:.4g} px from the image (transforms {label_place.transform}, "
        f"{image_place.transform})"
    )
    return [Defect("SEG017", message, file, image=image_id)]


def _corner(place: Georeference, x: int, y: int) -> tuple[float, ...]:
    return place.shift(x, y).transform or ()


def _shorten(crs: str) -> str:
    return crs if len(crs) < 40 else f"{crs[:40]}…"


def _add_indexed(rasters: OpenRasters, images: Path | None) -> None:
    folder = ImageFolder.below(images or rasters.root / "images")
    rows = read_raster_index(rasters.root, rasters.defects)
    for row in rows:
        entry = _entry(rasters, row, folder)
        if entry is not None:
            rasters.entries.append(entry)
    missing = [entry.image_id for entry in rasters.entries if entry.image is None and "#" not in (entry.uri or "")]
    if missing and len(missing) == len(rasters.entries):
        rasters.defects.append(no_images_defect(len(missing), rasters.root, images))
    else:
        messages = (f"image file {name!r} does not exist" for name in missing)
        rasters.defects += [
            Defect("SEG002", message, RASTER_INDEX, image=name) for message, name in zip(messages, missing, strict=True)
        ]


def _entry(rasters: OpenRasters, row: RasterIndexRow, folder: ImageFolder) -> ImageEntry | None:
    """The image of an index row; None if its raster has no such window."""
    head = None if row.mask is None else rasters.head(rasters.root / row.mask, row.image)
    metadata = dict(row.metadata)
    if head is not None:
        window = row.window
        if window is not None and (window.x + window.width > head.width or window.y + window.height > head.height):
            message = f"a window of {window.width}x{window.height} at x={window.x}, y={window.y} is not in {row.mask}"
            rasters.defects.append(Defect("SEG004", message, RASTER_INDEX, image=row.image))
            return None
        metadata = raster_metadata(head, window) | metadata
    image = folder.paths.get(row.image)
    if image is None and row.uri is not None and "#" not in row.uri and Path(row.uri).is_file():
        image = Path(row.uri)
    return ImageEntry(
        row.image,
        image,
        () if head is None else (head.path,),
        None if head is None else _RasterPart(head, row.window),
        (row.height, row.width),
        uri=row.uri,
        sequence=row.sequence,
        frame=row.frame,
        split=row.split,
        group=row.group,
        channels=row.channels,
        metadata=metadata,
    )


def raster_metadata(head: RasterHeader, window: Window | None) -> dict[str, str]:
    """The metadata of a raster for an image that is a window of it, or the whole raster."""
    metadata = {key: value for key, value in head.metadata.items() if key != "bands"}
    return metadata if window is None else metadata | head.place.shift(window.x, window.y).metadata


_MAX_CATEGORIES = 200  # with more distinct values, they are no categories


def _parse_band(request: ReadRequest) -> int | None:
    """Parse the option `band`; raises SegdataError for anything but a band number."""
    text = request.options.get("band")
    if text is None:
        return None
    number = whole_number(str(text))
    if number is None or number < 1:
        raise SegdataError(f"band is {text!r}; give the number of the band that holds the labels, from 1")
    return number


def _find_taxonomy(request: ReadRequest, opened: OpenRasters, band: int | None) -> tuple[Taxonomy, bool]:
    """Find the categories, and whether the user declared them.

    The first that exists: the user's, a preset, a colour table in the folder, names beside the rasters, or one category
    for each value if the rasters have a colour table. Raises UnreadableError if the values have no meaning.
    """
    heads = list(opened.heads.values())
    preset = request.options.get("preset")
    if preset is not None and request.taxonomy is not None:
        raise SegdataError(f"{request.root}: got a taxonomy and the preset {preset!r}; give only one of them")
    taxonomy = request.taxonomy if preset is None else load_preset(str(preset))
    table = None if taxonomy is not None else find_colour_table(request.root, heads[0].path.parent if heads else None)
    if table is not None:
        taxonomy = load_colour_table(table)
    if taxonomy is not None:
        return taxonomy, True
    named: dict[int, Category] = {}
    for head in heads:
        for category in read_class_names(head.path, relative_path(request.root, head.path), band or 1, opened.defects):
            named.setdefault(category.id, category)
    if named:
        shown = heads[0].palette
        colored = (_with_color(item, shown) for item in named.values())
        return Taxonomy(categories=tuple(sorted(colored, key=lambda item: item.id))), False
    if heads and all(head.palette is not None for head in heads):
        return Taxonomy(categories=tuple(_categories_of_values(request.root, heads))), False
    stored = heads[0].encoding if heads else "unreadable"
    raise UnreadableError(
        f"{request.root}: the labels are {stored}, and nothing says what their values mean; write taxonomy.yaml "
        f"(`segdata taxonomy init {shell_word(request.root)}` drafts one of 8-bit labels), give --taxonomy, or names "
        "in labels.tif.aux.xml or labels.tif.vat.dbf"
    )


def _add_void(taxonomy: Taxonomy, heads: Iterable[RasterHeader]) -> tuple[Taxonomy, int | None]:
    """The taxonomy with a void category if some raster has masked or nodata pixels, and the id of that category.

    No category is added if the taxonomy itself lists the nodata value.
    """
    categories = taxonomy.by_id()
    unmapped: list[int | None] = []
    for head in heads:
        value = head.nodata_value
        if head.masked or (head.nodata is not None and value is None):
            unmapped.append(None)
        elif value is not None and not _maps_nodata(taxonomy, head, value):
            unmapped.append(None if head.has_colors else value)
    void = next(iter(taxonomy.void_ids), None)
    if not unmapped or void is not None:
        return taxonomy, void
    wanted = next((value for value in unmapped if value is not None and value not in categories), None)
    id_ = max([0, *categories]) + 1 if wanted is None or wanted == taxonomy.unlabelled_id else wanted
    name = "nodata" if "nodata" not in taxonomy.by_name() else f"nodata {id_}"
    nodata = Category(id=id_, name=name, kind="void")
    return msgspec.structs.replace(taxonomy, categories=(*taxonomy.categories, nodata)), id_


def _instance_rule(request: ReadRequest, config: InstanceIds, heads: Iterable[RasterHeader]) -> tuple[Taxonomy, IdRule]:
    """The meaning of segment ids, as segdata.yaml says; the nodata value is void."""
    placed = [head for head in heads if head.masked or head.nodata_value not in (None, config.background)]
    if config.void is None and placed:
        value = next((head.nodata_value for head in placed if head.nodata_value is not None), MASKED)
        config = msgspec.structs.replace(config, void=value)
    if config.void is not None and request.taxonomy is not None:
        request = replace(request, taxonomy=_add_void(request.taxonomy, placed)[0])
    return id_rule(request, config)


def _maps_nodata(taxonomy: Taxonomy, head: RasterHeader, value: int) -> bool:
    if head.has_colors:
        color = (value & 255,) * 3
        return color in taxonomy.by_color() or color == taxonomy.unlabelled_color
    return value in taxonomy.by_id() or value == taxonomy.unlabelled_id


def _class_as_nodata(root: Path, taxonomy: Taxonomy, heads: list[RasterHeader]) -> Iterator[Defect]:
    """A defect for each category whose value some rasters, not all, declare as nodata."""
    classes = {category.id: category.name for category in taxonomy.categories if category.kind != "void"}
    for value in sorted(classes.keys() & {head.nodata_value for head in heads}):
        paths = [head.path for head in heads if head.nodata_value == value and not head.has_colors]
        if 0 < len(paths) < len(heads):
            message = (
                f"nodata is {value} in {len(paths)} of {len(heads)} rasters, in this one first, and the value of "
                f"{classes[value]!r}: a GIS leaves these pixels out, and they are read as that"
            )
            yield Defect("SEG202", message, relative_path(root, paths[0]), severity="warning", lost=False)


def _with_color(category: Category, palette: np.ndarray[tuple[int, int], np.dtype[np.uint8]] | None) -> Category:
    """The category; if it has no colour, with that of the colour table."""
    if category.color is not None or palette is None or not 0 <= category.id < len(palette):
        return category
    red, green, blue = palette[category.id].tolist()
    return msgspec.structs.replace(category, color=(red, green, blue))


def _categories_of_values(root: Path, heads: list[RasterHeader]) -> list[Category]:
    """A category for each value in rasters that have a colour table but no names; decodes each raster once."""
    occurs = np.zeros(256, bool)
    for head in heads:
        parts: list[Window | None] = [*cut_windows(head.width, head.height, WINDOW_SIDE)]
        for window in parts or [None]:
            try:
                occurs[read_raster_values(head, window, None).values.clip(0, 255)] = True
            except OSError:
                break  # reported when the image is read
        if head.nodata_value is not None:
            occurs[head.nodata_value] = False
    values = np.flatnonzero(occurs).tolist()
    if len(values) > _MAX_CATEGORIES:
        raise UnreadableError(f"{root}: {len(values)} distinct values in the labels are too many for categories")
    categories = (Category(id=value, name=f"category_{value}", kind="stuff") for value in values)
    return [_with_color(category, heads[0].palette) for category in categories]


@dataclass(frozen=True)
class _RasterLabelReader:
    """Reads the segments of one image; called from any thread."""

    root: Path  # base of the paths in messages
    taxonomy: Taxonomy  # what values mean
    void: int | None  # the category of masked and nodata pixels; None if no raster has any
    band: int | None  # that holds the labels
    rule: IdRule | None = None  # the meaning of values that are segment ids; None: values are categories
    background: int = 0  # the value outside all segments, if values are ids

    def __call__(self, entry: ImageEntry) -> list[ImageAnnotation]:
        pane: _RasterPart = entry.record
        try:
            patch = read_raster_values(pane.head, pane.window, self.band)
        except OSError as error:
            raise BrokenLabelsError(undecodable_mask(self.root, pane.head.path, error)) from error
        broken = [] if patch.broken is None or not patch.broken.any() else [_broken_pixels(patch.broken)]
        file = relative_path(self.root, pane.head.path)
        if self.rule is None:
            return [self._categories(pane.head, patch, file, broken)]
        values = patch.values if patch.broken is None else np.where(patch.broken, self.background, patch.values)
        runs = ValueRuns.of(values)
        ids = self.rule(runs, entry.image_id)
        ids = msgspec.structs.replace(ids, defects=[*ids.defects, *broken])
        return [ids.annotation(runs, file, pane.head.encoding, [_place(False, value) for value in runs.value.tolist()])]

    def _categories(self, head: RasterHeader, patch: RasterValues, file: str, broken: list[Defect]) -> ImageAnnotation:
        """The annotation if values are categories; `broken` are the defects of the pixels."""
        runs = ValueRuns.of(patch.values)
        coloured = head.has_colors and self.band is None
        meaning = (self._colours if coloured else self._ids).read(runs.value)
        nothing = (runs.value == MASKED) | (runs.value == (MASKED if head.nodata_value is None else head.nodata_value))
        meaning[nothing & (meaning == UNKNOWN)] = UNLABELLED if self.void is None else self.void
        meaning[runs.value == BROKEN] = UNLABELLED
        mask = MaskFile(patch.values, coloured, head.encoding, head.palette, head.lossy)
        has_problem = head.lossy is not None or bool((meaning == UNKNOWN).any())
        defects = unknown_value_defects(mask, runs, meaning, self.taxonomy) if has_problem else []
        return category_annotation(runs, meaning, file, head.encoding, [*defects, *broken], partial(_place, coloured))

    @cached_property
    def _colours(self) -> Legend:
        return colour_legend(self.taxonomy)

    @cached_property
    def _ids(self) -> Legend:
        return index_legend(self.taxonomy, None)


def _place(coloured: bool, value: int) -> str:
    return "masked out" if value == MASKED and not coloured else value_place(value, coloured)


def _broken_pixels(broken: Flags) -> Defect:
    """SEG017 for pixels that are not whole numbers of 32 bits."""
    x, y = divmod(int(broken.T.argmax()), broken.shape[0])
    area = int(broken.sum())
    message = f"{area:,} px are not labels (not whole numbers, or beyond 32 bits) and are left out"
    return Defect("SEG017", message, place=f"x={x}, y={y}", pixels=area)


_PIXELS_PER_CHUNK = 2**25  # of images loaded at once


def open_geotiff(request: ReadRequest) -> PerImageSource:
    """Open the rasters; raises UnreadableError if the values have no meaning."""
    opened = _open_rasters(request)
    band, config, heads = _parse_band(request), request.config.instance_ids, opened.heads.values()
    task: Task = "semantic"
    if config is None:
        declared_taxonomy, declared = _find_taxonomy(request, opened, band)
        taxonomy, void = _add_void(declared_taxonomy, heads)
        opened.defects += _class_as_nodata(request.root, taxonomy, [*heads])
        reader = _RasterLabelReader(request.root, taxonomy, void, band)
    else:
        taxonomy, rule = _instance_rule(request, config, heads)
        declared = request.taxonomy is not None
        task = "panoptic" if {category.kind for category in taxonomy.categories} >= {"thing", "stuff"} else "instance"
        reader = _RasterLabelReader(request.root, taxonomy, None, band, rule, config.background or 0)
    coverage: Coverage = "exhaustive" if config is None else "sparse"
    naming = CategoryNames(taxonomy, declared, {})
    profile = naming.profile("geotiff", request.root, task, coverage, "forbid", places=opened.places)
    largest = max((entry.record.n_pixels for entry in opened.entries if entry.record is not None), default=1)
    per_chunk = max(1, min(16, _PIXELS_PER_CHUNK // largest))
    return PerImageSource(
        request.root, profile, opened.entries, tuple(opened.defects), reader, request.annotator, per_chunk=per_chunk
    )
