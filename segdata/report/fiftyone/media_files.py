"""Media files: masks and pictures as FiftyOne shows them, and the files beside its database."""

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.atomic_files import replace_whole
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.image_files import split_uri
from segdata.core.pixel_limit import decoding
from segdata.core.profile import Profile
from segdata.core.runs import Floats, Ints, Runs, bounding_boxes, fill_ranges
from segdata.report.pictures.canvas import BackgroundImage

Mask = NDArray[np.bool_]
Map = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class AnnotationMasks:
    """The segments of one annotation of an image with known size."""

    runs: Runs  # pixels; the owner is the number of the segment within the annotation
    height: int  # pixels
    width: int  # pixels
    n_segments: int

    @staticmethod
    def from_batch(batch: Batch) -> "list[AnnotationMasks]":
        """The annotations of a batch, in its order."""
        first = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1))
        offset = batch.runs.offsets(batch.n_segments)
        height, width = batch.image_size
        result = []
        for row, image in enumerate(batch.annotation_image.tolist()):
            begin, end = int(first[row]), int(first[row + 1])
            part = slice(int(offset[begin]), int(offset[end]))
            owner = (batch.runs.owner[part] - begin).astype(np.int32)
            runs = Runs(batch.runs.start[part], batch.runs.length[part], owner)
            result.append(AnnotationMasks(runs, int(height[image]), int(width[image]), end - begin))
        return result

    def boxes(self) -> tuple[Ints, Ints, Ints, Ints]:
        """X, y, width and height of each segment's box in pixels; all 0 without pixels."""
        return bounding_boxes(self.runs, np.full(self.n_segments, self.height, np.int64), self.n_segments)

    def masks(self, rows: Ints) -> list[Mask]:
        """Each chosen segment's pixels within its box, (height, width) of the box."""
        runs = self.runs.take(rows, self.n_segments)
        x, y, wide, high = (side[rows] for side in self.boxes())
        base = np.concatenate([[0], np.cumsum(wide * high)])
        column, top = np.divmod(runs.start, max(self.height, 1))
        owner = runs.owner
        canvas = np.zeros(int(base[-1]), bool)
        fill_ranges(canvas, base[owner] + (column - x[owner]) * high[owner] + top - y[owner], runs.length, True)
        sides = zip(base.tolist(), wide.tolist(), high.tolist(), strict=False)
        return [canvas[offset : offset + w * h].reshape(w, h).T for offset, w, h in sides]

    def map(self, values: Ints, rows: Ints) -> tuple[Map, Ints]:
        """(height, width) with `values[i]` where the chosen segment i is, 0 elsewhere; and the segments that it hides.

        If segments overlap, the last one is visible; those that lose pixels are hidden.
        """
        runs = self.runs.take(rows, self.n_segments)
        number = np.zeros(self.width * self.height, np.int32)
        fill_ranges(number, runs.start, runs.length, runs.owner + 1)
        n_seen = np.bincount(number, minlength=len(rows) + 1)[1:]
        hidden = rows[n_seen < runs.areas(len(rows))]
        table = np.concatenate([[0], values[rows]])
        deep = np.uint8 if values.max(initial=0) < 256 else np.uint16
        painted = table.astype(deep)[number].reshape(self.width, self.height).T
        return np.ascontiguousarray(painted), hidden


@dataclass(frozen=True, slots=True)
class MapValues:
    """The values of categories on maps; 0 is unlabelled, which FiftyOne never draws.

    `value`: category id -> value, from 1 to 65,535: the id itself if all ids fit, else the position; `things`: ids of
    categories that are shown as single segments, not on the map.
    """

    value: dict[int, int]
    things: frozenset[int]

    @staticmethod
    def from_profile(profile: Profile) -> "MapValues":
        """The values for a dataset: maps of a semantic one show all categories, of a panoptic one all but things."""
        taxonomy = profile.taxonomy
        ids = list(dict.fromkeys(category.id for category in taxonomy.categories))
        ids += [id_ for id_ in profile.unknown_names if id_ not in ids]
        plain = all(0 < id_ < 2**16 for id_ in ids)
        things = frozenset(taxonomy.thing_ids)
        shown = {"semantic": frozenset[int](), "panoptic": things, "instance": frozenset(ids)}[profile.task]
        return MapValues({id_: id_ if plain else position for position, id_ in enumerate(ids, start=1)}, shown)

    def split(self, category: Ints) -> tuple[Ints, Ints]:
        """Numbers of the segments on the map, and of those shown singly, as are all of a category without a value."""
        on_map = np.array([id_ in self.value and id_ not in self.things for id_ in category.tolist()], bool)
        return np.flatnonzero(on_map), np.flatnonzero(~on_map)

    def values(self, category: Ints) -> Ints:
        """The value of each segment's category; 0 without one."""
        return np.array([self.value.get(id_, 0) for id_ in category.tolist()], np.int64)


