"""Files: which files below a folder belong to one image of ADE20K."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segdata.core.paths import check_path_name
from segdata.formats.ade.atr import read_atr
from segdata.formats.ade.document import read_document
from segdata.formats.ade.note import Notes
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.per_image import relative_path

SEG = "_seg.png"
_PARTS = re.compile(r"(.+)_parts_([0-9]{1,2})\.png")
_ENDS = (SEG, "_atr.txt", ".json", *sorted(IMAGE_SUFFIXES))  # of the file that is named in place of a folder


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one image.

    Attributes
    ----------
    stem : path below the root without ``_seg.png``
    seg : the mask of objects; None where there is none
    parts : level -> mask of parts
    text : X.json or X_atr.txt; None where there is neither
    image : the image file; None where it is not beside
    """

    stem: str
    seg: Path | None = None
    parts: dict[int, Path] = field(default_factory=dict)
    text: Path | None = None
    image: Path | None = None

    def notes(self, root: Path) -> Notes:
        """What the text file says; nothing where there is none."""
        if self.text is None:
            return Notes()
        read = read_atr if self.text.suffix == ".txt" else read_document
        return read(self.text, relative_path(root, self.text))


def files_of(root: Path) -> list[Files]:
    """The images below `root`, each with its files; of one of these files that image alone."""
    if root.is_file():
        end = next((end for end in _ENDS if root.name.endswith(end)), "")
        stem = root.name.removesuffix(end)
        names = [path.name for path in root.parent.iterdir()]
        return [each for each in _in_folder(root.parent, "", names) if each.stem == stem]
    found: list[Files] = []
    for folder, folders, names in os.walk(root):
        path = Path(folder)
        prefix = "" if path == root else f"{path.relative_to(root).as_posix()}/"
        folders.sort()
        found += _in_folder(path, prefix, names)
    return found


def _in_folder(folder: Path, prefix: str, names: list[str]) -> Iterator[Files]:
    """The images of one folder; one without a mask is only taken for one where others have some."""
    listed = set(names)
    masked = {name.removesuffix(SEG) for name in names if name.endswith(SEG)}
    pictures: dict[str, str] = {}
    parts: dict[str, dict[int, Path]] = {}
    for name in sorted(names, reverse=True):
        check_path_name(folder / name)
        found = _PARTS.fullmatch(name)
        if found:
            parts.setdefault(found[1], {})[int(found[2])] = folder / name
        elif Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.endswith(SEG):
            pictures[Path(name).stem] = name
    for stem in sorted(masked | (pictures.keys() if masked else set())):
        text = next((name for name in (f"{stem}.json", f"{stem}_atr.txt") if name in listed), None)
        yield Files(
            prefix + stem,
            folder / f"{stem}{SEG}" if stem in masked else None,
            parts.get(stem, {}),
            folder / text if text else None,
            folder / pictures[stem] if stem in pictures else None,
        )
