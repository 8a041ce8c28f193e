"""Opening: the rasters of labels of a dataset with their images, cut into windows where they are large."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.geo.index import INDEX, IndexRow, read_index
from segdata.formats.geo.place import Place
from segdata.formats.geo.raster import RasterHead, read_head
from segdata.formats.geo.window import Piece, Window, side_of, windows
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import undecodable_mask
from segdata.formats.shared.pairing import images_folder, no_images_defect, pair_masks
from segdata.formats.shared.per_image import ImageEntry, relative_path

_APART = 0.01  # pixels that labels and image may lie apart


@dataclass(frozen=True, slots=True)
class Pane:
    """What is looked at for one image: a raster of labels, or a window of it."""

    head: RasterHead
    window: Window | None = None

    @property
    def n_pixels(self) -> int:
        """Of the image."""
        where = self.window or self.head
        return where.width * where.height


@dataclass
class OpenRasters:
    """What a dataset of rasters consists of.

    Attributes
    ----------
    root : where paths in messages start
    entries : the images; the record of an annotated one is its `Pane`
    heads : of the rasters of labels, in the order of their files
    defects : met on the way
    places : the folders that were read, by what is in them
    """

    root: Path
    entries: list[ImageEntry] = field(default_factory=list)
    heads: dict[Path, RasterHead] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def head(self, path: Path, image_id: str) -> RasterHead | None:
        """The head of the raster of an image's labels; None, and a defect, where it has none."""
        if path not in self.heads:
            try:
                self.heads[path] = read_head(path)
            except OSError as error:
                self.defects.append(replace(undecodable_mask(self.root, path, error), image=image_id))
                return None
        return self.heads[path]


def open_rasters(request: ReadRequest) -> OpenRasters:
    """The rasters that a request asks for; raises UnreadableError where there are none."""
    found = OpenRasters(request.root)
    if request.root.is_dir() and (request.root / INDEX).is_file():
        _indexed(found, images_folder(request))
        return found
    pairing = pair_masks(request.root, images_folder(request), paged=False)
    if not any(entry.files for entry in pairing.entries):
        raise UnreadableError(f"{request.root}: no rasters of labels; a dataset has images/ and masks/, or is a folder")
    found.defects += pairing.defects
    found.places = pairing.places
    side = side_of(request.options.get("tile"))
    for entry in pairing.entries:
        found.entries += _opened(found, entry, side)
    return found


def _opened(found: OpenRasters, entry: ImageEntry, side: int | None) -> Iterator[ImageEntry]:
    """The images that a raster is: itself, or its windows."""
    head = found.head(entry.files[0], entry.image_id) if entry.files else None
    image = _image_head(entry)
    if head is None:
        yield replace(entry, files=(), metadata={} if image is None else image.metadata)
        return
    file = relative_path(found.root, head.path)
    try:
        parts = windows(head.width, head.height, side)
    except OSError as error:
        found.defects.append(Defect("SEG001", f"mask cannot be read: {error}", file, image=entry.image_id))
        return
    if image is not None and (image.width, image.height) == (head.width, head.height):
        found.defects += _apart(head, image, file, entry.image_id)
    metadata = _metadata(head, image)
    if not parts:
        yield replace(entry, record=Pane(head), metadata=metadata)
        return
    fits = image is not None and (image.width, image.height) == (head.width, head.height)
    if image is not None and not fits:
        message = f"the mask is {head.width}x{head.height}, the image file is {image.width}x{image.height}"
        found.defects.append(Defect("SEG003", message, file, image=entry.image_id))
    for part in parts:
        place = Place.of(metadata).shifted(part.x, part.y)
        piece = Piece(entry.image_id, head.width, head.height, part)
        yield replace(
            entry,
            image_id=f"{entry.image_id}/{part.y:06d}_{part.x:06d}",
            image=None,
            uri=part.uri(entry.image) if entry.image is not None and fits else None,
            channels=_windowed(entry, part) if fits else None,
            record=Pane(head, part),
            metadata={**metadata, **place.metadata, **piece.metadata},
        )


def _windowed(entry: ImageEntry, part: Window) -> tuple[Mapping[str, str | None], ...] | None:
    """The same window of each channel."""
    if entry.channels is None:
        return None
    return tuple({**each, "uri": part.uri(Path(each["uri"]))} for each in entry.channels if each["uri"])


