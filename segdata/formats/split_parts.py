"""Split parts: the folders or files of one dataset, each of which holds the labels of one split."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.format import FileProbe, Format, detect, find_format
from segdata.core.paths import SPLIT_WORD, split_of_name
from segdata.formats.masks import probe_masks
from segdata.formats.shared.file_names import MASK_FOLDERS
from segdata.formats.unknown_format import PLAIN_FORMATS, detect_format

_HIDDEN = "."
_DOCUMENTS = (".json", ".geojson")  # that hold the labels of many images
_MOST_FOLDERS = 24  # in which a second dataset is looked for


class SplitPath(msgspec.Struct, frozen=True):
    """A folder or file of a dataset that holds the labels of one split."""

    split: str
    path: Path


class SplitLayout(msgspec.Struct, frozen=True):
    """The format of a dataset, and its parts.

    Attributes
    ----------
    format : the name of the format
    parts : by split; empty where the dataset is one file or folder for its reader
    unread : files and folders beside the parts that look like parts and are none, or that are a second dataset
    """

    format: str
    parts: tuple[SplitPath, ...] = ()
    unread: tuple[Path, ...] = ()


def split_of_file(path: Path) -> str | None:
    """The split that a dataset's file or folder is called by, or else the folder that it lies in, if that is all of it.

    >>> [split_of_file(Path(path)) for path in ("d/val.json", "train/labels.json", "test_3/labels.json", "d")]
    ['val', 'train', None, None]
    """
    folder = path.parent.name
    return split_of_name(path.stem) or (split_of_name(folder) if SPLIT_WORD.fullmatch(folder) else None)


def detect_layout(root: Path) -> SplitLayout:
    """The format of a dataset, and the parts of one whose splits are folders or files of their own.

    Raises SegdataError as `detect_format` does.
    """
    seen = FileProbe(root)
    try:
        name = detect_format(root, seen)
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
        if layout is not None and not _is_named_layout(seen):
            return layout
        return SplitLayout(name, unread=_unread_folders(seen, name))
    layout = named_layout(root, find_format(name))
    return layout if layout.parts else msgspec.structs.replace(layout, unread=_unread_folders(seen, name))


def _unread_folders(seen: FileProbe, format: str) -> tuple[Path, ...]:
    """The folders with documents of a format that is not read: a second dataset, often the same in another form."""
    names = [name for name in seen.names if name.count("/") == 1 and name.lower().endswith(_DOCUMENTS)]
    folders = sorted({seen.root / name.partition("/")[0] for name in names})[:_MOST_FOLDERS]
    formats = {path: _structured_format(path) for path in folders if format != "canonical"}
    return tuple(path for path, name in formats.items() if name not in (None, format, *PLAIN_FORMATS))


def named_layout(root: Path, chosen: Format) -> SplitLayout:
    """The parts of a dataset whose format is known: its documents, or else its folders."""
    documents = [] if chosen.list_documents is None or not root.is_dir() else chosen.list_documents(root)
    if len(documents) > 1:
        return _document_parts(chosen.name, documents)
    if documents or chosen.list_documents is None:
        return SplitLayout(chosen.name)
    return _folder_parts(root, chosen.name) or SplitLayout(chosen.name)


def _document_parts(format: str, documents: Sequence[Path]) -> SplitLayout:
    """The documents that differ in the split that they are called by, and in nothing else; no parts if it is unclear.

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
    if len(chosen) != 1 or (len(several) == 1 and None in splits.values()):
        return SplitLayout(format)
    parts = _sorted_parts(chosen[0].items())
    used = {part.path for part in parts}
    return SplitLayout(format, parts, tuple(path for path in documents if path not in used))


def _folder_parts(root: Path, format: str | None = None) -> SplitLayout | None:
    """The folders that are called as splits; None unless two or more of them are datasets of one format."""
    if not root.is_dir():
        return None
    folders = [(split_of_name(path.name), path) for path in sorted(root.iterdir()) if path.is_dir()]
    named = [(split, path) for split, path in folders if split is not None and not path.name.startswith(_HIDDEN)]
    if len(named) < 2 or len({split for split, _ in named}) < len(named):
        return None
    formats = {path: name for _, path in named if (name := _structured_format(path)) is not None}
    wanted = {name for name in formats.values() if format in (None, name)}
    if len(wanted) != 1:
        return None
    name = wanted.pop()
    parts = _sorted_parts((split, path) for split, path in named if formats.get(path) == name)
    if len(parts) < 2:
        return None
    return SplitLayout(name, parts, tuple(path for _, path in named if formats.get(path) != name))


def _structured_format(folder: Path) -> str | None:
    """The format of a folder; None if it is none, or if any folder of images may be that."""
    with suppress(SegdataError):
        seen = FileProbe(folder)
        name = detect(folder, seen)
        return name if name not in PLAIN_FORMATS or _is_named_layout(seen) else None
    return None


def _is_named_layout(seen: FileProbe) -> bool:
    """Whether folders tell masks and images apart."""
    clue = seen.once(probe_masks)
    return clue is not None and clue.named


def _sorted_parts(named: Iterable[tuple[str, Path]]) -> tuple[SplitPath, ...]:
    """The parts in the order train, val, others."""
    order = {"train": 0, "val": 1}
    return tuple(
        SplitPath(split, path) for split, path in sorted(named, key=lambda item: (order.get(item[0], 2), item))
    )
