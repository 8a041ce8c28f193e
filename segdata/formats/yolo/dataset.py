"""YOLO datasets: read and write data.yaml (classes, splits) and the label file of each image."""

import codecs
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from segdata.core import yaml_files
from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import (
    check_path_name,
    dataset_folder,
    is_file,
    is_folder,
    is_unsafe_path,
    split_from_path,
    with_folder,
    without_extension,
)
from segdata.core.profile import Profile
from segdata.core.runs import Floats, Ints, Runs, positions_in
from segdata.core.safe_text import quote_path
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shapes.geometry import Polygon, count_differing_pixels, rasterise, scale_points
from segdata.formats.shapes.polygons import SourcePolygons
from segdata.formats.shared import writing
from segdata.formats.shared.file_names import Namesakes, apart_defects, divide_labels, walk_files
from segdata.formats.shared.image_index import Cell, has_index, pair_by_index, write_index
from segdata.formats.shared.image_names import images_folder
from segdata.formats.shared.images import MAX_PIXELS, ImageFolder, ImageHeader
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import kind_from_name, names_by_id, resolve_names, train_and_val, write_data_yaml
from segdata.formats.tools.shapes import ShapeAnnotation
from segdata.formats.tools.source import SHOWN_SIZE, Tool, ToolSource, writable_rows
from segdata.formats.yolo import LOSSES
from segdata.formats.yolo.lines import (
    NOTATION,
    occurring_classes,
    read_lines,
    ring_shapes,
    shares_to_pixels,
    single_rings,
)

_SIDECARS = frozenset({"taxonomy.yaml", "segdata.yaml"})
_SPLITS = ("train", "val", "test")
_MAX_CLASSES = 100_000
_NAMES_FILES = ("classes.txt", "labels/classes.txt", "obj.names")
_Missing = Literal["unannotated", "background"]
_OTHER_TEXTS = ("readme", "classes", "license", "train", "val", "test", "autosplit", "images", "obj", "requirements")


@dataclass(frozen=True, slots=True)
class _DataFile:
    """What data.yaml says: classes, splits and keypoints; of classes.txt the classes."""

    names: dict[int, str] = field(default_factory=dict)  # number -> name; empty if no file names them
    # train, val and test -> paths below the dataset's root, folders or lists
    splits: dict[str, list[str]] = field(default_factory=dict)
    # number of values after the box in lines of a pose dataset; None: it is not a pose dataset
    keypoints: int | None = None
    defects: tuple[Defect, ...] = ()  # of the files


@dataclass(frozen=True, slots=True)
class _SplitFinder:
    """Finds the split of an image: by a list, else by its folder."""

    listed: dict[str, list[tuple[str, str]]]  # file name of an image -> the lines that name it, and their splits
    folders: dict[str, str]  # folder below the root -> split
    defects: list[Defect]  # images that two splits list

    @staticmethod
    def from_splits(root: Path, splits: dict[str, list[str]]) -> "_SplitFinder":
        """The finder for the splits of data.yaml; reads their lists."""
        listed: dict[str, list[tuple[str, str]]] = {}
        first: dict[str, str] = {}
        folders: dict[str, str] = {}
        defects: list[Defect] = []
        for split, places in splits.items():
            for place in places:
                if place.endswith(".txt") and (root / place).is_file():
                    for number, line in _list_lines(root / place):
                        other = first.setdefault(line, split)
                        if other == split:
                            listed.setdefault(line.rpartition("/")[2], []).append((line, split))
                            continue
                        message = f"{line!r} is in the lists of {other} and of {split}; it is read as {other}"
                        image = _without_folder(line, "images")
                        defects.append(Defect("SEG304", message, place, line=number, image=image, lost=False))
                elif place not in (".", "images"):  # the folder holds all images: no split
                    folders.setdefault(place, split)
        return _SplitFinder(listed, folders, defects)

    def __call__(self, image: str) -> str | None:
        """The split of an image, given by its path below the root; lists may have absolute paths."""
        for line, split in self.listed.get(image.rpartition("/")[2], ()):
            if line == image or line.endswith(f"/{image}"):
                return split
        above = [parent.as_posix() for parent in PurePosixPath(image).parents]
        for folder in above:
            if folder in self.folders:
                return self.folders[folder]
        return split_from_path(image)


