"""Selection: the candidates that `flag` reports, as rows that rules filter, each with a proposed correction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segdata.core.candidates import Candidates
from segdata.core.executor import run_ordered
from segdata.core.finding import Action, Correction
from segdata.core.rule import Tables
from segdata.core.runs import Ints, bounding_boxes
from segdata.core.schema import runs_to_rle
from segdata.core.table import Table
from segdata.noise.budget import Budget, ReviewSample, choose_sample, image_probabilities, review_seconds
from segdata.noise.error_types import TYPES, ErrorType
from segdata.noise.predictor import ImagePrediction, Predictor
from segdata.noise.proposals import ProposedEdit, edit_part, edit_region, edit_thing
from segdata.noise.ranking import CategoryTrust, RankedCandidates, candidates_above
from segdata.noise.segments import UNLABELLED, Flags, Floats, GivenLabels, SegmentPixels, SegmentSet

_NUMBERS = ("annotation", "segment", "x", "y", "width", "height", "pixels", "seam")
_SHARES = ("probability", "believed", "believed_seen", "right", "down")
_FLAGS = ("flagged", "by_lot", "whole")
_TEXTS = ("type", "category", "seen")


@dataclass(frozen=True)
class SegmentRows:
    """The rows of the tables for the judged segments of each image.

    Attributes
    ----------
    annotation : (n_images,) the judged annotation; -1: there is none
    segment : (n,) rows of the segments, image by image
    first : (n_images + 1,) where the segments of each image begin
    """

    annotation: Ints
    segment: Ints = field(repr=False)
    first: Ints = field(repr=False)

    @staticmethod
    def of(tables: Tables, annotator: str | None = None) -> "SegmentRows":
        """The rows for the first annotation of each image, or for one annotator's."""
        image = tables.annotations["image"]
        rows = np.arange(len(image))
        if annotator is not None:
            rows = rows[tables.annotations["annotator"] == annotator]
        n = len(tables.images)
        annotation = np.full(n, -1, np.int64)
        annotation[image[rows][::-1]] = rows[::-1]
        owner = tables.segments["annotation"]
        chosen = np.flatnonzero(annotation[image[owner]] == owner)
        of_image = image[owner[chosen]]
        order = np.argsort(of_image, kind="stable")
        return SegmentRows(annotation, chosen[order], np.searchsorted(of_image[order], np.arange(n + 1)))

    def at(self, image: int) -> Ints:
        """The rows of one image's segments."""
        return self.segment[self.first[image] : self.first[image + 1]]


@dataclass(frozen=True)
class LabelCheck:
    """The labels to judge, and the predictor that judges them.

    Attributes
    ----------
    given : the labels
    predictor : who says what is to be seen
    names : (K,) of the witness's categories; "" for nothing
    tables : of the dataset, and the rows that the labels have in them
    images : (i,) the rows of the judged images
    """

    given: GivenLabels
    predictor: Predictor
    names: Sequence[str]
    tables: Tables
    rows: SegmentRows
    images: Ints


def likely_types(ranked: RankedCandidates, things: Flags) -> Ints:
    """(n,) the most probable type of each candidate, a row of `TYPES`, among the types that are possible for it.

    An unannotated region cannot be extra. A region labelled as one category and predicted as another has the wrong
    category, not a bad outline. Parts of stuff are merged or split only in categories in which this was learnt. With
    one category nothing has the name of another.
    """
    region, predicted = ranked.row < 0, np.maximum(ranked.seen, 0)
    is_thing = things[np.where(region, predicted, ranked.category)]
    none, both_labelled = ranked.category == UNLABELLED, (ranked.category != UNLABELLED) & (predicted != UNLABELLED)
    allowed = {
        "missing": region & none,
        "extra": ~region | (predicted == UNLABELLED),
        "category": (~region | both_labelled) & (len(things) > 2),
        "boundary": ~region | (~is_thing & ~both_labelled),
        "merge": ~region & (is_thing | np.isin(ranked.category, _categories_with(ranked, "merge"))),
        "split": ~region & (is_thing | np.isin(ranked.category, _categories_with(ranked, "split"))),
        "shift": ~region,
    }
    fits = np.column_stack([allowed[type_] for type_ in TYPES])
    return np.asarray(np.where(fits, ranked.type + 1e-12, 0.0).argmax(axis=1), np.int64)


def _categories_with(ranked: RankedCandidates, type_: ErrorType) -> Ints:
    """The categories in which errors of a type were injected."""
    held_out = ranked.held_out
    of_type = np.append(np.array([name == type_ for name in held_out.mistake_type], bool), False)
    return np.unique(ranked.held_category[of_type[held_out.mistake]])


