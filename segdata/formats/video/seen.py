"""Seen: what one mask of a frame shows, once it is known what its values mean."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.formats.shared.mask_files import MaskFile, ValueRuns
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, relative_path

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the k values of a mask stand for.

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


def found_of(
    root: Path,
    entry: ImageEntry,
    mask: MaskFile,
    runs: ValueRuns,
    shown: Shown,
    defects: Sequence[Defect],
    place: Callable[[int], str] = "value {}".format,
) -> ImageAnnotation:
    """The annotation in the mask of a frame; `place` says in reports where a segment of an id is."""
    kept = np.flatnonzero(shown.known)
    owner = np.full(len(runs.value), -1, np.int32)
    owner[kept] = np.arange(len(kept), dtype=np.int32)
    file, ids = relative_path(root, entry.files[0]), shown.ids[kept].tolist()
    return ImageAnnotation(
        size=(runs.height, runs.width),
        encoding=mask.encoding,
        segment_id=shown.ids[kept],
        category_id=shown.category[kept],
        runs=runs.owned(owner, len(kept)),
        columns={
            "file": [file] * len(kept),
            "place": [place(id_) for id_ in ids],
            "track_id": [id_ if has else None for id_, has in zip(ids, shown.tracked[kept].tolist(), strict=True)],
            "iscrowd": [] if shown.crowd is None else shown.crowd[kept].tolist(),
        },
        defects=defects,
    )


def unknown_values(runs: ValueRuns, rows: Iterable[int], called: Ints, why: str) -> list[Defect]:
    """SEG009 for each value at these rows; `called` (k,) are the values as messages name them."""
    defects = []
    for row in rows:
        x, y = runs.first_pixel(row)
        area = int(runs.area[row])
        message = f"value {called[row]} {why}: {area:,} px, the first at x={x}, y={y}"
        defects.append(Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area))
    return defects