def _list_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The number and the path of each line of a list of images that names one."""
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if line := text.strip().replace("\\", "/").removeprefix("./"):
            yield number, line


def _read_classes(root: Path) -> _DataFile:
    """Read `data.yaml`, else `classes.txt`; raises UnreadableError if several files could name the classes."""
    path = _yaml_file(root)
    lists = [root / name for name in _NAMES_FILES if (root / name).is_file()]
    if path is None:
        return _DataFile(_list_names(lists[0]) if lists else {})
    file = relative_path(root, path)
    classes = _read_yaml(root, path, file)
    for beside in [*lists, *sorted([*root.glob("labels/*/classes.txt"), *root.glob("*/labels/classes.txt")])]:
        names = _list_names(beside)
        other = [number for number, name in names.items() if name != classes.names.get(number, name)]
        if other and set(names.values()) & set(classes.names.values()):
            listed = relative_path(root, beside)
            message = f"class {other[0]} is {classes.names[other[0]]!r} here, and {names[other[0]]!r} in {listed}"
            message += f"; {len(other)} classes differ, this file's are read" * (len(other) > 1)
            return replace(classes, defects=(*classes.defects, Defect("SEG202", message, file, "/names")))
    return classes


def _list_names(path: Path) -> dict[int, str]:
    """Number -> name in a file with one name per line."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return {number: line.strip() for number, line in enumerate(lines) if line.strip()}


def _yaml_file(root: Path) -> Path | None:
    """The file that names the classes; None if there is none."""
    if (root / "data.yaml").is_file():
        return root / "data.yaml"
    paths = [path for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]) if path.name not in _SIDECARS]
    paths = [path for path in paths if path.is_file() and re.search(rb"(?m)^names\s*:", path.read_bytes()[:1_000_000])]
    if len(paths) > 1:
        shown = ", ".join(path.name for path in paths)
        raise UnreadableError(
            f"{root}: {shown}: more than one may name the classes; give one as DATA, or call it data.yaml"
        )
    return paths[0] if paths else None


def _read_yaml(root: Path, path: Path, file: str) -> _DataFile:
    try:
        document = yaml_files.parse_yaml(yaml_files.read_utf8(path), dict[str, Any], file)
    except SegdataError as error:
        return _DataFile(defects=(Defect("SEG004", str(error).removeprefix(f"{file}:"), file),))
    defects: list[Defect] = []
    names = dict(_read_names(document.get("names"), file, defects))
    count = document.get("nc")
    if isinstance(count, int) and names and count != len(names):
        defects.append(Defect("SEG004", f"nc is {count}, and names has {len(names)}", file, "/nc"))
    shape = document.get("kpt_shape")
    keypoints = None
    if isinstance(shape, list) and len(shape) == 2 and all(isinstance(number, int) for number in shape):
        keypoints = shape[0] * shape[1]
    return _DataFile(names, _read_splits(root, document, file, defects), keypoints, tuple(defects))


def _read_names(document_names: object, file: str, defects: list[Defect]) -> Iterator[tuple[int, str]]:
    """The names by number, from a list or a mapping; invalid names are left out."""
    pairs: Iterable[tuple[object, object]] = ()
    if isinstance(document_names, dict):
        pairs = document_names.items()
    elif isinstance(document_names, list):
        pairs = enumerate(document_names)
    elif document_names is not None:
        defects.append(Defect("SEG004", "names is neither a list nor a mapping", file, "/names"))
    for key, name in pairs:
        number = str(key)
        if re.fullmatch(r"[0-9]{1,9}", number) is None or int(number) >= _MAX_CLASSES:
            message = f"class {number!r:.40} is not a number from 0 to {_MAX_CLASSES - 1}; left out"
            defects.append(Defect("SEG004", message, file, f"/names/{number:.40}"))
        elif not isinstance(name, str | int | float):
            message = f"the name of class {number} is not text; left out"
            defects.append(Defect("SEG004", message, file, f"/names/{number}"))
        else:
            yield int(number), str(name)


