"""How often `flag` finds an outline that is a few pixels off, by how far it is off.

    python -m benchmarks.flag.outlines DATA WORK SET... [--seeds 1 2 3]

SET is one of `benchmarks.flag.drawn_sets`, which trains the networks that judge it (WORK/SET/networks). One thing in
twelve gets a wrong outline: grown or shrunk on all sides, grown or shrunk along half of it, or a polygon of few
corners. What counts is by how many pixels the outline is off at its worst place, as drawn. Labels in images that the
model knows; prints a table for docs/results/flag.md.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from benchmarks.flag.drawn_errors import TENTH, Page, Trial, page_of, ranked_trial
from benchmarks.flag.drawn_sets import SOURCES, Drawn, Mask, Wrong, _half, written_set
from segdata.core.runs import Flags, Floats, Ints
from segdata.noise.evaluation import auroc
from segdata.noise.networks.predictions import open_predictions
from segdata.noise.predictor import NetworkPredictor
from segdata.noise.segments import GivenLabels
from segdata.noise.thresholds import candidates_above, category_trust, flag_thresholds

KINDS = ("grown", "shrunk", "half grown", "half shrunk", "few corners")
SIZES = (1, 2, 3, 5, 8)  # px that are asked for
BINS = (1.5, 2.5, 4.5, 8.5, np.inf)  # px that the outline is off at its worst place
SHARE, MIN_PIXELS = 1 / 12, 60


def off_by(old: Mask, new: Mask) -> float:
    """How far two outlines are apart where they are furthest, in pixels."""
    from_old = np.abs(ndimage.distance_transform_edt(old) - ndimage.distance_transform_edt(~old))
    changed = from_old[old != new]
    return float(changed.max()) if len(changed) else 0.0


def redrawn(mask: Mask, kind: str, size: int, rng: np.random.Generator) -> Mask:
    """A thing with a wrong outline."""
    signed = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    if kind == "few corners":
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        corners = cv2.approxPolyDP(max(contours, key=len), size, closed=True)
        return np.asarray(cv2.fillPoly(np.zeros(mask.shape, np.uint8), [corners], 1), bool)
    changed = signed >= -size if "grown" in kind else signed > size
    if kind.startswith("half"):
        side = ndimage.binary_dilation(_half(mask, 0.5, rng), iterations=size)
        changed = np.where(side, changed, mask)
    return np.asarray(changed, bool)


def with_outlines(masks: list[Mask], rng: np.random.Generator) -> Drawn:
    """Wrong outlines of one thing in twelve."""
    drawn, error, errors = list(masks), [-1] * len(masks), list[Wrong]()
    for row in np.flatnonzero(rng.random(len(masks)) < SHARE).tolist():
        kind, size = KINDS[rng.integers(len(KINDS))], SIZES[rng.integers(len(SIZES))]
        new = redrawn(masks[row], kind, size, rng)
        if new.sum() >= MIN_PIXELS / 2 and masks[row].sum() >= MIN_PIXELS and (new != masks[row]).any():
            error[row], drawn[row] = len(errors), new
            errors.append(Wrong(kind, new, masks[row]))
    return Drawn(drawn, error, errors)


def pages_of(folder: Path, work: Path, name: str, seed: int) -> tuple[list[Page], list[float]]:
    """All images of a set with wrong outlines of a seed, and by how far each outline is off."""
    data, drawn = written_set(folder, work, name, lambda masks, number: with_outlines(masks, _rng(seed, number)))
    maps, predictions = data.maps(), open_predictions(work / name / "networks")
    predictor = NetworkPredictor(predictions, frozenset(maps.classes))
    labels = GivenLabels.from_maps(maps, predictions.categories)
    pages = [page_of(maps, row, labels, predictor, drawn[maps.image_ids[row]], seed) for row in range(len(maps))]
    errors = [error for image in maps.image_ids for error in drawn[image].errors]
    return pages, [off_by(error.old, error.new) for error in errors]


def _rng(seed: int, number: tuple[int, int]) -> np.random.Generator:
    return np.random.default_rng([seed, *number, 1])


def judged_labels(trial: Trial, far: Floats) -> tuple[Ints, Flags, Flags, Floats]:
    """What the ranking says of labels in known images, (n,) each.

    By how much an outline is off, a row of `BINS`, or -1 if it is right; whether the label is in the first tenth;
    whether it is above the threshold; and its log odds.
    """
    ranked = trial.ranked
    rows = np.flatnonzero(ranked.known_images[ranked.image] & (ranked.row >= 0))
    threshold = flag_thresholds(ranked, 2)
    above = candidates_above(ranked, category_trust(ranked, ["", "thing"], threshold), threshold)
    first = rows[np.argsort(-ranked.odds[rows], kind="stable")[: int(np.ceil(TENTH * len(rows)))]]
    off = np.append(np.digitize(far, BINS), -1)[trial.mistake]
    return off[rows], np.isin(rows, first), np.isin(rows, above), ranked.odds[rows]


def table(name: str, off: Ints, first: Flags, above: Flags, odds: Floats) -> list[str]:
    """How often outlines are found, by how far they are off."""
    lines = [f"| {name}: off by | errors | AUROC | first tenth | listed |", "| --- | ---: | ---: | ---: | ---: |"]
    for at, (low, high) in enumerate(zip((0, *BINS), BINS, strict=False)):
        here = off == at
        judged = here | (off < 0)
        if here.any():
            area = float(auroc(odds[judged], here[judged])[0])
            cells = f"{here.sum()} | {area:.2f} | {first[here].mean():.2f} | {above[here].sum()}"
            lines.append(f"| {low:g} to {high:g} px | {cells} |")
    right = off < 0
    return [*lines, f"| right | {right.sum()} | | {first[right].mean():.2f} | {above[right].sum()} |", ""]


def main() -> None:
    """Judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="+", choices=SOURCES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    asked = parser.parse_args()
    for name in asked.sets:
        parts = []
        for seed in asked.seeds:
            pages, far = pages_of(asked.data, asked.work, name, seed)
            parts.append(judged_labels(ranked_trial(pages), np.array(far)))
        off, first, above, odds = (np.concatenate(column) for column in zip(*parts, strict=True))
        print("\n".join(table(name, off, first, above, odds)), flush=True)


if __name__ == "__main__":
    main()
