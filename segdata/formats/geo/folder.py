"""Folder: painted images written as GeoTIFFs, windows of one raster put together again."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.paths import is_unsafe_path
from segdata.core.taxonomy import Taxonomy
from segdata.core.tiff_files import create_raster, import_rasterio
from segdata.formats.geo.index import IndexRow
from segdata.formats.geo.opening import described
from segdata.formats.geo.painter import Painted
from segdata.formats.geo.place import Place, parsed_crs
from segdata.formats.geo.raster import read_head
from segdata.formats.geo.window import Piece, Window
from segdata.formats.shared.painting import MaskPaths

_BLOCK = 256  # pixels: side of the blocks that a large raster is compressed in


class RasterFolder:
    """Writes images below a folder; `close` finishes the last raster, `rows` says what they are.

    Parameters
    ----------
    target : the folder
    most : the largest value in any image; None: each raster has what it needs
    nodata : the value of what means nothing; None: none does
    colors : whose categories have the colours of values; None: values are no categories
    """

    def __init__(self, target: Path, most: int | None, nodata: int | None, colors: Taxonomy | None) -> None:
        self._target, self._most, self._nodata = target, most, nodata
        self._colors = _colormap(colors)
        self._names = MaskPaths()
        self._files: dict[str, tuple[str, list[Window]]] = {}  # raster -> its mask and windows so far
        self._open: tuple[str, Any] | None = None  # Any: rasterio has no types
        self._closing = ExitStack()
        self.rows: list[IndexRow] = []

    def save(self, picture: Painted) -> None:
        """Write an image, by itself or into the raster that it is a part of."""
        image_id = picture.said["image_id"]
        if picture.pixels is None:
            if is_unsafe_path(image_id):
                raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its mask has no place")
            self.rows.append(_row(picture, None, None))
            return
        piece = Piece.of(picture.metadata, picture.width, picture.height)
        if piece is not None and self._takes(piece):
            self.rows.append(_row(picture, self._add(picture, piece), piece.window))
            return
        name = self._name(image_id)
        size = picture.width, picture.height
        most = int(picture.pixels.max(initial=0)) if self._most is None else self._most
        place = Place.of(picture.metadata)
        with create_raster(_made(self._target / name), **self._profile(size, most, place)) as raster:
            self._describe(raster, picture)
            raster.write(picture.pixels.astype(raster.dtypes[0]), 1)
        self.rows.append(_row(picture, name, None))

    def close(self) -> None:
        """Finish the last raster, and keep of the metadata only what the rasters themselves do not tell."""
        self._finish()
        told: tuple[str | None, Any] = (None, None)
        for number, row in enumerate(self.rows):
            if row.mask is None or not row.metadata:
                continue
            if told[0] != row.mask:
                told = row.mask, read_head(self._target / row.mask)
            known = described(told[1], row.window)
            rest = {key: value for key, value in row.metadata.items() if known.get(key) != value}
            self.rows[number] = msgspec.structs.replace(row, metadata=rest)

    def _name(self, image_id: str) -> str:
        """The file of a mask; no folder is called as the file of another mask may be."""
        *folders, last = image_id.split("/")
        return self._names.name("/".join([*(each.removesuffix(".tif") for each in folders), last]), ".tif")

    def _takes(self, piece: Piece) -> bool:
        """Whether a window is free: those that overlap are images by themselves."""
        _, others = self._files.get(_key(piece), ("", []))
        return not any(piece.window.meets(other) for other in others)

    def _add(self, picture: Painted, piece: Piece) -> str:
        """Write a window; the mask that it is in."""
        assert picture.pixels is not None
        key = _key(piece)
        if self._open is None or self._open[0] != key:
            self._finish()
            self._open = key, self._reopened(key) if key in self._files else self._created(key, picture, piece)
        name, others = self._files[key]
        others.append(piece.window)
        raster = self._open[1]
        raster.write(picture.pixels.astype(raster.dtypes[0]), 1, window=piece.window.slices)
        return name

    def _created(self, key: str, picture: Painted, piece: Piece) -> Any:  # Any: rasterio has no types
        name = self._name(piece.raster)
        self._files[key] = name, []
        most = 2**32 - 1 if self._most is None else self._most
        place = Place.of(picture.metadata).shifted(-piece.window.x, -piece.window.y)
        profile = self._profile((piece.raster_width, piece.raster_height), most, place)
        raster = self._closing.enter_context(create_raster(_made(self._target / name), **profile))
        self._describe(raster, picture)
        return raster

    def _reopened(self, key: str) -> Any:  # Any: rasterio has no types
        return self._closing.enter_context(import_rasterio().open(self._target / self._files[key][0], "r+"))

    def _finish(self) -> None:
        self._closing.close()
        self._open = None

    def _profile(self, size: tuple[int, int], most: int, place: Place) -> dict[str, object]:
        """What rasterio needs to know of a new raster."""
        dtype = np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32
        said: dict[str, object] = {"width": size[0], "height": size[1], "count": 1, "dtype": dtype}
        if min(size) >= _BLOCK:
            said |= {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK}
        if place.crs is not None:
            said["crs"] = _known(place.crs)
        if place.transform is not None:
            said["transform"] = import_rasterio().Affine(*place.transform)
        # BigTIFF where compressed data might pass 4 GB, which GDAL cannot know before.
        return said | {"nodata": self._nodata, "compress": "deflate", "BIGTIFF": "IF_SAFER"}

    def _describe(self, raster: Any, picture: Painted) -> None:  # Any: rasterio has no types
        """Tags, and the colour table."""
        try:
            tags = json.loads(picture.metadata.get("tags", "{}"))
        except ValueError:
            tags = {}
        if isinstance(tags, dict) and tags:
            raster.update_tags(**{str(key): value for key, value in tags.items() if isinstance(value, str)})
        if self._colors and raster.dtypes[0] == "uint8":
            raster.write_colormap(1, self._colors)


def _row(picture: Painted, mask: str | None, window: Window | None) -> IndexRow:
    said = picture.said
    return IndexRow(
        said["image_id"],
        mask,
        part=window is not None,
        x=0 if window is None else window.x,
        y=0 if window is None else window.y,
        width=picture.width,
        height=picture.height,
        channels=None if said["channels"] is None else tuple(said["channels"]),
        metadata=picture.metadata,
        **{key: said[key] for key in ("uri", "sequence", "frame", "split", "group")},
    )


def _key(piece: Piece) -> str:
    return f"{piece.raster}\n{piece.raster_width}x{piece.raster_height}"


def _known(crs: str) -> Any:  # Any: rasterio has no types
    """The coordinate system; None for a text that names none, which stays in the index."""
    try:
        return parsed_crs(crs)
    except SegdataError:
        return None


def _colormap(taxonomy: Taxonomy | None) -> dict[int, tuple[int, int, int]]:
    if taxonomy is None:
        return {}
    return {id_: each.rgb for id_, each in taxonomy.by_id().items() if each.rgb is not None and 0 <= id_ <= 255}


def _made(path: Path) -> Path:
    """`path`, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
