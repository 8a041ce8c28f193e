"""MOTS text: files of lines, one a sequence, with their images; and how they are written."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from segdata.core import kernels
from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.pairing import has_index, no_images_defect, pair_masks
from segdata.formats.shared.per_image import ImageEntry, relative_path
from segdata.formats.video.footage import first_folder, frame_numbers
from segdata.formats.video.listed import ListedSource
from segdata.formats.video.motsclasses import DIVISOR, LABELS, MotsClasses
from segdata.formats.video.motslines import Lines, draw, joined, read_lines
from segdata.formats.video.motsnames import FOLDER
from segdata.formats.video.painter import Values
from segdata.formats.video.spool import Spool
from segdata.formats.video.spots import Spot

Clips = dict[Path, dict[int, int]]  # the file of a sequence -> frame -> row of its image


def folder_of(root: Path) -> Path:
    """The folder of the files."""
    return root / FOLDER if (root / FOLDER).is_dir() else root if root.is_dir() else root.parent


def files(root: Path) -> list[Path]:
    """The files of the sequences, whatever is in them."""
    if root.is_file():
        return [root]
    found = sorted(folder_of(root).glob("*.txt")) or sorted(root.glob("*/gt/gt.txt"))
    for path in found:
        check_path_name(path)
    return [path for path in found if path.name != LABELS]


def opened(
    request: ReadRequest, images: Path | None, classes: MotsClasses, profile: Callable[[Iterable[ImageEntry]], Profile]
) -> ListedSource:
    """Open the files of a dataset; raises UnreadableError where there are none."""
    root = request.root
    defects = list(classes.defects)
    indexed = has_index(root)
    entries, clips = _indexed(root, images, defects) if indexed else _filmed(root, images)
    if not clips and not indexed:
        raise UnreadableError(f"{root}: no sequences; MOTS has {FOLDER}/<sequence>.txt or <sequence>/gt/gt.txt")
    pieces, rows = [], []
    for path, clip in clips.items():
        lines, met = read_lines(root, path, classes)
        defects += met
        if not clip:
            clip |= _from_lines(path, lines, entries)
        row = _rows(root, path, lines, clip, entries, defects)
        pieces.append(lines)
        rows.append(row)
    if not indexed and not any(entry.image for entry in entries):
        defects.append(no_images_defect(len(entries), root, images))
    every, row = joined(pieces), np.concatenate([np.empty(0, np.int64), *rows])
    order = np.argsort(row, kind="stable")
    order = order[row[order] >= 0]
    offset = np.searchsorted(row[order], np.arange(len(entries) + 1)).astype(np.int64)
    return ListedSource(
        root,
        profile(entries),
        entries,
        tuple(defects),
        order,
        offset,
        partial(draw, every, classes),
        annotator=request.annotator,
    )


def _indexed(root: Path, images: Path | None, defects: list[Defect]) -> tuple[list[ImageEntry], Clips]:
    """The images of `images.csv`, where our writer left one."""
    pairing = pair_masks(root, images)
    defects += pairing.defects
    clips: Clips = {}
    for row, entry in enumerate(pairing.entries):
        for path in entry.files:
            clips.setdefault(path, {})[entry.frame or 0 if entry.sequence else 0] = row
    return list(pairing.entries), clips


def _filmed(root: Path, images: Path | None) -> tuple[list[ImageEntry], Clips]:
    """The images of each sequence, as far as they are here."""
    entries: list[ImageEntry] = []
    clips: Clips = {}
    for path in files(root):
        sequence = path.parent.parent.name if path.name == "gt.txt" else path.stem
        folder = _images(root, images, path, sequence)
        found = ImageFolder.below(folder).paths
        numbers = frame_numbers([Path(name).stem for name in found])
        prefix = sequence if folder is None or folder.name == sequence else f"{sequence}/{folder.name}"
        clips[path] = {number: len(entries) + k for k, number in enumerate(numbers)}
        entries += [
            ImageEntry(f"{prefix}/{name}", image, (path,), sequence=sequence, frame=number)
            for (name, image), number in zip(found.items(), numbers, strict=True)
        ]
    return entries, clips


def _images(root: Path, given: Path | None, path: Path, sequence: str) -> Path | None:
    """The folder of a sequence's images."""
    if given is not None:
        return first_folder(given / sequence, given)
    above = folder_of(root).parent
    places = [place / name for place in (root, above) for name in ("training/image_02", "image_02", "images")]
    beside = path.parent.parent / "img1" if path.name == "gt.txt" else None
    return first_folder(beside, *(place / sequence for place in places))


