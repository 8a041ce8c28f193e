"""GeoTIFF writer: rasters of categories or of segment numbers; joins the windows of one raster again."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import SegdataError, check_choice
from segdata.core.losses import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path, with_folder
from segdata.core.profile import Profile
from segdata.core.safe_text import stored_json
from segdata.core.taxonomy import Taxonomy
from segdata.core.tiff_files import create_raster, import_rasterio
from segdata.formats.geo.georeference import Georeference, parse_crs
from segdata.formats.geo.geotiff_reader import raster_metadata
from segdata.formats.geo.raster_files import (
    RasterIndexRow,
    RasterWindow,
    Window,
    read_raster_header,
    write_raster_index,
)
from segdata.formats.shared import CATEGORY_MASK_LOSSES, MASK_LOSSES, writing
from segdata.formats.shared.instance_id_rules import ID_TABLE, IdTableWriter
from segdata.formats.shared.taxonomies import table_names, write_sidecars

_MAX_VALUE = 2**32 - 1
Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
_IMAGE_COLUMNS = ("image_id", "uri", "channels", "sequence", "frame", "split", "group", "metadata")


@dataclass(frozen=True, slots=True)
class _PaintedRaster:
    """An image with the values of its painted pixels."""

    # the columns of `schema.IMAGES` that go into the index
    row: Mapping[str, Any]  # Any: cells of all types
    height: int  # pixels; 0 where unknown
    width: int  # pixels; 0 where unknown
    pixels: Pixels | None  # (height, width); None if the image is not annotated

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.row["metadata"] or ())


class _RasterPainter(Protocol):
    """Paints the images of a batch, and counts the losses of one value per pixel."""

    def pictures(self, batch: Batch) -> Iterator[_PaintedRaster]:
        """The images, in order."""


@dataclass
class _CategoryPainter:
    """Paints category ids."""

    taxonomy: Taxonomy  # whose ids
    losses: LossCounter
    blank: int = field(init=False)  # the value of unlabelled pixels
    has_unlabelled: bool = False  # whether any pixel is unlabelled

    def __post_init__(self) -> None:
        over = [id_ for id_ in self.taxonomy.by_id() if not 0 <= id_ <= _MAX_VALUE]
        if over:
            raise SegdataError(f"category id {over[0]} does not fit a raster of 32 bits (0 to {_MAX_VALUE:,})")
        self.blank = _blank(self.taxonomy)

    @property
    def max_value(self) -> int:
        return max([self.blank, *self.taxonomy.by_id()])

    def pictures(self, batch: Batch) -> Iterator[_PaintedRaster]:
        categories = self.taxonomy.by_id()
        category = batch.segment_category.tolist()
        values = np.array([id_ if id_ in categories else -1 for id_ in category], np.int64)
        writing.count_category_mask_losses(batch, values, self.losses, self.blank)
        rows = batch.images.select(list(_IMAGE_COLUMNS)).to_pylist()
        for row, image in zip(rows, writing.segments_by_image(batch), strict=True):
            pixels = None
            if image.annotated:
                # As few bits as possible, since large rasters are limited by memory.
                dtype = writing.smallest_unsigned(self.max_value)
                pixels = writing.paint_and_count(batch, image, values[image.segments], self.blank, dtype, self.losses)
                self.has_unlabelled = self.has_unlabelled or bool((pixels == self.blank).any())
            yield _PaintedRaster(row, image.height, image.width, pixels)


@dataclass(frozen=True, slots=True)
class _SegmentPainter:
    """Paints a number for each segment, its id if possible, and writes a table of these numbers."""

    names: Mapping[int, str]  # of the categories, by id
    losses: LossCounter
    table: IdTableWriter

    def pictures(self, batch: Batch) -> Iterator[_PaintedRaster]:
        rows = batch.images.select(list(_IMAGE_COLUMNS)).to_pylist()
        numbered_images = writing.number_segments(batch, self.names, self.losses, _MAX_VALUE)
        for row, (image, numbered) in zip(rows, numbered_images, strict=True):
            if numbered is not None:
                self.table.add_segments(batch, image.image_id, numbered)
            pixels = None if numbered is None else numbered.pixels.astype(np.uint32)
            yield _PaintedRaster(row, image.height, image.width, pixels)


def _blank(taxonomy: Taxonomy) -> int:
    """The value of unlabelled pixels: the taxonomy's id, or its grey, else the lowest value without a category."""
    categories = taxonomy.by_id()
    declared, color = taxonomy.unlabelled_id, taxonomy.unlabelled_color
    if declared is not None and 0 <= declared <= _MAX_VALUE:
        return declared
    if color is not None and len(set(color)) == 1 and color[0] not in categories:
        return color[0]
    return next(value for value in range(len(categories) + 1) if value not in categories)


