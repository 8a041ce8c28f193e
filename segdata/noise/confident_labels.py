"""Confident labels: predictions above the confidence at which they are precise enough, and void elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch, replace_column
from segdata.core.overlay import SweepRuns, complement, union_by_frame
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Floats, Ints, Runs, fill_ranges
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.networks.predictions import PredictedInstances, Predictions
from segdata.noise.segments import UNLABELLED, VOID, GivenLabels, SegmentSet, overlaps, runs_of_map

BINS = 1000
_MIN_PREDICTIONS = {"pixels": 1000, "instances": 20}  # of a category; with fewer, its precision is unknown
MIN_IMAGES = 5  # effective number of images with predictions of a category
CERTAINTY = 0.9  # of the mean precision over images
_MIN_INSTANCE_IOU = 0.5  # from which a predicted instance matches a labelled one


@dataclass
class PrecisionTally:
    """Counts of right predictions by category and confidence, with their variation between images."""

    right: Floats  # (K, BINS) right predictions from each confidence on, which goes from 0 to 1
    seen: Floats  # (K, BINS) all predictions
    right_squared: Floats  # (K, BINS) sums of products over images
    right_times_seen: Floats
    seen_squared: Floats
    enough: int

    @staticmethod
    def empty(n_categories: int, what: str) -> "PrecisionTally":
        """An empty tally; `what`: pixels or instances."""
        n_right, n_seen, right_squared, right_times_seen, seen_squared = np.zeros((5, n_categories, BINS))
        return PrecisionTally(n_right, n_seen, right_squared, right_times_seen, seen_squared, _MIN_PREDICTIONS[what])

    def add(self, category: Ints, confidence: NDArray[np.floating], right: Flags) -> None:
        """Count the predictions of an image: categories (n,), their confidence, and whether each was right."""
        place = category * BINS + np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        by_bin = (np.bincount(places, minlength=self.seen.size) for places in (place[right], place))
        r, s = (np.cumsum(counts.reshape(self.seen.shape)[:, ::-1], axis=1)[:, ::-1].astype(float) for counts in by_bin)
        self.right += r
        self.seen += s
        self.right_squared += r * r
        self.right_times_seen += r * s
        self.seen_squared += s * s

    def bars(self, precision: float, sure: float = CERTAINTY) -> Floats:
        """(K,) the lowest confidence from which predictions have this precision; infinite if there is none.

        A bar counts if images with a lower precision would give this result in at most 1 - `sure` of the cases, by a t
        test of right - precision * seen over the effective number of images, or a binomial test if that varies
        more. Since the lowest of many bars is wanted, the level is Bonferroni's for one test, and one more each time
        that the number of predictions quarters. `sure` 0.5: the precision observed on these images.

        >>> tally = PrecisionTally.empty(1, "instances")
        >>> for _ in range(10):
        ...     tally.add(np.zeros(12, int), np.repeat([0.25, 0.75], 6), np.arange(12) >= 4)
        >>> tally.bars(0.9), tally.bars(0.5)
        (array([0.75]), array([0.25]))
        """
        from scipy.special import stdtrit

        above = self.right - precision * self.seen
        varies = self.right_squared - 2 * precision * self.right_times_seen + precision**2 * self.seen_squared
        variance = self.seen * precision * (1 - precision)
        images = self.seen**2 / np.maximum(self.seen_squared, 1)
        tests = 1 + np.log2(np.maximum(self.seen[:, :1] / self.enough, 1)) / 2 if sure > 0.5 else 1
        needed = stdtrit(np.maximum(images - 1, 1), 1 - (1 - sure) / tests) * np.sqrt(np.maximum(varies, variance))
        has_predictions = np.diff(self.seen, axis=1, append=0) < 0
        enough = (self.seen >= self.enough) & (images > MIN_IMAGES - 0.5)
        fits = has_predictions & enough & (above >= needed - 1e-9 * self.seen)
        return np.where(fits.any(axis=1), fits.argmax(axis=1) / BINS, np.inf)


@dataclass(frozen=True)
class ConfidentLabels:
    """A model's predictions above the confidence at which they are precise enough."""

    predictions: Predictions
    # (K,) of pixels, or of instances where these are told apart; infinite: never sure of this category
    bars: Floats = field(repr=False)
    apart: Flags = field(repr=False)  # (K,) whether a category has separate instances; row 0: nothing

    @staticmethod
    def learnt(
        predictions: Predictions,
        given: GivenLabels,
        rows: Iterable[int],
        precision: float,
        things: frozenset[int] = frozenset(),
    ) -> "ConfidentLabels":
        """Learn the bars from annotated images `rows`, each predicted by a network that was not trained on it.

        `things` : the ids of the categories with separate instances, if the networks predict instances
        """
        has_instances = _instance_categories(predictions, things)
        pixels, instances = ConfidentLabels.measure_precision(predictions, given, rows, things)
        bars = np.where(has_instances, instances.bars(precision), pixels.bars(precision))
        return ConfidentLabels(predictions, bars, has_instances)

    @staticmethod
    def measure_precision(
        predictions: Predictions, given: GivenLabels, rows: Iterable[int], things: frozenset[int]
    ) -> tuple[PrecisionTally, PrecisionTally]:
        """Measure the precision of pixels and instances on images `rows`."""
        has_instances = _instance_categories(predictions, things)
        of_pixels, of_instances = (PrecisionTally.empty(len(has_instances), kind) for kind in _MIN_PREDICTIONS)
        for row in rows:
            labels, instances = given.image_segments(row), predictions.instances(row)
            if instances is not None:
                of_instances.add(*_judge_instances(instances, predictions.categories, labels))
            if not has_instances[1:].all():
                of_pixels.add(*_judge_pixels(predictions.probabilities(row), labels, has_instances))
        return of_pixels, of_instances

    def draft_segments(self, row: int) -> SegmentSet:
        """The segments of an image, one per category or instance; the last is `VOID`, where confidence is too low.

        The score of an instance is its confidence, that of all others NaN.
        """
        instances, probability = self.predictions.instances(row), self.predictions.probabilities(row)
        n, height, width = probability.shape
        category, score = np.arange(n), np.full(n, np.nan)
        canvas = np.full(width * height, UNLABELLED) if self.apart[1:].all() else self._of_pixels(probability)
        if instances is not None:
            channel = _channels(instances, self.predictions.categories)
            sure = instances.score >= self.bars[channel]
            number = np.where(sure, n - 1 + np.cumsum(sure), VOID)
            fill_ranges(canvas, instances.runs.start, instances.runs.length, number[instances.runs.owner])
            category, score = np.append(category, channel[sure]), np.append(score, instances.score[sure])
        canvas[canvas == VOID] = len(category)
        return _canvas_segments(canvas, np.append(category, VOID), np.append(score, np.nan), height, width)

    def _of_pixels(self, probability: NDArray[np.float32]) -> Ints:
        """(width * height,) the category of each pixel that is confident enough, column by column; else `VOID`."""
        best = probability.argmax(axis=0)
        sure = (probability.max(axis=0) >= self.bars[best]) & ~self.apart[best]
        return np.where(sure, best, VOID).T.ravel()


