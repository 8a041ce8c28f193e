"""Headers: what the image files of entries say of themselves."""

from pathlib import Path

from segdata.core.defect import Defect
from segdata.formats.images import Header, header
from segdata.formats.perimage.entry import Entry, below


def header_of(root: Path, entry: Entry, defects: list[Defect]) -> Header | None:
    """The header of an image; None where there is no file, or where it cannot be read, which is added to `defects`."""
    if entry.image is None:
        return None
    try:
        return header(entry.image)
    except OSError as error:
        message = f"image cannot be read: {error.strerror or error}"
        defects.append(Defect("SEG001", message, below(root, entry.image), image=entry.image_id))
        return None
