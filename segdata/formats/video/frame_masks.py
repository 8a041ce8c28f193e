"""Masks of frames: videos as folders, `<sequence>/<frame>.png`, each frame with its image, and what a mask shows."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Defect, Severity
from segdata.core.profile import ImageSequence
from segdata.core.runs import Ints
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import MaskFile, ValueRuns
from segdata.formats.shared.pairing import Pairing, has_index, no_images_defect, pair_masks
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, relative_path


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """Videos that lie in one folder.

    Attributes
    ----------
    masks : the folder of masks, a folder in it for each sequence
    images : the folder of images, with the same layout; None if there is none
    split : of all of them
    prefix : of image ids before names, ``train/``
    """

    masks: Path
    images: Path | None = None
    split: str | None = None
    prefix: str = ""


@dataclass(slots=True)
class _Frame:
    """A frame's files, and its name in their folder: the image's, where there is one."""

    name: str
    mask: Path | None = None
    image: Path | None = None


def pair_frames(
    root: Path, folders: Sequence[FrameFolder], images: Path | None = None, sparse: bool = False
) -> Pairing:
    """The frames of a dataset: by `images.csv` if our writers left one, else those of `folders`.

    Masks and images belong together by sequence and name without extension. What has no partner is SEG011,
    once for a whole sequence; with `sparse`, only some frames of a video are expected to have masks. If no image
    is known, that is a single finding.
    """
    if has_index(root):
        return pair_masks(root, images)
    defects: list[Defect] = []
    sequences_of = [_sequences(folder, root, defects) for folder in folders]
    count = Counter(name for sequences in sequences_of for name in sequences)
    bare = not any(
        frame.image for sequences in sequences_of for frames in sequences.values() for frame in frames.values()
    )
    entries: list[ImageEntry] = []
    for folder, sequences in zip(folders, sequences_of, strict=True):
        for name, frames in sequences.items():
            title = name or folder.split or root.name
            entries += _entries(folder, folder.prefix + title if name and count[name] > 1 else title, frames)
            defects += [] if bare else _unpaired(root, folder, name, frames, sparse)
    if bare and entries:
        defects.append(no_images_defect(len(entries), root, images))
    places = {"masks": folders[0].masks.as_posix()} if folders else {}
    return Pairing(tuple(entries), tuple(defects), bare, places)


def _sequences(folders: FrameFolder, root: Path, defects: list[Defect]) -> dict[str, dict[str, _Frame]]:
    """Sequence -> name without folder and extension -> frame; a second file of one name is SEG008."""
    frames_of: dict[str, dict[str, _Frame]] = {}
    for folder, what in ((folders.images, "image"), (folders.masks, "mask")):
        for name, path in ImageFolder.below(folder).paths.items():
            place = PurePosixPath(name)
            sequence = place.parent.as_posix() if place.parent.name else ""
            frame = frames_of.setdefault(sequence, {}).setdefault(place.stem, _Frame(name))
            if getattr(frame, what) is None:
                setattr(frame, what, path)
            else:
                message = f"a second {what} of frame {place.stem}; the first one is read"
                defects.append(Defect("SEG008", message, relative_path(root, path), image=folders.prefix + frame.name))
    return dict(sorted(frames_of.items()))


def _entries(folders: FrameFolder, sequence: str, frames: dict[str, _Frame]) -> list[ImageEntry]:
    stems = sorted(frames)
    numbers = frame_numbers(stems)
    entries = [
        ImageEntry(
            folders.prefix + frames[stem].name,
            frames[stem].image,
            () if (mask := frames[stem].mask) is None else (mask,),
            sequence=sequence,
            frame=number,
            split=folders.split,
        )
        for stem, number in zip(stems, numbers, strict=True)
    ]
    return sorted(entries, key=lambda entry: entry.frame or 0)


def frame_numbers(stems: Sequence[str]) -> list[int]:
    """The number at the end of each name; the positions where a name has none, or two have the same.

    >>> frame_numbers(["00000", "00005"]), frame_numbers(["a", "b1"])
    ([0, 5], [0, 1])
    """
    matches = [re.search(r"[0-9]{1,18}$", stem) for stem in stems]
    numbers = [int(match[0]) for match in matches if match]
    return numbers if len(set(numbers)) == len(stems) else list(range(len(stems)))


def _unpaired(root: Path, folders: FrameFolder, sequence: str, frames: dict[str, _Frame], sparse: bool) -> list[Defect]:
    """SEG011 for the files of a sequence that have no partner."""
    unpaired = [frame for frame in frames.values() if frame.image is None]
    if len(unpaired) == len(frames):
        folder = relative_path(root, folders.masks / sequence)
        return [Defect("SEG011", f"there are no images for these {len(frames)} masks", folder)]
    defects = [
        Defect("SEG011", "a mask without image", relative_path(root, frame.mask), image=folders.prefix + frame.name)
        for frame in unpaired
        if frame.mask is not None
    ]
    unmasked = sum(frame.mask is None for frame in frames.values())
    if unmasked and folders.images is not None:
        message = f"{unmasked} of {len(frames)} frames have no mask: nobody annotated them"
        severity: Severity | None = "info" if sparse else None
        defects.append(Defect("SEG011", message, relative_path(root, folders.images / sequence), severity=severity))
    return defects


def first_folder(*places: Path | None) -> Path | None:
    """The first of some folders that is there."""
    return next((place for place in places if place is not None and place.is_dir()), None)


def list_sequences(entries: Iterable[ImageEntry]) -> tuple[ImageSequence, ...]:
    """The sequences that images are frames of."""
    names = dict.fromkeys(entry.sequence for entry in entries)
    return tuple(ImageSequence(name) for name in names if name is not None)


Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MaskMeaning:
    """The meaning of the k values of a mask.

    Attributes
    ----------
    known : (k,) whether a value stands for a segment
    category : (k,) the category's id
    ids : (k,) the segment's id, which is the track's too where `tracked`
    tracked : (k,) whether it has a track
    crowd : (k,) whether it is a group; None: nothing is
    """

    known: Flags
    category: Ints
    ids: Ints
    tracked: Flags
    crowd: Flags | None = None


def annotation_of_mask(
    root: Path,
    entry: ImageEntry,
    mask: MaskFile,
    runs: ValueRuns,
    shown: MaskMeaning,
    defects: Sequence[Defect],
    place: Callable[[int], str] = "value {}".format,
) -> ImageAnnotation:
    """The annotation in the mask of a frame; `place` names the place of a segment id in reports."""
    kept = np.flatnonzero(shown.known)
    owner = np.full(len(runs.value), -1, np.int32)
    owner[kept] = np.arange(len(kept), dtype=np.int32)
    file, ids = relative_path(root, entry.files[0]), shown.ids[kept].tolist()
    return ImageAnnotation(
        size=(runs.height, runs.width),
        encoding=mask.encoding,
        segment_id=shown.ids[kept],
        category_id=shown.category[kept],
        runs=runs.assign_owners(owner, len(kept)),
        columns={
            "file": [file] * len(kept),
            "place": [place(id_) for id_ in ids],
            "track_id": [id_ if has else None for id_, has in zip(ids, shown.tracked[kept].tolist(), strict=True)],
            "iscrowd": [] if shown.crowd is None else shown.crowd[kept].tolist(),
        },
        defects=defects,
    )


def unknown_values(runs: ValueRuns, rows: Iterable[int], called: Ints, why: str) -> list[Defect]:
    """SEG009 for each value at these rows; `called` (k,) are the values shown in messages."""
    defects = []
    for row in rows:
        x, y = runs.first_pixel(row)
        area = int(runs.area[row])
        message = f"value {called[row]} {why}: {area:,} px, the first at x={x}, y={y}"
        defects.append(Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area))
    return defects
