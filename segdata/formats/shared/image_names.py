"""Image names: find the images that a document names, explain names that match no file, and list files without name."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from segdata.core.errors import SegdataError, list_names
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import dataset_folder, is_file
from segdata.core.safe_text import whole_number
from segdata.formats.shared.file_names import fold_name, is_image_name, misnamed_hint, misnamed_images, walk_nearest
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import looks_like_photograph
from segdata.formats.shared.per_image import ImageEntry

_MAX_BESIDE = 50  # folders beside a document that are searched
_MAX_ENTRIES = 10_000  # of folders near a document, besides two for each of its images
_MAX_SEARCHED_BYTES = 64 << 20  # of other documents, searched for names of images
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it before the name of an uploaded file
_FILE_NAME = re.compile(rb'"file_name"\s*:\s*"([^"]*)"')


def images_folder(request: ReadRequest) -> Path | None:
    """The folder of images given on the command line, else that in segdata.yaml (below the dataset's root)."""
    if request.images is not None:
        return request.images
    start = dataset_folder(request.root)
    return None if request.config.images is None else start / request.config.images


def size_option(request: ReadRequest, format: str) -> tuple[int, int]:
    """Height and width in pixels from the option `size`, for images of unknown size; (0, 0) without it.

    Raises SegdataError if it is not HEIGHTxWIDTH.
    """
    text = str(request.options.get("size", "0x0"))
    sides = [whole_number(part) for part in text.lower().split("x")]
    match sides:
        case [int(height), int(width)] if 0 <= height <= 2**20 and 0 <= width <= 2**20:
            return height, width
    raise SegdataError(f"{format}: size {text!r} is invalid; give HEIGHTxWIDTH in pixels, such as 768x1024")


def _missing_image(entry: ImageEntry) -> Defect:
    return Defect("SEG002", "the image file does not exist", entry.image_id, image=entry.image_id)


def missing_images(
    entries: Sequence[ImageEntry],
    root: Path,
    images: Path | None,
    describe: Callable[[ImageEntry], Defect] = _missing_image,
) -> list[Defect]:
    """The defects of images without a file: one for all if no file is known, else `describe` of each."""
    missing = [entry for entry in entries if entry.image is None]
    if missing and len(missing) == len(entries):
        return [no_images_defect(len(missing), root, images)]
    return [describe(entry) for entry in missing]


def no_images_defect(n_images: int, root: Path, images: Path | None) -> Defect:
    """The defect of a dataset if none of its image files was found."""
    searched = images or dataset_folder(root)
    return Defect("SEG002", _no_images_message(n_images, str(searched)), severity="info")


def _no_images_message(n_images: int, searched: str) -> str:
    what = "the image file" if n_images == 1 else f"none of the {n_images:,} image files"
    return f"{what} was {'not ' * (n_images == 1)}found in {searched}; give --images"


def find_images(
    document: Path, file_name: str, names: Sequence[str], images: Path | None, skip: Sequence[Path] = ()
) -> tuple[ImageFolder, list[Defect]]:
    """Find the folder of a document's images: `images` if given, else that near the document that has most of them.

    Images that this folder lacks may lie in its subfolders or its parent. In `images` they may be in a folder of the
    document's split, in another one (`images/train2017/`), or in several.

    `file_name` is the document's name in defects; `skip` lists folders that hold something else. If no image is
    found, the document gets one defect of severity info, not one for each image.
    """
    near = _given_places(document, images) if images is not None else _image_places(document)
    places = [place for place in near if place not in skip or images is not None]
    folders = [place for place in places if place.is_dir()]
    by_folder = _names_by_folder(names)
    pictures = _fullest_folder(document, names, by_folder, folders, images)
    if pictures is not None or not names:
        return pictures or ImageFolder(None), []
    if twin := _name_in_other_spelling(folders, by_folder):
        message = f"images are named {twin[0]!a}, the file is {twin[1]!a}: {_spelling_remedy(*twin)}"
        return ImageFolder(None), [Defect("SEG002", message, file_name)]
    if explained := _explain_names(folders, names, () if images is not None else skip):
        return ImageFolder(None), [Defect("SEG002", explained, file_name)]
    tried = [images] if images is not None else folders or places
    searched = ", ".join(place.as_posix() for place in tried[:3]) + (", …" if len(tried) > 3 else "")
    return ImageFolder(None), [Defect("SEG002", _no_images_message(len(names), searched), file_name, severity="info")]


def _names_by_folder(names: Sequence[str]) -> dict[str, set[str]]:
    """Folder -> names in it, for the names of a document, most of which usually have no folder."""
    nested = [name for name in names if "/" in name]
    by_folder = {"": set(names).difference(nested)} if len(nested) < len(names) else {}
    for name in nested:
        folder, _, file = name.rpartition("/")
        by_folder.setdefault(folder, set()).add(file)
    return by_folder


def _fullest_folder(
    document: Path, names: Sequence[str], by_folder: dict[str, set[str]], folders: list[Path], images: Path | None
) -> ImageFolder | None:
    """The first of the folders that has most of the names; with the user's `images`, the first that has any."""
    fullest, most = None, 0
    for place in folders:
        if not _has_any(place, by_folder):
            continue
        if images is not None:
            return _with_other_folders(ImageFolder.below(place), folders, names)
        # The folder around a document may be a whole disk.
        pictures = ImageFolder.of_names(place, names) if _holds(place, document) else ImageFolder.below(place)
        pictures = _with_other_folders(pictures, _folders_in_line(place, folders), names)
        n = len(pictures.paths.keys() & names)
        if n > most:
            fullest, most = pictures, n
        if n == len(names):
            break
    return fullest


def _holds(place: Path, document: Path) -> bool:
    return document.absolute().is_relative_to(place.absolute())


def _folders_in_line(place: Path, folders: Sequence[Path]) -> list[Path]:
    """The folders that contain `place` or lie in it: `valid/images/` may have what `valid/` lacks.

    Sibling folders are excluded, since they hold other splits or thumbnails.
    """
    own = place.absolute()
    return [other for other in folders if own.is_relative_to(other.absolute()) or other.absolute().is_relative_to(own)]


def _with_other_folders(folder: ImageFolder, places: Sequence[Path], names: Sequence[str]) -> ImageFolder:
    """The folder, extended by the missing names that exactly one of the places has."""
    missing = set(names) - folder.paths.keys()
    if not missing:
        return folder
    others = [ImageFolder.of_names(place, missing).paths for place in places if place != folder.root]
    held = {name: [paths[name] for paths in others if name in paths] for name in missing}
    return ImageFolder(folder.root, folder.paths | {name: paths[0] for name, paths in held.items() if len(paths) == 1})


def _given_places(document: Path, images: Path) -> list[Path]:
    """The user's folder of images, then its subfolders, that of the document's split first."""
    split = document.stem.rpartition("_")[2]
    inside = sorted(place for place in images.iterdir() if place.is_dir()) if images.is_dir() else []
    return list(dict.fromkeys([images, images / split, *inside[:_MAX_BESIDE]]))


def _has_any(place: Path, by_folder: dict[str, set[str]]) -> bool:
    """Whether any of the names, grouped by folder, exists below `place`; lists each folder once."""
    for folder, names in by_folder.items():
        try:
            with os.scandir(place / folder) as entries:
                if any(entry.name in names for entry in entries):
                    return True
        except (OSError, ValueError):  # no such folder, or a name that no folder can have
            continue
    return False


def _spelling_remedy(name: str, file: str) -> str:
    """The remedy for an image that a document names `name` while the file is `file`."""
    if name.lower() == file.lower():
        return "give the names the case of the files"
    if unicodedata.normalize("NFC", name).lower() == unicodedata.normalize("NFC", file).lower():
        return "accents are encoded differently; give names and files the same Unicode form (NFC)"
    return "give the names the spelling of the files"


def _name_in_other_spelling(places: Iterable[Path], by_folder: dict[str, set[str]]) -> tuple[str, str] | None:
    """The first name that a file below one of the places has but for case or encoding, and that file's name."""
    for place in places:
        for folder, names in by_folder.items():
            with suppress(OSError, ValueError), os.scandir(place / folder) as entries:
                files = {fold_name(entry.name): entry.name for entry in entries if is_image_name(entry.name)}
                alike = {files[fold_name(name)]: name for name in names if fold_name(name) in files} if files else {}
                if alike:
                    file = min(alike)
                    return alike[file], file
    return None


def _image_places(document: Path) -> list[Path]:
    """The folders in which the images of a document usually lie, the likeliest first."""
    parent = document.parent
    split = document.stem.rpartition("_")[2]
    places = [parent / split, parent / split / "images", parent / "images" / split, parent / "images", parent]
    around = [parent]
    labels = next((folder for folder in document.absolute().parents[:2] if folder.name == "annotations"), None)
    if labels is not None:
        above = labels.parent
        places += [above / split, above / split / "images", above / "images" / split, above / "images", above]
        around += [above, above / "images"]
    beside = [place for folder in around if folder.is_dir() for place in sorted(folder.iterdir()) if place.is_dir()]
    return list(dict.fromkeys(places + beside[:_MAX_BESIDE]))


def _explain_names(places: Sequence[Path], names: Sequence[str], skip: Sequence[Path]) -> str | None:
    """Why document names match no nearby image file: different folders, extensions, zeros, blanks, what uploads add.

    None if fewer than half of the names are explained by that, or by masks, which may be called as their images.
    """
    # A walk does not follow links to folders.
    outermost = [place for place in places if place.is_symlink() or not any(one in place.parents for one in places)]
    files = [
        folder / name
        for folder, inside in walk_nearest(outermost, _MAX_ENTRIES + 2 * len(names))
        if not any(folder.is_relative_to(other) for other in skip)
        for name in inside
        if is_image_name(name)
    ]
    for remedy, key_of in _REMEDIES.items():
        by_key: dict[str, list[Path]] = {}
        for path in files:
            by_key.setdefault(key_of(path.name), []).append(path)
        found = {name: by_key[key] for name in names if (key := key_of(name)) in by_key}
        if found and 2 * len(found) >= len(names):
            name = max(found, key=lambda name: len(found[name]))
            if looks_like_photograph(found[name][:2]):
                shown = " or ".join(sorted(ascii(_name_near(path, places)) for path in found[name])[:2])
                return f"images are named {name!a}, the file is {shown}: give the names {remedy}"
    return None


def _name_near(path: Path, places: Iterable[Path]) -> str:
    """The name of a file below the first of the places that contains it."""
    return next(path.relative_to(place) for place in places if place in path.parents).as_posix()


def _bare_name(name: str) -> str:
    return name.rpartition("/")[2]  # a PurePosixPath of each of 118,000 names takes half a second


_REMEDIES: dict[str, Callable[[str], str]] = {  # what to give the names -> what a name and its file have in common then
    "their folders": _bare_name,
    "the spelling of the files": lambda name: _bare_name(name).lstrip("0"),
    "the spelling of the files: uploads have eight letters and a dash before them": lambda name: _UPLOAD_PREFIX.sub(
        "", _bare_name(name)
    ),
    "the spelling of the files: they begin or end with blanks or line ends": lambda name: _bare_name(name).strip(),
    "the spelling of the files: an address goes on with a question mark and its signature": lambda name: _bare_name(
        name.partition("?")[0]
    ),
    "the extension of the files": lambda name: _bare_name(name).rpartition(".")[0] or _bare_name(name),
}


def unlisted_images(document: Path, folder: ImageFolder, names: Sequence[str]) -> list[Defect]:
    """SEG011 for every image file that the document does not name.

    Only where the folder is for images alone. Files that another JSON beside the document names are none, and nothing
    is reported if those are too large to be searched, or cannot be read.
    """
    path = document.absolute()
    unlisted = folder.paths.keys() - set(names)
    if folder.root is None or not unlisted or path.is_relative_to(folder.root.absolute()):
        return []
    others = [other for other in path.parent.glob("*.json") if other != path and is_file(other)]
    try:
        if sum(other.stat().st_size for other in others) > _MAX_SEARCHED_BYTES:
            return []
        names_of = {other: set(_FILE_NAME.findall(other.read_bytes())) for other in others}
    except OSError:
        return []
    elsewhere = set().union(*names_of.values())
    named = {PurePosixPath(name.decode("utf-8", "replace")).name for name in elsewhere}
    orphans = [name for name in sorted(unlisted) if PurePosixPath(name).name not in named]
    meant = misnamed_images(set(names) - folder.paths.keys(), orphans)
    documents = sorted([document.name, *(other.name for other, listed in names_of.items() if listed)])
    several = f"no document names ({list_names(documents)})"  # the same for each document of a split
    message = f"image file that {several if len(documents) > 1 else f'{document.name} does not name'}"
    return [Defect("SEG011", message + misnamed_hint(meant.get(name)), name, image=name) for name in orphans]
