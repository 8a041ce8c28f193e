"""One trial of `segdata flag` with known errors: labels with errors of a seed, the scores, and what is really wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.flag.injected_sets import SPOILED, predictor, rates
from segdata.core.dataset import OpenDataset
from segdata.core.executor import single_threaded_libraries
from segdata.core.runs import Flags, Floats, Ints
from segdata.noise.appearance import read_picture
from segdata.noise.calibration import assign_folds, cross_fits, fit_calibration, mean_log_ratio
from segdata.noise.candidates import ImageCandidates
from segdata.noise.corruptions import LEARNED_KINDS, CorruptionRates, corrupt_labels, match_corruptions, training_rates
from segdata.noise.error_types import CorruptionKind
from segdata.noise.evaluation import EvaluatedRanking
from segdata.noise.features import TEMPERATURE
from segdata.noise.networks.predictions import Predictions
from segdata.noise.predictor import ImagePrediction
from segdata.noise.ranking import ImageFeatures, RankedCandidates, image_features, rank_candidates
from segdata.noise.segments import (
    VOID,
    GivenLabels,
    SegmentPixels,
    SegmentSet,
    overlaps,
    split_into_parts,
)

HARDLY = 0.8  # IoU of a part with what it was corrected to, below which it was wrong


@dataclass(frozen=True)
class Trial:
    """What was ranked, and the truth of it.

    Attributes
    ----------
    looks : of the images
    result : the suspicions
    mistake : (n,) the error that each candidate is about, -1: none
    types, of : (e,) type and image of each error
    pixels : name -> (n,) scores of candidates from their pixels alone, greater is worse
    images : name -> (i,) scores of images, greater is worse
    wrong : (i,) whether an image has errors
    """

    looks: list[ImageFeatures]
    result: RankedCandidates
    mistake: Ints
    types: Sequence[str]
    of: Ints
    pixels: dict[str, Floats]
    images: dict[str, Floats]
    wrong: Flags

    def ranked(self, score: Floats) -> EvaluatedRanking:
        """The candidates with these scores."""
        return EvaluatedRanking(score, self.result.image, self.mistake, self.types, self.of, len(self.wrong))

    def scores(self) -> dict[str, Floats]:
        """Name -> (n,) scores of candidates."""
        at_random = np.random.default_rng(0).random(len(self.mistake))
        of_image = self.images["loss"][self.result.image]
        return {"segdata": self.result.odds, **self.pixels, "image loss": of_image, "random": at_random}

    def attainable(self, l2: float = 10.0) -> Floats:
        """(n,) what the same classifier says that learnt from the real errors of other images: it knows the noise."""
        odds = np.empty(len(self.mistake))
        fold = assign_folds(np.arange(len(self.wrong)))
        type_ = np.append(np.unique(self.types, return_inverse=True)[1], -1)[self.mistake]
        first = 0
        for sort in (0, 1):
            x = np.concatenate([each.given[sort].x for each in self.looks])
            mine = slice(first, first + len(x))
            of, kind = fold[self.result.image[mine]], type_[mine]
            found = mean_log_ratio(cross_fits(x, of, x, kind, of, (l2,))[0][0])
            odds[mine] = fit_calibration(found, (kind >= 0).astype(np.int64)).odds(found)
            first += len(x)
        return odds


@dataclass
class _Page:
    """One image: what is judged, the error that each candidate is about, and the scores of pixels."""

    look: ImageFeatures
    about: tuple[Ints, Ints]
    types: Sequence[str]
    pixels: dict[str, Floats]
    images: dict[str, float]


def seeded(
    data: OpenDataset,
    found: Predictions,
    rate: float,
    seed: int,
    learnt: Sequence[CorruptionKind] = LEARNED_KINDS,
    made: CorruptionRates | None = None,
) -> Trial:
    """Errors of a seed in the clean labels; `learnt`: what the classifier learns from, `made`: what is put in."""
    right, networks = GivenLabels.from_maps(data.maps(), found.categories), predictor(data, found)
    countable, pages = networks.things, []
    for row in np.flatnonzero(found.usable).tolist():
        rng = np.random.default_rng([seed, row])
        clean, seen = right.image_segments(row), networks.predict(row)
        given, truth = corrupt_labels(clean, countable, made or rates(rate), rng)
        if rng.random() >= SPOILED:
            given, truth = corrupt_labels(clean, countable, CorruptionRates(0.0, ()), rng)
        saw = image_features(
            given,
            seen,
            countable,
            np.random.default_rng([seed, row, 1]),
            training_rates(tuple(learnt)),
            read_picture(right.maps, row),
        )
        about = match_corruptions(saw.candidates, given, truth, countable)
        pages.append(_Page(saw, about, truth.types, _of_pixels(saw.candidates, seen), _of_image(given, seen)))
    return _bound(pages)


def corrected(data: OpenDataset, clean: OpenDataset, found: Predictions, untold: frozenset[str] = frozenset()) -> Trial:
    """Real errors: what an expert changed; without the images of which nobody has said what is right."""
    networks = predictor(data, found)
    before, after = (GivenLabels.from_maps(each.maps(), found.categories) for each in (data, clean))
    pages = []
    for row in np.flatnonzero(found.usable).tolist():
        if found.image_ids[row] in untold:
            continue
        given, seen = before.image_segments(row), networks.predict(row)
        better = after.image_segments(after.maps.row(found.image_ids[row]))
        picture = read_picture(before.maps, row)
        saw = image_features(given, seen, networks.things, np.random.default_rng([0, row]), picture=picture)
        about, n = _changed(saw.candidates, given, better)
        pages.append(_Page(saw, about, ["real"] * n, _of_pixels(saw.candidates, seen), _of_image(given, seen)))
    return _bound(pages)


def _changed(found: ImageCandidates, given: SegmentSet, better: SegmentSet) -> tuple[tuple[Ints, Ints], int]:
    """Each part that has no like any more, and each region most of which was changed, is an error of its own."""
    parts, of = split_into_parts(better.runs, better.height, len(better))
    now = SegmentSet.from_runs(parts, better.category[of], better.height, better.width)
    met = overlaps(found.annotated, now)
    same = found.annotated.category[met.a] == now.category[met.b]
    iou = same * met.pixels / (found.annotated.areas[met.a] + now.areas[met.b] - met.pixels)
    best = np.zeros(len(found.annotated))
    np.maximum.at(best, met.a, iou)
    wrong = best < HARDLY
    region = SegmentPixels.of_runs(found.regions.runs, len(found.regions))
    moved = region.means(given.categories()[region.index] != better.categories()[region.index]) > 0.5
    both = np.append(wrong, moved)
    number = np.where(both, np.cumsum(both) - 1, -1).astype(np.int64)
    return (number[: len(wrong)], number[len(wrong) :]), int(both.sum())


def _of_pixels(found: ImageCandidates, seen: ImagePrediction) -> dict[str, Floats]:
    """Scores of candidates, the annotated ones first, from the probability of the given category of their pixels."""
    p, of, n = [], [], 0
    for what, label in ((found.annotated, found.annotated.category), (found.regions, found.label)):
        pixels = SegmentPixels.of_runs(what.runs, len(what))
        p.append(seen.probability_at(label[pixels.owner], pixels.index).astype(float))
        of.append(pixels.owner + n)
        n += len(what)
    said, whose = np.concatenate(p), np.concatenate(of)
    weight = np.exp((1 - said) / TEMPERATURE)
    total = np.maximum(np.bincount(whose, minlength=n), 1)
    soft = np.bincount(whose, said * weight, n) / np.maximum(np.bincount(whose, weight, n), 1e-300)
    return {"pixels": 1 - np.bincount(whose, said, n) / total, "softmin": 1 - soft}


def _of_image(given: SegmentSet, seen: ImagePrediction) -> dict[str, float]:
    """Scores of an image as a whole; softmin is that of the look."""
    label = given.categories()
    told = np.flatnonzero(label != VOID)
    p = seen.probability_at(label[told], told).astype(float)
    return {"loss": float(-np.log(np.maximum(p, 1e-7)).mean()), "pixels": float(1 - p.mean())}


def _bound(pages: Sequence[_Page]) -> Trial:
    with single_threaded_libraries():
        result = rank_candidates([page.look for page in pages])
    first = np.cumsum([0, *(len(page.types) for page in pages)]).tolist()
    mistake = [
        np.where(page.about[sort] >= 0, page.about[sort] + n, -1)
        for sort in (0, 1)
        for page, n in zip(pages, first, strict=False)
    ]
    pixels = {}
    for name in pages[0].pixels:
        cut = [np.split(page.pixels[name], [len(page.look.candidates.annotated)]) for page in pages]
        pixels[name] = np.concatenate([each[sort] for sort in (0, 1) for each in cut])
    images = {name: np.array([page.images[name] for page in pages]) for name in pages[0].images}
    images = {"segdata": result.images(), "softmin": 1 - result.softmin, **images}
    of = np.repeat(np.arange(len(pages)), np.diff(first))
    types = [name for page in pages for name in page.types]
    wrong = np.array([len(page.types) > 0 for page in pages])
    return Trial([page.look for page in pages], result, np.concatenate(mistake), types, of, pixels, images, wrong)