def _image_head(entry: ImageEntry) -> RasterHead | None:
    """The head of an image that is a GeoTIFF; what is wrong with images is said elsewhere."""
    if entry.image is None or entry.image.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        return read_head(entry.image)
    except OSError:
        return None


def _metadata(head: RasterHead, image: RasterHead | None) -> dict[str, str]:
    """What is kept: of the labels, and the names of the image's bands; its place where the labels have none."""
    of_image = {} if image is None else image.metadata
    own = {key: value for key, value in head.metadata.items() if key != "bands"}
    return {key: value for key, value in of_image.items() if key != "tags"} | own


def _apart(head: RasterHead, image: RasterHead, file: str, image_id: str) -> list[Defect]:
    """SEG017 where labels and image of the same size lie elsewhere."""
    mine, other = head.place, image.place
    if mine.crs is not None and other.crs is not None and mine.crs != other.crs:
        message = f"the labels lie in {_short(mine.crs)}, the image in {_short(other.crs)}"
        return [Defect("SEG017", message, file, image=image_id)]
    if mine.transform is None or other.transform is None:
        return []
    corners = [(0, 0), (head.width, 0), (0, head.height), (head.width, head.height)]
    pixel = max(abs(number) for number in (*mine.transform[:2], *mine.transform[3:5]))
    apart = 0.0
    for x, y in corners:
        (x0, y0), (x1, y1) = ((each[2], each[5]) for each in (_at(mine, x, y), _at(other, x, y)))
        apart = max(apart, abs(x0 - x1) / pixel, abs(y0 - y1) / pixel)
    if apart <= _APART:
        return []
    message = f"labels and image lie up to {apart:.4g} pixels apart (transforms {mine.transform}, {other.transform})"
    return [Defect("SEG017", message, file, image=image_id)]


def _at(place: Place, x: int, y: int) -> tuple[float, ...]:
    return place.shifted(x, y).transform or ()


def _short(crs: str) -> str:
    return crs if len(crs) < 40 else f"{crs[:40]}…"


def _indexed(found: OpenRasters, images: Path | None) -> None:
    """The images that `rasters.json` names."""
    folder = ImageFolder.below(images or found.root / "images")
    rows = read_index(found.root, found.defects)
    for row in rows:
        entry = _entry(found, row, folder)
        if entry is not None:
            found.entries.append(entry)
    missing = [each.image_id for each in found.entries if each.image is None and "#" not in (each.uri or "")]
    if missing and len(missing) == len(found.entries):
        found.defects.append(no_images_defect(len(missing), found.root, images))
    else:
        gone = (f"image file {name!r} does not exist" for name in missing)
        found.defects += [Defect("SEG002", each, INDEX, image=name) for each, name in zip(gone, missing, strict=True)]


def _entry(found: OpenRasters, row: IndexRow, folder: ImageFolder) -> ImageEntry | None:
    """The image of a row; None where its raster has no such window."""
    head = None if row.mask is None else found.head(found.root / row.mask, row.image)
    metadata = dict(row.metadata)
    if head is not None:
        window = row.window
        if window is not None and (window.x + window.width > head.width or window.y + window.height > head.height):
            message = f"a window of {window.width}x{window.height} at x={window.x}, y={window.y} is not in {row.mask}"
            found.defects.append(Defect("SEG004", message, INDEX, image=row.image))
            return None
        metadata = described(head, window) | metadata
    image = folder.paths.get(row.image)
    if image is None and row.uri is not None and "#" not in row.uri and Path(row.uri).is_file():
        image = Path(row.uri)
    return ImageEntry(
        row.image,
        image,
        () if head is None else (head.path,),
        None if head is None else Pane(head, row.window),
        (row.height, row.width),
        uri=row.uri,
        sequence=row.sequence,
        frame=row.frame,
        split=row.split,
        group=row.group,
        channels=row.channels,
        metadata=metadata,
    )


def described(head: RasterHead, window: Window | None) -> dict[str, str]:
    """What a raster that our writer left tells of an image that is a window of it, or all of it."""
    told = {key: value for key, value in head.metadata.items() if key != "bands"}
    return told if window is None else told | head.place.shifted(window.x, window.y).metadata
