"""Whether the work pays: a fresh model after the first 5 % flagged were corrected, and after a random 5 % were.

    python -m benchmarks.flag.retraining DATA WORK SET... [--rate 0.1] [--share 0.05] [--train 12] [--scale 2]
        [--seeds 0 1 2 3 4] [--draws 5] [--arms noisy random flagged clean]

For each seed some images are drawn to learn from, and errors of all usual kinds are put into their labels; the others
stay clean, and are held out. What is flagged is found by the networks of WORK (`benchmarks.flag.injected_sets`), which
learnt from labels with errors of another seed. As many candidates are looked at as are `share` of the annotated
segments and parts: the first of the list, or random ones of the same list, drawn `draws` times, of which the mean
counts; those that are about an error are put right as the truth has it. A pixel classifier learns from the labels as
they were, from either correction, and from clean labels. Prints the mean IoU of the categories in the images held out.
Intervals are 95 %, of t over the seeds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from benchmarks.flag.injected_sets import CHOSEN, opened, predicted, predictor
from benchmarks.flag.pixel_classifier import Map, filtered, learned, mean_iou, reduced, reduced_map
from segdata.core.dataset import OpenDataset
from segdata.core.executor import single_threaded_libraries
from segdata.core.runs import Ints
from segdata.noise.appearance import read_picture
from segdata.noise.corruptions import CorruptionRates, Corruptions, corrupt_labels, match_corruptions
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.predictions import Predictions
from segdata.noise.ranking import ImageFeatures, image_features, rank_candidates
from segdata.noise.segments import GivenLabels, SegmentPixels, SegmentSet

ARMS = ("noisy", "random", "flagged", "clean")
KINDS_PER_IMAGE = 3
DRAWN = 2026  # begins the seeds of errors, so that they are none of those the networks learnt with


class Scene:
    """The clean labels of a dataset, and what the filters say of its pictures at a smaller scale."""

    def __init__(self, data: OpenDataset, found: Predictions, scale: int) -> None:
        given = GivenLabels.from_maps(data.maps(), found.categories)
        self.maps, self.predictor, self.scale = given.maps, predictor(data, found), scale
        self.things = self.predictor.things
        self.rows = np.flatnonzero(found.usable)
        self.clean = {row: given.image_segments(row) for row in self.rows.tolist()}
        self.labels = {row: reduced_map(painted(each), scale) for row, each in self.clean.items()}
        pictures = ImageCache(given.maps, 2**31)
        pictures.survey(1)
        upright = not found.plan.rotate
        self.features = {
            row: filtered(reduced(_scaled(pictures, row), scale), placed=upright) for row in self.rows.tolist()
        }


def _scaled(pictures: ImageCache, row: int) -> NDArray[np.float32]:
    picture = pictures.get(row)
    assert picture is not None
    spread = (picture.high - picture.low)[:, None, None]
    return ((picture.pixels.astype(np.float32) - picture.low[:, None, None]) / spread).clip(-0.5, 1.5)


def painted(drawn: SegmentSet) -> Map:
    """(height, width) categories."""
    return np.ascontiguousarray(drawn.categories().reshape(-1, drawn.height).T)


def errors_in(scene: Scene, rows: Ints, rate: float, seed: int) -> list[tuple[SegmentSet, Corruptions]]:
    """Of each image the labels with errors, and the truth: `rate` of the segments, of three kinds by lot."""
    rates = CorruptionRates(rate / KINDS_PER_IMAGE, per_image=KINDS_PER_IMAGE)
    drawn = [np.random.default_rng([DRAWN, seed, row]) for row in rows.tolist()]
    return [
        corrupt_labels(scene.clean[row], scene.things, rates, rng)
        for row, rng in zip(rows.tolist(), drawn, strict=True)
    ]


def corrections(
    scene: Scene, rows: Ints, spoilt: Sequence[tuple[SegmentSet, Corruptions]], asked: argparse.Namespace, seed: int
) -> tuple[dict[str, list[list[Ints]]], str]:
    """For each way to choose, and each draw, the errors that are put right in each image; and how many, in words."""
    looks, abouts = list[ImageFeatures](), []
    for row, (given, truth) in zip(rows.tolist(), spoilt, strict=True):
        rng = np.random.default_rng([DRAWN, seed, row, 1])
        picture = read_picture(scene.maps, row)
        looks.append(image_features(given, scene.predictor.predict(row), scene.things, rng, picture=picture))
        abouts.append(match_corruptions(looks[-1].candidates, given, truth, scene.things))
    with single_threaded_libraries():
        result = rank_candidates(looks)
    about = np.concatenate([each[sort] for sort in (0, 1) for each in abouts])
    n = round(asked.share * int((result.row >= 0).sum()))
    rng = np.random.default_rng([DRAWN, seed])
    orders = {"random": [rng.permutation(len(about)) for _ in range(asked.draws)]}
    orders["flagged"] = [np.argsort(-result.odds, kind="stable")]
    found, said = dict[str, list[list[Ints]]](), []
    for name, drawn in orders.items():
        tops = [order[:n][about[order[:n]] >= 0] for order in drawn]
        found[name] = [[np.unique(about[top[result.image[top] == at]]) for at in range(len(rows))] for top in tops]
        said.append(f"{name} {np.mean([sum(map(len, each)) for each in found[name]]):g}")
    total = sum(len(truth) for _, truth in spoilt)
    return found, f"{total} errors, {n} of {len(about)} candidates looked at, corrected: {', '.join(said)}; "


def repaired(given: SegmentSet, clean: SegmentSet, truth: Corruptions, wrong: Ints) -> Map:
    """The labels with some errors undone, where they changed pixels."""
    changed = truth.changed_runs(given.height)
    at = SegmentPixels.of_runs(changed.take(wrong, len(truth)), len(wrong)).index
    columns = given.categories().copy()
    columns[at] = clean.categories()[at]
    return np.ascontiguousarray(columns.reshape(-1, given.height).T)


def scored(
    scene: Scene,
    rows: Ints,
    held: Sequence[int],
    spoilt: Sequence[tuple[SegmentSet, Corruptions]],
    undone: Sequence[Ints],
) -> float:
    """The mean IoU in the images held out, of a classifier that learns from `rows` with the errors that are left."""
    maps = [
        reduced_map(repaired(given, scene.clean[row], truth, wrong), scene.scale)
        for row, (given, truth), wrong in zip(rows.tolist(), spoilt, undone, strict=True)
    ]
    model = learned([scene.features[row] for row in rows.tolist()], maps)
    tested = [scene.features[row] for row in held], [scene.labels[row] for row in held]
    return mean_iou(model, *tested, len(scene.things))


def compared(scene: Scene, asked: argparse.Namespace, seed: int) -> dict[str, float]:
    """The mean IoU of each arm in the images held out."""
    order = np.random.default_rng([DRAWN, seed]).permutation(scene.rows)
    rows, held = np.sort(order[: asked.train]), np.sort(order[asked.train :]).tolist()
    spoilt = errors_in(scene, rows, asked.rate, seed)
    undone: dict[str, list[list[Ints]]] = {
        "noisy": [[np.empty(0, np.int64)] * len(rows)],
        "clean": [[np.arange(len(truth)) for _, truth in spoilt]],
    }
    said = ""
    if {"random", "flagged"} & set(asked.arms):
        more, said = corrections(scene, rows, spoilt, asked, seed)
        undone |= more
    scores = {
        arm: float(np.mean([scored(scene, rows, held, spoilt, each) for each in undone[arm]])) for arm in asked.arms
    }
    print(f"seed {seed}: {said}" + ", ".join(f"{arm} {value:.4f}" for arm, value in scores.items()), flush=True)
    return scores


def interval(values: Sequence[float]) -> str:
    """The mean and its interval."""
    mean, n = float(np.mean(values)), len(values)
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"


def main() -> None:
    """Train, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="+", choices=CHOSEN)
    parser.add_argument("--network", default="0.05:0", help="rate and seed of the errors that networks learnt with")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--train", type=int, default=12, help="images to learn from")
    parser.add_argument("--scale", type=int, default=2, help="pixels of an image that become one, along each side")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--draws", type=int, default=5, help="times that random candidates are drawn")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    asked = parser.parse_args()
    for name in asked.sets:
        rate, seed = asked.network.split(":")
        with opened(asked.data, name) as data:
            found = predicted(data, name, float(rate), int(seed), asked.work / f"{name}_{rate}_{seed}")
            scene = Scene(data, found, asked.scale)
        print(f"\n## {name}: {asked.train} of {len(scene.rows)} images to learn from, rate {asked.rate:g}", flush=True)
        results = [compared(scene, asked, seed) for seed in asked.seeds]
        for one, other in (("clean", "noisy"), ("random", "noisy"), ("flagged", "noisy"), ("flagged", "random")):
            if {one, other} <= set(asked.arms):
                print(f"{one} above {other}: {interval([each[one] - each[other] for each in results])}", flush=True)


if __name__ == "__main__":
    main()
