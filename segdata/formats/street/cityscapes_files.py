"""Cityscapes files: `<type>/<split>/<city>/<city>_<seq>_<frame>_<type>_<what>`, found wherever below a folder they lie.

Source: mcordts/cityscapesScripts README.md, "Dataset Structure".
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import check_path_name
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.per_image import relative_path
from segdata.formats.street.pairs import NO_SPLIT, Files, own_key

KINDS = ("instanceIds", "labelIds", "trainIds", "polygons")  # that are read, the best first
FINE, COARSE = "gtFine", "gtCoarse"
LABEL_FILE = re.compile(
    r"(?P<base>.+)_(?P<type>gtFine|gtCoarse)_(?P<what>instanceIds|labelIds|labelTrainIds|color|polygons)\.(?:png|json)"
)
SPLITS = frozenset({"train", "val", "test", "train_extra", "demoVideo"})
PICTURES = "leftImg8bit"
_MARK = f"_{PICTURES}"
_FILE_OF = {kind: kind for kind in KINDS} | {"trainIds": "labelTrainIds"}
_KIND = {file: kind for kind, file in _FILE_OF.items()} | {"color": "color"}
# Types of the dataset that are neither labels nor left images; some have as many files.
_OTHERS = re.compile(r"(rightImg|leftImg16|disparity|camera|timestamp|vehicle|gtBbox)", re.IGNORECASE)


def cityscapes_files(root: Path, images: Path | None, type_: str | None) -> Files:
    """The label files below a folder, or one label file, and their images.

    Of fine and coarse labels of one image the fine ones are taken, or those of the `type_` asked for. Raises
    UnreadableError where there are only colours.
    """
    found: dict[str, dict[str, dict[str, Path]]] = {COARSE: {}, FINE: {}}
    defects = []
    for path in _walked(root):
        match = LABEL_FILE.fullmatch(path.name)
        if match is None or type_ not in (None, match["type"]):
            continue
        check_path_name(path)
        of_key = found[match["type"]].setdefault(_key(root, path, match["type"], match["base"]), {})
        first = of_key.setdefault(_KIND[match["what"]], path)
        if first != path:
            message = f"labels of the same image as {relative_path(root, first)}, which is read"
            defects.append(Defect("SEG008", message, relative_path(root, path)))
    labels = found[COARSE] | found[FINE]
    if labels and all(kinds.keys() == {"color"} for kinds in labels.values()):
        raise UnreadableError(
            f"{root}: only *_color.png files: several labels share a colour (pole and polegroup, car and license "
            "plate, labels 0 to 4), so colours cannot be turned back into labels; add *_labelIds.png"
        )
    folder = _pictures(root, images)
    places = {"labels": ", ".join(each for each in (FINE, COARSE) if found[each])}
    if folder.root is not None:
        places["images"] = folder.root.as_posix()
    return Files(labels, _matched(folder, labels), _named, places, tuple(defects))


def kind_of(path: Path) -> str:
    """The kind of a label file; of one with another name the first that is read."""
    match = LABEL_FILE.fullmatch(path.name)
    return KINDS[0] if match is None else _KIND[match["what"]]


def relabelled(kind: str, path: Path) -> Path:
    """The file of a kind of labels beside that of another kind."""
    return path.with_name(path.name.replace(f"_{_FILE_OF[kind_of(path)]}.", f"_{_FILE_OF[kind]}."))


def _walked(root: Path) -> Iterator[Path]:
    """The files below a folder, sorted, without those of other types; of a file itself."""
    if root.is_file():
        yield root
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _OTHERS.match(name) and name != PICTURES)
        yield from (Path(folder, name) for name in sorted(names))


def _key(root: Path, path: Path, type_: str, base: str) -> str:
    """The folders below that of the type, or below the root, and the base."""
    parts = path.absolute().parent.parts
    if type_ in parts:
        folders = parts[len(parts) - parts[::-1].index(type_) :]
    else:
        folders = path.parent.relative_to(root if root.is_dir() else root.parent).parts
    return _with_split(PurePosixPath(*folders, base), type_ in parts)


def _with_split(name: PurePosixPath, below_type: bool) -> str:
    """A key from a name below the folder of a type, where the first folder is a split, or below any folder."""
    has_split = len(name.parts) > (1 if below_type else 2) or (len(name.parts) == 2 and name.parts[0] in SPLITS)
    return name.as_posix() if has_split else f"{NO_SPLIT}/{name.as_posix()}"


def _named(key: str) -> str:
    return key.removeprefix(f"{NO_SPLIT}/") + f"{_MARK}.png"


def _pictures(root: Path, images: Path | None) -> ImageFolder:
    """The images: where the user says, else in `leftImg8bit` or `images`, or beside the labels.

    Below the folder of a type it is the folder beside that one, of which only the part of the same name counts.
    """
    start = (root if root.is_dir() else root.parent).absolute()
    for place in (
        [images] if images is not None else [start / PICTURES, start / "imgsFine" / PICTURES, start / "images"]
    ):
        found = ImageFolder.below(place)
        if found.paths or images is not None:
            return found
    within = next((i for i, part in enumerate(start.parts) if part in (FINE, COARSE)), None)
    if within is not None:
        folder = Path(*start.parts[:within], PICTURES)
        part = PurePosixPath(*start.parts[within + 1 :])
        found = ImageFolder.below(folder)
        inside = {name: path for name, path in found.paths.items() if PurePosixPath(name).is_relative_to(part)}
        if inside:
            return ImageFolder(folder, inside)
    beside = sorted(path for path in start.rglob(f"*{_MARK}.*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return ImageFolder(start if beside else None, {path.relative_to(start).as_posix(): path for path in beside})


def _matched(folder: ImageFolder, labels: dict[str, dict[str, Path]]) -> dict[str, tuple[str, Path]]:
    """Key -> image: by folders and base, else by the base alone where only one image has it."""
    pictures: dict[str, tuple[str, Path]] = {}
    of_base: dict[str, list[str]] = {}
    for name, path in folder.paths.items():
        plain = PurePosixPath(name).with_suffix("")
        base = plain.name.removesuffix(_MARK)
        key = _with_split(plain.parent / base, folder.root is not None and folder.root.name == PICTURES)
        key = own_key(key, name, pictures)
        pictures[key] = name, path
        of_base.setdefault(base, []).append(key)
    for key in labels:
        alike = of_base.get(key.rpartition("/")[2], ())
        if key not in pictures and len(alike) == 1 and alike[0] not in labels and alike[0] in pictures:
            pictures[key] = pictures.pop(alike[0])
    return pictures
