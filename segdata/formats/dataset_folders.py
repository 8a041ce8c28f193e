"""Dataset folders: the format of a dataset, its parts if splits lie apart, and what a folder of no format holds."""

import filecmp
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import msgspec

from segdata.core.errors import (
    AmbiguousFormatError,
    SegdataError,
    UnknownFormatError,
    UnreadableError,
    count_noun,
    list_names,
)
from segdata.core.format import FileProbe, Format, detect, find_format
from segdata.core.memo import keep_results
from segdata.core.paths import SPLIT_WORD, split_of_name, visible_folders
from segdata.core.safe_text import shell_word
from segdata.formats.coco import document_sort, is_broken_json
from segdata.formats.masks import list_readable, probe_masks
from segdata.formats.shared.file_names import MASK_FOLDERS, divide_labels, has_images

_MAX_FILES = 5_000  # files listed
_MAX_HEADS = 8  # files opened of each suffix
_MAX_FOLDERS = 24  # folders searched for datasets
_MAX_DEPTH_OF_SPLITS = 3  # how deep the folders of splits are searched for
_MAX_NAMED = 8  # folders in a message
_HEAD_BYTES = 1 << 16
_IMAGE_FOLDER = re.compile(r"(jpeg)?im(age|g)s?|left|right|raw|rgb", re.IGNORECASE)  # matches the beginning of a name
_IMAGE_FILE = re.compile(r"\.(jpe?g|png|tiff?|bmp|webp)$", re.IGNORECASE)
PLAIN_FORMATS = ("colour-masks", "instance-ids")  # any folder of images may be one of these
_TOOLS = ("via",)  # formats whose documents lie wherever somebody kept them, also in copies of folders
_UNREAD = "which segdata cannot read yet"
_EXPORT = "segdata cannot read it: export COCO from that tool"
_ROIS = "segdata cannot read it: open the images in QuPath, import the regions, and export GeoJSON"
_ARRAYS = "segdata reads no arrays: save each as PNG, for example Image.fromarray(array).save('a.png') of Pillow"
_MASKLETS = "segdata cannot read it: save the masklets of each frame as a mask, or as COCO"
_RENDERED = "segdata cannot read it: give the folder of its masks as DATA"
_ON_MAPS = "segdata cannot read it: burn the features into masks, as gdal_rasterize does"
_POLYGONS = f"polygons without SegmentationClass, {_UNREAD}"
_BOXES = "boxes only, and segdata reads segments"
_UNLABELLED = "they hold no labels: open the project there, choose Export, then JSON"
_WHOLE = "it lacks what segdata reads: open the project there, choose Export, then JSON"
_LABELBOX = rb'"data_row"\s*:\s*\{|"(DataRow ID|Labeled Data)"\s*:'
_JSON_MIN = rb'\A\s*\[\s*\{.*"label"\s*:\s*\[\s*\{.*"original_width"\s*:'
_TASKS = rb'\A\s*\[\s*\{\s*("id"\s*:\s*\d+\s*,\s*)?"data"\s*:\s*\{[^{}]*"image"\s*:'
_HIDDEN = "."
_DOCUMENTS = (".json", ".geojson")  # one file may hold the labels of many images


class _Foreign(NamedTuple):
    """A format that segdata recognises but cannot read."""

    title: str
    path: str  # pattern of the paths of its files
    text: bytes | None  # pattern of the first bytes of such a file; None: any file of such a path
    why: str  # it cannot be read

    def __str__(self) -> str:
        return f"{self.title}, {self.why}" if self.why == _UNREAD else f"{self.title} ({self.why})"


