"""Predictors: predictions for images by a model that was not trained on their labels, from networks or files.

Segments with scores (COCO results, panoptic PNG and JSON, masks of a Segment Anything model) are instances with their
own outlines. Class maps and probabilities (.npz) give values per pixel, and connected pixels form an instance.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.cluster import RemoteDataset, check_shared
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.format import Source
from segdata.core.label_maps import LabelMaps
from segdata.core.paths import without_extension
from segdata.core.runs import Flags, Floats, Ints, expand_ranges
from segdata.noise.error_types import KINDS, TYPE_OF, CorruptionKind, ErrorType
from segdata.noise.networks.predictions import Predictions
from segdata.noise.segments import UNLABELLED, VOID, SegmentSet, distances_to, segments_of_map

PixelValues = NDArray[np.float32]


@dataclass(frozen=True)
class ImagePrediction:
    """The out-of-sample prediction for one image. Pixels are counted column by column, as runs count them."""

    probability: PixelValues  # (K, width * height) of each category; row 0 is of nothing
    predicted: SegmentSet  # the segments that the model sees
    edge: PixelValues  # (width * height,) how probable it is that a segment ends here
    grain: float = 1.0  # pixels of the image on each side of what the model sees as one pixel

    @staticmethod
    def from_probabilities(
        probability: NDArray[np.floating], predicted: SegmentSet | None = None, edge: PixelValues | None = None
    ) -> "ImagePrediction":
        """Build from `probability` (K, height, width), predicted segments, and edges (height, width).

        Without segments, these are the connected parts of the most probable categories; without edges, the probability
        of an edge follows from the uncertainty between two categories.
        """
        n_categories, height, width = probability.shape
        field = np.ascontiguousarray(probability.transpose(0, 2, 1), np.float32).reshape(n_categories, -1)
        segments = segments_of_map(field.argmax(axis=0), height, width) if predicted is None else predicted
        edges = 2 * (1 - field.max(axis=0)) if edge is None else np.ascontiguousarray(edge.T, np.float32).ravel()
        return ImagePrediction(field, segments, np.minimum(edges, 1.0))

    @property
    def height(self) -> int:
        """The height of the image, in pixels."""
        return self.predicted.height

    @property
    def width(self) -> int:
        """The width of the image, in pixels."""
        return self.predicted.width

    @cached_property
    def best(self) -> Ints:
        """(width * height,) the most probable category."""
        return np.asarray(self.probability.argmax(axis=0), np.int64)

    @cached_property
    def best_two(self) -> tuple[PixelValues, PixelValues]:
        """(width * height,) each: the greatest and the second greatest probability."""
        first, second = self.probability[0], np.zeros_like(self.probability[0])
        for category_probability in self.probability[1:]:  # much faster than to sort the few categories of each pixel
            second = np.maximum(second, np.minimum(first, category_probability))
            first = np.maximum(first, category_probability)
        return first, second

    @cached_property
    def instance(self) -> Ints:
        """(width * height,) the predicted segment that each pixel belongs to; -1: none."""
        return self.predicted.paint(np.arange(len(self.predicted)), -1)

    @cached_property
    def border(self) -> Flags:
        """(width * height,) whether a predicted segment, or nothing, ends here: another one is above or to the left."""
        number = self.instance.reshape(self.width, self.height)
        differs = np.zeros(number.shape, bool)
        differs[:, 1:] |= number[:, 1:] != number[:, :-1]
        differs[1:] |= number[1:] != number[:-1]
        return differs.ravel()

    @cached_property
    def distance(self) -> Floats:
        """(width * height,) pixels to the nearest predicted border; the image's diagonal where there is none."""
        return distances_to(self.border.reshape(self.width, self.height)).astype(np.float64).ravel()

    def confusion(self, given: SegmentSet) -> Ints:
        """(K, K) pixels by their labelled category and the most probable one; void is left out."""
        n = len(self.probability)
        of_label = np.bincount((given.categories() - VOID) * n + self.best, minlength=(n + 1) * n).reshape(n + 1, n)
        return of_label[1:]

    def probability_at(self, category: Ints, pixel: Ints) -> PixelValues:
        """(p,) the probability of a category at a pixel, for each."""
        return np.asarray(self.probability.ravel()[category * self.probability.shape[1] + pixel])


