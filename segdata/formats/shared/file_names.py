"""File names: which files are images or masks, and which belong together.

The law that the readers of all formats follow:

- The label files of a dataset are those of one format below one folder. If folders of splits lie there, they are the
  dataset, and labels in other folders beside them are not.
- Folders called as predictions or copies (`results/`, `backup/`) hold none of its labels as long as others have as
  many. Nor do those of previews and boundaries.
- The images are those that documents name, else those whose paths have the same words without those for masks, the
  nearest first.
- Images without labels count where others in their folder have labels. Elsewhere they belong to a program or a page.

What is left out is told, with what to type to read it (SEG011).
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, takewhile
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import unquote

from segdata.core.errors import list_names
from segdata.core.finding import Defect
from segdata.core.paths import visible_folders, without_extension

T = TypeVar("T")
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm"})
MASK_FOLDERS = (
    "masks", "labels", "annotations", "mask", "label", "segmentationclass", "gt", "groundtruth", "ground_truth",
    "instances", "instance_ids", "targets", "ann_dir", "semseg", "gtleft", "gtright",
)  # fmt: skip
_ZARR_FILES = (".zgroup", ".zattrs", "zarr.json")
IMAGE_FOLDERS = ("images", "imgs", "image", "img", "jpegimages", "raw", "rgb", "inputs", "img_dir", "rgbleft",
                 "rgbright")  # fmt: skip

PREDICTED_WORDS = frozenset({
    "result", "results", "pred", "preds", "predict", "prediction", "predictions", "predicted", "output", "outputs",
    "inference",
})  # fmt: skip
# Folders of labels that somebody keeps beside the dataset's own.
_APART_WORDS = PREDICTED_WORDS | frozenset(
    {"copy", "copies", "backup", "backups", "bak", "copia", "kopie", "コピー", "副本"}
)
_LETTERS = re.compile(r"[^\W\d_]+")


def is_image_name(name: str) -> bool:
    """Whether the suffix is that of an image or mask; False for macOS metadata files such as ``._a.png``."""
    dot, start = name.rfind("."), name.rfind("/") + 1
    return start < dot and name[dot:].lower() in IMAGE_SUFFIXES and not name.startswith("._", start)


def is_jpeg(name: str) -> bool:
    """Whether the suffix is that of a JPEG, which photographs have and masks should not."""
    return name.lower().endswith((".jpg", ".jpeg"))


def walk_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Relative POSIX path -> file for the files below a folder, sorted within each folder.

    Skips hidden folders, and those that other programs leave.
    """
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = visible_folders(folders)
        start = "" if folder == str(root) else f"{Path(folder).relative_to(root).as_posix()}/"
        yield from ((start + name, Path(folder, name)) for name in sorted(names))


def walk_nearest(level: Sequence[Path], limit: int) -> Iterator[tuple[Path, list[str]]]:
    """These folders and those below with the names of their files, level by level; ends after `limit` entries.

    Hidden folders and links to folders are skipped. A folder that was begun is listed to its end.
    """
    while level:
        below: list[Path] = []
        for folder in level:
            if limit <= 0:
                return
            _, folders, names = next(os.walk(folder), ("", [], []))
            limit -= len(folders) + len(names)
            below += [folder / name for name in visible_folders(folders)]
            yield folder, names
        level = [folder for folder in below if not folder.is_symlink()]