_FOREIGN = (
    _Foreign("DICOM images without a segmentation or structure set", r"\.dcm$", None, _UNREAD),
    _Foreign("VoTT JSON", r"\.json$", rb'"assets"\s*:\s*\{', _UNREAD),
    _Foreign("CreateML JSON", r"\.json$", rb'"coordinates"\s*:\s*\{\s*"(x|y|width|height)"\s*:', _BOXES),
    _Foreign("V7 Darwin JSON", r"\.json$", rb'darwin_json|"slot_names"\s*:', _EXPORT),
    _Foreign("Scalabel JSON, as of BDD100K", r"\.json$", rb'"(poly2d|box2d)"\s*:', _EXPORT),
    _Foreign("an export of Labelbox", r"\.(json|ndjson|jsonl)$", _LABELBOX, _EXPORT),
    _Foreign("SuperAnnotate JSON", r"\.json$", rb'"instances"\s*:\s*\[.*"className"\s*:', _EXPORT),
    _Foreign("tasks of Label Studio without annotations", r"\.json$", _TASKS, _UNLABELLED),
    _Foreign("the JSON-MIN export of Label Studio", r"\.json$", _JSON_MIN, _WHOLE),
    _Foreign("a project of VIA 3", r"\.json$", rb'"data_format_version"\s*:\s*"3|"__VIA_PROJECT_ID__"', _UNREAD),
    _Foreign("masklets of SA-V", r"\.json$", rb'"masklet"\s*:', _MASKLETS),
    _Foreign("captures of Unity Perception", r"\.json$", rb'"(captures|annotation_definitions)"\s*:\s*\[', _RENDERED),
    _Foreign("GeoJSON in map coordinates", r"\.(geo)?json$", rb'"FeatureCollection"', _ON_MAPS),
    _Foreign("an export of Encord", r"\.json$", rb'"(label_hash|objectHash)"\s*:', _EXPORT),
    _Foreign("MATLAB files of version 4, or damaged ones", r"\.mat$", None, "segdata reads those that -v7 saves"),
    _Foreign("regions of ImageJ", r"\.roi$", None, _ROIS),
    _Foreign("regions of ImageJ", r"\.zip$", rb"\APK.{28}[^/]{1,80}\.roi", _ROIS),
    _Foreign("NumPy arrays", r"\.npy$", None, _ARRAYS),
    _Foreign("HDF5", r"\.(h5|hdf5)$", None, _ARRAYS),
    _Foreign("TFRecord files", r"\.tfrecords?(-\d+-of-\d+)?$", None, _UNREAD),
    _Foreign("LabelMe XML", r"\.xml$", rb"<polygon>.{0,400}<pt>", _UNREAD),
    _Foreign(
        "Pascal VOC XML", r"\.xml$", rb"<annotation>.*<polygon>", "polygons without SegmentationClass, " + _UNREAD
    ),
    _Foreign("Pascal VOC XML", r"\.xml$", rb"<annotation>.*<bndbox>", _BOXES),
    _Foreign("Pascal VOC XML", r"\.xml$", rb"<annotation>", _UNREAD),
    _Foreign("boxes of tracks, as in MOTChallenge", r"\.txt$", rb"\A\d+( -?[\d.]+){5,6} -1 -1 -1\b", _BOXES),
    _Foreign("YOLO boxes", r"\.txt$", rb"\A\d+( -?[\d.]+){4,5}[ \t]*(\r?\n|\Z)", _BOXES),
)
_EXPORTS = (_EXPORT, _UNLABELLED, _WHOLE, _MASKLETS, _RENDERED, _ON_MAPS)  # reasons for documents with labels


@keep_results()
def detect_format(root: Path, seen: FileProbe | None = None) -> str:
    """The name of the format of a dataset; raises SegdataError, which names the contents, if no format fits.

    `seen`: a probe of the dataset's files, if there is one already.
    """
    seen = seen or FileProbe(root)
    try:
        name = detect(root, seen)
    except AmbiguousFormatError as error:
        inside = datasets_inside(root, structured=True)
        if len(inside) < 2:
            raise
        inside = _without_apart(root, inside)
        raise AmbiguousFormatError(
            f"{root}: holds several datasets; give one of its folders as DATA: "
            f"{list_names(with_formats(root, inside), _MAX_NAMED)}; "
            f"or choose a format for all of it: {', '.join(f'--from {name}' for name in error.formats)}"
        ) from error
    except UnknownFormatError as error:
        raise _unknown_format_error(root, error) from error
    several = _apart(seen) if name in PLAIN_FORMATS else _apart_volumes(seen) if name == "nifti" else {}
    if several:
        all_of_it = "images as masks" if name in PLAIN_FORMATS else "volumes as one dataset"
        raise UnreadableError(
            f"{root}: holds {count_noun(len(several), 'dataset')}, {', '.join(with_formats(root, several))}: "
            f"give one as DATA; or --from {name} reads all of its {all_of_it}"
        )
    return name