class Predictor(Protocol):
    """Predictions for a dataset's images by a model that has not seen their labels."""

    # (K - 1,) the category ids that rows 1, 2, … of probabilities stand for; row 0: unlabelled
    categories: tuple[int, ...]
    things: Flags  # (K,) which of them are countable
    usable: Flags  # (n_images,) whether there is a prediction for an image
    kinds: tuple[CorruptionKind, ...]  # the kinds of error that it can reveal
    agnostic: bool  # it predicts things without categories: row 1 stands for every category of things

    def predict(self, row: int) -> ImagePrediction:
        """The prediction for the image at a row of the dataset."""


class NetworkPredictor:
    """The out-of-fold networks of this dataset. `countable`: ids of categories with instances."""

    kinds = KINDS
    agnostic = False

    def __init__(self, predictions: Predictions, countable: frozenset[int]) -> None:
        self._predictions = predictions
        self.categories = predictions.categories
        self.usable = predictions.usable
        told_apart = predictions.plan.instances
        self.things = np.array([False, *(told_apart and id_ in countable for id_ in predictions.categories)])
        self._grain = max(1 / predictions.plan.scale, 1.0)

    def __getstate__(self) -> dict[str, Any]:
        """The state for workers, whose folder may be another one."""
        predictions = replace(self._predictions, folder=self._predictions.folder.absolute())
        return {**vars(self), "_predictions": predictions}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        check_shared(self._predictions.folder / "predictions.json")

    def predict(self, row: int) -> ImagePrediction:
        """The prediction of the network that was trained without this image."""
        stored = self._predictions.load(row)
        probability, edge = self._predictions.probabilities(row, stored), self._predictions.edges(row, stored)
        predicted = self._predictions.instances(row, stored)
        if predicted is None:
            return replace(ImagePrediction.from_probabilities(probability), grain=self._grain)
        height, width = probability.shape[1:]
        channel = {id_: number for number, id_ in enumerate(self.categories, 1)}
        category = np.array([channel[category_id] for category_id in predicted.category.tolist()], np.int64)
        instances = SegmentSet(predicted.runs, category, predicted.score.astype(np.float64), height, width)
        seen = ImagePrediction.from_probabilities(
            probability, _add_stuff_parts(instances, probability, self.things), edge
        )
        return replace(seen, grain=self._grain)


def _add_stuff_parts(
    instances: SegmentSet, probability: NDArray[np.float32] | PixelValues, things: Flags
) -> SegmentSet:
    """Instances, and the parts of the most probable stuff; probabilities are (K, height, width)."""
    if things[1:].all():
        return instances
    best = probability.argmax(axis=0)
    parts = segments_of_map(np.where(things[best], UNLABELLED, best).T.ravel(), instances.height, instances.width)
    return instances.join(parts)


_MIN_INSTANCE_SCORE = 0.3  # of things that are seen; of what is less sure only pixels know


def _prediction_of_segments(
    batch: Batch, channel: Mapping[int, int], things: Flags, size: tuple[int, int], *, outlined: bool
) -> ImagePrediction:
    """The prediction that the segments of one image make; `size` is (height, width).

    A category's probability in a pixel is its best score there; that of no category is 1 minus the best of all.
    `channel`: category id -> row of probabilities; others are left out. Without a score a segment is certain.
    `outlined`: each segment is a thing with its own outline; else connected pixels are one.
    """
    height, width = size
    segments = _scored_segments(batch, channel, height, width)
    field = np.zeros((len(things), width * height), np.float32)
    surer = segments.take(np.argsort(segments.score, kind="stable"))  # the last one wins
    pixel = expand_ranges(surer.runs.start, surer.runs.length)
    owner = np.repeat(surer.runs.owner, surer.runs.length)
    field[surer.category[owner], pixel] = surer.score[owner]
    field[UNLABELLED] = 1 - field[1:].max(axis=0, initial=0)
    field /= field.sum(axis=0)
    square = field.reshape(-1, width, height).transpose(0, 2, 1)
    if not outlined:
        return ImagePrediction.from_probabilities(square)
    sure = segments.take(np.flatnonzero(things[segments.category] & (segments.score >= _MIN_INSTANCE_SCORE)))
    largest = sure.take(np.argsort(-sure.areas, kind="stable"))  # what lies within another is painted over it
    predicted = _add_stuff_parts(largest, square, things)
    ends = ImagePrediction(field, predicted, np.zeros(width * height, np.float32))
    return ImagePrediction(field, predicted, ends.border.astype(np.float32))