def _instance_categories(predictions: Predictions, things: frozenset[int]) -> Flags:
    """(K,) whether a category has separate instances; row 0: nothing."""
    return np.array([False, *(predictions.plan.instances and id_ in things for id_ in predictions.categories)])


def _canvas_segments(canvas: Ints, category: Ints, score: Floats, height: int, width: int) -> SegmentSet:
    """The segments of an image in which each pixel (width * height,) has the number of its own, 0 for none."""
    runs, number = runs_of_map(canvas, height, width)
    return SegmentSet(runs, category[number].astype(np.int64), score[number].astype(np.float64), height, width)


def _judge_pixels(
    probability: NDArray[np.float32], labels: SegmentSet, apart: Flags
) -> tuple[Ints, NDArray[np.float32], Flags]:
    """The predicted category of each pixel that is not void, its probability, and whether the label agrees.

    Pixels predicted as a category with separate instances are left out.
    """
    label = labels.categories()
    flat = probability.transpose(0, 2, 1).reshape(len(probability), -1)
    best = flat.argmax(axis=0)
    is_judged = (label != VOID) & ~apart[best]
    return best[is_judged], flat.max(axis=0)[is_judged], best[is_judged] == label[is_judged]


def _judge_instances(
    instances: PredictedInstances, categories: tuple[int, ...], labels: SegmentSet
) -> tuple[Ints, NDArray[np.float32], Flags]:
    """The category of each instance outside void, its score, and whether it matches a labelled one."""
    channel = _channels(instances, categories)
    predicted = SegmentSet.from_runs(instances.runs, channel, labels.height, labels.width)
    overlap = overlaps(predicted, labels)
    area, labelled_area = predicted.areas.astype(np.float64), labels.areas.astype(np.float64)
    iou = overlap.pixels / (area[overlap.a] + labelled_area[overlap.b] - overlap.pixels)
    hit = (iou >= _MIN_INSTANCE_IOU) & (labels.category[overlap.b] == channel[overlap.a])
    void = labels.category[overlap.b] == VOID
    ignored = np.bincount(overlap.a[void], overlap.pixels[void], len(predicted)) > area / 2
    is_right = np.bincount(overlap.a[hit], minlength=len(predicted)) > 0
    is_judged = ~ignored | is_right
    return channel[is_judged], instances.score[is_judged], is_right[is_judged]


