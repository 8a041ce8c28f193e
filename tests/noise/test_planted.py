"""Planted errors come out on top where networks were trained, on the labels with these very errors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from segdata.core.dataset import OpenDataset
from segdata.noise.corruptions import CorruptionRates
from segdata.noise.evaluation import auroc
from segdata.noise.networks.out_of_fold import out_of_fold
from segdata.noise.networks.plan import Settings
from segdata.noise.predictor import NetworkPredictor
from segdata.noise.ranking import image_features, rank_candidates
from segdata.noise.segments import GivenLabels
from segdata.testing.noise import InjectedError, inject_errors

TINY = Settings(
    folds=2, crop=64, width=8, depth=3, batch=4, steps=40, flips=0, learning_rate=0.02, jobs=1, near=False, device="cpu"
)
PLANTED = CorruptionRates(0.25, ("missing", "extra", "category", "dilate"), 2)
N_IMAGES = 12


def test_errors_planted_before_the_training_come_out_on_top(
    shapes: Callable[[Path, int], OpenDataset], tmp_path: Path
) -> None:
    seed = 0
    labels, errors = inject_errors(shapes(tmp_path / "images", N_IMAGES), seed, PLANTED, 0.5)
    predictions = out_of_fold(labels, tmp_path / "found", TINY)
    networks = NetworkPredictor(predictions, frozenset({3, 7}))
    given = GivenLabels.from_maps(labels.maps(), predictions.categories)
    looks = []
    for row in range(N_IMAGES):
        rng = np.random.default_rng([seed, row])
        looks.append(image_features(given.image_segments(row), networks.predict(row), networks.things, rng))
    found = rank_candidates(looks)
    wrong = np.array([_is_wrong(given, errors, *each) for each in zip(found.image, found.row, strict=True)])
    first = np.argsort(-found.probability, kind="stable")[: int(wrong.sum())]
    assert wrong[first].mean() > 2 * wrong.mean()
    assert auroc(found.probability, wrong)[0] > 0.7
    bad = np.isin(given.maps.image_ids, [each.image for each in errors])
    assert auroc(found.images(), bad)[0] > 0.5


def _is_wrong(given: GivenLabels, errors: list[InjectedError], image: int, row: int) -> bool:
    """Whether a segment has an error; what is no segment is a thing that is missing where any of the image is."""
    mine = [each for each in errors if each.image == given.maps.image_ids[image]]
    if row < 0:
        return any(each.type == "missing" for each in mine)
    id_ = int(given.maps.segments(image).ids[row])
    return any(id_ in each.segments for each in mine)
