"""Whether drafts are as precise as was asked: bars learnt on half of the images of real sets, tried on the other half.

python -m benchmarks.draft.bars DATA FOLDER [SET ...], where DATA is the folder with the real datasets and FOLDER has
the networks that `benchmarks.flag.injected_sets` trains: gbm, camvid, tiles
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.flag.injected_sets import opened, predicted
from segdata.noise.confident_labels import BINS, CERTAINTY, ConfidentLabels, PrecisionTally
from segdata.noise.segments import GivenLabels

RATE, SPLITS = 0.05, 200
PRECISIONS = (0.8, 0.9, 0.95)


def tallies(folder: Path, data: Path, name: str) -> list[PrecisionTally]:
    """What the networks saw on each image, and whether that is so."""
    with opened(data, name) as dataset:
        found = predicted(dataset, name, RATE, 0, folder / f"{name}_{RATE}_0")
        given = GivenLabels.from_maps(dataset.maps(), found.categories)
        kinds = dataset.taxonomy.categories if found.plan.instances else ()
        things = frozenset(each.id for each in kinds if each.kind == "thing")
        return [
            ConfidentLabels.measure_precision(found, given, [row], things)[bool(things)]
            for row in np.flatnonzero(found.usable).tolist()
        ]


def lines(name: str, images: list[PrecisionTally]) -> Iterator[str]:
    """A row of the table for each precision that is asked for."""
    for precision in PRECISIONS:
        cells = []
        for sure in (0.5, CERTAINTY):
            rng, told, short, drawn = np.random.default_rng(0), 0, 0, []
            for _ in range(SPLITS):
                order = rng.permutation(len(images))
                half = len(order) // 2
                bars = sum_of([images[at] for at in order[:half]]).bars(precision, sure)
                new = sum_of([images[at] for at in order[half:]])
                for row in np.flatnonzero(np.isfinite(bars)).tolist():
                    at = round(bars[row] * BINS)
                    if new.seen[row, at]:
                        told += 1
                        short += bool(new.right[row, at] < precision * new.seen[row, at])
                        drawn.append(new.right[row, at] / max(new.right[row, 0], 1))
            cells += [f"{told / SPLITS:.2f}", f"{1 - short / max(told, 1):.0%}", f"{np.mean(drawn or [0]):.0%}"]
        yield f"| {name} | {precision:g} | {' | '.join(cells)} |"


def sum_of(images: list[PrecisionTally]) -> PrecisionTally:
    """All images together."""
    total = PrecisionTally.empty(len(images[0].seen), "pixels")
    total.enough = images[0].enough
    for each in images:
        for name in ("right", "seen", "rr", "rs", "ss"):
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total


def main() -> None:
    """Print the table."""
    data, folder = Path(sys.argv[1]), Path(sys.argv[2])
    columns = ("categories drawn", "reached", "of what is right")
    print("| set | asked | " + " | ".join([*(f"{each}, lowest bar" for each in columns), *columns]) + " |")
    print("| --- | ---: |" + " ---: |" * 6)
    for name in sys.argv[3:] or ("gbm", "camvid", "tiles"):
        for line in lines(name, tallies(folder, data, name)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
