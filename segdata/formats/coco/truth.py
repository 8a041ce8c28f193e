"""Truth: the document that lists the images and categories which predictions name by id alone."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import Request
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco.categories import Categories, read_categories
from segdata.formats.coco.document import Document, Raw, read_document
from segdata.formats.coco.items import Id
from segdata.formats.coco.options import BESIDE
from segdata.formats.shared.images import ImageFolder, read_header
from segdata.formats.shared.per_image import relative_path


def truth_of(request: Request, document: Path, used: Sequence[Id] | None = None) -> Document | None:
    """What lists the images and categories of predictions; None where there is nothing.

    That is the file of the option `truth`, or COCO's ``image_info….json`` beside the predictions. Where the image ids
    that are `used` are given it may be a folder of images too: an image's id is its name without extension, zeros at
    its beginning left out. Raises SegdataError for a file that is no such document.
    """
    named = request.options.get("truth")
    path = Path(str(named)) if named is not None else next(iter(sorted(document.parent.glob(BESIDE))), None)
    if path is not None:
        found = read_document(path, relative_path(request.root, path))
        if found.parts is None or "images" not in found.parts:
            raise UnreadableError(f"{path}: lists no images, so it is no ground truth")
        return found
    if request.images is not None and used is not None:
        return _listed(request.images, used)
    return None


def _listed(folder: Path, used: Sequence[Id]) -> Document:
    """A document of the images in a folder that have one of the ids."""
    wanted = set(used)
    entries: dict[Id, dict[str, object]] = {}
    for name, path in ImageFolder.below(folder).paths.items():
        for id_ in {path.stem, path.name, name, _number(path.stem)} & wanted:
            if id_ in entries:
                raise SegdataError(f"{folder}: {entries[id_]['file_name']} and {name} both may be image {id_!r}")
            entries[id_] = {"id": id_, "file_name": name, **_size(path)}
    parts = {"images": Raw(msgspec.json.encode(list(entries.values())))}
    return Document(folder, folder.as_posix(), parts)


def _number(stem: str) -> Id:
    return int(stem) if stem.isascii() and stem.isdecimal() and len(stem) <= 18 else stem


def _size(path: Path) -> dict[str, int]:
    """Width and height of an image file, as far as it tells."""
    try:
        head = read_header(path)
    except OSError:
        return {}
    return {"width": head.width, "height": head.height}


def known_categories(truth: Document, given: Taxonomy | None) -> Categories:
    """The categories that predictions name by id: the truth's, or where it lists none those of the user's taxonomy."""
    if given is None or "categories" in (truth.parts or {}):
        return read_categories(truth, given)
    return Categories(given, True, {id_: id_ for id_ in given.by_id()})
