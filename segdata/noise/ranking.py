"""Ranking: the probability that each candidate is wrong, and its type.

Injected errors teach what an error looks like, always in other images than those judged. A probability is relative to
their rate; reviewers' decisions move it to the real one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.image_files import ChannelArray
from segdata.core.runs import Flags, Floats, Ints, bounding_boxes
from segdata.core.table import Column
from segdata.noise.alignment import Alignment, align_labels, label_shifts
from segdata.noise.appearance import CoarseColours, GreyImage, colour_evidence, describe_appearance, grey_values
from segdata.noise.calibration import (
    MAX_RIGHT_CANDIDATES,
    OFFSET_DEVIATION,
    assign_folds,
    cross_fits,
    excess_log_odds,
    fit_calibration,
    kind_shares,
    log_loss,
    logistic,
    mean_log_ratio,
    unknown_kind_odds,
)
from segdata.noise.candidates import ImageCandidates, find_annotated, find_candidates
from segdata.noise.corruptions import CorruptionRates, corrupt_labels, match_corruptions, training_rates
from segdata.noise.error_types import KINDS, TYPE_OF, TYPES
from segdata.noise.evaluation import EvaluatedRanking
from segdata.noise.features import (
    MIN_IOU,
    VAGUE_IOU,
    agreement,
    annotated_features,
    predicted_category,
    region_features,
    softmin,
)
from segdata.noise.left_out import SeenParts, describe_seen_parts, left_out_probability, missing_label_probability
from segdata.noise.novelty import MODEL_FREE, SURPRISES, oddest_of, surprise, surprise_weights, unlearnt_odds
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import UNLABELLED, SegmentSet
from segdata.noise.trust import (
    ImageFit,
    ImageLikeness,
    RelatedImages,
    image_fit,
    informed_images,
    known_images,
)

_SEVERITY_RANGE = 0.25, 1.5  # severity of the mistakes of an image
_MIN_CANDIDATES, _MAX_COPIES = 60, 6  # candidates wanted of an image to learn from, and how often it is spoiled at most


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """The features of the candidates of one sort in one image."""

    x: Floats  # (n, F) features
    mistake: Ints  # (n,) the injected error that each is about; -1: none
    category: Ints  # (n,) as labelled, or as predicted if nothing is labelled

    @property
    def empty(self) -> "FeatureTable":
        """The same features of no candidate."""
        return FeatureTable(self.x[:0], self.mistake[:0], self.category[:0])


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """One image's candidates and their features, without the pixels of the prediction."""

    candidates: ImageCandidates
    given: tuple[FeatureTable, FeatureTable]  # of annotated candidates, and of regions
    corrupted: tuple[FeatureTable, FeatureTable]  # the same with injected errors
    kinds: Ints  # (e,) of the injected mistakes, rows of `KINDS`
    shared: Ints  # (K,) pixels where a category is both given and seen
    either: Ints  # (K,) where it is one of them
    softmin: float  # how good the labels of the image look, from 0 to 1, see `softmin`
    names: tuple[tuple[str, ...], tuple[str, ...]]  # of the features, of annotated candidates and of regions
    believed: Ints  # the category that the model sees in each annotated candidate
    alignment: Alignment  # where all labels of the image would fit best
    fit: ImageFit  # how well the model knows what is labelled
    seen: SeenParts  # predicted parts
    look: Floats | None = None  # see `describe_appearance`; None: there is no image
    # of annotated candidates, and of regions: how much more their colours are those of something else, see
    # `colour_evidence`; None: there is no image
    colours: tuple[Floats, Floats] | None = None
    is_brief: bool = False  # only what an image that the model does not know needs: no regions, no injected errors