def _without_apart(root: Path, datasets: dict[Path, str]) -> dict[Path, str]:
    """The datasets that do not lie in folders of predictions or copies beside the others."""
    names = {f"{path.relative_to(root).as_posix()}/": path for path in datasets}
    own, _ = divide_labels(names)
    return {names[name]: datasets[names[name]] for name in own}


def with_formats(root: Path, datasets: Mapping[Path, str | None]) -> list[str]:
    """The paths below `root` of datasets with their formats: "lemons (supervisely)"."""
    return [f"{folder.relative_to(root).as_posix()} ({name})" for folder, name in datasets.items()]


def _unknown_format_error(root: Path, error: UnknownFormatError) -> SegdataError:
    """The error for a dataset of no format: what it holds, and what the user can do.

    The caller can still draft a taxonomy from the masks of an unknown format, hence UnreadableError for all but
    formats that segdata recognises.
    """
    names = list(islice(_names(root), _MAX_FILES))
    if not names:
        return UnreadableError(f"{root}: holds no files")
    foreign = _foreign(root, names)
    contents = f"it looks like {foreign}" if foreign else f"it holds {_content_summary(root, names)}"
    message = f"{error}: {contents}; {_remedy(root, names, foreign)}"
    return SegdataError(message) if foreign else UnreadableError(message)


def _remedy(root: Path, names: list[str], foreign: _Foreign | None) -> str:
    """What to do with a dataset of no format, which holds files of these names."""
    inside = datasets_inside(root)
    n_images = sum(_IMAGE_FILE.search(name) is not None for name in names)
    inside = {
        folder: name
        for folder, name in inside.items()
        if (not foreign and 2 * _count_images(folder) >= n_images) or not _are_doubtful_masks(folder, name)
    }
    if inside:
        first = shell_word(str(_place_to_name(next(iter(inside)))))
        listed = list_names(with_formats(root, inside), _MAX_NAMED)
        return f"you can read {listed} in it; give the one that you mean as DATA: {first}"
    if foreign and foreign.why == _BOXES:
        return "boxes have no outlines to check: export polygons or masks, if the tool that drew them has any"
    if foreign and foreign.why in (*_EXPORTS, _ARRAYS, _ROIS):
        return "`segdata formats` lists the formats that it reads"
    if not foreign and (archive := next(_archives_of_data(root, names), None)) is not None:
        return f"an archive is read as its folder; give one as DATA: {shell_word(str(archive))}"
    if not foreign and all(_IMAGE_FILE.search(name) for name in names):
        return "no labels are beside these images: name the file or folder that has them"
    return (
        "give a COCO JSON file, a folder with images/ and masks/, a folder of masks, or a canonical dataset; "
        "or name a format with --from (`segdata formats` lists them)"
    )


def _names(root: Path) -> Iterator[str]:
    """POSIX paths of the files below `root`; the name of `root` itself if it is a file."""
    if root.is_file():
        yield root.name
    for folder, folders, names in os.walk(root):
        folders[:] = visible_folders(folders)
        yield from (Path(folder, name).relative_to(root).as_posix() for name in sorted(names))


def describe_unread_documents(root: Path) -> str | None:
    """The unreadable format of label documents in a folder, and why it cannot be read; None if there are none."""
    names = [name for name in islice(_names(root), _MAX_FILES) if name.lower().endswith((*_DOCUMENTS, ".xml"))]
    foreign = _foreign(root, names, _EXPORTS) if root.is_dir() else None
    return None if foreign is None else str(foreign)


def _foreign(root: Path, names: list[str], reasons: Sequence[str] = ()) -> _Foreign | None:
    """The unreadable format that files look like; None if they look like none.

    `reasons`: consider only formats that cannot be read for one of these reasons.
    """
    heads: dict[str, bytes] = {}
    for foreign in _FOREIGN if not reasons else [foreign for foreign in _FOREIGN if foreign.why in reasons]:
        matching = [name for name in names if re.search(foreign.path, name, re.IGNORECASE)]
        if foreign.text is None and matching:
            return foreign
        for name in matching[:_MAX_HEADS] if foreign.text else []:
            if name not in heads:
                heads[name] = b""
                with suppress(OSError), (root if root.is_file() else root / name).open("rb") as file:
                    heads[name] = file.read(_HEAD_BYTES)
            if foreign.text and re.search(foreign.text, heads[name], re.DOTALL):
                return foreign
    return None