def _read_splits(root: Path, document: dict[str, Any], file: str, defects: list[Defect]) -> dict[str, list[str]]:
    """The folders and lists of each split, below the dataset's root, without splits that repeat another.

    A repeated split is a leak, except in data that segdata wrote (with its `images.csv`): Ultralytics requires train
    and val, so one may stand in for the other.
    """
    is_ours = has_index(root)
    path = document.get("path")
    start = ""
    if isinstance(path, str) and path not in ("", "."):
        if is_unsafe_path(path):
            message = f"path {quote_path(path)} leaves the dataset; images and labels are looked for beside this file"
            defects.append(Defect("SEG015", message, file, "/path", severity="warning", lost=False))
        else:
            start = path
    splits: dict[str, list[str]] = {}
    for split in _SPLITS:
        value = document.get(split)
        places = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        paths = [_path_below(root, start, place) for place in places if isinstance(place, str)]
        if paths and paths == splits.get("train") and not is_ours:
            message = f"{split} is made of the images of train: {', '.join(paths)}"
            defects.append(Defect("SEG304", message, file, f"/{split}", severity="warning", lost=False))
        elif paths and paths not in splits.values():
            splits[split] = paths
    return splits


def _path_below(root: Path, start: str, place: str) -> str:
    r"""A folder or list of data.yaml as a path below the root: its longest end that is there, else all of it.

    Roboflow's paths begin with `../`, but mean the folder beside the file; others are those of the machine that
    trained on the data, `/content/cats/images/train` or `C:\cats\images\train`.
    """
    parts = [part for part in PurePosixPath(start, place.replace("\\", "/")).parts if part not in ("..", "/")]
    ends = (PurePosixPath(*parts[k:]) for k in range(len(parts)))
    return next((end for end in ends if is_file(root / end) or is_folder(root / end)), PurePosixPath(*parts)).as_posix()


def _list_images(
    root: Path, images: Path | None, split_of: _SplitFinder, missing: _Missing
) -> tuple[list[ImageEntry], list[Defect]]:
    """The images below `root`, or `images`, with their label files: by `images.csv` if segdata wrote the dataset.

    A label file has the image's path, with the last folder `images` replaced by `labels`. `missing` says how to read an
    image without label file.
    """
    if has_index(root):
        return pair_by_index(root, images)
    labels, apart = _find_labels(root)
    pictures = ImageFolder.below(images or root)
    if not labels:
        raise UnreadableError(f"{root}: no label files; they are in a folder labels, or beside the images")
    if not pictures.paths:
        folder = images or root
        message = "labels are shares of the image's width and height, so the image files are needed; give --images"
        raise UnreadableError(f"{folder}: none of the images of {len(labels):,} label files is here: {message}")
    entries, defects = _pair_files(root, _beside_images(root, labels, pictures), pictures, split_of, missing)
    return entries, [*defects, *apart_defects(apart)]


def _pair_files(
    root: Path, labels: dict[str, Path], pictures: ImageFolder, split_of: _SplitFinder, missing: _Missing
) -> tuple[list[ImageEntry], list[Defect]]:
    entries: list[ImageEntry] = []
    defects: list[Defect] = []
    used = {key for name in pictures.paths if (key := _key(name, "images")) in labels}
    unused = sorted(labels.keys() - used)
    stray_labels = Namesakes(labels[key].relative_to(root).as_posix() for key in unused)
    stray_images = Namesakes(name for name in pictures.paths if unused and _key(name, "images") not in labels)
    for name, path in pictures.paths.items():
        key, image_id = _key(name, "images"), _without_folder(name, "images")
        entry = ImageEntry(image_id, path, split=split_of(name))
        if key in labels:
            entry = replace(entry, files=(labels[key],))
        elif missing == "background":
            entry = replace(entry, record="background")
        else:
            message = "an image without label file; YOLO trains it as background (missing=background reads it so)"
            message += stray_labels.hint(name, "a label file")
            defects.append(Defect("SEG011", message, name, image=image_id))
        entries.append(entry)
    if split_of.listed or split_of.folders:
        entries, defects = _without_images_of_no_split(entries, defects)
    capital = [labels[key] for key in sorted(used) if labels[key].suffix != ".txt"]
    if capital:
        file, others = relative_path(root, capital[0]), count_noun(len(capital) - 1, "other")
        message = "YOLO looks for .txt, and trains the image as background where a disk tells .txt from "
        message += f"{capital[0].suffix}, as on Linux; the labels of this file and of {others} are read here"
        defects.append(Defect("SEG002", message, file, severity="warning"))
    for key in unused:
        near = pictures.similar_name(key)
        file = labels[key].relative_to(root).as_posix()
        hint = f"; there is {near!r}" if near else stray_images.hint(file, "an image without labels")
        defects.append(Defect("SEG002", f"the image of these labels does not exist{hint}", file))
    return sorted(entries, key=lambda entry: entry.image_id), defects


