"""A part of a dataset's labels displaced: how much of it SEG314 names, and whether it names a part of sound labels.

`python -m benchmarks.rules.placement FOLDER [FIRST LAST]` prints a table for docs/results/rules.md; FOLDER holds the
datasets of `benchmarks.shared.real_sets`. Outlines are displaced after they were reduced to 256 pixels.
"""

import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np

import segdata
from benchmarks.shared.real_sets import real_sets
from segdata.measure.measure import measure_source
from segdata.measure.placements import CHANGES as PLACEMENT_CHANGES
from segdata.measure.placements import MIN_PART_ANNOTATIONS, OutlinePlanes, Plane, change_words, place_parts
from segdata.measure.sequences import DatasetView
from segdata.measure.tables import picture_edges

SHARE = 0.3  # of the images are displaced, but at least as many as a part has


def _scaled(by: float) -> Callable[[Plane], Plane]:
    def scale(plane: Plane) -> Plane:
        rows, columns = ((np.arange(side) / by).astype(np.int64) for side in plane.shape)
        inside = (rows < len(plane))[:, None] & (columns < plane.shape[1])
        there: Plane = plane[np.minimum(rows, len(plane) - 1)[:, None], np.minimum(columns, plane.shape[1] - 1)]
        return np.where(inside, there, 0)

    return scale


CHANGES: dict[str, Callable[[Plane], Plane]] = {
    "as they are": lambda plane: plane,
    "scaled by 0.85": _scaled(0.85),
    "scaled by 0.95": _scaled(0.95),
    "shifted by 6 px": lambda plane: np.roll(plane, 6, axis=1),
    "x and y exchanged": PLACEMENT_CHANGES["with x and y exchanged"],
}


def planes_of(data: segdata.Dataset) -> list[OutlinePlanes]:
    """What SEG314 compares."""
    planes: list[OutlinePlanes] = []
    original = picture_edges._load_planes

    def load(view: DatasetView, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[OutlinePlanes]:
        some = original(view, rows)
        planes.extend(some)
        return some

    picture_edges._load_planes = load
    try:
        measure_source(data.source, frozenset({"placements"}), profile=data.profile, jobs=1)
    finally:
        picture_edges._load_planes = original
    return planes


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    print("| dataset | images | median score |", " | ".join(CHANGES), "|")
    print("| --- | ---: | ---: |", " | ".join("---" for _ in CHANGES), "|")
    for one, path in real_sets(Path(sys.argv[1]).resolve()):
        with chdir(path if path.is_dir() else path.parent):
            try:
                planes = planes_of(segdata.read(path, **one.opening))
            except segdata.SegdataError as error:
                print(one.name, error, file=sys.stderr)
                continue
        if len(planes) < 2 * MIN_PART_ANNOTATIONS:
            continue
        odd = np.zeros(len(planes), bool)
        odd[rng.permutation(len(planes))[: max(MIN_PART_ANNOTATIONS, round(SHARE * len(planes)))]] = True
        cells = []
        for name, change in CHANGES.items():
            moved = [
                OutlinePlanes.from_outline(each.annotation, change(each.outline), each.edges, each.full)
                if is_odd
                else each
                for each, is_odd in zip(planes, odd, strict=True)
            ]
            cell = "-"
            for place, _, members in place_parts(moved, np.zeros(len(planes), np.int64)):
                right = int(odd[members].sum())
                cell = f"{right} of {odd.sum()}, {len(members) - right} others: "
                cell += change_words(place.change, place.x, place.y)
                if name == "as they are":
                    cell = f"{len(members)}: " + change_words(place.change, place.x, place.y)
            cells.append(cell)
        median = np.median([each.own_score for each in planes])
        print(f"| {one.name} | {len(planes)} | {median:.0f} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