def suspected_rows(
    case: LabelCheck,
    ranked: RankedCandidates,
    chosen: Ints,
    by_lot: Flags,
    jobs: int = 1,
    progress: Callable[[int], None] = lambda n: None,
) -> Candidates:
    """The candidates `chosen` (rows of `ranked`), worst first, with a proposal for each.

    `by_lot` (c,): which of these belong to the random sample. The prediction for an image is loaded once, by `jobs`
    threads; `progress` is called with the number of images done since the last call.
    """
    types = likely_types(ranked, case.predictor.things)
    order = np.argsort(ranked.image[chosen], kind="stable")
    of_image = ranked.image[chosen][order]
    groups = np.split(order, np.flatnonzero(np.diff(of_image)) + 1) if len(order) else []

    def judged(places: Ints) -> list[tuple[int, dict[str, Any], Correction]]:  # Any: the cells of a row
        page = _ImageProposals(case, int(case.images[ranked.image[chosen[places[0]]]]))
        return [(place, *page.told(ranked, int(chosen[place]), int(types[chosen[place]]))) for place in places.tolist()]

    rows: dict[int, dict[str, Any]] = {}
    corrections: dict[int, Correction] = {}
    for results in run_ordered(judged, groups, jobs):
        for place, row, correction in results:
            rows[place], corrections[place] = row | {"flagged": True, "by_lot": bool(by_lot[place])}, correction
        progress(1)
    every = range(len(chosen))
    return Candidates(_rows_table([rows[number] for number in every]), tuple(corrections[number] for number in every))


def _rows_table(rows: Sequence[dict[str, Any]]) -> Table:
    columns: dict[str, Any] = {}
    for names, dtype in ((_NUMBERS, np.int64), (_SHARES, np.float64), (_FLAGS, bool), (_TEXTS, object)):
        columns |= {name: np.array([row[name] for row in rows], dtype) for name in names}
    return Table(columns)


class _ImageProposals:
    """One image with its labels and its prediction."""

    def __init__(self, case: LabelCheck, image: int) -> None:
        self._case, self._image = case, image
        self._given, self._prediction = case.given.drawn(image), case.predictor.predict(image)

    def told(self, ranked: RankedCandidates, row: int, type_: int) -> tuple[dict[str, Any], Correction]:
        """The row of a candidate, and its correction."""
        candidates, row_in_image = ranked.found[ranked.image[row]], int(ranked.at[row])
        name = TYPES[type_]
        if ranked.row[row] < 0:
            segment = candidates.regions.take(np.array([row_in_image]))
            amended = edit_region(candidates, row_in_image, self._given, self._prediction)
        else:
            segment = candidates.annotated.take(np.array([row_in_image]))
            is_thing = self._case.predictor.things[segment.category[0]]
            propose = edit_thing if is_thing else edit_part
            right, down = ranked.move[ranked.image[row]].tolist()
            amended = propose(candidates, row_in_image, name, self._given, self._prediction, (right, down))
            if amended.gone:  # whatever is likeliest: the model sees nothing that it could rather be
                name = "extra"
        category = int(ranked.category[row])
        predicted = amended.category if ranked.row[row] < 0 or name == "category" else category
        cells = self._cells(segment, amended, category, UNLABELLED if name == "extra" else predicted)
        cells |= {"type": name, "probability": float(ranked.probability[row])}
        return cells, self._correction(amended)

    def _cells(self, segment: SegmentSet, amended: ProposedEdit, category: int, predicted: int) -> dict[str, Any]:
        names, case = self._case.names, self._case
        believed = SegmentPixels.of_runs(segment.runs, 1).at
        x, y, width, height = (int(side[0]) for side in bounding_boxes(segment.runs, segment.heights, 1))
        right, down = amended.way(segment, self._given)
        segments = case.rows.at(self._image)
        return {
            "annotation": int(case.rows.annotation[self._image]),
            "segment": int(segments[amended.segment]) if amended.segment >= 0 else -1,
            "category": names[category],
            "seen": names[predicted],
            "x": x, "y": y, "width": width, "height": height,
            "pixels": int(segment.areas[0]),
            "whole": amended.whole,
            "believed": _mean_probability(self._prediction, category, believed),
            "believed_seen": _mean_probability(self._prediction, predicted, believed),
            "right": right, "down": down,
            "seam": amended.seam(segment.height, segment.width),
        }  # fmt: skip

    def _correction(self, amended: ProposedEdit) -> Correction:
        height, width = self._given.height, self._given.width
        n = amended.n_pieces
        sides = (np.full(n, side, np.int64) for side in (height, width))
        counts = tuple(encoded.decode("ascii") for encoded in runs_to_rle(amended.pieces, *sides).to_pylist())
        category = None if amended.action == "delete" else self._name(amended)
        return Correction(
            action=amended.action,
            category=category,
            size=(height, width),
            counts=counts,
            joins=self._source_id(amended.joins),
            iou=None if amended.action == "add" else round(amended.iou, 4),
        )

    def _name(self, amended: ProposedEdit) -> str:
        """The category of the proposal; with a model without categories, that of the label."""
        if self._case.predictor.agnostic and amended.segment >= 0:
            maps = self._case.given.maps
            return str(maps.names[int(maps.segments(self._image).classes[amended.segment])])
        return self._case.names[amended.category]

    def _source_id(self, segment: int) -> int | str | None:
        if segment < 0:
            return None
        row = int(self._case.rows.at(self._image)[segment])
        segments = self._case.tables.segments
        source_id: str | None = segments.cell("source_id", row)
        return int(segments.cell("segment_id", row)) if source_id is None else source_id