def _without_images_of_no_split(
    entries: list[ImageEntry], defects: list[Defect]
) -> tuple[list[ImageEntry], list[Defect]]:
    """Without images that have neither labels nor a split, if all that have labels have one: YOLO does not load them.

    They are pictures of results and documents; one info counts them.
    """
    outside = {entry.image_id for entry in entries if not entry.files and entry.split is None}
    if not outside or not all(entry.split for entry in entries if entry.files):
        return entries, defects
    message = f"{count_noun(len(outside), 'image')} without labels and in no split, such as {min(outside)!r}: left out"
    return (
        [entry for entry in entries if entry.image_id not in outside],
        [*(defect for defect in defects if defect.image not in outside), Defect("SEG011", message, severity="info")],
    )


def _find_labels(root: Path) -> tuple[dict[str, Path], list[str]]:
    """Image name without extension -> label file, in folders `labels`, else anywhere; and folders that are left out."""
    texts = {
        place: path
        for place, path in walk_files(root)
        if path.suffix.lower() == ".txt" and path.name.lower() != "classes.txt" and not path.name.startswith(".")
    }
    inside: dict[str, Path] = {}
    outside: dict[str, Path] = {}
    own, apart = divide_labels(texts)
    for place in own:
        check_path_name(texts[place])
        if any(part == "labels" or _is_numbered(root, part, place) for part in PurePosixPath(place).parts[:-1]):
            inside[_key(place, "labels")] = texts[place]
        elif not texts[place].name.lower().startswith(_OTHER_TEXTS):
            outside[_key(place, "labels")] = texts[place]
    return inside or outside, apart


def _is_numbered(root: Path, folder: str, place: str) -> bool:
    """Whether a folder in the path of a label file is one of several, `labels_2` beside `images_2`."""
    if not folder.startswith("labels_"):
        return False
    above = PurePosixPath(place).parts[: PurePosixPath(place).parts.index(folder)]
    return root.joinpath(*above, f"images{folder.removeprefix('labels')}").is_dir()


def _beside_images(root: Path, labels: dict[str, Path], pictures: ImageFolder) -> dict[str, Path]:
    """Image name -> label file, with names adjusted to the folders of images.

    A folder `labels` none of whose files has an image belongs to the nearest folder `images` in which half of its
    files or more have one: `YOLO_label/labels/train/a.txt` to `images/train/a.jpg`.
    """
    keys = {_key(name, "images") for name in pictures.paths}
    folders: dict[str, dict[str, tuple[str, Path]]] = defaultdict(dict)
    for key, path in labels.items():
        above, behind = _split_at(relative_path(root, path), "labels")
        folders[above][behind] = key, path
    images: dict[str, dict[str, str]] = defaultdict(dict)
    for name in pictures.paths:
        above, behind = _split_at(name, "images")
        images[above][behind] = _key(name, "images")
    named = dict(labels)
    for above, files in folders.items():
        if keys.isdisjoint(key for key, _ in files.values()):
            shared = {place: len(files.keys() & paths.keys()) for place, paths in images.items()}
            most = max(shared.values())
            near = [place for place, count in shared.items() if 0 < count == most >= len(files) / 2]
            depth = [len(PurePosixPath(os.path.commonpath([f"/{place}", f"/{above}"])).parts) for place in near]
            if near and depth.count(max(depth)) == 1:
                taken = images[near[depth.index(max(depth))]]
                for behind in files.keys() & taken.keys():
                    key, path = files[behind]
                    del named[key]
                    named[taken[behind]] = path
    return named