def relative_boxes(x: Ints, y: Ints, wide: Ints, high: Ints, width: int, height: int) -> Floats:
    """(n, 4) left, top, width and height of boxes as fractions of an image of `width` x `height` pixels.

    They give back the same pixels whether the reader rounds or truncates, as FiftyOne does: 29 / 100 * 100 is
    28.999..., so that the plain quotient would move the box and resize its mask.
    """
    left, top = _edge(x, width), _edge(y, height)
    return np.stack([left, top, _side(left, _edge(x + wide, width)), _side(top, _edge(y + high, height))], axis=1)


def _edge(pixel: Ints, size: int) -> Floats:
    """The smallest number near ``pixel / size`` whose product with `size` is not below `pixel`."""
    quotient: Floats = pixel / size
    return np.where(quotient * size < pixel, np.nextafter(quotient, np.inf), quotient)


def _side(begin: Floats, end: Floats) -> Floats:
    """The smallest side that, added to `begin`, is not below `end`."""
    difference: Floats = end - begin
    return np.where(begin + difference < end, difference + np.spacing(end), difference)


_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # that every browser shows
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # 8 bits a channel
_ORIENTATION = 0x0112
_SWAPPED = (5, 6, 7, 8)  # EXIF orientations that turn width into height
_BLANK_GREY = 150  # grey
_BLANK_SIZE = (640, 480)  # of a blank picture for an image of unknown size


def picture_file(uri: str | None, width: int, height: int, folder: Path) -> tuple[Path, str | None]:
    """The file to show for labels of this size, and the reason if it is not the image's own file.

    Copies and blank pictures are written below `folder`; an existing copy is reused until the image changes.
    """
    path = _local(uri)
    if uri is None or path is None or not path.is_file():
        return _blank(width, height, folder), "the image file is missing"
    if "://" not in uri and _is_plain(path, width, height):
        return path.absolute(), None
    state = path.stat()
    name = blake2b(f"{uri}\0{state.st_size}\0{state.st_mtime_ns}\0{width}\0{height}".encode(), digest_size=16)
    copy = folder / "copies" / f"{name.hexdigest()}.png"
    if not copy.exists():
        ground = BackgroundImage.from_uri(uri, *((width, height) if width and height else _BLANK_SIZE))
        if ground.image is None:
            return _blank(width, height, folder), ground.note
        _save(ground.image, copy)
    return copy.absolute(), "shown as a copy of 8 bits a channel"


def _local(uri: str | None) -> Path | None:
    try:
        return None if uri is None else split_uri(uri)[0]
    except SegdataError:
        return None


def _is_plain(path: Path, width: int, height: int) -> bool:
    """Whether a browser shows the file in the orientation of the labels."""
    try:
        with decoding(), Image.open(path) as image:
            if image.format not in _FORMATS or image.mode not in _MODES:
                return False
            turned = image.getexif().get(_ORIENTATION, 1) if "exif" in image.info else 1
            # A browser rotates the picture by its EXIF orientation; the labels fit only if they have that size.
            return turned == 1 or (turned in _SWAPPED and image.size == (height, width) != (width, height))
    except OSError:
        return False


def _blank(width: int, height: int, folder: Path) -> Path:
    size = (width, height) if width and height else _BLANK_SIZE
    path = folder / "copies" / f"blank-{size[0]}x{size[1]}.png"
    if not path.exists():
        _save(Image.new("L", size, _BLANK_GREY), path)
    return path.absolute()


def _save(picture: Image.Image, path: Path) -> None:
    """Write a complete PNG file or none; several threads may write the same one."""
    with replace_whole(path, durable=False) as partial:
        picture.save(partial, format="PNG", compress_level=1)


@dataclass(frozen=True)
class MediaFiles:
    """A folder of mask files and of copies of pictures."""

    folder: Path
    used: set[Path] = field(default_factory=set)  # files in use; `sweep` removes all others

    def mask(self, pixels: Map | Mask) -> str:
        """The file of a mask (height, width), written if it does not exist; a boolean mask becomes 0 and 255."""
        values = pixels.astype("uint8") * 255 if pixels.dtype == bool else pixels
        name = blake2b(f"{values.shape}{values.dtype}".encode() + values.tobytes(), digest_size=16).hexdigest()
        path = (self.folder / "masks" / name[:2] / f"{name}.png").absolute()
        if not path.exists():
            _save(Image.fromarray(values), path)
        self.used.add(path)
        return str(path)

    def picture(self, uri: str | None, width: int, height: int) -> tuple[str, str | None]:
        """The file to show for an image, and the reason if it is not the image's own file."""
        path, note = picture_file(uri, width, height, self.folder)
        if note is not None:
            self.used.add(path)
        return str(path), note

    def sweep(self) -> None:
        """Remove unused files."""
        for path in [*self.folder.glob("masks/*/*.png"), *self.folder.glob("copies/*.png")]:
            if path.absolute() not in self.used:
                path.unlink(missing_ok=True)
