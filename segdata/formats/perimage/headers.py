"""Headers: what the image files of entries say of themselves."""

from pathlib import Path

from segdata.core.defect import Defect
from segdata.formats.images import Header, header
from segdata.formats.perimage.entry import Entry, below


def header_of(root: Path, entry: Entry, defects: list[Defect]) -> Header | None:
    """The header of an image; None where there is no file.

    What cannot be read is added to `defects`, as are channels of another size.
    """
    if entry.image is None:
        return None
    found = _header(root, entry, entry.image, defects)
    for channel in entry.channels or ():
        uri = channel["uri"]
        if uri is None or "://" in uri or Path(uri) == entry.image:
            continue
        other = _header(root, entry, Path(uri), defects)
        if found is not None and other is not None and (other.width, other.height) != (found.width, found.height):
            sizes = f"{other.width}x{other.height}, the first one is {found.width}x{found.height}"
            message = f"the channel {channel['name']} is {sizes}"
            defects.append(Defect("SEG003", message, below(root, Path(uri)), image=entry.image_id))
    return found


def _header(root: Path, entry: Entry, path: Path, defects: list[Defect]) -> Header | None:
    try:
        return header(path)
    except OSError as error:
        message = f"image cannot be read: {error.strerror or error}"
        defects.append(Defect("SEG001", message, below(root, path), image=entry.image_id))
        return None
