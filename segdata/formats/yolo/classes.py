"""Classes: what the numbers that lines begin with stand for, and how data.yaml divides the images."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from segdata.core import yaml_files
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import is_unsafe_path
from segdata.formats.shared.per_image import relative_path

_OURS = frozenset({"taxonomy.yaml", "segdata.yaml"})
_SPLITS = ("train", "val", "test")
_MOST_CLASSES = 100_000
_NAMES_FILES = ("classes.txt", "labels/classes.txt", "obj.names")


@dataclass(frozen=True, slots=True)
class Classes:
    """What is said about a dataset as a whole.

    Attributes
    ----------
    names : by number; empty where nothing names them
    splits : train, val and test, and the paths below the dataset's root that each is made of: folders and lists
    keypoints : numbers of the key points that lines of a pose dataset have behind their box; None: it is none
    defects : what is wrong with it
    """

    names: dict[int, str] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    keypoints: int | None = None
    defects: tuple[Defect, ...] = ()

    def split_of(self, root: Path) -> "SplitOf":
        """Which split images belong to; lists are read from below `root`."""
        return SplitOf.of(root, self.splits)


@dataclass(frozen=True, slots=True)
class SplitOf:
    """The split of an image: by a list, else by its folder.

    Attributes
    ----------
    listed : image below the root -> split
    folders : folder below the root -> split
    """

    listed: dict[str, str]
    folders: dict[str, str]

    @staticmethod
    def of(root: Path, splits: dict[str, list[str]]) -> "SplitOf":
        """Read the lists, and look at the folders, that splits are made of."""
        listed: dict[str, str] = {}
        folders: dict[str, str] = {}
        for split, places in splits.items():
            for place in places:
                if place.endswith(".txt") and (root / place).is_file():
                    lines = (root / place).read_text(encoding="utf-8", errors="replace").splitlines()
                    for line in lines:
                        listed.setdefault(line.strip().removeprefix("./"), split)
                elif place not in (".", "images"):  # all images: no split
                    folders.setdefault(place, split)
        return SplitOf(listed, folders)

    def __call__(self, image: str) -> str | None:
        """The split of an image, given by its path below the root."""
        if image in self.listed:
            return self.listed[image]
        above = [each.as_posix() for each in PurePosixPath(image).parents]
        for folder in above:
            if folder in self.folders:
                return self.folders[folder]
        named = (name for name in reversed(PurePosixPath(image).parts[:-1]) if name in (*_SPLITS, "valid"))
        split = next(named, None)
        return "val" if split == "valid" else split


def read_classes(root: Path) -> Classes:
    """What `data.yaml`, else `classes.txt`, says; raises UnreadableError where several files could be meant."""
    path = _yaml_file(root)
    if path is not None:
        return _from_yaml(path, relative_path(root, path))
    for name in _NAMES_FILES:
        if (root / name).is_file():
            lines = (root / name).read_text(encoding="utf-8-sig", errors="replace").splitlines()
            return Classes({number: line.strip() for number, line in enumerate(lines) if line.strip()})
    return Classes()


def _yaml_file(root: Path) -> Path | None:
    """The file that names the classes; None where there is none."""
    if (root / "data.yaml").is_file():
        return root / "data.yaml"
    found = [path for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]) if path.name not in _OURS]
    found = [path for path in found if re.search(rb"(?m)^names\s*:", path.read_bytes()[:1_000_000])]
    if len(found) > 1:
        listed = ", ".join(path.name for path in found)
        raise UnreadableError(f"{root}: {listed}: which of them is meant? Give it as DATA, or call it data.yaml")
    return found[0] if found else None


def _from_yaml(path: Path, file: str) -> Classes:
    try:
        said = yaml_files.parse_yaml(yaml_files.read_utf8(path), dict[str, Any], file)
    except SegdataError as error:
        return Classes(defects=(Defect("SEG004", str(error).removeprefix(f"{file}:"), file),))
    defects: list[Defect] = []
    names = dict(_names(said.get("names"), file, defects))
    count = said.get("nc")
    if isinstance(count, int) and names and count != len(names):
        defects.append(Defect("SEG004", f"nc is {count}, and names has {len(names)}", file, "/nc"))
    shape = said.get("kpt_shape")
    keypoints = None
    if isinstance(shape, list) and len(shape) == 2 and all(isinstance(each, int) for each in shape):
        keypoints = shape[0] * shape[1]
    return Classes(names, _splits(said, file, defects), keypoints, tuple(defects))


def _names(said: object, file: str, defects: list[Defect]) -> Iterator[tuple[int, str]]:
    """The names by number: a list, or a mapping; what is no name is left out."""
    pairs: Iterable[tuple[object, object]] = ()
    if isinstance(said, dict):
        pairs = said.items()
    elif isinstance(said, list):
        pairs = enumerate(said)
    elif said is not None:
        defects.append(Defect("SEG004", "names is neither a list nor a mapping", file, "/names"))
    for key, name in pairs:
        number = str(key)
        if re.fullmatch(r"[0-9]{1,9}", number) is None or int(number) >= _MOST_CLASSES:
            message = f"class {number!r:.40} is no number from 0 to {_MOST_CLASSES - 1}; left out"
            defects.append(Defect("SEG004", message, file, f"/names/{number:.40}"))
        elif not isinstance(name, str | int | float):
            message = f"the name of class {number} is no text; left out"
            defects.append(Defect("SEG004", message, file, f"/names/{number}"))
        else:
            yield int(number), str(name)


def _splits(said: dict[str, Any], file: str, defects: list[Defect]) -> dict[str, list[str]]:
    """The folders and lists of each split, below the dataset's root; a split that repeats another stands in for it."""
    path = said.get("path")
    start = ""
    if isinstance(path, str) and path not in ("", "."):
        if is_unsafe_path(path):
            message = f"path {path!r} leaves the dataset; images and labels are looked for beside this file"
            defects.append(Defect("SEG015", message, file, "/path", severity="warning"))
        else:
            start = path
    splits: dict[str, list[str]] = {}
    for split in _SPLITS:
        given = said.get(split)
        places = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        found = [_place(start, place) for place in places if isinstance(place, str)]
        if found and found not in splits.values():
            splits[split] = found
    return splits


def _place(start: str, place: str) -> str:
    """A folder or list below the root. Exports of Roboflow begin with `../`, and mean the folder beside the file."""
    parts: Sequence[str] = PurePosixPath(start, place.replace("\\", "/")).parts
    return PurePosixPath(*(part for part in parts if part not in ("..", "/"))).as_posix()