_BLOCK_SIDE = 256  # of the blocks of a compressed large raster, in pixels


class _RasterWriter:
    """Writes images below a folder; `close` finishes the last raster, `rows` lists the images.

    Parameters
    ----------
    target : the folder
    max_value : the largest value in any image; None: each raster has what it needs
    nodata : the nodata value; None: there is none
    colors : the taxonomy with the colours of values; None: values are not categories
    """

    def __init__(self, target: Path, max_value: int | None, nodata: int | None, colors: Taxonomy | None) -> None:
        self._target, self._max_value, self._nodata = target, max_value, nodata
        self._colors = _colormap(colors)
        self._names = writing.MaskPaths()
        self._files: dict[str, tuple[str, list[Window]]] = {}  # raster -> its mask and the windows written so far
        self._open: tuple[str, Any] | None = None  # Any: rasterio has no types
        self._closing = ExitStack()
        self.rows: list[RasterIndexRow] = []

    def save(self, picture: _PaintedRaster) -> None:
        """Write an image, as a raster or into the raster that it is part of."""
        image_id = picture.row["image_id"]
        if picture.pixels is None:
            if is_unsafe_path(image_id):
                raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its mask has no place")
            self.rows.append(_index_row(picture, None, None))
            return
        piece = RasterWindow.from_metadata(picture.metadata, picture.width, picture.height)
        if piece is not None and self._takes(piece):
            self.rows.append(_index_row(picture, self._add(picture, piece), piece.window))
            return
        name = self._name(image_id)
        size = picture.width, picture.height
        max_value = int(picture.pixels.max(initial=0)) if self._max_value is None else self._max_value
        place = Georeference.from_metadata(picture.metadata)
        with create_raster(with_folder(self._target / name), **self._profile(size, max_value, place)) as raster:
            self._describe(raster, picture)
            raster.write(picture.pixels.astype(raster.dtypes[0]), 1)
        self.rows.append(_index_row(picture, name, None))

    def close(self) -> None:
        """Finish the last raster, and drop metadata that the rasters themselves hold."""
        self._finish()
        last_header: tuple[str | None, Any] = (None, None)
        for number, row in enumerate(self.rows):
            if row.mask is None or not row.metadata:
                continue
            if last_header[0] != row.mask:
                last_header = row.mask, read_raster_header(self._target / row.mask)
            stored = raster_metadata(last_header[1], row.window)
            rest = {key: value for key, value in row.metadata.items() if stored.get(key) != value}
            self.rows[number] = msgspec.structs.replace(row, metadata=rest)

    def _name(self, image_id: str) -> str:
        """The path of a mask, such that no folder has the name of another mask's file."""
        *folders, last = image_id.split("/")
        return self._names.name("/".join([*(folder.removesuffix(".tif") for folder in folders), last]), ".tif")

    def _takes(self, piece: RasterWindow) -> bool:
        """Whether a window overlaps no earlier one; overlapping windows become separate rasters."""
        _, others = self._files.get(_raster_key(piece), ("", []))
        return not any(piece.window.meets(other) for other in others)

    def _add(self, picture: _PaintedRaster, piece: RasterWindow) -> str:
        """Write a window; returns the mask that holds it."""
        assert picture.pixels is not None
        key = _raster_key(piece)
        if self._open is None or self._open[0] != key:
            self._finish()
            self._open = key, self._reopen(key) if key in self._files else self._create(key, picture, piece)
        name, others = self._files[key]
        others.append(piece.window)
        raster = self._open[1]
        raster.write(picture.pixels.astype(raster.dtypes[0]), 1, window=piece.window.slices)
        return name

    def _create(self, key: str, picture: _PaintedRaster, piece: RasterWindow) -> Any:  # Any: rasterio has no types
        name = self._name(piece.raster)
        self._files[key] = name, []
        max_value = 2**32 - 1 if self._max_value is None else self._max_value
        place = Georeference.from_metadata(picture.metadata).shift(-piece.window.x, -piece.window.y)
        profile = self._profile((piece.raster_width, piece.raster_height), max_value, place)
        raster = self._closing.enter_context(create_raster(with_folder(self._target / name), **profile))
        self._describe(raster, picture)
        return raster

    def _reopen(self, key: str) -> Any:  # Any: rasterio has no types
        return self._closing.enter_context(import_rasterio().open(self._target / self._files[key][0], "r+"))

    def _finish(self) -> None:
        self._closing.close()
        self._open = None

    def _profile(self, size: tuple[int, int], max_value: int, place: Georeference) -> dict[str, object]:
        options: dict[str, object] = {"width": size[0], "height": size[1], "count": 1}
        options["dtype"] = writing.smallest_unsigned(max_value)
        if min(size) >= _BLOCK_SIDE:
            options |= {"tiled": True, "blockxsize": _BLOCK_SIDE, "blockysize": _BLOCK_SIDE}
        if place.crs is not None:
            options["crs"] = _crs_or_none(place.crs)
        if place.transform is not None:
            options["transform"] = import_rasterio().Affine(*place.transform)
        # BigTIFF if compressed data might exceed 4 GB, which GDAL cannot know in advance.
        return options | {"nodata": self._nodata, "compress": "deflate", "BIGTIFF": "IF_SAFER"}

    def _describe(self, raster: Any, picture: _PaintedRaster) -> None:  # Any: rasterio has no types
        tags = stored_json(picture.metadata.get("tags"), dict[str, object])
        if tags:
            raster.update_tags(**{key: value for key, value in tags.items() if isinstance(value, str)})
        if self._colors and raster.dtypes[0] == "uint8":
            raster.write_colormap(1, self._colors)


