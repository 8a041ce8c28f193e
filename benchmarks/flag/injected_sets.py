"""The datasets on which `segdata flag` is proved: how each is opened, and how its networks are trained.

    python -m benchmarks.flag.injected_sets DATA SET OUT [--rate 0.05] [--seed 0] [--scale S] [--crop PX] [--steps N]
        [--pretrained]

Trains out-of-fold networks on the labels of a dataset with errors put in at a rate; the probabilities are left in OUT.
DATA is the folder of all datasets. What is scored later has errors of other seeds: the networks that judge an image
have seen no label of it in either, and of other images only labels that are wrong as often.
Prints the IoU of each category with the clean labels, of the first fold and of all.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.real_sets import SETS, real_sets
from segdata.api.read import read
from segdata.core.dataset import OpenDataset
from segdata.noise.corruptions import CorruptionRates
from segdata.noise.features import agreement
from segdata.noise.networks.out_of_fold import out_of_fold
from segdata.noise.networks.plan import Settings, StageProgress
from segdata.noise.networks.predictions import Predictions
from segdata.noise.networks.predictions import open_predictions as finished
from segdata.noise.predictor import NetworkPredictor
from segdata.noise.segments import GivenLabels
from segdata.testing.noise import inject_errors

SPOILED = 0.4  # of the images have errors


@dataclass(frozen=True)
class NoiseSet:
    """A dataset, named as in `real_sets`, and what its networks are trained with.

    Attributes
    ----------
    corrected : the name of the same set without its errors, where these are known; none are put in
    untold : images of that set of which nobody has said what is right
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)  # Any: as `Settings` has them
    corrected: str = ""
    untold: frozenset[str] = frozenset()


CHOSEN = {
    "gbm": NoiseSet("GBM40 nuclei", {"folds": 2, "crop": 128, "steps": 300}),
    "tiles": NoiseSet(
        "magnetic tiles, threshold",
        {"folds": 2, "scale": 0.5, "crop": 128, "steps": 900, "pretrained": True},
    ),
    "camvid": NoiseSet("CamVid, poles thin", {"folds": 3, "steps": 500}),
    "drive": NoiseSet("DRIVE, observer 1", {"folds": 2, "crop": 128, "steps": 200}),
    "nerve": NoiseSet(
        "nerve, merged, original",
        {"folds": 5, "crop": 256, "steps": 150},
        corrected="nerve, merged, corrected",
        untold=frozenset({"sub-rat2_sample-data5_SEM.png"}),  # its myelin still has a value of its own
    ),
    "sample": NoiseSet("sample", {"folds": 2, "steps": 300}),
}


def rates(rate: float) -> CorruptionRates:
    """Of each of three kinds in the images with errors, so that `rate` of all segments have one."""
    return CorruptionRates(rate / SPOILED / 3, per_image=3)


@contextmanager
def opened(folder: Path, name: str, *, corrected: bool = False) -> Iterator[OpenDataset]:
    """One of the datasets, or what it was corrected to."""
    chosen = CHOSEN[name]
    wanted = chosen.corrected if corrected else chosen.name
    if name == "sample":
        yield read(folder)
        return
    for each, path in real_sets(folder):
        if each.name == wanted:
            yield read(path, **each.opening)
            return
    raise KeyError(f"{wanted} is none of {[each.name for each in SETS]}")


def predictor(data: OpenDataset, found: Predictions) -> NetworkPredictor:
    """The networks as a witness: what they say of an image, and which categories are countable."""
    kinds = data.taxonomy.categories if data.profile.task != "semantic" else ()
    return NetworkPredictor(found, frozenset(each.id for each in kinds if each.kind == "thing"))


def predicted(
    data: OpenDataset,
    name: str,
    rate: float,
    seed: int,
    out: Path,
    threads: int = 1,
    asked: dict[str, Any] | None = None,
) -> Predictions:
    """The probabilities of networks trained on labels with errors, which are made where they are not there yet.

    `asked` goes before the settings of the set.
    """
    import torch

    if (out / "predictions.json").is_file():
        return finished(out)
    torch.set_num_threads(threads)
    settings = Settings(**(CHOSEN[name].settings | (asked or {})), flips=0, seed=seed, jobs=1)
    labels = data if CHOSEN[name].corrected else inject_errors(data, 1000 + seed, rates(rate), SPOILED)[0]
    return out_of_fold(labels, out, settings, planned=print, progress=told())


def told() -> Any:  # Any: a function with a memory
    """Says every half minute how far it is."""
    said = [0.0]

    def tell(stage: StageProgress) -> None:
        if time.monotonic() - said[0] > 30 or stage.done == stage.total:
            said[0] = time.monotonic()
            print(f"{stage.what}: {stage.done} of {stage.total}, {stage.seconds_left:.0f} s left", flush=True)

    return tell


def main() -> None:
    """Train, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("set", choices=CHOSEN)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float)
    parser.add_argument("--crop", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--pretrained", action=argparse.BooleanOptionalAction)
    asked = parser.parse_args()
    began, wall = time.process_time(), time.monotonic()
    with opened(asked.data, asked.set) as data:
        asks = ("scale", "crop", "steps", "pretrained")
        more = {name: value for name in asks if (value := getattr(asked, name)) is not None}
        found = predicted(data, asked.set, asked.rate, asked.seed, asked.out, asked=more)
        given, seen = GivenLabels.from_maps(data.maps(), found.categories), predictor(data, found)
        rows = np.flatnonzero(found.usable)
        counted = np.array(
            [agreement(seen.predict(row).confusion(given.image_segments(row))) for row in rows.tolist()]
        )  # (n, 2, K)
    names = ["unlabelled", *(data.taxonomy.name_of(each) for each in found.categories)]
    for of, mine in (("first fold", counted[found.fold[rows] == 0]), ("all", counted)):
        hit, either = mine.sum(axis=0)
        iou = hit / np.maximum(either, 1)
        print(f"{of}: mean of categories {iou[1:][either[1:] > 0].mean():.3f}")
        print(dict(zip(names, iou.round(3).tolist(), strict=True)))
    print(f"{time.process_time() - began:.0f} s of processor, {time.monotonic() - wall:.0f} s")


if __name__ == "__main__":
    main()