def _content_summary(root: Path, names: list[str]) -> str:
    """A phrase with the number of files of each suffix and what the JSON files lack."""
    counts = Counter(Path(name).suffix.lower() or "files without suffix" for name in names)
    held = [f"{count:,} {suffix}" for suffix, count in counts.most_common(4)]
    documents = [root if root.is_file() else root / name for name in names if name.lower().endswith(".json")]
    sample = documents[:_MAX_HEADS]
    broken = sum(map(is_broken_json, sample))
    if broken:
        held.append(f"{broken} of the JSON files empty, cut off or no JSON")
    elif sample and not any(map(document_sort, sample)):
        held.append("no JSON file with images and annotations")
    return ", ".join(held) or "no files"


def _apart(seen: FileProbe) -> dict[Path, str]:
    """The subfolders of an unstructured folder of images with their formats, if each is a structured dataset."""
    root, clue = seen.root, probe_masks(seen.root)
    if root.is_file() or clue is None or clue.is_declared:
        return {}
    folders = sorted(path for path in root.iterdir() if path.is_dir() and has_images(path))
    formats = {}
    for folder in folders if len(folders) <= _MAX_FOLDERS else []:
        try:
            formats[folder] = detect(folder)
        except SegdataError:
            return {}
        inner = probe_masks(folder) if formats[folder] in PLAIN_FORMATS else None
        if inner is not None and not inner.is_declared:
            return {}
    return formats


def _apart_volumes(seen: FileProbe) -> dict[Path, str]:
    """The subfolders of a folder of volumes that are nnU-Net datasets by themselves, if there are several."""
    folders = [seen.root / name.partition("/")[0] for name in seen.matching(r"^[^/]+/dataset\.json$")]
    datasets = {folder: "nnunet" for folder in folders if _format_beyond_images(folder) == "nnunet"}
    return datasets if len(datasets) > 1 else {}


def list_unread_datasets(root: Path, place: str, format: str) -> list[tuple[str, str]]:
    """The folders in `root` that are datasets of other formats than the one that was read, each with its format.

    `place` is a path below `root` of something that was read; `format` is the dataset's. Each folder comes with its
    format.
    """
    *above, _ = Path(place).parts or ("",)
    found: list[tuple[str, str]] = []
    with suppress(SegdataError, OSError):
        if not above or format not in {
            _format_beyond_images(place) for place in (root / above[0], root.joinpath(*above))
        }:
            return []
        for depth, own in enumerate(above):
            folder = root.joinpath(*above[:depth])
            others = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != own)
            formats = [
                (path.relative_to(root).as_posix(), _format_beyond_images(path)) for path in others[:_MAX_FOLDERS]
            ]
            found += [(name, other) for name, other in formats if other is not None and other != format]
    return found


def _format_beyond_images(folder: Path) -> str | None:
    """The format of a folder that is a dataset by more than being full of images."""
    with suppress(SegdataError):
        name = detect(folder)
        return None if name in PLAIN_FORMATS else name
    return None


def _are_doubtful_masks(folder: Path, format: str) -> bool:
    """Whether a dataset inside is pictures whose few values alone suggest masks."""
    if format != "colour-masks":
        return False
    from segdata.formats.shared.mask_families import is_called_labels  # seldom needed, as the next one
    from segdata.formats.shared.mask_layouts import find_layouts

    return not any(
        layout.images is not None or layout.family is not None or is_called_labels(layout.masks.as_posix())
        for layout in find_layouts(folder)
    )


def _archives_of_data(root: Path, names: Iterable[str]) -> Iterator[Path]:
    """The zip archives that hold an image or a document of labels, or cannot be opened."""
    for path in (root / name for name in names if name.lower().endswith(".zip")):
        try:
            with ZipFile(path) as archive:
                members = archive.namelist()
        except (OSError, BadZipFile):
            yield path
            continue
        if any(_IMAGE_FILE.search(name) or name.lower().endswith((".json", ".xml")) for name in members):
            yield path