def _index_row(picture: _PaintedRaster, mask: str | None, window: Window | None) -> RasterIndexRow:
    row = picture.row
    return RasterIndexRow(
        row["image_id"],
        mask,
        part=window is not None,
        x=0 if window is None else window.x,
        y=0 if window is None else window.y,
        width=picture.width,
        height=picture.height,
        channels=None if row["channels"] is None else tuple(row["channels"]),
        metadata=picture.metadata,
        **{key: row[key] for key in ("uri", "sequence", "frame", "split", "group")},
    )


def _raster_key(piece: RasterWindow) -> str:
    return f"{piece.raster}\n{piece.raster_width}x{piece.raster_height}"


def _crs_or_none(crs: str) -> Any:  # Any: rasterio has no types
    """Parse a coordinate system; None for an invalid text, which is kept in the index."""
    try:
        return parse_crs(crs)
    except SegdataError:
        return None


def _colormap(taxonomy: Taxonomy | None) -> dict[int, tuple[int, int, int]]:
    if taxonomy is None:
        return {}
    return {
        id_: category.rgb for id_, category in taxonomy.by_id().items() if category.rgb is not None and 0 <= id_ <= 255
    }


_HELD_COLUMNS = frozenset(f"images.{name}" for name in ("channels", "sequence", "frame", "split", "group", "metadata"))


def write_geotiff(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, values: str | None = None
) -> None:
    """Write the rasters, and files with the data that rasters do not hold."""
    value_kind = values or ("category" if profile.task == "semantic" else "instance")
    check_choice("values", value_kind, ("category", "instance"))
    writing.count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    if value_kind == "category":
        painter = _CategoryPainter(profile.taxonomy, losses)
        void = next(iter(profile.taxonomy.void_ids), None)
        rasters = _RasterWriter(target, painter.max_value, void, profile.taxonomy)
        _save_images(rasters, painter, batches, losses, CATEGORY_MASK_LOSSES)
        taxonomy = _with_blank(profile.taxonomy, painter.blank) if painter.has_unlabelled else profile.taxonomy
        write_sidecars(target, profile, taxonomy)
    else:
        names = table_names(profile.taxonomy)
        rasters = _RasterWriter(target, None, None, None)
        with (target / ID_TABLE).open("w", encoding="utf-8", newline="") as file:
            numbers = _SegmentPainter(names, losses, IdTableWriter(file, names))
            _save_images(rasters, numbers, batches, losses, MASK_LOSSES)
        write_sidecars(target, profile, profile.taxonomy, InstanceIds(table=ID_TABLE))
    write_raster_index(target, rasters.rows)


def _save_images(
    rasters: _RasterWriter,
    painter: _RasterPainter,
    batches: Iterable[Batch],
    losses: LossCounter,
    kinds: frozenset[LossKind],
) -> None:
    try:
        for batch in batches:
            writing.count_losses(batch, losses, kinds, _HELD_COLUMNS)
            for picture in painter.pictures(batch):
                rasters.save(picture)
    finally:
        rasters.close()


def _with_blank(taxonomy: Taxonomy, blank: int) -> Taxonomy:
    """The taxonomy with the value of unlabelled pixels."""
    color = taxonomy.unlabelled_color
    if color is not None and set(color) == {blank}:
        return taxonomy
    return msgspec.structs.replace(taxonomy, unlabelled=blank)