def _split_at(name: str, folder: str) -> tuple[str, str]:
    """The path above the last folder of this name, and the path in it without extension; above is empty without one.

    >>> _split_at("a/labels/train/b.txt", "labels"), _split_at("train/b.jpg", "images")
    (('a', 'train/b'), ('', 'train/b'))
    """
    above, _, behind = f"/{name}".rpartition(f"/{folder}/")
    return above.removeprefix("/"), without_extension(behind.removeprefix("/"))


def _key(name: str, folder: str) -> str:
    """A path without extension and without the last folder of this name; `_2` remains of `images_2`.

    >>> _key("train/images_2/a.jpg", "images"), _key("train/labels_2/a.txt", "labels")
    ('train/_2/a', 'train/_2/a')
    """
    path = PurePosixPath(_without_folder(name, folder)).with_suffix("")
    return PurePosixPath(
        *(part.removeprefix(folder) if part.startswith(f"{folder}_") else part for part in path.parts)
    ).as_posix()


def _without_folder(name: str, folder: str) -> str:
    """A path without the last folder of this name.

    >>> _without_folder("train/images/a.jpg", "images"), _without_folder("images/train/a.jpg", "images")
    ('train/a.jpg', 'train/a.jpg')
    """
    *above, last = PurePosixPath(name).parts
    if folder in above:
        index = len(above) - 1 - above[::-1].index(folder)
        above = above[:index] + above[index + 1 :]
    return PurePosixPath(*above, last).as_posix()


def open_yolo(request: ReadRequest) -> ToolSource:
    """Open the dataset; raises UnreadableError without labels or images, SegdataError for an unknown option."""
    root = _find_root(dataset_folder(request.root))
    missing = str(request.options.get("missing", "unannotated"))
    if missing not in ("unannotated", "background"):
        raise SegdataError(f"yolo-seg: missing is {missing!r}, must be unannotated or background")
    classes = _read_classes(root)
    absent: _Missing = "background" if missing == "background" else "unannotated"
    splits = _SplitFinder.from_splits(root, classes.splits)
    entries, defects = _list_images(root, images_folder(request), splits, absent)
    classes = classes if classes.names else _named_by_number(classes, entries)
    # If several classes have one name, the first counts.
    first = {name: number for number, name in sorted(classes.names.items(), reverse=True)}
    unique = sorted((number, name) for name, number in first.items())
    own = Taxonomy(categories=tuple(Category(id=k, name=name, kind=kind_from_name(name)) for k, name in unique))
    categories = resolve_names(classes.names.values(), request.taxonomy, own)
    names = {b"%d" % number: name for number, name in classes.names.items()}
    reader = partial(_read_image, root, names, classes.keypoints)
    defects = [*classes.defects, *splits.defects, *defects]
    return ToolSource.from_request(request, _YOLO, categories, entries, defects, reader, root=root)


def _find_root(folder: Path) -> Path:
    """The folder of the one data.yaml below, if it holds all labels and the folder itself names no classes."""
    if has_index(folder) or _yaml_file(folder) is not None or any((folder / name).is_file() for name in _NAMES_FILES):
        return folder
    below = [path.parent for _, path in walk_files(folder) if path.name == "data.yaml"]
    if len(below) != 1 or not all(path.is_relative_to(below[0]) for path in _find_labels(folder)[0].values()):
        return folder
    return below[0]


def _named_by_number(classes: _DataFile, entries: list[ImageEntry]) -> _DataFile:
    """The occurring classes, with their numbers as names."""
    numbers: set[int] = set()
    for entry in entries:
        for path in entry.files:
            with suppress(OSError):
                numbers |= occurring_classes(path.read_bytes())
    defect = Defect(
        "SEG004", "neither data.yaml nor classes.txt names the classes: their numbers are the names", severity="info"
    )
    names = {number: str(number) for number in sorted(numbers)}
    return replace(classes, names=names, defects=(*classes.defects, *([] if classes.defects else [defect])))


def _read_image(
    root: Path, names: dict[bytes, str], keypoints: int | None, entry: ImageEntry, head: ImageHeader | None
) -> list[ShapeAnnotation]:
    size = _image_size(entry, head)
    path = entry.files[0] if entry.files else None
    try:
        text = b"" if path is None else path.read_bytes()
    except OSError as error:
        file = None if path is None else relative_path(root, path)
        message = f"the labels cannot be read: {error.strerror or error}"
        raise BrokenLabelsError(Defect("SEG001", message, file)) from error
    if path is not None and text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        message = "is text in UTF-16, where UTF-8 is expected: save it as that"
        raise BrokenLabelsError(Defect("SEG001", message, relative_path(root, path)))
    defects: list[Defect] = []
    return [ShapeAnnotation(size, read_lines(text, names, keypoints, defects), defects=defects)]