def _from_lines(path: Path, lines: Lines, entries: list[ImageEntry]) -> dict[int, int]:
    """An image for each frame that has a line, where no image files tell of more; adds to `entries`."""
    sequence = path.parent.parent.name if path.name == "gt.txt" else path.stem
    numbers = np.unique(lines.frame).tolist()
    clip = {number: len(entries) + k for k, number in enumerate(numbers)}
    entries += [
        ImageEntry(f"{sequence}/{number:06d}.png", None, (path,), sequence=sequence, frame=number) for number in numbers
    ]
    return clip


def _rows(
    root: Path, path: Path, lines: Lines, clip: dict[int, int], entries: list[ImageEntry], defects: list[Defect]
) -> Ints:
    """(n_lines,) the image of each line, -1 for frames without one; the images get the size that lines tell."""
    numbers, inverse = np.unique(lines.frame, return_inverse=True)
    row = np.array([clip.get(number, -1) for number in numbers.tolist()], np.int64)[inverse.reshape(-1)]
    for number in np.unique(lines.frame[row < 0]).tolist():
        at = int(np.flatnonzero(lines.frame == number)[0])
        message = f"frame {number} is not among the images of the sequence; left out"
        line = int(lines.line[at])
        defects.append(Defect("SEG007", message, relative_path(root, path), f"line {line}", line=line))
    _, first = np.unique(row, return_index=True)
    told = {int(row[at]): tuple(lines.size[at].tolist()) for at in first if row[at] >= 0}
    usual = tuple(lines.size[0].tolist()) if len(lines.size) else (0, 0)
    for each in clip.values():
        size = told.get(each, (0, 0) if entries[each].image else usual)
        if 0 in entries[each].size and 0 not in size:
            entries[each] = replace(entries[each], size=size)
    return row


class TextWriter(AbstractContextManager["TextWriter"]):
    """Writes the files below `target` when all frames are known: lines in the order of frames."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._spool = Spool()

    def save(self, spot: Spot, pixels: Values, shown: Ints, category: Ints) -> str:
        """Take the values of one frame; tells the file that it will be in."""
        height, width = pixels.shape
        found = ValueRuns.of(pixels)
        owner = np.where(found.value > 0, np.cumsum(found.value > 0) - 1, -1).astype(np.int32)
        runs = found.owned(owner, len(shown))
        size = np.full(len(shown), height, np.int64), np.full(len(shown), width, np.int64)
        text, offset = kernels.encode_counts(runs.start, runs.length, runs.offsets(len(shown)), *size)
        letters, bounds = text.tobytes().decode("ascii"), offset.tolist()
        lines = [
            f"{spot.number} {value} {value // DIVISOR} {height} {width} {letters[bounds[k] : bounds[k + 1]]}\n"
            for k, value in enumerate(np.sort(shown).tolist())
        ]
        self._spool.add(spot.folder, f"{spot.number} ".encode() + "".join(lines).encode())
        return f"{FOLDER}/{spot.folder}.txt"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._spool:
            if error is None:
                for folder, pieces in self._spool.items():
                    frames = sorted(
                        (int(number), lines) for number, _, lines in (each.partition(b" ") for each in pieces)
                    )
                    (self._target / FOLDER / f"{folder}.txt").write_bytes(b"".join(lines for _, lines in frames))
