"""Tiny things that two annotators drew a little apart: how many are called missed, with and without their centres.

    python -m benchmarks.agreement_tiny DATA [IMAGES]

DATA is the folder with gbm40_nuclei. The middles of real nuclei are the places of discs of 1 or 2 px. Two annotators
place each independently (standard deviation `SHAKE` in x and y), miss 10 % and add 5 % anywhere. A disc that both drew
and that has no match is falsely missed; a disc that one drew alone and that has one is a miss that stays unseen.
"""

import sys
from pathlib import Path

import numpy as np

import segdata
from segdata.agreement.annotator_pairs import pair_annotators
from segdata.agreement.instance_overlaps import instance_overlaps
from segdata.agreement.instance_tables import match_table
from tests.generators.panels import panel_of_masks

SHAKE, MISSES, ADDS, SIZE = (0.5, 1.0), 0.1, 0.05, 512


def middles(folder: Path, n: int) -> list[np.ndarray]:
    """The middles (x, y) of the nuclei of some images."""
    found = []
    for batch in segdata.read(folder / "gbm40_nuclei").batches(1):
        for image in range(batch.images.num_rows):
            part = batch.take_images(np.array([image]))
            x, y = np.divmod(part.runs.start, SIZE)
            total = np.bincount(part.runs.owner, part.runs.length, part.n_segments)
            columns = [
                np.bincount(part.runs.owner, part.runs.length * place, part.n_segments) / np.maximum(total, 1)
                for place in (x, y + part.runs.length / 2)
            ]
            found.append(np.column_stack(columns)[total > 0])
    return found[:n]


def disc(x: float, y: float, radius: float) -> np.ndarray:
    """One disc in an image."""
    down, right = np.mgrid[:SIZE, :SIZE]
    return np.asarray((right - round(x)) ** 2 + (down - round(y)) ** 2 <= radius**2)


def campaign(places: np.ndarray, radius: float, shake: float, rng: np.random.Generator) -> np.ndarray:
    """(2, 4) without and with centres: drawn by both, of these unmatched; drawn by one alone, of these matched."""
    layers, owners = [], []
    for _ in range(2):
        kept = np.flatnonzero(rng.random(len(places)) >= MISSES)
        added = rng.uniform(4, SIZE - 4, (round(ADDS * len(places)), 2))
        own = np.concatenate([places[kept] + rng.normal(0, shake, (len(kept), 2)), added]).clip(3, SIZE - 4)
        layers.append([[(0, disc(place[0], place[1], radius)) for place in own]])
        owners.append(np.concatenate([kept, np.full(len(added), -1)]))
    (opposite,) = pair_annotators(panel_of_masks([(SIZE, SIZE)], layers, ["thing"]))
    overlaps, lines = instance_overlaps(opposite), []
    both = np.isin(owners[0], owners[1]) & (owners[0] >= 0)
    for centres in (False, True):
        found = match_table(opposite, overlaps, outlines=True, centres=centres)
        matched = np.zeros(len(owners[0]), bool)
        matched[found["a"][(found["a"] >= 0) & (found["b"] >= 0)]] = True
        lines.append((both.sum(), (both & ~matched).sum(), (~both).sum(), (~both & matched).sum()))
    return np.array(lines)


if __name__ == "__main__":
    images = middles(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
    for radius in (1.0, 2.0):
        for shake in SHAKE:
            rng = np.random.default_rng(7)
            total = np.sum([campaign(places, radius, shake, rng) for places in images], axis=0)
            for name, (n, lost, alone, hidden) in zip(("by outline", "by centre"), total, strict=True):
                cells = (
                    f"{radius:g} px",
                    f"{shake:g} px",
                    name,
                    f"{lost / n:.1%} of {n:,}",
                    f"{hidden / alone:.1%} of {alone}",
                )
                print(f"| {' | '.join(cells)} |", flush=True)