def datasets_inside(root: Path, *, structured: bool = False) -> dict[Path, str]:
    """The folders up to two levels below `root` that are datasets, with their formats.

    Those with the most images come first, not the tests of a library. `structured`: leave out folders that merely
    hold images.
    """
    places = (path for pattern in ("*", "*/*") for path in root.glob(pattern) if path.is_dir())
    folders = sorted(path for path in places if _HIDDEN not in {part[0] for part in path.relative_to(root).parts})
    datasets: dict[Path, str] = {}
    for folder in [] if root.is_file() else folders[:_MAX_FOLDERS]:
        if not _IMAGE_FOLDER.match(folder.name) and not any(folder.is_relative_to(other) for other in datasets):
            with suppress(SegdataError):
                name = _format_of(folder)
                plain = name == "colour-masks" and not structured
                readable = [path for path in list_readable(folder) if probe_masks(path)] if plain else [folder]
                datasets |= dict.fromkeys(readable, name)
    largest_first = sorted(datasets, key=_count_images, reverse=True)
    return {
        folder: datasets[folder] for folder in largest_first if not (structured and datasets[folder] in PLAIN_FORMATS)
    }


def _place_to_name(folder: Path) -> Path:
    """The folder that is a dataset, or its largest document if its format asks which of several is meant."""
    name, layout = _format_of(folder), _folder_parts(folder)
    places = [folder] if layout is None else [part.path for part in layout.parts]
    list_documents = find_format(name).list_documents
    documents = [list_documents(place) for place in places if list_documents is not None]
    if max(map(len, documents), default=0) < 2 or (layout is None and _document_parts(name, documents[0]).parts):
        return folder
    return max((path for several in documents for path in several), key=lambda path: path.stat().st_size)


def only_dataset_inside(root: Path) -> Path | None:
    """The one folder in a folder of no format that is a dataset by more than being full of images; None without any.

    None, too, where labels lie in `root` that segdata cannot read.
    """
    if not root.is_dir() or _foreign(root, list(islice(_names(root), _MAX_FILES))) is not None:
        return None
    inside = datasets_inside(root)
    if len(inside) != 1 or set(inside.values()) & set(PLAIN_FORMATS):
        return None
    (folder,) = inside
    return folder if _place_to_name(folder) == folder else None


def _count_images(folder: Path) -> int:
    """How many image files a look at a folder sees."""
    return sum(_IMAGE_FILE.search(name) is not None for name in FileProbe(folder).names)


def _format_of(folder: Path) -> str:
    """The format of a folder, whose splits may lie in subfolders; raises SegdataError if there is none."""
    try:
        return detect(folder)
    except SegdataError:
        layout = _folder_parts(folder)
        if layout is None:
            raise
        return layout.format


class SplitPath(msgspec.Struct, frozen=True):
    """A folder or file of a dataset that holds the labels of one split."""

    split: str
    path: Path


class SplitLayout(msgspec.Struct, frozen=True):
    """The format of a dataset, and the places of its splits."""

    format: str  # the name of the format
    parts: tuple[SplitPath, ...] = ()  # by split; empty where the dataset is one file or folder for its reader
    # files and folders beside the parts that look like parts and are none, or that are a second dataset
    unread: tuple[Path, ...] = ()


def split_of_file(path: Path) -> str | None:
    """The split that a dataset's file or folder is named after, or its parent folder; None if neither is just a split.

    >>> [split_of_file(Path(path)) for path in ("d/val.json", "train/labels.json", "test_3/labels.json", "d")]
    ['val', 'train', None, None]
    """
    folder = path.parent.name
    return split_of_name(path.stem) or (split_of_name(folder) if SPLIT_WORD.fullmatch(folder) else None)