def divide_labels(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Divide the paths of label files: those of the dataset, and the folders of predictions or copies beside them.

    All are the dataset's if most of them lie in such folders, so that these are what somebody labelled.

    >>> divide_labels(["a.json", "b.json", "old/results 2/a.json"]), divide_labels(["results/a.json"])
    ((['a.json', 'b.json'], ['old/results 2']), (['results/a.json'], []))
    """
    of_folder: dict[str, str | None] = {}
    folders = {}
    for name in names:
        folder = name.rpartition("/")[0]
        if folder not in of_folder:
            of_folder[folder] = _folder_apart(folder)
        folders[name] = of_folder[folder]
    own = [name for name, folder in folders.items() if folder is None]
    if 2 * len(own) < len(folders):
        return list(folders), []
    return own, sorted({folder for folder in folders.values() if folder is not None})


def _folder_apart(folder: str) -> str | None:
    """The outermost folder on the way to a folder that is called as one of predictions or copies."""
    parts = folder.split("/")
    for depth, part in enumerate(parts, 1):
        if not _APART_WORDS.isdisjoint(_LETTERS.findall(part.lower())):
            return "/".join(parts[:depth])
    return None


def apart_defects(folders: Sequence[str]) -> list[Defect]:
    """SEG011 of severity info for the folders whose labels are not read with those of the dataset; none without any."""
    message = f"labels beside those of this dataset are not read with them: {list_names(folders)}; give one as DATA"
    return [Defect("SEG011", message, severity="info", lost=False)] if folders else []


def is_zarr_folder(folder: Path) -> bool:
    """Whether a folder is a Zarr group or array, version 2 or 3."""
    return any((folder / name).is_file() for name in _ZARR_FILES)


def has_images(root: Path) -> bool:
    """Whether an image file lies below a folder, at any depth."""
    return any(is_image_name(path) for path, _ in walk_files(root))


_MASK_WORDS = r"(?:masks?|labels?|seg(?:mentation)?|gt|annot(?:ation)?|manual\d?|labelids|instanceids|mat?te)"
_MASK_END = re.compile(rf"(?:[._-]{_MASK_WORDS}|[._-]L)$", re.IGNORECASE)
_MASK_BEGIN = re.compile(rf"^{_MASK_WORDS}[._-]?", re.IGNORECASE)
_IMAGE_END = re.compile(r"[._-](?:images?|img|rgb|sat|test|training|leftimg8bit)$", re.IGNORECASE)
_IMAGE_BEGIN = re.compile(r"^(?:images?|img|frame)[._-]?", re.IGNORECASE)
# Bands: numbers as in Sentinel-2 and Landsat (B02, B8A) or nnU-Net (0000), or words, in this order.
BAND_WORDS = ("rgb", "red", "green", "blue", "rededge", "nir", "swir", "pan", "thermal", "ir", "hh", "hv", "vv", "vh",
          "dem", "dsm", "ndsm")  # fmt: skip
_BAND = re.compile(rf"(?:(.+)[._-])?(b\d{{1,2}}a?|\d{{4}}|(?:{'|'.join(BAND_WORDS)})\d?)", re.IGNORECASE)


def match_names(masks: Iterable[str], images: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Match masks to images by name: the image of each mask, and the image of each surplus second mask.

    Names are paths with extension. First the same name, then that name without what marks masks (`_mask`, `_L`,
    `label_` …), then both without what marks them (`mask2d` and `img2d`). A name that fits several images fits none.

    >>> match_names(["a_mask.png", "b.png", "c_L.png"], ["a.jpg", "b.jpg", "d.jpg"])[0]
    {'b.png': 'b.jpg', 'a_mask.png': 'a.jpg'}
    """
    names, files = list(masks), list(images)
    partner: dict[str, str] = {}
    second_masks: dict[str, str] = {}
    taken: set[str] = set()
    for image_keys, mask_keys in (
        (_without_extension, _without_extension),
        (_without_extension, _without_mask_marks),
        (_without_image_marks, _without_mask_marks),
    ):
        if len(partner) + len(second_masks) == len(names):
            break
        by_key: dict[str, set[str]] = {}
        for file in files:
            for key in image_keys(file):
                by_key.setdefault(key, set()).add(file)
        for name in names:
            if name in partner or name in second_masks:
                continue
            candidates = next((by_key[key] for key in mask_keys(name) if key in by_key), set())
            free = candidates - taken
            if len(free) == 1 or (free and mask_keys is _without_extension):
                partner[name] = min(free)
                taken.add(partner[name])
            elif candidates and not free:
                second_masks[name] = min(candidates)
    if len(names) > 1 and not partner and not second_masks:
        partner = _match_by_common_end(names, files)
    return partner, second_masks


def _match_by_common_end(masks: list[str], images: list[str]) -> dict[str, str]:
    """The image of each mask if every mask is named as an image plus one common ending; else none.

    >>> _match_by_common_end(["a_15label.png", "b_15label.png"], ["a.tif", "b.tif", "c.tif"])
    {'a_15label.png': 'a.tif', 'b_15label.png': 'b.tif'}
    """
    by_stem = {without_extension(image): image for image in images}
    stems = [without_extension(mask) for mask in masks]
    pairs = zip(
        min(stems, key=lambda stem: stem[::-1])[::-1], max(stems, key=lambda stem: stem[::-1])[::-1], strict=False
    )
    common = "".join(letter for letter, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    for n_letters in range(1, len(common) + 1) if len(by_stem) == len(images) else ():
        matched = [by_stem.get(stem[:-n_letters]) for stem in stems]
        if common[n_letters - 1] in "._- " and None not in matched:  # `0001.png` is not of `000.png`
            return {mask: image for mask, image in zip(masks, matched, strict=True) if image is not None}
    return {}


def group_bands(masks: Iterable[str], images: Iterable[str]) -> dict[str, dict[str, str]]:
    """Image -> band -> file for images whose bands are separate files, in band order.

    Files are bands of one image if their names differ only in the band at the end, or if they have the names of bands
    and lie in the image's folder. This holds for the whole dataset as soon as a mask has the name of such an image.
    A file whose full name a mask has is an image of its own.

    >>> group_bands(["a.png"], ["a_B08.tif", "a_B02.tif"])
    {'a.tif': {'B02': 'a_B02.tif', 'B08': 'a_B08.tif'}}
    >>> group_bands(["a_mask.tif"], ["a/nir.tif", "a/rgb.tif"])
    {'a.tif': {'rgb': 'a/rgb.tif', 'nir': 'a/nir.tif'}}
    >>> group_bands(["a_0001.png"], ["a_0001.png", "a_0002.png"])
    {}
    """
    names = list(masks)
    whole_names = {_without_extension(name)[0] for name in names}
    groups: dict[str, dict[str, str]] = {}
    for file in images:
        path = PurePosixPath(file)
        match = _BAND.fullmatch(path.stem)
        if match is None or without_extension(path) in whole_names:
            continue
        image = path.parent / match[1] if match[1] else path.parent
        if image.name:
            groups.setdefault(f"{image.as_posix()}{path.suffix}", {})[match[2]] = file
    mask_keys = {key for name in names for key in _without_mask_marks(name)}
    if not any(len(files) > 1 and _without_extension(image)[0] in mask_keys for image, files in groups.items()):
        return {}
    return {
        image: dict(sorted(files.items(), key=lambda item: _band_order(item[0]))) for image, files in groups.items()
    }


def _band_order(band: str) -> tuple[int, int, str]:
    """Sort key of a band: numbers first (B8A after B8), then words in the order of `BAND_WORDS`."""
    word, digits = band.lower().rstrip("0123456789"), re.search(r"\d+", band)
    place = BAND_WORDS.index(word) if word in BAND_WORDS else -1
    return place, int(digits[0]) if digits else 0, band.lower()


def images_by_name(images: Iterable[str]) -> dict[str, list[str]]:
    """Images by every name that may refer to them: with and without folders, with and without endings (`_test`).

    >>> images_by_name(["images/01_test.tif"])
    {'images/01_test': ['images/01_test.tif'], 'images/01': ['images/01_test.tif'], '01_test': ['images/01_test.tif'], \
'01': ['images/01_test.tif']}
    """
    names: dict[str, list[str]] = {}
    for image in images:
        keys = _without_image_marks(image)
        for key in dict.fromkeys([*keys, *(PurePosixPath(key).name for key in keys)]):
            names.setdefault(key, []).append(image)
    return names


def _without_extension(name: str) -> list[str]:
    folder, stem = folder_and_stem(name)
    return [folder + stem]


def folder_and_stem(name: str) -> tuple[str, str]:
    """The folder of a path, ending in a slash or empty, and the name without extension, as `PurePosixPath` has them.

    >>> folder_and_stem("a/b.c.png"), folder_and_stem(".png")
    (('a/', 'b.c'), ('', '.png'))
    """
    start, dot = name.rfind("/") + 1, name.rfind(".")
    return name[:start], name[start:dot] if start < dot < len(name) - 1 else name[start:]


def _without_mask_marks(name: str) -> list[str]:
    """`name` without extension and without mask words (`_mask`, `label_`) at its end, its beginning, or both."""
    return _strip_affixes(name, _MASK_END, _MASK_BEGIN)


def _without_image_marks(name: str) -> list[str]:
    return _strip_affixes(name, _IMAGE_END, _IMAGE_BEGIN)


def _strip_affixes(name: str, end: re.Pattern[str], begin: re.Pattern[str]) -> list[str]:
    folder, whole = folder_and_stem(name)
    no_end = end.sub("", whole)
    stems = [whole, no_end, begin.sub("", whole), begin.sub("", no_end)]
    return [folder + stem for stem in dict.fromkeys(stems) if stem]


def split_masks_and_images(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Split the files of one folder into masks and images by name; if that fails, all are masks."""
    masks = {name: path for name, path in files.items() if len(_without_mask_marks(name)) > 1}
    pictures = {name: path for name, path in files.items() if name not in masks}
    return (masks, pictures) if group_bands(masks, pictures) or match_names(masks, pictures)[0] else (files, {})


_MAX_NAMESAKES = 2  # more files of one name are frames or tiles, not one misplaced image


class Namesakes:
    """Index of files by name without folder and extension, to suggest where a missing counterpart is."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_stem: dict[str, list[str]] = {}
        for name in names:
            self._by_stem.setdefault(PurePosixPath(name).stem, []).append(name)

    def hint(self, name: str, what: str) -> str:
        """The end of a message about a missing counterpart: the folder with `what` of that name; or empty.

        >>> Namesakes(["train/images/a.jpg", "val/images/b.jpg"]).hint("val/labels/a.txt", "an image")
        '; an image of that name is in train/images'
        """
        folders = [PurePosixPath(path).parent.as_posix() for path in self._by_stem.get(PurePosixPath(name).stem, [])]
        there = list(dict.fromkeys("the dataset's folder" if folder == "." else folder for folder in folders))
        return f"; {what} of that name is in {' and '.join(there)}" if 0 < len(there) <= _MAX_NAMESAKES else ""


def split_by_suffix(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]] | None:
    """Two groups of files in one folder whose names differ in the suffix alone: `a.png` and `a.jpg`.

    The files of JPEG, if there are any, are the second group, else those of the rarer suffix. None unless half of the
    smaller group have a partner.
    """
    by_suffix: dict[str, dict[str, Path]] = {}
    for name, path in files.items():
        suffix = PurePosixPath(name).suffix.lower()
        suffix = {".jpeg": ".jpg", ".tiff": ".tif"}.get(suffix, suffix)
        by_suffix.setdefault(suffix, {})[name] = path
    jpeg = by_suffix.pop(".jpg", None)
    groups = sorted(by_suffix.values(), key=len, reverse=True)
    if not groups or (jpeg is None and len(groups) < 2):
        return None
    first, second = groups[0], groups[1] if jpeg is None else jpeg
    stems = [{_without_extension(name)[0] for name in group} for group in (first, second)]
    return (first, second) if 2 * len(stems[0] & stems[1]) >= min(map(len, stems)) else None


_STAND_INS = (  # first bytes of files that replace the expected content, what they are, and the remedy
    (b"version https://git-lfs", "a pointer of Git LFS", "run `git lfs pull`"),
    (b"\x89png\n\x1a\n", "a PNG file whose bytes git or FTP changed as text", "copy it again as binary"),
    (b"<!doctype html", "a web page", "download it again"),
    (b"<html", "a web page", "download it again"),
)


def stands_in(start: bytes, what: str) -> str | None:
    """The end of a sentence about a file whose first bytes show that it is not `what` (a Git LFS pointer …); or None.

    >>> stands_in(b"version https://git-lfs.github.com/spec/v1", "the image")
    'is a pointer of Git LFS, not the image; run `git lfs pull`'
    """
    head = start.lstrip()[:32].lower()
    for beginning, kind, remedy in _STAND_INS:
        if head.startswith(beginning):
            return f"is {kind}, not {what}; {remedy}"
    return None


def fold_name(name: str) -> str:
    """The name in lower case with composed accents and `%20` decoded, equal for two spellings of one name.

    >>> fold_name("my%20A.JPG")
    'my a.jpg'
    """
    if "%" in name:
        name = unquote(name)
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).lower()


_NAME_PART = re.compile(r"\d+|[^\W\d_]+")  # a number or a word
_MAX_MISNAMED = 20  # missing images; more of them have another cause
_MIN_WORD = 4  # letters of a word that is compared letter by letter: `_L` and `_R` are two images


def misnamed_images(missing: Collection[str], unlisted: Iterable[str]) -> dict[str, str]:
    """Image file without labels -> the missing image that it probably is, where only these two names are alike.

    Such names have the same numbers, and differ only in case, extension, blanks and separators, or one letter.

    >>> misnamed_images(["street 1.jpg", "scan_2.png"], ["stret_01.png", "Scan2.png", "scan3.png"])
    {'stret_01.png': 'street 1.jpg', 'Scan2.png': 'scan_2.png'}
    """
    if not 0 < len(missing) <= _MAX_MISNAMED:
        return {}
    parts = {name: _name_parts(name) for name in missing}
    pairs = [
        (file, name)
        for file in unlisted
        if (of_file := _name_parts(file))
        for name in parts
        if _are_alike(of_file, parts[name])
    ]
    n_uses = Counter(chain.from_iterable(set(pair) for pair in pairs))
    return {file: name for file, name in pairs if n_uses[file] == n_uses[name] == 1}


def misnamed_hint(name: str | None) -> str:
    """The end of a message about an image without labels, whose name is like that of the missing image `name`."""
    return f"; {name!r}, which is missing, is probably this file: rename one of them" if name else ""


def _name_parts(name: str) -> list[str]:
    """The numbers of a folded path without extension, without leading zeros, and its words."""
    stem = without_extension(fold_name(name))
    return [part.lstrip("0") or "0" if part.isdecimal() else part for part in _NAME_PART.findall(stem)]


def _are_alike(a: list[str], b: list[str]) -> bool:
    """Whether names have the same numbers and text, but for one letter of a word."""
    if [part for part in a if part.isdecimal()] != [part for part in b if part.isdecimal()]:
        return False
    if "".join(a) == "".join(b):
        return True
    differing = [pair for pair in zip(a, b, strict=False) if pair[0] != pair[1]]
    if len(a) != len(b) or len(differing) != 1 or min(map(len, differing[0])) < _MIN_WORD:
        return False
    x, y = differing[0]
    return _n_same(x, y) + _n_same(x[::-1], y[::-1]) >= max(len(x), len(y)) - 1


def _n_same(a: str, b: str) -> int:
    """The number of letters that two words have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def spread_sample(files: Sequence[T], n: int) -> Sequence[T]:
    """Up to `n` of the files, evenly spaced.

    >>> spread_sample(["a", "b", "c", "d", "e"], 2)
    ['a', 'c']
    """
    return files[:: max(1, len(files) // n)][:n]