def _mean_probability(prediction: ImagePrediction, category: int, pixels: Ints) -> float:
    return float(prediction.probability[category, pixels].mean()) if len(pixels) else 0.0


_MAX_REPORTED_SHARE = 0.05  # of what was annotated is told, where nobody says how many
_ACTION: dict[ErrorType, Action] = {
    "missing": "add", "extra": "delete", "category": "rename", "boundary": "redraw", "merge": "split", "split": "join",
    "shift": "redraw",
}  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """The selected candidates.

    Attributes
    ----------
    rows : (c,) rows of the candidates, the most probable errors first
    by_lot : (c,) whether each belongs to the random sample, from which all errors can be estimated
    sample : with a budget, the same candidates, or images, in the order of review
    images : (i,) the chosen images, if the budget is of images; else None
    left_out : candidates above their threshold that were not selected
    n_labels : how many of those that the sample stands for are annotated; the others are predicted only
    """

    rows: Ints
    by_lot: Flags
    sample: ReviewSample | None = None
    images: Ints | None = None
    left_out: int = 0
    n_labels: int = 0


def select_candidates(
    ranked: RankedCandidates,
    trust: list[CategoryTrust],
    threshold: Floats,
    things: Flags,
    budget: Budget | None,
    seed: int,
    settled: Ints | None = None,
) -> Selection:
    """The candidates to review; none in categories whose ranking is not reliable.

    Without a budget these are the candidates above their thresholds, at most `_MAX_REPORTED_SHARE` of those annotated.
    With a budget of labels they fill the budget, above their thresholds or not. With a budget of images they are the
    candidates above their thresholds in the images with the most probable errors. `settled` are rows that reviewers
    have decided: they are not selected again, and the random sample does not stand for them.
    """
    done = np.empty(0, np.int64) if settled is None else settled
    above = _without(candidates_above(ranked, trust, threshold), done)
    if budget is None:
        n_most = max(int(np.ceil(_MAX_REPORTED_SHARE * (ranked.row >= 0).sum())), 1)
        return Selection(above[:n_most], np.zeros(min(n_most, len(above)), bool), left_out=max(len(above) - n_most, 0))
    open_ = _without(_trusted_rows(ranked, trust), done)
    types, cost = _review_costs(ranked, things)
    if budget.of_images:
        return _select_images(ranked, open_, above, cost, budget, seed)
    chosen = choose_sample(ranked.probability[open_], cost[open_], budget, kind=types[open_], seed=seed)
    rows = open_[chosen.rows]
    order = np.argsort(-ranked.probability[rows], kind="stable")
    sample = ReviewSample(rows, chosen.stratum, chosen.size)
    n_left = len(np.setdiff1d(above, rows))
    n_labels = int((ranked.row[open_] >= 0).sum())
    return Selection(rows[order], chosen.stratum[order] >= 0, sample, left_out=n_left, n_labels=n_labels)


def _select_images(
    ranked: RankedCandidates, open_: Ints, above: Ints, cost: Floats, budget: Budget, seed: int
) -> Selection:
    n_images = len(ranked.softmin)
    probability, price = image_probabilities(ranked.probability[open_], cost[open_], ranked.image[open_], n_images)
    sample = choose_sample(probability, np.maximum(price, 1e-9), budget, seed=seed)
    inside = np.isin(ranked.image[above], sample.rows)
    rows = above[inside]
    return Selection(rows, np.zeros(len(rows), bool), sample, sample.rows, int((~inside).sum()))


def _trusted_rows(ranked: RankedCandidates, trust: list[CategoryTrust]) -> Ints:
    return candidates_above(ranked, trust, np.zeros(len(trust) + 1))


def _without(rows: Ints, settled: Ints) -> Ints:
    return rows[~np.isin(rows, settled)]


def _review_costs(ranked: RankedCandidates, things: Flags) -> tuple[Ints, Floats]:
    """(n,) each: the most probable type of the candidates, and the seconds that it takes to judge its proposal."""
    types = likely_types(ranked, things)
    return types, review_seconds([_ACTION[type_] for type_ in TYPES])[types]