def _image_size(entry: ImageEntry, head: ImageHeader | None) -> tuple[int, int]:
    """Height and width of an image in pixels, turned by its EXIF orientation; raises BrokenLabelsError."""
    if 0 not in entry.size:
        if not 0 < entry.size[0] * entry.size[1] <= MAX_PIXELS or min(entry.size) < 0:
            message = f"the image is {entry.size[1]} x {entry.size[0]}; at most {MAX_PIXELS:,} pixels are expected"
            raise BrokenLabelsError(Defect("SEG004", message))
        return entry.size
    if entry.image is None:
        raise BrokenLabelsError(Defect("SEG002", "the image file does not exist, and its size is given nowhere else"))
    if head is None:  # the image file's defect is reported elsewhere
        raise BrokenLabelsError
    return (head.width, head.height) if head.is_rotated else (head.height, head.width)


_YOLO = Tool("yolo-seg", "cv2", NOTATION, SHOWN_SIZE)
_IMAGE_LIST = "images.txt"


@dataclass(frozen=True, slots=True)
class _DatasetIndex:
    """Collects data for the files that are written last."""

    numbers: dict[int, int]  # category id -> class
    rows: list[tuple[Cell, ...]] = field(default_factory=list)  # of images.csv
    # split -> annotated images
    lists: defaultdict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[str, str] = field(default_factory=dict)  # label file -> image