def detect_layout(root: Path) -> SplitLayout:
    """Detect the format of a dataset, and its parts if the splits are folders or files of their own.

    Raises SegdataError as `detect_format` does.
    """
    probe = FileProbe(root)
    try:
        name = detect_format(root, probe)
    except SegdataError:
        layout = _folder_parts(root)
        if layout is None:
            raise
        return layout
    if name in PLAIN_FORMATS:
        layout = _folder_parts(root)
        if layout is not None and layout.format not in PLAIN_FORMATS:  # documents say more than a folder called masks/
            masks = tuple(
                path for path in sorted(root.iterdir()) if path.is_dir() and path.name.lower() in MASK_FOLDERS
            )
            return msgspec.structs.replace(layout, unread=(*layout.unread, *masks))
        if layout is not None and not _is_named_layout(probe):
            return layout
        return SplitLayout(name, unread=_unread_folders(probe, name))
    layout = named_layout(root, find_format(name))
    if layout.parts or layout.unread or root.is_file():
        return layout
    _check_apart(root, _folders_with_splits(root, name), name)
    formats = {path: _structured_format(path) for path in _folders_of_documents(probe) if has_images(path)}
    if list(formats.values()).count(name) == 1:
        several = {path: held for path, held in formats.items() if held not in (None, *PLAIN_FORMATS)}
        _check_apart(root, several | _mask_datasets(root, formats), name)
    return msgspec.structs.replace(layout, unread=_unread_folders(probe, name))


def _check_apart(root: Path, datasets: Mapping[Path, str | None], format: str) -> None:
    """Raise AmbiguousFormatError if several folders are datasets with labels beside images."""
    if len(datasets) > 1:
        listed = list_names(with_formats(root, datasets), _MAX_NAMED)
        raise AmbiguousFormatError(
            f"{root}: holds several datasets; give one of its folders as DATA: {listed}; "
            f"or --from {format} reads all of that format as one",
            (format,),
        )


def _mask_datasets(root: Path, others: Iterable[Path]) -> dict[Path, str]:
    """The folders below `root`, but not in others, that the names of their folders make datasets of masks."""
    from segdata.formats.shared.mask_layouts import datasets_by_name  # few have both masks and documents

    beside = [folder for folder, _ in datasets_by_name(root)]
    return {folder: "masks" for folder in beside if not any(map(folder.is_relative_to, others))}


def _folders_with_splits(root: Path, format: str) -> dict[Path, str]:
    """The folders below `root` that hold folders of splits, each a dataset by itself, with their format."""
    several = list(islice(_holders_of_splits(root), _MAX_FOLDERS))
    is_tool = format in _TOOLS
    if len(several) < 2 or (is_tool and _has_splits(root, format)):  # their readers take the root's own splits
        return {}
    if is_tool:
        return {path: format for path in several if _has_splits(path, format)}
    return {path: format for path in several if (parts := _folder_parts(path, format)) and parts.format == format}


def _has_splits(folder: Path, format: str) -> bool:
    """Whether two folders or more that are called as splits, and not `train copy`, are datasets of a format."""
    named = (path for path in folder.iterdir() if path.is_dir() and SPLIT_WORD.fullmatch(path.name))
    return sum(_structured_format(path) == format for path in named) > 1


def _holders_of_splits(folder: Path, depth: int = 0) -> Iterator[Path]:
    """The topmost folders in a folder that have two or more subfolders named as splits."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(_HIDDEN)]
    inside = sorted(each.name for each in visible if each.is_dir(follow_symlinks=False))
    if depth and sum(SPLIT_WORD.fullmatch(name) is not None for name in inside) > 1:
        yield folder
    elif depth < _MAX_DEPTH_OF_SPLITS:
        for name in inside[:_MAX_FOLDERS]:
            yield from _holders_of_splits(folder / name, depth + 1)


def _unread_folders(seen: FileProbe, format: str) -> tuple[Path, ...]:
    """The folders with documents of another format: a second dataset, often the same one in another form."""
    folders = _folders_of_documents(seen, 1) if format != "canonical" else []
    formats = {path: _structured_format(path) for path in folders}
    return tuple(path for path, name in formats.items() if name not in (None, format, *PLAIN_FORMATS))


def _folders_of_documents(seen: FileProbe, depth: int = 2) -> list[Path]:
    """The dataset's subfolders that hold documents, directly or down to a depth."""
    names = [name for name in seen.names if 1 <= name.count("/") <= depth and name.lower().endswith(_DOCUMENTS)]
    return sorted({seen.root / name.partition("/")[0] for name in names})[:_MAX_FOLDERS]