def _scored_segments(batch: Batch, channel: Mapping[int, int], height: int, width: int) -> SegmentSet:
    """The segments of the first annotation whose categories are known, with scores from 0 to 1."""
    category = np.array([channel.get(id_, UNLABELLED) for id_ in batch.segment_category.tolist()])
    crowd = batch.segment_is_crowd
    rows = np.flatnonzero((category != UNLABELLED) & ~crowd & (batch.segment_annotation == 0))
    score: Floats = batch.segments["score"].to_numpy(zero_copy_only=False).astype(np.float64)[rows]
    score = np.clip(np.where(np.isfinite(score), score, 1.0), 0.0, 1.0)
    return SegmentSet(batch.runs.take(rows, batch.n_segments), category[rows].astype(np.int64), score, height, width)


LoadProbabilities = Callable[[int], tuple[NDArray[np.floating], tuple[int, ...]]]
ProbabilitiesOf = Callable[[Source], LoadProbabilities | None]
_SHAPE_TYPES: frozenset[ErrorType] = frozenset({"missing", "extra", "boundary", "merge", "split"})
_KEYS: tuple[Callable[[str], str], ...] = (
    lambda name: name,
    without_extension,
    lambda name: PurePosixPath(name).stem,
)


class FilePredictor:
    """Predictions in files, opened as a dataset of their own. See `segdata.noise.predictor.Predictor`.

    `notes` name categories without a counterpart, and the number of images without predictions.
    """

    def __init__(
        self,
        dataset: OpenDataset,
        probabilities_of: ProbabilitiesOf,
        maps: LabelMaps,
        countable: frozenset[int],
        names: dict[int, int],
    ) -> None:
        self._dataset: OpenDataset | None = dataset
        self._open: Callable[[], Source] = lambda: dataset.source
        self._probabilities_of = probabilities_of
        self._files = dataset.profile.files
        self._outlined = dataset.profile.task != "semantic"
        self._image_ids, self._size = maps.image_ids, np.column_stack([maps.height, maps.width])
        self._row = match_image_names(maps.image_ids, dataset.image_ids)
        self._source = np.arange(len(dataset)) if dataset.rows is None else dataset.rows
        self.agnostic = not names
        self.categories = tuple(id_ for id_ in maps.classes if id_ in set(names.values()))
        channel = {id_: number for number, id_ in enumerate(self.categories, 1)}
        self._channel = (
            dict.fromkeys(_category_ids(dataset), 1) if self.agnostic else {a: channel[b] for a, b in names.items()}
        )
        self.things = np.array(
            [False, *([True] if self.agnostic else [category_id in countable for category_id in self.categories])]
        )
        self.usable = self._row >= 0
        self.kinds: tuple[CorruptionKind, ...] = (
            tuple(kind for kind in KINDS if TYPE_OF[kind] in _SHAPE_TYPES) if self.agnostic else KINDS
        )
        self.notes = tuple(_match_notes(dataset, maps, names, self._row))

    def __getstate__(self) -> dict[str, Any]:
        """For workers, which open the files themselves; raises SegdataError where they cannot."""
        assert self._dataset is not None  # a worker sends it to no other
        return {**vars(self), "_open": RemoteDataset.from_dataset(self._dataset).source, "_dataset": None}

    def predict(self, row: int) -> ImagePrediction:
        """The prediction for an image; raises SegdataError if it has another size."""
        source_row, size = int(self._source[self._row[row]]), (int(self._size[row, 0]), int(self._size[row, 1]))
        source = self._open()
        load_probabilities = self._probabilities_of(source)
        if load_probabilities is not None:
            p, category = load_probabilities(source_row)
            self._check(row, (p.shape[1], p.shape[2]), size)
            return ImagePrediction.from_probabilities(self._rows(p, category))
        batch = source.load(np.array([source_row]))
        if batch.images.num_rows:
            height, width = (int(side[0]) for side in batch.image_size)
            self._check(row, (height, width), size)
        return _prediction_of_segments(batch, self._channel, self.things, size, outlined=self._outlined)

    def _rows(self, p: NDArray[np.floating], category: Sequence[int]) -> NDArray[np.float32]:
        """(K, height, width) from classes; what has no counterpart is unlabelled, and all add up to 1."""
        probability = np.zeros((len(self.things), *p.shape[1:]), np.float32)
        for values, id_ in zip(p, category, strict=True):
            probability[self._channel.get(id_, UNLABELLED)] += values
        total = probability.sum(axis=0)
        probability[UNLABELLED] += np.maximum(1 - total, 0)
        return np.asarray(probability / np.maximum(total, 1), np.float32)

    def _check(self, row: int, predicted_size: tuple[int, int], size: tuple[int, int]) -> None:
        if predicted_size != size:
            sizes = f"are {predicted_size[1]}x{predicted_size[0]} px, its labels {size[1]}x{size[0]} px"
            raise SegdataError(f"{self._files}: the predictions of {self._image_ids[row]} {sizes}")


