"""The datasets on which `segdata flag` is proved: how each is opened, and how its networks are trained.

    python -m benchmarks.noise_sets DATA SET OUT [--rate 0.05] [--seed 0]

Trains out-of-fold networks on the labels of a dataset with errors put in at a rate, and leaves the probabilities in OUT.
DATA is the folder of all datasets. What is scored later has errors of other seeds: the networks that judge an image have
seen no label of it in either, and of other images only labels that are wrong as often.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real_sets import SETS, real_sets
from segdata.api import read
from segdata.core.dataset import Dataset
from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Ints
from segdata.noise.drawn import VOID, Drawn, Flags
from segdata.noise.evidence import Evidence
from segdata.noise.injection import Rates
from segdata.noise.out_of_fold import out_of_fold
from segdata.noise.predictions import Predictions
from segdata.noise.predictions import opened as finished
from segdata.noise.settings import Settings
from segdata.noise.stage import Stage
from segdata.testing.noise import noisy

SPOILED = 0.4  # of the images have errors


@dataclass(frozen=True)
class NoiseSet:
    """A dataset, named as in `real_sets`, and what its networks are trained with.

    Attributes
    ----------
    images : at most so many, spread evenly over all; 0: all
    corrected : the name of the same set without its errors, where these are known; none are put in
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)  # Any: as `Settings` has them
    images: int = 0
    corrected: str = ""


CHOSEN = {
    "gbm": NoiseSet("GBM40 nuclei", {"folds": 2, "crop": 128, "steps": 300}),
    "tiles": NoiseSet("magnetic tiles, threshold", {"folds": 2, "crop": 128, "steps": 300}, images=118),
    "camvid": NoiseSet("CamVid, poles thin", {"folds": 3, "crop": 128, "steps": 500}),
    "drive": NoiseSet("DRIVE, observer 1", {"folds": 2, "crop": 128, "steps": 200}),
    "nerve": NoiseSet("nerve, merged, original", {"folds": 5, "crop": 256, "steps": 150}, corrected="nerve, merged, corrected"),
    "sample": NoiseSet("sample", {"folds": 2, "crop": 128, "steps": 300}),
}


def rates(rate: float) -> Rates:
    """Of each of three kinds in the images with errors, so that `rate` of all segments have one."""
    return Rates(rate / SPOILED / 3, per_image=3)


@contextmanager
def opened(folder: Path, name: str, *, corrected: bool = False) -> Iterator[Dataset]:
    """One of the datasets, or what it was corrected to; of large ones every n-th image."""
    chosen = CHOSEN[name]
    wanted = chosen.corrected if corrected else chosen.name
    if name == "sample":
        yield read(folder)
        return
    for each, path in real_sets(folder):
        if each.name == wanted:
            data = read(path, **each.opening)
            if chosen.images:
                data = replace(data, rows=np.linspace(0, len(data) - 1, chosen.images).astype(np.int64))
            yield data
            return
    raise KeyError(f"{wanted} is none of {[each.name for each in SETS]}")


def things(data: Dataset, found: Predictions) -> Flags:
    """(K,) which channels are countable."""
    kinds = {each.id: each.kind for each in data.taxonomy.categories}
    told = data.profile.task != "semantic"
    return np.array([False, *(told and kinds[each] == "thing" for each in found.categories)])


def drawn(maps: LabelMaps, row: int, found: Predictions) -> Drawn:
    """What was drawn in an image, with the channels of its category."""
    held = maps.segments(row)
    channel = {id_: at for at, id_ in enumerate(found.categories, 1)}
    of = np.array([*(channel.get(id_, VOID) for id_ in maps.classes), VOID], np.int64)
    category = np.where(held.crowd, VOID, of[held.classes])
    return Drawn.of(held.runs, category, int(maps.height[row]), int(maps.width[row]))


def evidence(found: Predictions, row: int) -> Evidence:
    """What the networks say of an image."""
    p = np.asarray(found.probabilities(row), np.float32)
    seen, contours = found.instances(row), found.contours(row)
    if seen is None or contours is None:
        return Evidence.of(p)
    channel = {id_: at for at, id_ in enumerate(found.categories, 1)}
    category = np.array([channel[each] for each in seen.category.tolist()], np.int64)
    predicted = Drawn(seen.runs, category, seen.score.astype(float), p.shape[1], p.shape[2])
    return Evidence.of(p, predicted, np.asarray(contours[2], np.float32))


def predicted(data: Dataset, name: str, rate: float, seed: int, out: Path, threads: int = 1) -> Predictions:
    """The probabilities of networks trained on labels with errors, which are made where they are not there yet."""
    import torch

    if (out / "predictions.json").is_file():
        return finished(out)
    torch.set_num_threads(threads)
    settings = Settings(**CHOSEN[name].settings, flips=0, seed=seed, jobs=1)
    labels = data if CHOSEN[name].corrected else noisy(data, 1000 + seed, rates(rate), SPOILED)[0]
    return out_of_fold(labels, out, settings, planned=print, progress=told())


def told() -> Any:  # Any: a function with a memory
    """Says every half minute how far it is."""
    said = [0.0]

    def tell(stage: Stage) -> None:
        if time.monotonic() - said[0] > 30 or stage.done == stage.total:
            said[0] = time.monotonic()
            print(f"{stage.what}: {stage.done} of {stage.total}, {stage.seconds_left:.0f} s left", flush=True)

    return tell


def rows_of(maps: LabelMaps, found: Predictions) -> Ints:
    """The images that can be judged, as rows of `maps`, which are those of the predictions."""
    if tuple(maps.image_ids) != found.image_ids:
        raise ValueError("the predictions are of other images")
    return np.flatnonzero(found.usable)


def main() -> None:
    """Train, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("set", choices=CHOSEN)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    began, wall = time.process_time(), time.monotonic()
    with opened(asked.data, asked.set) as data:
        found = predicted(data, asked.set, asked.rate, asked.seed, asked.out)
        maps = data.maps()
        hit, either = np.zeros(len(found.categories) + 1), np.zeros(len(found.categories) + 1)
        for row in rows_of(maps, found).tolist():
            label, best = drawn(maps, row, found).categories(), evidence(found, row).best
            both = np.bincount(label[label == best], minlength=len(hit))
            hit += both
            n = len(hit)
            either += np.bincount(label[label >= 0], minlength=n) + np.bincount(best[label >= 0], minlength=n) - both
    names = ["unlabelled", *(data.taxonomy.name_of(each) for each in found.categories)]
    print(dict(zip(names, (hit / np.maximum(either, 1)).round(3).tolist(), strict=True)))
    print(f"{time.process_time() - began:.0f} s of processor, {time.monotonic() - wall:.0f} s")


if __name__ == "__main__":
    main()
