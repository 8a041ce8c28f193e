"""Probe: detect the COCO format of a JSON file from samples of its bytes; also options of COCO's formats."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from segdata.core.errors import UnreadableError, list_names
from segdata.core.format import FormatMatch

CocoSort = Literal["instances", "panoptic", "lvis"]
COCO_SORTS: tuple[CocoSort, ...] = get_args(CocoSort)
_BEGINNING = re.compile(
    rb'(\xef\xbb\xbf)?\s*(\[|\{\s*["}])'
)  # of JSON; a Python dictionary, as text, has single quotation marks
_KEYS = {
    "instances": "images, annotations and categories",
    "panoptic": "segments_info",
    "lvis": "neg_category_ids, or the synsets of categories",
}
_SAMPLE_BYTES = 1 << 16
_MAX_NAMED = 8  # files in a message
_MAX_WHOLE_BYTES = 1 << 20  # files up to this size are read completely


def document_sort(path: Path) -> CocoSort | None:
    """The kind of COCO document that a file seems to be; None if it is none with images."""
    try:
        status = path.stat()
        return _sort(path, status.st_size, status.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=1 << 14)  # cached, as several formats probe every JSON file of a folder
def _sort(path: Path, size: int, changed: int) -> CocoSort | None:
    text = _samples(path)
    if not text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") or re.search(rb'"videos"\s*:\s*\[', text):
        return None
    lists = {key for key in (b"images", b"annotations", b"categories") if re.search(b'"' + key + rb'"\s*:\s*\[', text)}
    if b'"segments_info"' in text:
        return "panoptic" if lists else None
    # The samples of a large file hold keys of its annotations, but perhaps not that of their list.
    has_annotations = b'"image_id"' in text and (b'"segmentation"' in text or b'"bbox"' in text)
    if lists == {b"annotations"} and b'"predicted_iou"' in text:
        return None  # SAM's file of one image
    federated = b'"neg_category_ids"' in text or b'"not_exhaustive_category_ids"' in text
    if lists and (federated or (b'"synset"' in text and b'"frequency"' in text)):  # its categories are WordNet's
        return "lvis"
    if len(lists) >= 2 and (b"annotations" in lists or has_annotations):
        return "instances"
    return "instances" if lists and has_annotations else None


def _samples(path: Path) -> bytes:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _MAX_WHOLE_BYTES:
            return file.read()
        pieces = []
        for place in (0, size // 4, size // 2, 3 * size // 4, size - _SAMPLE_BYTES):
            file.seek(place)
            pieces.append(file.read(_SAMPLE_BYTES))
    return b"\n".join(pieces)


def is_broken_json(path: Path) -> bool:
    """Whether a JSON file is broken, judged by its first megabyte."""
    try:
        text = _samples(path)
        if len(text) <= _MAX_WHOLE_BYTES and path.stat().st_size <= _MAX_WHOLE_BYTES:
            json.loads(text)
    except (ValueError, RecursionError):  # not UTF-8 is a ValueError too
        return True
    except OSError:
        return False
    return _BEGINNING.match(text) is None


def _find_broken_document(root: Path) -> list[Path]:
    """The only JSON file at `root` if it is broken; none if there are several, as any of them may be meant."""
    paths = _candidates(root)
    return [path for path in paths if is_broken_json(path)] if len(paths) == 1 else []


def _candidates(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix.lower() == ".json" else []
    root = _unwrap(root)
    named = [path for path in sorted(root.iterdir()) if path.name.lower() == "annotations"] if root.is_dir() else []
    folders = (root, *(_unwrap(path) for path in named))
    return [path for folder in folders for path in sorted(folder.glob("*.json"), key=str)]


def _unwrap(folder: Path) -> Path:
    """The folder, or its only entry if that is a folder, since archives often have an extra level."""
    while folder.is_dir():
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
            break
        folder = inside[0]
    return folder


def find_documents(root: Path, *sorts: CocoSort) -> list[Path]:
    """Find the documents of these sorts: the file itself, or those in a folder or its `annotations` folder.

    A folder that holds one folder and nothing else is that folder.
    """
    return [path for path in _candidates(root) if document_sort(path) in sorts]


def document_clue(root: Path, sort: CocoSort) -> FormatMatch | None:
    """The evidence that a dataset is of this sort; None without any."""
    paths = find_documents(root, sort)
    if not paths:
        broken = _find_broken_document(root) if sort == "instances" else []
        return FormatMatch(0.1, f"{broken[0].name} should be JSON and is not") if broken else None
    names = [path.relative_to(root).as_posix() if path != root else path.name for path in paths]
    return FormatMatch(1.0, f"{_KEYS[sort]} in {list_names(names)}")


def _sort_title(sort: CocoSort) -> str:
    return "LVIS" if sort == "lvis" else f"COCO {sort}"


def choose_document(root: Path, sort: CocoSort) -> tuple[Path, str]:
    """Choose the document to read, and return it with its name below the dataset's root.

    A file given as `root` is taken unchecked. Raises UnreadableError if a folder has no document, or several.
    """
    if root.is_file():
        return root, root.name
    # A document without annotations may be of either sort.
    paths = find_documents(root, sort) or find_documents(root, *COCO_SORTS) or _find_broken_document(root)
    if not paths:
        raise UnreadableError(f"{root}: no {_sort_title(sort)} JSON in it or in its folder annotations")
    if len(paths) > 1:
        names = ", ".join(path.relative_to(root).as_posix() for path in paths[:_MAX_NAMED])
        more = ", …" if len(paths) > _MAX_NAMED else ""
        folder = paths[0].parent.relative_to(root).as_posix()
        several = f"{root.as_posix()}/{'' if folder == '.' else f'{folder}/'}*.json"
        raise UnreadableError(
            f"{root}: {len(paths)} {_sort_title(sort)} files, name one of them: {names}{more}; or, if each has images "
            f"of its own, make them one dataset: segdata merge {several} OUT --images DIR"
        )
    return paths[0], paths[0].relative_to(root).as_posix()


POLYGON_CHOICES = {
    "source": " (default): the source's rings if they have exactly the segment's pixels, else RLE",
    "exact": ": the same, else outlines along the pixels, holes in one keyhole ring",
    "never": ": RLE for all",
}
POLYGONS_OPTION = {"polygons": "; ".join(f"{name}{meaning}" for name, meaning in POLYGON_CHOICES.items())}
TRUTH_OPTION = {"truth": "FILE: the JSON of the ground truth, which lists the images and categories"}
IMAGE_INFO_FILES = "image_info*.json"  # beside a list of results, instead of a ground truth