def named_layout(root: Path, chosen: Format) -> SplitLayout:
    """The parts of a dataset of a given format: its documents, or else its folders."""
    if chosen.list_documents is None:
        return SplitLayout(chosen.name)
    documents = chosen.list_documents(root) if root.is_dir() else []
    if len(documents) > 1:
        return _document_parts(chosen.name, documents)
    parts = _folder_parts(root, chosen.name)
    if not documents or parts is None:
        return parts or SplitLayout(chosen.name)
    inside = [path for part in parts.parts for path in chosen.list_documents(part.path)]
    if any(filecmp.cmp(documents[0], path, shallow=False) for path in inside):  # a copy of one of them
        return msgspec.structs.replace(parts, unread=(*parts.unread, documents[0]))
    return SplitLayout(chosen.name, unread=tuple(part.path for part in parts.parts))


def _document_parts(format: str, documents: Sequence[Path]) -> SplitLayout:
    """One document for each split if their names differ in the split alone; no parts if that is unclear.

    COCO keeps captions and keypoints of the same images beside its instances: the documents that are called as the
    format go before others.
    """
    groups: dict[str, dict[str, Path]] = {}
    splits = {path: split_of_file(path) for path in documents}
    for path, split in splits.items():
        folder = path.parent if split_of_name(path.stem) else path.parent.parent
        key = f"{folder}/{SPLIT_WORD.sub('*', path.stem).lower()}"
        if split is not None and groups.setdefault(key, {}).setdefault(split, path) != path:
            return SplitLayout(format)
    several = {key: group for key, group in groups.items() if len(group) > 1}
    word = format.rpartition("-")[2]
    chosen = [group for key, group in several.items() if word in Path(key).name] or list(several.values())
    if len(chosen) != 1:
        return SplitLayout(format)
    parts = _sorted_parts(chosen[0].items())
    used = {part.path for part in parts}
    return SplitLayout(format, parts, tuple(path for path in documents if path not in used))


def _folder_parts(root: Path, format: str | None = None) -> SplitLayout | None:
    """The folders named as splits; None unless two or more of them are datasets of one format."""
    if not root.is_dir():
        return None
    folders = [(split_of_name(path.name), path) for path in sorted(root.iterdir()) if path.is_dir()]
    named = [(split, path) for split, path in folders if split is not None and not path.name.startswith(_HIDDEN)]
    splits = [split for split, _ in named]
    named = [  # without `files_for_test`, which holds no labels, beside `test`
        (split, path)
        for split, path in named
        if splits.count(split) == 1 or SPLIT_WORD.fullmatch(path.name) or _structured_format(path) is not None
    ]
    if len(named) < 2 or len({split for split, _ in named}) < len(named):
        return None
    formats = {path: name for _, path in named if (name := _structured_format(path)) is not None}
    format_names = {name for name in formats.values() if format in (None, name)}
    if len(format_names) != 1:
        return None
    name = format_names.pop()
    parts = _sorted_parts((split, path) for split, path in named if formats.get(path) == name)
    if len(parts) < 2:
        return None
    return SplitLayout(name, parts, tuple(path for _, path in named if formats.get(path) != name))


def _structured_format(folder: Path) -> str | None:
    """The format of a folder, the first of several; None if it has none, or one that any folder of images may have."""
    probe = FileProbe(folder)
    try:
        name = detect(folder, probe)
    except AmbiguousFormatError as error:
        return error.formats[0]
    except SegdataError:
        return None
    return name if name not in PLAIN_FORMATS or _is_named_layout(probe) else None


def _is_named_layout(seen: FileProbe) -> bool:
    """Whether the names of folders tell masks from images."""
    clue = probe_masks(seen.root)
    return clue is not None and clue.is_declared


def _sorted_parts(named: Iterable[tuple[str, Path]]) -> tuple[SplitPath, ...]:
    """The parts in the order train, val, others."""
    order = {"train": 0, "val": 1}
    return tuple(
        SplitPath(split, path) for split, path in sorted(named, key=lambda item: (order.get(item[0], 2), item))
    )