def _channels(instances: PredictedInstances, categories: tuple[int, ...]) -> Ints:
    channel_of = {id_: channel for channel, id_ in enumerate(categories, 1)}
    return np.array([channel_of.get(category, UNLABELLED) for category in instances.category.tolist()], np.int64)


def add_void_category(profile: Profile) -> tuple[Taxonomy, int]:
    """The taxonomy of a dataset with a category for ignored pixels, and the id of that category."""
    taxonomy = profile.taxonomy
    for category in taxonomy.categories:
        if category.kind == "void":
            return taxonomy, category.id
    names = {*(category.name for category in taxonomy.categories), *profile.unknown_names.values()}
    id_ = profile.free_category
    name = "void" if "void" not in names else f"void_{id_}"
    void = Category(id=id_, name=name, kind="void")
    return msgspec.structs.replace(taxonomy, categories=(*taxonomy.categories, void)), id_


def keep_confident(batch: Batch, confidence: float, void: int) -> tuple[Batch, int]:
    """Keep segments with a score of at least `confidence`, or without any; also returns the number of removed ones.

    The pixels of removed segments that no kept segment claims become one segment of the category `void`
    in each annotation.
    """
    score = batch.segments["score"].fill_null(np.inf).to_numpy()
    confident, removed = np.flatnonzero(~(score < confidence)), np.flatnonzero(score < confidence)  # NaN is no score
    if not len(removed):
        return batch, 0
    unclaimed = _unclaimed_pixels(batch, confident, removed)
    n_annotations = batch.annotations.num_rows
    voided = np.flatnonzero(unclaimed.areas(n_annotations))
    ids = batch.segments["segment_id"].to_numpy()
    highest = np.zeros(n_annotations, np.int64)
    np.maximum.at(highest, batch.segment_annotation, ids)
    n = len(voided)
    added = make_table(
        BATCH_SEGMENTS, n, annotation=voided.astype(np.int32), segment_id=np.maximum(highest[voided] + 1, void),
        category_id=np.full(n, void, np.int64), iscrowd=np.zeros(n, bool), source=["model"] * n,
    )  # fmt: skip
    segments = pa.concat_tables([batch.segments.take(pa.array(confident)), added]).combine_chunks()
    both = [batch.runs.take(confident, batch.n_segments), unclaimed.take(voided, n_annotations)]
    runs = Runs.concatenate(both, [len(confident), n])
    order = np.argsort(segments["annotation"].to_numpy(), kind="stable")
    return replace(batch, segments=segments.take(pa.array(order)), runs=runs.take(order, len(order))), len(removed)


def _unclaimed_pixels(batch: Batch, confident: Ints, removed: Ints) -> Runs:
    """The pixels of the segments `removed` that none of those `confident` claims; the owners are annotations."""
    height, width = (side[batch.annotation_image] for side in batch.image_size)
    uncovered = complement(_covered_pixels(batch, removed), height, width)
    covered_runs = Runs.concatenate([_covered_pixels(batch, confident), uncovered], [0, 0])
    line = batch.annotation_line
    frames = np.arange(batch.annotations.num_rows)
    union = union_by_frame(SweepRuns.from_runs(covered_runs, line, frames), line)
    return complement(union.runs, height, width)


def _covered_pixels(batch: Batch, rows: Ints) -> Runs:
    line = batch.annotation_line
    side = SweepRuns.from_runs(
        batch.runs.take(rows, batch.n_segments), line, batch.segment_annotation[rows].astype(np.int64)
    )
    return union_by_frame(side, line).runs


def mark_drafted(batch: Batch) -> Batch:
    """The batch, marked as a model's work without a review."""
    n = batch.annotations.num_rows
    annotations = replace_column(batch.annotations, "source", ["model"] * n)
    return replace(batch, annotations=replace_column(annotations, "stage", ["drafted"] * n))