def _match_notes(dataset: OpenDataset, maps: LabelMaps, names: dict[int, int], row: Ints) -> Iterable[str]:
    """Notes on images and categories without a counterpart; `row` (n_images,): the image in the predictions, or -1."""
    missing = int((row < 0).sum())
    if missing:
        yield f"there are no predictions for {missing:,} of {len(row):,} images: they are not judged"
    if not names:
        yield "the predictions have no categories: no wrong categories or shifts are judged"
        return
    unknown = [dataset.profile.name_of(id_) for id_ in _category_ids(dataset) if id_ not in names]
    if unknown:
        yield f"predicted categories that the labels do not have: {', '.join(unknown[:5])}"
    unpredicted = [name for id_, name in zip(maps.classes, maps.names, strict=True) if id_ not in names.values()]
    if unpredicted:
        yield f"not judged, because the predictions lack them: {', '.join(unpredicted[:5])}"


def file_predictor(
    dataset: OpenDataset, probabilities_of: ProbabilitiesOf, maps: LabelMaps, countable: frozenset[int]
) -> FilePredictor:
    """Predictions for the images of some labels.

    `probabilities_of` gives what loads the probabilities of an image, if the predictions have any. Categories match by
    name, else by id. Masks of a single category that the labels lack, such as those of a Segment Anything model, only
    show shapes. Raises SegdataError if no category matches, and for such masks if no category is countable.
    """
    names = _match_categories(dataset, maps)
    if not names and (len(_category_ids(dataset)) != 1 or dataset.profile.task == "semantic"):
        predicted_names = ", ".join(dataset.profile.name_of(id_) for id_ in _category_ids(dataset)[:5]) or "none"
        label_names = ", ".join(maps.names[:5])
        nameless = dataset.profile.format == "npz" and predicted_names.replace(", ", "").isdigit()
        hint = "; name the classes: class_names in the archives, or dataset.json beside them" if nameless else ""
        raise SegdataError(
            f"{dataset.profile.files}: predicts {predicted_names}, the labels have {label_names}: "
            f"no category is the same{hint}"
        )
    if not names and not countable:
        raise SegdataError(
            f"{dataset.profile.files}: masks without categories judge things one by one, and these labels have none"
        )
    return FilePredictor(dataset, probabilities_of, maps, countable, names)


def _category_ids(dataset: OpenDataset) -> list[int]:
    return [category.id for category in dataset.taxonomy.categories if category.kind != "void"]


def _match_categories(dataset: OpenDataset, maps: LabelMaps) -> dict[int, int]:
    """The category id in the labels for each of the predictions: by name, or by id if no name is the same.

    They match by id only if all predicted names are numbers, which stand for unknown names.
    """
    by_name = {name.casefold(): id_ for name, id_ in zip(maps.names, maps.classes, strict=True)}
    every = [
        (category.id, category.name.casefold()) for category in dataset.taxonomy.categories if category.kind != "void"
    ]
    matches = {id_: by_name[name] for id_, name in every if name in by_name}
    nameless = all(name.isdecimal() for _, name in every)
    return matches or ({id_: id_ for id_, _ in every if id_ in maps.classes} if nameless else {})


def match_image_names(ours: Sequence[str], theirs: Sequence[str]) -> Ints:
    """(n,) the row of each of our images in theirs, -1: none: by id, else without extension, else by the name alone.

    >>> match_image_names(["a/1.png", "a/2.png"], ["2.npz", "3.npz"]).tolist()
    [-1, 0]
    """
    for key in _KEYS:
        rows: dict[str, int] = {}
        for row, name in enumerate(theirs):
            rows[key(name)] = -1 if key(name) in rows else row
        matches = np.array([rows.get(key(name), -1) for name in ours], np.int64)
        matched = matches[matches >= 0]
        if len(matched) and len(np.unique(matched)) == len(matched):
            return matches
    return np.full(len(ours), -1, np.int64)