def corrupted_copies(n_labels: int) -> int:
    """How many corrupted copies of an image a set of so many labels needs at most: one where there is enough to learn.

    >>> corrupted_copies(1_000), corrupted_copies(5_000), corrupted_copies(25_000)
    (6, 3, 1)
    """
    return min(max(-(-MAX_RIGHT_CANDIDATES // max(n_labels, 1)), 1), _MAX_COPIES)


def image_features(
    given: SegmentSet,
    prediction: ImagePrediction,
    things: Flags,
    rng: np.random.Generator,
    rates: CorruptionRates | None = None,
    picture: ChannelArray | None = None,
    *,
    brief: bool = False,
    max_copies: int = _MAX_COPIES,
) -> ImageFeatures:
    """The candidates of an image and their features, as labelled and with injected errors (`rates`).

    `picture` : (C, height, width) the image itself, if there is one.
    `brief` : leave out regions and injected errors, which are nine tenths of the work. They do not count if the model
        does not know the image: no region is reported there, and nothing is learnt.

    The severity of errors varies between images. An image with few candidates is corrupted several times, at most
    `max_copies`, so that there is enough to learn from; see `corrupted_copies`.
    """
    find = find_annotated if brief else find_candidates
    candidates = find(given, prediction, things)
    grey = None if picture is None else GreyImage(grey_values(picture))
    none = np.full(len(candidates.annotated), -1), np.full(len(candidates.regions), -1)
    names, tables = _feature_tables(candidates, given, prediction, none, grey)
    usual = training_rates() if rates is None else rates
    kinds: list[int] = []
    copies = [(tables[0].empty, tables[1].empty)]
    n_copies = 0 if brief else min(max(_MIN_CANDIDATES // max(len(candidates.annotated), 1), 1), max_copies)
    for _ in range(n_copies):
        worse = float(np.exp(rng.uniform(*np.log(_SEVERITY_RANGE))))
        new, truth = corrupt_labels(given, things, replace(usual, severity=worse * usual.severity), rng)
        corrupted = find_candidates(new, prediction, things)
        annotated, regions = match_corruptions(corrupted, new, truth, things)
        numbers = _renumber_corruptions(annotated, len(kinds)), _renumber_corruptions(regions, len(kinds))
        copies.append(_feature_tables(corrupted, new, prediction, numbers, grey)[1])
        kinds += [KINDS.index(kind) for kind in truth.kinds]
    confusion = prediction.confusion(given)
    shared, either = agreement(confusion)
    parts = replace(prediction, predicted=prediction.predicted.take(none[0][:0])) if brief else prediction
    return ImageFeatures(
        candidates=candidates,
        given=tables,
        corrupted=(
            _concatenate_tables([copy[0] for copy in copies]),
            _concatenate_tables([copy[1] for copy in copies]),
        ),
        kinds=np.array(kinds, np.int64),
        shared=shared,
        either=either,
        softmin=softmin(given, prediction),
        names=names,
        believed=predicted_category(candidates.annotated, prediction),
        alignment=align_labels(given, prediction, None if grey is None else grey.values),
        fit=image_fit(given, confusion),
        seen=describe_seen_parts(parts, given, candidates, grey),
        look=None if picture is None else describe_appearance(picture),
        colours=None if picture is None or brief else _colour_evidence(candidates, given, picture),
        is_brief=brief,
    )


def _colour_evidence(candidates: ImageCandidates, given: SegmentSet, picture: ChannelArray) -> tuple[Floats, Floats]:
    """How much more the colours of annotated candidates, and of regions, are those of something else."""
    colours, drawn = CoarseColours.from_pixels(picture), given.categories()
    annotated, regions = candidates.annotated, candidates.regions
    anything = np.full(len(annotated), -1)
    return (
        colour_evidence(colours, annotated.pixels(), annotated.category, anything, drawn),
        colour_evidence(colours, regions.pixels(), candidates.label, regions.category, drawn),
    )


def _renumber_corruptions(mistake: Ints, before: int) -> Ints:
    """(n,) numbers of errors, -1: none, shifted by the errors before them."""
    return np.where(mistake >= 0, mistake + before, -1)


def _concatenate_tables(tables: Sequence[FeatureTable]) -> FeatureTable:
    return FeatureTable(
        *(np.concatenate([getattr(table, name) for table in tables]) for name in ("x", "mistake", "category"))
    )


def _feature_tables(
    candidates: ImageCandidates,
    given: SegmentSet,
    prediction: ImagePrediction,
    mistake: tuple[Ints, Ints],
    grey: GreyImage | None,
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], tuple[FeatureTable, FeatureTable]]:
    annotated_names, annotated = annotated_features(candidates, given, prediction, grey)
    region_names, regions = region_features(candidates, given, prediction, grey)
    category = np.where(candidates.regions.category > 0, candidates.regions.category, candidates.label)
    return (annotated_names, region_names), (
        FeatureTable(annotated, mistake[0], candidates.annotated.category),
        FeatureTable(regions, mistake[1], category),
    )


_PENALTIES = (10.0, 100.0)
_MISALIGNED_ODDS = 3.0  # log odds that a label is wrong in an image in which all are misaligned
_ALMOST_SURE = 0.999  # the greatest P that counts for an image
# Log odds by which labels are missing more often than injected ones and looks say, among those that are listed: people
# leave out what is small, pale or at the border. Of 72 on seven sets 56 were, where the sum of P was 30; fitted, 2.5.
# One standard deviation of what is believed of the offset. The image itself is a second witness: they are higher by as
# much as the evidence of its colours is above the usual one of a thing without a label (docs/results/flag.md).
_MISSING_ODDS, _USUAL_EVIDENCE = OFFSET_DEVIATION, 1.0


# A Bayes factor: Kass and Raftery (1995), Journal of the American Statistical Association 90, 773.
STRONG_EVIDENCE = 20.0
# The factor for each label in sets of fewer than 400, and the odds of what needs no evidence. Chosen on small parts of
# the "-dev" sets and on drawings (docs/results/flag.md).
EVIDENCE_PER_LABEL, LIKELY_ODDS = 0.05, 0.5
FAIR_ODDS = 1 / 9  # one in ten: of 11 findings on white blood cells 9 were below, and none of them right


@dataclass(frozen=True)
class RankedCandidates:
    """All candidates of a dataset, with the probability that each is wrong."""

    image: Ints  # (n,) the row of the image
    row: Ints  # (n,) the given segment; -1: a region that was not annotated so
    candidate: Ints  # (n,) the row among the annotated candidates, or among the regions, of the image
    category: Ints  # (n,) as given; 0: nothing
    seen: Ints  # (n,) what the model sees in a region; -1 for what was annotated
    # (n,) log odds, as learnt, of another kind of mistake, which would make its pixels improbable, and of labels that
    # are misaligned with all others of their image
    odds: Floats
    probability: Floats  # (n,) that it is wrong, of `reported_odds`, or as reviewed
    type: Floats  # (n, T) how probable each of `TYPES` is, if it is wrong
    doubt: Floats  # (n,) the mean of 1 - p(label) over its pixels, which is what there is without a classifier
    softmin: Floats  # (i,) of the images
    held_out: EvaluatedRanking  # the injected mistakes, as they were found by what was learnt from other images
    held_category: Ints  # (h,) the category of each candidate in `held_out`
    iou: Floats  # (K,) of the model's categories with the given ones, over all images
    candidates: Sequence[ImageCandidates] = field(repr=False)
    believed: Ints  # (n,) the category that the model sees; 0: nothing
    # (i, 2) pixels to the right and down by which all labels of an image would have to be moved; 0: they fit
    move: Ints
    informed: Floats  # (i,) how well the model knows each image, see `informed_images`
    left_out: Flags  # (n,) unlabelled things that are suspected because their image is almost without labels
    related: RelatedImages  # which images belong together
    prior: float = 0.0  # the odds that a label is wrong, before anything is known of it
    thin: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # rows of regions that are too thin to report
    bare: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # of those that may lack a label, see `SeenParts`
    small: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # of candidates of a few pixels
    # of regions without a label, by which labels would grow that do not fit what the model sees, see `_unfit_regions`
    unfit: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    # (n,) how much more the colours of each are those of what the model sees, see `colour_evidence`; NaN: not known
    colours: Floats | None = None
    alone: Floats | None = None  # (n,) log odds of labels as learnt without any model; -inf: not annotated
    oddest: Column | None = None  # (n,) what is rarest about each label, in words; "": nothing, or not annotated
    # (n,) how much the image differs across the new outlines of a region, see `region_contrast`; 0: annotated
    distinct: Floats | None = None

    @property
    def base_odds(self) -> float:
        """The log odds that a label is wrong, before anything is known of it; 0 if nothing was learnt."""
        return float(np.log(self.prior)) if self.prior > 0 else 0.0

    @property
    def strong(self) -> Flags:
        """(n,) where the evidence of an error is strong, or an error is likely.

        Strong evidence makes the odds `STRONG_EVIDENCE` times the `prior`. Among few labels none is so strong, as an
        error is itself one of those that it is compared with; nor is that needed, as few correct ones can look wrong:
        there the factor is lower, but the odds must be `FAIR_ODDS`. If errors are frequent, a candidate that is wrong
        in one of three cases is worth a look.
        """
        n_labels = int(((self.row >= 0) & self.known_images[self.image]).sum())
        return np.asarray(np.exp(self.odds) >= needed_odds(n_labels, self.prior))

    @property
    def reported_odds(self) -> Floats:
        """(n,) log odds as reported: strong ones of regions that may lack a label rise if their colours agree.

        The colours of a category without a label in the image are unknown, as are all colours without the image.
        """
        higher = np.zeros(len(self))
        higher[self.bare] = _MISSING_ODDS
        if self.colours is not None:
            agree = np.nan_to_num(self.colours[self.bare] - _USUAL_EVIDENCE)
            higher[self.bare] += np.where(self.has_label(self.bare), agree, 0.0)
        return np.asarray(self.odds + higher * self.strong)

    @property
    def known_images(self) -> Flags:
        """(i,) the images that the model knows; findings in others are not reported."""
        return known_images(self.informed) | self.move.any(axis=1)

    def __len__(self) -> int:
        return len(self.image)

    def has_label(self, rows: Ints) -> Flags:
        """(c,) whether the category that the model sees in regions (rows) has a label in their image."""
        n = len(self.iou)
        given = (self.image * n + self.category)[self.row >= 0]
        return np.asarray(np.isin(self.image[rows] * n + self.seen[rows], given))

    def images(self, judged: Flags | None = None) -> Floats:
        """(i,) a score for each image, between 0 and 1: its rank, near 1 for the worst.

        It is the sum of -log(1 - P) of all labels and of all regions that may be reported, which is large if any of
        them is probably wrong, over the square root of their number, as an image with many labels has many unlikely
        errors, too. A region means nothing in an image that the model does not know, nor if it names a category for
        which the model is too weak: `judged` (n,) are those that it can judge, see `judged_candidates`, by default all
        in images that it knows.
        """
        counts = (self.row >= 0) | (self.known_images[self.image] if judged is None else judged)
        counts[self.thin] = False
        doubt = -np.log1p(-np.minimum(logistic(self.reported_odds), _ALMOST_SURE))
        n = len(self.softmin)
        total, count = np.bincount(self.image[counts], doubt[counts], n), np.bincount(self.image[counts], minlength=n)
        return _ranks(total / np.sqrt(np.maximum(count, 1)))


def needed_odds(n_labels: int, prior: float) -> float:
    """The least odds of an error with strong evidence, see `RankedCandidates.strong`."""
    factor = min(STRONG_EVIDENCE, EVIDENCE_PER_LABEL * n_labels)
    return min(max(factor * prior, FAIR_ODDS if factor < STRONG_EVIDENCE else 0.0), LIKELY_ODDS)


def _ranks(values: Floats) -> Floats:
    """(n,) between 0 for the least and 1 for the greatest; equal values have equal ranks, and a single one 0.5."""
    _, row, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(((np.cumsum(count) - count / 2) / max(len(values), 1))[row])


@dataclass(frozen=True)
class ImageTrust:
    """How well the model knows the images, and in which ones all labels are misaligned."""

    informed: Floats  # (i,) see `informed_images`
    iou: Floats  # (K,) of the model's categories with the given ones, over the images that teach
    move: Ints  # (i, 2) see `RankedCandidates.move`

    @property
    def teaching(self) -> Flags:
        """(i,) the images that the ranking learns from: those that the model knows, or all if it knows none."""
        known = known_images(self.informed)
        return known if known.any() else ~known

    @property
    def reported(self) -> Flags:
        """(i,) the images in which something may be found: those that the model knows, or that are misaligned."""
        return known_images(self.informed) | self.move.any(axis=1)


def trust_images(images: Sequence[ImageFeatures], related: RelatedImages) -> ImageTrust:
    """How well the model knows images; brief features are enough."""
    likeness = ImageLikeness.from_appearance([item.look for item in images], related.unit)
    informed = informed_images([item.fit for item in images], likeness)
    known = known_images(informed)
    taught = [images[row] for row in np.flatnonzero(known if known.any() else ~known).tolist()]
    iou = _category_iou(taught)
    return ImageTrust(informed, iou, label_shifts([item.alignment for item in images], iou))


def rank_candidates(
    images: Iterable[ImageFeatures],
    related: RelatedImages | None = None,
    jobs: int = 1,
) -> RankedCandidates:
    """The probability that each candidate of some images is wrong.

    Images that are `related` (a patient, a scene) never teach how to judge each other, unless all are, and vouch for
    each other, see `segdata.noise.trust`; by default none are. The chosen one of the penalties on large weights finds
    injected errors in other images best (log loss): the fewer errors, the higher it is. Nothing is learnt from images
    that are not known. `jobs` threads (0: one per core) learn the kinds of errors.
    """
    images = list(images)
    related = RelatedImages.unrelated(len(images)) if related is None else related
    trust = trust_images(images, related)
    known, iou, move = trust.teaching, trust.iou, trust.move
    fold = assign_folds(related.folds_of)
    sorts = [_score_candidates(images, sort, fold, known_images(trust.informed), jobs) for sort in (0, 1)]
    scores = {name: np.concatenate([sort[name] for sort in sorts]) for name in sorts[0]}
    excess = excess_log_odds(scores["held_odds"], scores["held_mistake"] >= 0)
    n_wrong, n_held = int((sorts[0]["held_mistake"] >= 0).sum()), len(sorts[0]["held_mistake"])  # annotated ones
    taught = [images[row] for row in np.flatnonzero(known).tolist()]
    odds, left_out = _missing_label_odds(scores["odds"] - excess, images, fold, known_images(trust.informed), iou)
    columns = _candidate_columns([item.candidates for item in images])
    misaligned = (columns["row"] >= 0) & (move != 0).any(axis=1)[scores["image"]]
    odds = np.where(misaligned, np.logaddexp(odds, _MISALIGNED_ODDS), odds)
    ranked = RankedCandidates(
        image=scores["image"],
        **columns,
        odds=odds,
        probability=logistic(odds),
        type=np.where(misaligned[:, None], np.array([item == "shift" for item in TYPES], float), scores["type"]),
        doubt=scores["doubt"],
        softmin=np.array([item.softmin for item in images]),
        held_out=_held_out_ranking(scores, excess, known, taught),
        held_category=scores["held_category"],
        iou=iou,
        candidates=[item.candidates for item in images],
        believed=np.concatenate([*(item.believed for item in images), columns["seen"][columns["row"] < 0]]),
        move=move,
        informed=trust.informed,
        left_out=left_out,
        prior=float(n_wrong / max(n_held - n_wrong, 1) * np.exp(-excess)),
        colours=_colours_of(images),
        related=related,
        alone=scores["alone"] - excess,
        oddest=scores["oddest"],
        distinct=_distinctness(images),
        **_noted_rows(images),
    )
    return replace(ranked, probability=logistic(ranked.reported_odds))


def _category_iou(images: Sequence[ImageFeatures]) -> Floats:
    """(K,) the IoU of what is seen with what is given, over these images."""
    shared, either = (sum((getattr(item, name) for item in images), np.zeros(1)) for name in ("shared", "either"))
    return np.asarray(shared / np.maximum(either, 1))


def _candidate_columns(candidates: Sequence[ImageCandidates]) -> dict[str, Ints]:
    """(n,) the columns of `RankedCandidates` that place a candidate: annotated ones, then the regions."""
    annotated, regions = [item.annotated for item in candidates], [item.regions for item in candidates]
    predicted = np.concatenate([np.empty(0, np.int64), *(item.category for item in regions)])
    row = np.concatenate([np.empty(0, np.int64), *(item.row for item in candidates)])
    return {
        "row": np.append(row, np.full(len(predicted), -1)),
        "candidate": np.concatenate(
            [np.empty(0, np.int64), *(np.arange(len(item)) for item in (*annotated, *regions))]
        ),
        "category": np.concatenate([*(item.category for item in annotated), *(item.label for item in candidates)]),
        "seen": np.append(np.full(len(row), -1), predicted),
    }


def _noted_rows(images: Sequence[ImageFeatures]) -> dict[str, Ints]:
    """The rows of `thin`, `bare`, `small` and `unfit` candidates, see `RankedCandidates`."""
    candidates = [item.candidates for item in images]
    n_annotated = sum(len(item.annotated) for item in candidates)
    thin = np.concatenate([np.empty(0, bool), *(item.thin for item in candidates)])
    bare = np.concatenate([np.empty(0, bool), *(item.seen.place >= 0 for item in images)])
    return {
        "thin": n_annotated + np.flatnonzero(thin),
        "bare": n_annotated + np.flatnonzero(bare),
        "small": _small_rows(candidates),
        "unfit": n_annotated + np.flatnonzero(np.concatenate([np.empty(0, bool), *map(_unfit_regions, images)])),
    }


def _unfit_regions(item: ImageFeatures) -> Flags:
    """(m,) regions without a label whose category has labels in the image that fit badly, were the region one of them.

    If the model predicts a category far beyond its labels in many places, it confuses the category.
    """
    regions, label = item.candidates.regions, item.candidates.label
    has_label = np.isin(regions.category, item.candidates.annotated.category)
    rest = np.maximum(item.either[regions.category] - regions.areas, 1)
    return np.asarray((label == UNLABELLED) & has_label & (item.shared[regions.category] < MIN_IOU * rest))


def _colours_of(images: Sequence[ImageFeatures]) -> Floats:
    """(n,) the evidence of colours for each candidate, annotated ones first; NaN in images that cannot be read."""
    sorts = [
        np.full(len(getattr(item.candidates, sort)), np.nan) if item.colours is None else item.colours[at]
        for at, sort in enumerate(("annotated", "regions"))
        for item in images
    ]
    return np.concatenate([np.empty(0), *sorts])


def _distinctness(images: Sequence[ImageFeatures]) -> Floats:
    """(n,) `RankedCandidates.distinct`: annotated candidates first."""
    none = np.zeros(sum(len(item.candidates.annotated) for item in images))
    return np.concatenate([none, *(item.given[1].x[:, item.names[1].index("new_distinct")] for item in images)])


# Pixels of the longer side, up to which what may be a crumb is not worth a look. Of 10 such findings on DRIVE, nerve
# and membranes none was right and 9 were debatable, of 2 on flakes both (docs/results/flag_by_eye).
_SMALL_SIDE = 10


def _small_rows(candidates: Sequence[ImageCandidates]) -> Ints:
    """The rows of candidates of a few pixels, in categories whose labels are usually twice as long."""
    annotated, regions = [item.annotated for item in candidates], [item.regions for item in candidates]
    boxes = [bounding_boxes(item.runs, item.heights, len(item)) for item in (*annotated, *regions)]
    side = np.concatenate([np.maximum(wide, high) for _, _, wide, high in boxes])
    labelled = np.concatenate([item.category for item in annotated])
    predicted = np.concatenate([item.category for item in regions])
    label = np.concatenate([item.label for item in candidates])
    category, usual = np.append(labelled, np.where(predicted > UNLABELLED, predicted, label)), np.zeros(len(side))
    for id_ in np.unique(labelled):
        usual[category == id_] = np.median(side[: len(labelled)][labelled == id_])
    return np.flatnonzero((side <= _SMALL_SIDE) & (2 * side <= usual))


def _held_out_ranking(
    scores: dict[str, Any], excess: float, known: Flags, taught: Sequence[ImageFeatures]
) -> EvaluatedRanking:
    """How the candidates of images that were held out are ranked; `known` (i,): those that something is learnt from."""
    return EvaluatedRanking(
        score=logistic(scores["held_odds"] - excess),
        image=scores["held_image"],
        mistake=scores["held_mistake"],
        mistake_type=[TYPE_OF[KINDS[number]] for item in taught for number in item.kinds.tolist()],
        mistake_image=np.repeat(np.flatnonzero(known), [len(item.kinds) for item in taught]),
        n_images=len(known),
    )


def _missing_label_odds(
    odds: Floats, images: Sequence[ImageFeatures], fold: Ints, known: Flags, iou: Floats
) -> tuple[Floats, Flags]:
    """The log odds (n,) with what the looks of regions say, which come last; and where their image leaves them out."""
    seen_parts = [item.seen for item in images]
    share = left_out_probability(seen_parts, fold, known, iou >= MIN_IOU)
    lacking = missing_label_probability(seen_parts, fold, known, iou >= VAGUE_IOU, share)
    image_odds = _odds_of_regions(len(odds), images, share, "region")
    place_odds = _odds_of_regions(len(odds), images, lacking, "place")
    return np.maximum(np.logaddexp(odds, image_odds), place_odds), image_odds > odds


def _odds_of_regions(n: int, images: Sequence[ImageFeatures], share: Sequence[Floats], part: str) -> Floats:
    """(n,) the log odds of regions, which come last, whose parts have these probabilities; -inf: no evidence.

    `part`: the column of `SeenParts` with the part of each region.
    """
    regions = [
        np.append(odds, 0.0)[getattr(item.seen, part)] for odds, item in zip(share, images, strict=True)
    ]  # -1: 0
    p = np.concatenate([np.zeros(n - sum(map(len, regions))), *regions])
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(p) - np.log1p(-np.minimum(p, 1 - 1e-9)))


@dataclass(frozen=True, slots=True)
class _TrainingCandidates:
    """Candidates (h,) of images with injected errors, from which the ranking learns."""

    x: Floats  # (h, F) features
    image: Ints  # (h,)
    fold: Ints  # (h,) of the image
    mistake: Ints  # (h,) the injected error that each is about, over all images; -1: none
    kind: Ints  # (h,) its kind, a row of `KINDS`; -1: none
    category: Ints  # (h,)

    @staticmethod
    def from_features(images: Sequence[ImageFeatures], sort: int, fold: Ints, known: Flags) -> "_TrainingCandidates":
        """The candidates of one sort in the images that the model knows (i,)."""
        rows = np.flatnonzero(known)
        taught = [images[row] for row in rows.tolist()]
        tables = [item.corrupted[sort] for item in taught]
        first = np.cumsum([0, *(len(item.kinds) for item in taught)]).tolist()
        x, image = _stack_tables([table.x for table in tables])
        mistakes = [_renumber_corruptions(table.mistake, begin) for table, begin in zip(tables, first, strict=False)]
        mistake = np.concatenate(mistakes)
        kind = np.concatenate([*(item.kinds for item in taught), np.full(1, -1)])[mistake]  # of mistake -1 the last one
        category = np.concatenate([table.category for table in tables])
        return _TrainingCandidates(x, rows[image], fold[rows[image]], mistake, kind, category)

    @property
    def wrong(self) -> Ints:
        """(h,) 1 for candidates that are about an error."""
        return (self.mistake >= 0).astype(np.int64)


def _score_candidates(
    images: Sequence[ImageFeatures], sort: int, fold: Ints, informed: Flags, jobs: int
) -> dict[str, NDArray[Any]]:
    """The columns of `RankedCandidates` for labels (`sort` 0) or regions (1), and for those with injected errors.

    Injected errors are those of the images that the model knows, `informed` (i,), or of all if it knows none. The
    novelty of a label, which needs no model, weighs as much as all features together, since real errors are mostly odd
    in size and shape; in images that the model does not know it alone counts.
    """
    training = _TrainingCandidates.from_features(images, sort, fold, informed if informed.any() else ~informed)
    x, image = _stack_tables([item.given[sort].x for item in images])
    names = list(images[0].names[sort])
    odds, ratio, share = _learn_odds(x, fold[image], training, _columns(names, () if sort else SURPRISES), jobs)
    doubt = 1 - x[:, names.index("given")] if sort else x[:, names.index("doubt")]
    worst, held_worst = (
        -item[:, names.index("given_worst")] if sort else item[:, names.index("worst")] for item in (x, training.x)
    )
    usual = held_worst[training.wrong == 0]
    model_free, oddest = np.full(len(x), -np.inf), np.full(len(x), "", object)
    unlearnt = unknown_kind_odds(worst, usual), unknown_kind_odds(held_worst, usual)
    if not sort:
        free_names = [name for name in names if name in MODEL_FREE]
        columns, rare_columns = _columns(names, free_names), _columns(free_names, SURPRISES)
        bare = replace(training, x=training.x[:, columns])
        free_odds, _, _ = _learn_odds(x[:, columns], fold[image], bare, rare_columns, jobs)
        model_free = free_odds[0]
        oddest = oddest_of(x[:, columns], training.x[training.wrong == 0][:, columns], free_names)
        odds = _calibrated(((odds[0] + free_odds[0]) / 2, (odds[1] + free_odds[1]) / 2), training)
        is_known = informed[image]
        odds = (np.where(is_known, odds[0], free_odds[0]), odds[1])
        unlearnt = (np.where(is_known, unlearnt[0], -np.inf), unlearnt[1])
    return {
        "image": image,
        "odds": np.logaddexp(odds[0], unlearnt[0]),
        "type": _type_probabilities(ratio + np.log(share), np.unique(training.kind[training.kind >= 0])),
        "doubt": doubt,
        "held_odds": np.logaddexp(odds[1], unlearnt[1]),
        "held_image": training.image,
        "held_mistake": training.mistake,
        "held_category": training.category,
        "alone": model_free,
        "oddest": oddest,
    }


_OddsPair = tuple[Floats, Floats]  # (n,) of what is judged, and (h,) of what is learnt from


def _learn_odds(
    x: Floats, fold: Ints, training: _TrainingCandidates, rare: Ints, jobs: int
) -> tuple[_OddsPair, Floats, Floats]:
    """Calibrated log odds of an error, from features (n, F); log ratios (n, K) and shares (K,) of the kinds of error.

    `rare` are the columns in which what is rare in correct labels counts, whatever the kind of error. Regions have
    none: they can hardly be wrong in a way that was not learnt.
    """
    ratio, held_ratio, share = _kind_ratios(x, fold, training, jobs)
    odds = mean_log_ratio(ratio, share), mean_log_ratio(held_ratio, share)
    if len(rare):
        unlearnt = unlearnt_odds(held_ratio, training.kind, share)
        odds = _add_surprises(odds, x[:, rare], training, rare, unlearnt)
    return _calibrated(odds, training), ratio, share


def _columns(names: Sequence[str], features: Sequence[str]) -> Ints:
    """(k,) the columns of the wanted features."""
    return np.array([names.index(name) for name in features], np.int64)


def _kind_ratios(x: Floats, fold: Ints, training: _TrainingCandidates, jobs: int) -> tuple[Floats, Floats, Floats]:
    """(n, K) and (h, K) log ratios of the kinds of error, and (K,) how common each counts, with the best penalty."""
    best, least = (np.empty(0), np.empty(0), np.empty(0)), np.inf
    for ratio, held_ratio in cross_fits(x, fold, training.x, training.kind, training.fold, _PENALTIES, jobs):
        share = kind_shares(held_ratio, training.kind)
        loss = log_loss(mean_log_ratio(held_ratio, share), training.wrong)
        if loss < least or not len(best[2]):
            best, least = (ratio, held_ratio, share), loss
    return best


def _add_surprises(
    odds: _OddsPair, values: Floats, training: _TrainingCandidates, columns: Ints, unlearnt: Floats
) -> _OddsPair:
    """Log odds with what is rare in correct labels, weighted by what it tells of kinds that were not learnt."""
    usual = training.x[training.wrong == 0][:, columns]
    rare, held_rare = surprise(values, usual), surprise(training.x[:, columns], usual)
    weight = surprise_weights(unlearnt, held_rare, training.wrong)
    return odds[0] + rare @ weight, odds[1] + held_rare @ weight


def _calibrated(odds: _OddsPair, training: _TrainingCandidates) -> _OddsPair:
    calibration = fit_calibration(odds[1], training.wrong)
    return calibration.odds(odds[0]), calibration.odds(odds[1])


def _stack_tables(tables: Sequence[Floats]) -> tuple[Floats, Ints]:
    return np.concatenate(tables), np.repeat(np.arange(len(tables)), [len(table) for table in tables])


def _type_probabilities(ratio: Floats, kinds: Ints) -> Floats:
    """(n, T) the probability of each type of error, from the log ratios (n, K) of the kinds."""
    weight = np.zeros((len(ratio), len(TYPES)))
    for column, kind in enumerate(kinds.tolist()):
        weight[:, TYPES.index(TYPE_OF[KINDS[kind]])] += np.exp(ratio[:, column] - ratio.max(axis=1))
    total = weight.sum(axis=1, keepdims=True)
    return np.where(total > 0, weight / np.maximum(total, 1e-300), 1 / len(TYPES))