def write_yolo(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write the folder `target`; raises SegdataError if two images would share a label file."""
    writing.start_folder(target, profile, losses)
    names = names_by_id(profile.taxonomy)
    written = _DatasetIndex({id_: number for number, id_ in enumerate(names)})
    for batch in batches:
        writing.count_losses(batch, losses, LOSSES - {"rings"}, writing.INDEXED)
        rows = _rows_with_lines(batch, written.numbers, losses)
        class_of = [written.numbers[id_] for id_ in batch.segment_category[rows].tolist()]
        lines = [b"%d %b\n" % line for line in zip(class_of, _ring_texts(batch, rows, losses), strict=True)]
        bounds = np.searchsorted(batch.segment_image[rows], np.arange(batch.images.num_rows + 1)).tolist()
        for row, image in enumerate(writing.segments_by_image(batch)):
            label = _label_path(image, written.taken)
            if image.annotated:
                path = target / label
                with_folder(path).write_bytes(b"".join(lines[bounds[row] : bounds[row + 1]]))
                written.lists[image.split].append(image.image_id)
            written.rows.append(image.index_row(label if image.annotated else None, videos=True, unknown_side=None))
    write_index(target, written.rows, videos=True)
    files = _write_lists(target, written.lists)
    write_data_yaml(target, {**train_and_val(files, _IMAGE_LIST), **files}, list(names.values()))


def _label_path(image: writing.ImageSegments, taken: dict[str, str]) -> str:
    """The label file of an image, below the target; raises SegdataError for names that no file can have."""
    if is_unsafe_path(image.image_id):
        raise SegdataError(f"image {image.image_id!r}: its labels would lie outside the dataset; rename it")
    label = PurePosixPath("labels", image.image_id).with_suffix(".txt").as_posix()
    if label in taken:
        both = f"{taken[label]!r} and {image.image_id!r}"
        raise SegdataError(f"images {both} would share the label file {label}; rename one of them")
    taken[label] = image.image_id
    return label


def _ring_texts(batch: Batch, rows: Ints, losses: LossCounter) -> list[bytes]:
    """The rings of the segments at these rows, as text: the source's if exact, else new ones.

    Losses are counted.
    """
    height, width = (side[rows] for side in batch.segment_size)
    sides = np.column_stack([width, height]).astype(np.float64)
    runs = batch.runs.take(rows, batch.n_segments)
    source = _single_rings_of(batch, rows)
    shares = {row: ring / sides[row] for row, ring in source.items()}
    exact = _exact_rows(shares, runs, height, width)
    to_trace = np.array([row for row in range(len(rows)) if row not in exact], np.int64)
    generated = single_rings(runs.take(to_trace, len(rows)), height[to_trace])
    texts = {row: " ".join(map(repr, shares[row].ravel().tolist())) for row in exact}
    texts |= {
        row: " ".join([f"{share:.9g}" for share in (ring / sides[row]).ravel().tolist()])
        for row, ring in zip(to_trace.tolist(), generated, strict=True)
    }
    kept = {row for row in exact if np.array_equal(scale_points(shares[row], sides[row]), source[row])}
    with_rings = np.flatnonzero(batch.segments["rings"].is_valid().to_numpy()[rows]).tolist()
    lost = rows[[row for row in with_rings if row not in kept]]
    writing.count_segments(batch, lost, "rings", losses)
    lines = [texts[row].encode() for row in range(len(rows))]
    _count_bridges(batch, rows, runs, lines, losses)
    return lines


def _single_rings_of(batch: Batch, rows: Ints) -> dict[int, Floats]:
    """Position in `rows` -> the source's ring, for segments with a single ring."""
    polygons = SourcePolygons.from_batch(batch)
    flat = polygons.polygons
    n_polygons = np.bincount(polygons.segment, minlength=batch.n_segments)
    place = positions_in(rows, batch.n_segments)
    is_single = (np.diff(flat.polygon) == 1) & (n_polygons[polygons.segment] == 1) & (place[polygons.segment] >= 0)
    return {
        int(place[polygons.segment[i]]): flat.points[flat.ring[flat.polygon[i]] : flat.ring[flat.polygon[i] + 1]]
        for i in np.flatnonzero(is_single).tolist()
    }


def _exact_rows(shares: dict[int, Floats], runs: Runs, height: Ints, width: Ints) -> set[int]:
    """Which relative rings draw exactly the segments' pixels when read; sizes (n,) are in pixels."""
    rows = np.array(list(shares), np.int64)
    rows.sort()
    sides = np.column_stack([width, height]).astype(np.float64)
    rings = [shares_to_pixels(shares[row], sides[row]) for row in rows.tolist()]
    size = height[rows], width[rows]
    redrawn = rasterise([[shape] for shape in ring_shapes(rings, *size)], "cv2", *size)
    return set(rows[count_differing_pixels(runs.take(rows, len(height)), redrawn, *size) == 0].tolist())


def _count_bridges(batch: Batch, rows: Ints, runs: Runs, texts: list[bytes], losses: LossCounter) -> None:
    """Count the pixels that Ultralytics adds to the segments by drawing bridges between parts."""
    height, width = (side[rows] for side in batch.segment_size)
    sides = np.column_stack([width, height]).astype(np.float64)
    polygons = [
        [Polygon(shares_to_pixels(np.array(text.split(), np.float64).reshape(-1, 2), side))]
        for text, side in zip(texts, sides, strict=True)
    ]
    more = count_differing_pixels(runs, rasterise(polygons, "cv2", height, width), height, width)
    bridged = np.flatnonzero(more)
    losses.add("part", "segments", len(bridged), int(more.sum()), writing.segment_examples(batch, rows[bridged]))


def _rows_with_lines(batch: Batch, numbers: dict[int, int], losses: LossCounter) -> Ints:
    """The rows of the segments that have lines; the others are counted."""
    rows = writable_rows(batch, numbers, losses, empty=False)
    image = batch.segment_image[rows]
    line = np.arange(len(rows)) - np.searchsorted(image, image) + 1
    named = batch.segments["source_id"].is_valid().to_numpy()[rows]
    renamed = rows[(integer_column(batch.segments["segment_id"])[rows] != line) | named]
    writing.count_segments(batch, renamed, "segment-id", losses)
    return rows


def _write_lists(target: Path, lists: dict[str | None, list[str]]) -> dict[str, str]:
    """Write the list of images of each split; returns their names."""
    files = {}
    for split, images in sorted(lists.items(), key=lambda item: item[0] or ""):
        usable = split in ("train", "val", "test")
        name = f"{split}.txt" if usable else _IMAGE_LIST
        with (target / name).open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(f"./images/{image}\n" for image in images)
        files[str(split) if usable else "train"] = name
    return files
