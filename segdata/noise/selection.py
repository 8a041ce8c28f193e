"""Selection: the candidates that `flag` reports, each with a proposed correction, and those already reviewed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from segdata.core.executor import run_ordered
from segdata.core.finding import Action, Correction, Decision
from segdata.core.overlay import box_ious
from segdata.core.rule import Candidates, Tables
from segdata.core.runs import Flags, Floats, Ints, bounding_boxes
from segdata.core.schema import runs_to_rle
from segdata.core.table import Column, Table
from segdata.noise.budget import Budget, ReviewSample, choose_sample, image_probabilities, review_seconds
from segdata.noise.causes import (
    MIN_BOX_IOU,
    candidate_boxes,
    group_causes,
    image_sizes,
    lack_labels,
    left_out_along_border,
    surest_missing,
)
from segdata.noise.error_types import CODES, SELDOM_REASONS, TYPES, ErrorType, SeldomReason
from segdata.noise.neighbours import NEAR
from segdata.noise.predictor import ImagePrediction, Predictor
from segdata.noise.proposals import ProposedEdit, edit_part, edit_region, edit_thing, is_piece
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import UNLABELLED, GivenLabels, SegmentSet, overlaps
from segdata.noise.thresholds import CategoryTrust, candidates_above

_NUMBERS = ("annotation", "segment", "x", "y", "width", "height", "pixels", "seam")
_SHARES = ("probability", "low", "high", "believed", "believed_seen", "right", "down")
_FLAGS = ("flagged", "is_sampled", "whole")
_TEXTS = ("type", "category", "seen")


@dataclass(frozen=True)
class SegmentRows:
    """The rows of the tables for the judged segments of each image."""

    annotation: Ints  # (n_images,) the judged annotation; -1: there is none
    segment: Ints = field(repr=False)  # (n,) rows of the segments, image by image
    first: Ints = field(repr=False)  # (n_images + 1,) where the segments of each image begin

    @staticmethod
    def from_tables(tables: Tables, annotator: str | None = None) -> "SegmentRows":
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

    def in_image(self, image: int) -> Ints:
        """The rows (m,) of one image's segments."""
        return self.segment[self.first[image] : self.first[image + 1]]


@dataclass(frozen=True)
class LabelCheck:
    """The labels to judge, and the predictor that judges them."""

    given: GivenLabels
    predictor: Predictor  # that predicts the labels
    names: Sequence[str]  # (K,) of the predictor's categories; "" for nothing
    tables: Tables  # of the dataset, and the rows that the labels have in them
    rows: SegmentRows
    images: Ints  # (i,) the rows of the judged images

    @property
    def n_labels(self) -> int:
        """The number of labels in the judged images."""
        return int((self.rows.first[self.images + 1] - self.rows.first[self.images]).sum())


def likely_types(ranked: RankedCandidates, things: Flags) -> Ints:
    """(n,) the most probable type of each candidate, a row of `TYPES`, among the types that are possible for it.

    An unannotated region cannot be extra. A region labelled as one category and predicted as another has the wrong
    category, not a bad outline; but a thing without a label on labelled ground is missing. Parts of stuff are merged or
    split only in categories in which this was learnt. With one category nothing has the name of another.
    """
    region, predicted = ranked.row < 0, np.maximum(ranked.seen, 0)
    is_thing, bare = things[np.where(region, predicted, ranked.category)], np.zeros(len(ranked), bool)
    bare[ranked.bare] = True
    none, both_labelled = ranked.category == UNLABELLED, (ranked.category != UNLABELLED) & (predicted != UNLABELLED)
    allowed = {
        "missing": region & (none | bare),
        "extra": ~region | (predicted == UNLABELLED),
        "category": (~region | (both_labelled & ~bare)) & (len(things) > 2),
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
    is_sampled: Flags,
    ends: tuple[Floats, Floats],
    jobs: int = 1,
    progress: Callable[[int], None] = lambda n: None,
) -> Candidates:
    """The candidates `chosen` (rows of `ranked`), worst first, with a proposal for each.

    `is_sampled` (c,): which of these belong to the random sample; `ends`: between which (c,) their probabilities
    lie, see `Recalibration.probability_range`. The prediction for an image is loaded once, by `jobs` threads;
    `progress` is called with the number of images done since the last call.
    """
    types = likely_types(ranked, case.predictor.things)
    order = np.argsort(ranked.image[chosen], kind="stable")
    of_image = ranked.image[chosen][order]
    groups = np.split(order, np.flatnonzero(np.diff(of_image)) + 1) if len(order) else []

    def propose(places: Ints) -> list[tuple[int, dict[str, Any], Correction]]:  # Any: the cells of a row
        image = _ImageProposals(case, int(case.images[ranked.image[chosen[places[0]]]]))
        return [
            (place, *image.proposal(ranked, int(chosen[place]), int(types[chosen[place]]))) for place in places.tolist()
        ]

    rows: dict[int, dict[str, Any]] = {}
    corrections: dict[int, Correction] = {}
    for results in run_ordered(propose, groups, jobs):
        for place, row, correction in results:
            ranges = {"low": float(ends[0][place]), "high": float(ends[1][place])}
            rows[place] = row | ranges | {"flagged": True, "is_sampled": bool(is_sampled[place])}
            corrections[place] = correction
        progress(1)
    every = range(len(chosen))
    dtypes = ((_NUMBERS, np.int64), (_SHARES, np.float64), (_FLAGS, bool), (_TEXTS, object))
    columns = {n: np.array([rows[place][n] for place in every], dtype) for names, dtype in dtypes for n in names}
    return Candidates(Table(columns), tuple(corrections[place] for place in every))


class _ImageProposals:
    """One image with its labels and its prediction."""

    def __init__(self, case: LabelCheck, image: int) -> None:
        self._case, self._image = case, image
        self._given, self._prediction = case.given.image_segments(image), case.predictor.predict(image)

    def proposal(self, ranked: RankedCandidates, row: int, type_: int) -> tuple[dict[str, Any], Correction]:
        candidates, row_in_image = ranked.candidates[ranked.image[row]], int(ranked.candidate[row])
        name = TYPES[type_]
        if ranked.row[row] < 0:
            segment = candidates.regions.row(row_in_image)
            amended = edit_region(candidates, row_in_image, self._given)
            if name == "missing":  # also on labelled ground, which stays as it is
                amended = replace(amended, segment=-1, whole=True)
        else:
            segment = candidates.annotated.row(row_in_image)
            is_thing = self._case.predictor.things[segment.category[0]]
            propose = edit_thing if is_thing else edit_part
            right, down = ranked.move[ranked.image[row]].tolist()
            amended = propose(candidates, row_in_image, name, self._given, self._prediction, (right, down))
            if amended.gone:  # whatever type is likeliest: the model predicts nothing there
                name = "extra"
            elif name == "extra" and is_thing and is_piece(segment, self._given, self._prediction):
                joined = propose(candidates, row_in_image, "split", self._given, self._prediction)
                name, amended = ("split", joined) if joined.action == "join" else (name, amended)
        category = UNLABELLED if name == "missing" else int(ranked.category[row])
        predicted = amended.category if ranked.row[row] < 0 or name == "category" else category
        cells = self._cells(segment, amended, category, UNLABELLED if name == "extra" else predicted)
        cells |= {"type": name, "probability": float(ranked.probability[row])}
        return cells, self._correction(amended)

    def _cells(self, segment: SegmentSet, amended: ProposedEdit, category: int, predicted: int) -> dict[str, Any]:
        names, case = self._case.names, self._case
        believed = segment.pixels().index
        x, y, width, height = (int(side[0]) for side in bounding_boxes(segment.runs, segment.heights, 1))
        right, down = amended.way(segment, self._given)
        segments = case.rows.in_image(self._image)
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
        row = int(self._case.rows.in_image(self._image)[segment])
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
    """The selected candidates."""

    rows: Ints  # (c,) rows of the candidates, the most probable errors first
    is_sampled: Flags  # (c,) whether each belongs to the random sample, from which all errors can be estimated
    sample: ReviewSample | None = None  # with a budget, the same candidates, or images, in the order of review
    images: Ints | None = None  # (i,) the chosen images, if the budget is of images; else None
    left_out: int = 0  # candidates above their threshold that were not selected
    cause: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # (c,) see `group_causes`
    along: Flags = field(default_factory=lambda: np.empty(0, bool))  # (n,) see `left_out_along_border`
    seldom: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # those of `rows` that are seldom right
    reasons: tuple[SeldomReason, ...] = ()  # why, for each of `seldom`
    n_labels: int = 0  # how many of those that the sample stands for are annotated; the others are predicted only


def _beside_another(ranked: RankedCandidates, rows: Ints, things: Flags) -> Flags:
    """(c,) the regions of stuff among `rows` beside an earlier one with the same label, or also without one."""
    beside = np.zeros(len(rows), bool)
    of_stuff = np.flatnonzero((ranked.row[rows] < 0) & ~things[np.maximum(ranked.seen[rows], 0)])
    image, count = np.unique(ranked.image[rows[of_stuff]], return_counts=True)
    for one in image[count > 1].tolist():
        places = of_stuff[ranked.image[rows[of_stuff]] == one]
        regions = ranked.candidates[one].regions.take(ranked.candidate[rows[places]])
        met = overlaps(regions.same_image(regions.grown(NEAR), len(regions)), regions)
        alike = ranked.category[rows[places[met.a]]] == ranked.category[rows[places[met.b]]]
        beside[places[met.b[(met.a < met.b) & alike]]] = True
    return beside


def _fits_its_label(ranked: RankedCandidates, rows: Ints, types: Ints, things: Flags) -> Flags:
    """(c,) whether `rows` are stuff with a suspected category, although the colours are those of its label.

    Possibly missing labels are excluded, and labels of an image that is misaligned or almost without labels, and
    merged, split or shifted ones, which have the colours of their label.
    """
    is_thing = _are_things(ranked, rows, things)
    something_else = np.isin(types[rows], [TYPES.index(name) for name in ("extra", "category", "boundary")])
    missing = np.isin(rows, ranked.bare) | ranked.left_out[rows]
    astray = (ranked.move != 0).any(axis=1)[ranked.image[rows]]
    fits = np.zeros(len(rows), bool) if ranked.colours is None else ranked.colours[rows] <= 0
    return np.asarray(fits & something_else & ~is_thing & ~missing & ~astray)


# The least P of what may lack a label. Of 37 such places below it on six sets, on which it was chosen, 3 were right, 5
# debatable and 29 false; of 64 on three others 10, 11 and 43 (docs/results/flag.md).
_MIN_MISSING = 0.25


def _hardly_missing(ranked: RankedCandidates, rows: Ints) -> Flags:
    """(c,) whether `rows` are improbable missing labels; an image almost without labels is judged as a whole."""
    lacks = np.isin(rows, ranked.bare) & ~ranked.left_out[rows]
    return np.asarray(lacks & (ranked.probability[rows] < _MIN_MISSING))


# The least IoU of a category whose outlines the model can judge. Of 34 outlines of things on three sets below it 2 were
# right and 31 false; on a set above it 13 of 21 were right, on three others 1 of 7 (docs/results/flag.md).
_MIN_EXACT_IOU = 0.8


def _vague_outline(ranked: RankedCandidates, rows: Ints, types: Ints, things: Flags) -> Flags:
    """(c,) which `rows` are outlines of things in categories that the model does not know exactly."""
    category = np.maximum(ranked.category[rows], 0)
    is_outline = (ranked.row[rows] >= 0) & things[category] & (types[rows] == TYPES.index("boundary"))
    return np.asarray(is_outline & (ranked.iou[category] < _MIN_EXACT_IOU))


def _joined(ranked: RankedCandidates, rows: Ints, types: Ints, things: Flags) -> Flags:
    """(c,) which `rows` are things that are said to be a piece of their neighbour, unless their image is misaligned.

    Of 20 at first runs on eight sets 4 were right, 8 debatable and 8 false: in a heap the model sees no edge where one
    thing lies upon another (docs/results/flag.md).
    """
    category = np.maximum(ranked.category[rows], 0)
    astray = (ranked.move != 0).any(axis=1)[ranked.image[rows]]
    is_label = (ranked.row[rows] >= 0) & ~astray
    return np.asarray(is_label & things[category] & (types[rows] == TYPES.index("split")))


# The share of the longer side of its image from which on a place is long. Of 33 long places 6 were right, 9 debatable
# and 18 false; of 5 no longer than is usual for their thing (roots of teeth) 3, 2 and none (docs/results/flag.md).
_LONG_SHARE = 0.25
# How many times a thing without a label may be larger or smaller than the median of those of its category, of so many
# at least. Of 383 on 16 sets, at first runs, 8 of those beyond were right, 24 debatable and 9 false, of the others 219,
# 104 and 19 (docs/results/flag.md): specks of light, and things of another kind.
_MAX_TIMES_LARGER, _MIN_PLACES = 4.0, 5
# What may come first, chosen once on the verdicts of first runs on 45 sets (docs/results/flag.md): the first ten things
# without a label, merged things, and stuff with another category. In lists of ten findings or more 111 of these were
# right, 32 debatable and 3 false; in shorter ones 12, 3 and 12.
_N_MISSING_FIRST, _MIN_LISTED, _MIN_KNOWN = 10, 10, 0.5


def _seldom_right(
    ranked: RankedCandidates, rows: Ints, types: Ints, things: Flags, separate: Flags, along: Flags
) -> Ints:
    """(c,) why `rows` are seldom right, whatever their P: the first that holds, a row of `SELDOM_REASONS`; -1: none.

    These are outlines to redraw, stuff that is said to be extra in part, things with a label that the border of the
    image cuts, of which the model sees too little, what the set leaves out `along` the border, places that lack a label
    or have another one and are long, also for a thing of their category, things that lack one and are far larger or
    smaller than other such things, and places that lack one of a category without any in their image (of 50 on three
    sets none was right, 47 false), but not those of an image almost without labels; all other kinds but things that
    lack a label or are merged, stuff with another category, and what is wrong in a whole image; and stuff of which
    there are too few parts (docs/results/flag.md). What lacks a label of a category that is `separate` (K,), see
    `countable_categories`, counts as a thing.
    """
    type_, category, image = types[rows], ranked.category[rows], ranked.image[rows]
    is_thing, is_label = things[np.maximum(category, 0)], ranked.row[rows] >= 0
    is_astray = is_label & (ranked.move != 0).any(axis=1)[image]
    is_merged = is_thing & (type_ == TYPES.index("merge"))
    is_renamed = ~_are_things(ranked, rows, things) & (type_ == TYPES.index("category"))
    is_missing = _are_missing_things(ranked, rows, separate)
    is_believed = is_missing | ranked.left_out[rows] | is_astray | is_merged | is_renamed
    holds: dict[SeldomReason, Flags] = {
        "outline": (type_ == TYPES.index("boundary")) & (category != UNLABELLED),
        "extra-part": (type_ == TYPES.index("extra")) & ~is_thing,
        "absent": lack_labels(ranked, rows) & ~ranked.left_out[rows] & ~ranked.has_label(rows),
        "kind": ~is_believed,
        "few-parts": _of_few_parts(ranked, rows, things) & ~is_missing,
    }
    if len(rows) and ranked.candidates:
        x, y, width, height = candidate_boxes(ranked)[rows].T
        down, across = image_sizes(ranked)[image].T
        cut = is_label & is_thing & (type_ != TYPES.index("category"))
        holds["cut"] = cut & ((x == 0) | (y == 0) | (x + width == across) | (y + height == down))
        length, limit = np.maximum(width, height), _LONG_SHARE * np.maximum(down, across)
        limit = np.maximum(limit, _usual_lengths(ranked, separate)[np.maximum(ranked.seen[rows], 0)])
        holds["long"] = ~is_label & ~ranked.left_out[rows] & (length > limit)
        holds["odd-size"] = is_missing & ~ranked.left_out[rows]
        holds["odd-size"] &= _of_odd_size(width * height, np.where(is_missing, ranked.seen[rows], UNLABELLED))
        holds["border"] = along[rows] & ~ranked.left_out[rows]
    reason = np.full(len(rows), -1)
    for number, name in reversed(tuple(enumerate(SELDOM_REASONS))):
        reason[holds.get(name, np.zeros(len(rows), bool))] = number
    return reason


def _are_things(ranked: RankedCandidates, rows: Ints, things: Flags) -> Flags:
    """(c,) which `rows` are things, as labelled or as predicted."""
    return np.asarray(things[np.maximum(ranked.category[rows], 0)] | things[np.maximum(ranked.seen[rows], 0)])


def _are_missing_things(ranked: RankedCandidates, rows: Ints, things: Flags) -> Flags:
    """(c,) which `rows` are things that lack a label."""
    return np.asarray(lack_labels(ranked, rows) & things[np.maximum(ranked.seen[rows], 0)])


def _usual_lengths(ranked: RankedCandidates, things: Flags) -> Floats:
    """(K,) the median length of the boxes of labels of each category of things; 0 for stuff, or without labels."""
    is_label = ranked.row >= 0
    _, _, width, height = candidate_boxes(ranked)[is_label].T
    category, result = ranked.category[is_label], np.zeros(len(things))
    for id_ in np.unique(category[things[category]]).tolist():
        result[id_] = np.median(np.maximum(width, height)[category == id_])
    return result


def _of_odd_size(area: Ints, category: Ints) -> Flags:
    """(c,) which boxes are far larger or smaller than the median of those of their category."""
    result = np.zeros(len(area), bool)
    for id_ in np.unique(category).tolist():
        rows = np.flatnonzero(category == id_)
        if len(rows) >= _MIN_PLACES:
            times = area[rows] / np.median(area[rows])
            result[rows] = (times > _MAX_TIMES_LARGER) | (times < 1 / _MAX_TIMES_LARGER)
    return result


# The fewest parts of stuff in known images from which to learn what an error looks like. At first runs on 18 sets of
# class maps with fewer labels 26 findings were right (16 of them on one set), 39 debatable and 78 false; on nine with
# more, 62, 28 and 7, and on one with hardly more, 3, 13 and 24 (docs/results/flag.md).
_MIN_PARTS_OF_STUFF = 1000


def _of_few_parts(ranked: RankedCandidates, rows: Ints, things: Flags) -> Flags:
    """(c,) which `rows` are stuff, if there are too few parts to learn from; not those left out of an image."""
    is_part = (ranked.row >= 0) & (ranked.category > UNLABELLED) & ~things[ranked.category]
    n_parts = int((is_part & ranked.known_images[ranked.image]).sum())
    is_thing = _are_things(ranked, rows, things)
    return np.asarray(~is_thing & ~ranked.left_out[rows] & (n_parts < _MIN_PARTS_OF_STUFF))


# What makes a category of a class map countable, written down before any verdict was laid beside it: parts of 16 px or
# more in all images, and in an image that has any; the share of such an image that they cover, the median of images;
# half of its pixels lie in parts of at most so many times the median area, which fill so much of their box.
_MIN_SEPARATE, _MIN_PER_IMAGE, _MAX_COVER, _MAX_SIZE_RATIO, _MIN_FILL = 50, 1.5, 0.5, 4.0, 0.5


def countable_categories(ranked: RankedCandidates, things: Flags) -> Flags:
    """(K,) the categories of stuff whose parts are separate, compact and of one size: things, drawn as a class map."""
    result, is_part = np.zeros(len(things), bool), ranked.row >= 0
    if not ranked.candidates:
        return result
    category, image, parts = ranked.category[is_part], ranked.image[is_part], np.flatnonzero(is_part)
    area = np.concatenate([item.annotated.areas for item in ranked.candidates])
    _, _, width, height = candidate_boxes(ranked)[parts].T
    fill, room = area / np.maximum(width * height, 1), image_sizes(ranked).prod(axis=1)
    for id_ in np.flatnonzero(~things[1:]) + 1:
        mine = category == id_
        covered = np.bincount(image[mine], area[mine], len(room)) / np.maximum(room, 1)
        n_images = int((covered > 0).sum())
        result[id_] = (
            mine.sum() >= max(_MIN_SEPARATE, _MIN_PER_IMAGE * n_images)
            and np.median(covered[covered > 0]) <= _MAX_COVER
            and _median(area[mine], area[mine]) <= _MAX_SIZE_RATIO * np.median(area[mine])
            and _median(fill[mine], area[mine]) >= _MIN_FILL
        )
    return result


def _median(values: Floats | Ints, weight: Ints) -> float:
    """The weighted median of values (n,): the least one up to which half of the weight (n,) lies."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


@dataclass(frozen=True, slots=True)
class _Shortlist:
    """The candidates to choose from, worst first, without those that reviewers have decided."""

    ranked: RankedCandidates
    types: Ints  # (n,) the likeliest type of error of each candidate, a row of `TYPES`
    trusted: Ints  # rows of those in categories whose ranking is reliable
    above: Ints  # rows of those of them that are above their thresholds
    along: Flags  # (n,) what the set leaves out along the border

    @property
    def seconds(self) -> Floats:
        """(n,) to judge the proposal of each candidate."""
        return review_seconds([_ACTION[type_] for type_ in TYPES])[self.types]


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

    Without a budget these are the candidates above their thresholds, at most `_MAX_REPORTED_SHARE` of those annotated,
    where all that have one cause count as one. Crumbs are not among them:
    small regions, and small parts of stuff. A small thing that has a label is none: it may be a speck. Places that
    may lack a label are among them only if that is probable; labels grow only where they fit, and outlines of things
    are those of categories that the model knows exactly. Kinds that are seldom right come last, things to join after
    others; so do missing things after the first ten, and all if few are listed or decided, or the model knows fewer
    than half of the images. Of those before and of those after, all but the first of a cause come last. Regions of
    stuff that touch are one finding, such as a plant of which the model sees a part as crop and another as weed.
    With a budget of labels they fill the budget, above their thresholds or not. With a budget of images they are the
    candidates above their thresholds in the images with the most probable errors. `settled` are rows that reviewers
    have decided: they are not selected again, and the random sample does not stand for them.
    """
    done = np.empty(0, np.int64) if settled is None else settled
    trusted, above = (
        rows[~np.isin(rows, done)]
        for rows in (candidates_above(ranked, trust), candidates_above(ranked, trust, threshold))
    )
    shortlist = _Shortlist(ranked, likely_types(ranked, things), trusted, above, left_out_along_border(ranked))
    if budget is None:
        return _select_above(shortlist, things, len(done))
    return (_select_images if budget.of_images else _select_labels)(shortlist, budget, seed)


def _select_above(shortlist: _Shortlist, things: Flags, n_done: int) -> Selection:
    ranked, types, above = shortlist.ranked, shortlist.types, shortlist.above
    crumb = np.isin(above, ranked.small) & ((ranked.row < 0) | ~things[ranked.category])[above]
    grown = np.isin(above, ranked.unfit) & (types[above] == TYPES.index("boundary"))
    above = above[~crumb & ~grown & ~_vague_outline(ranked, above, types, things) & ~_hardly_missing(ranked, above)]
    above = above[~_fits_its_label(ranked, above, types, things)]
    above = above[~_beside_another(ranked, above, things)]
    separate = things | countable_categories(ranked, things)
    missing = _are_missing_things(ranked, above, separate) & ~ranked.left_out[above]
    above[missing] = surest_missing(ranked, above[missing])
    reason = _seldom_right(ranked, above, types, things, separate, shortlist.along)
    # what is chosen does not depend on "kind", which is about the order; also of few parts, other kinds come after
    is_left = (reason < 0) | (reason == SELDOM_REASONS.index("kind"))
    is_last = ~is_left | _joined(ranked, above, types, things)
    order = np.lexsort((is_last & (reason < SELDOM_REASONS.index("few-parts")), is_last))
    above, reason, is_left = above[order], reason[order], is_left[order]
    cause = group_causes(ranked, above, types, shortlist.along)
    first = np.unique(cause, return_index=True)[1]
    n_most = max(int(np.ceil(_MAX_REPORTED_SHARE * (ranked.row >= 0).sum())), 1)
    kept = np.flatnonzero(cause < n_most)
    n_listed = n_done + int(is_left[kept].sum())
    reason = _reasons_of_causes(ranked, above[first], reason[first], separate, n_listed)[cause]
    kept = kept[np.lexsort((~np.isin(kept, first), reason[kept] >= 0))]
    reason = reason[kept]
    return Selection(
        rows=above[kept],
        is_sampled=np.zeros(len(kept), bool),
        left_out=len(above) - len(kept),
        cause=cause[kept],
        along=shortlist.along,
        seldom=above[kept][reason >= 0],
        reasons=tuple(SELDOM_REASONS[number] for number in reason[reason >= 0].tolist()),
    )


def _reasons_of_causes(ranked: RankedCandidates, first: Ints, reason: Ints, separate: Flags, n_listed: int) -> Ints:
    """(k,) why each cause comes last, a row of `SELDOM_REASONS`; -1: it does not.

    `first` (k,) are the first candidates of the causes, `reason` (k,) why these are seldom right, and `n_listed` how
    many are listed, or decided, that are so for no other reason than their kind.
    """
    believed = reason < 0
    missing = believed & _are_missing_things(ranked, first, separate) & ~ranked.left_out[first]
    of_all: SeldomReason | None = "short-list" if n_listed < _MIN_LISTED else None
    if ranked.known_images.mean() < _MIN_KNOWN:
        of_all = "unknown-images"
    result = np.where(missing & (np.cumsum(missing) > _N_MISSING_FIRST), SELDOM_REASONS.index("later"), reason)
    return np.asarray(result if of_all is None else np.where(believed, SELDOM_REASONS.index(of_all), reason))


def _select_labels(shortlist: _Shortlist, budget: Budget, seed: int) -> Selection:
    ranked, types, trusted = shortlist.ranked, shortlist.types, shortlist.trusted
    cost = shortlist.seconds[trusted]
    chosen = choose_sample(ranked.probability[trusted], cost, budget, kind=types[trusted], seed=seed)
    rows = trusted[chosen.rows]
    order = np.argsort(-ranked.probability[rows], kind="stable")
    return Selection(
        rows=rows[order],
        is_sampled=chosen.stratum[order] >= 0,
        sample=ReviewSample(rows, chosen.stratum, chosen.size),
        left_out=len(np.setdiff1d(shortlist.above, rows)),
        cause=group_causes(ranked, rows[order], types, shortlist.along),
        along=shortlist.along,
        n_labels=int((ranked.row[trusted] >= 0).sum()),
    )


def _select_images(shortlist: _Shortlist, budget: Budget, seed: int) -> Selection:
    ranked, trusted, above = shortlist.ranked, shortlist.trusted, shortlist.above
    probability, price = image_probabilities(
        ranked.probability[trusted], shortlist.seconds[trusted], ranked.image[trusted], len(ranked.softmin)
    )
    sample = choose_sample(probability, np.maximum(price, 1e-9), budget, seed=seed)
    inside = np.isin(ranked.image[above], sample.rows)
    rows = above[inside]
    return Selection(
        rows=rows,
        is_sampled=np.zeros(len(rows), bool),
        sample=sample,
        images=sample.rows,
        left_out=int((~inside).sum()),
        cause=group_causes(ranked, rows, shortlist.types, shortlist.along),
        along=shortlist.along,
    )


_FLAG_CODES = frozenset(CODES.values())


def match_decisions(
    decisions: Iterable[Decision],
    image: Sequence[str],
    segment: Sequence[int | str | None],
    box: Ints,
    annotator: Sequence[str | None],
) -> tuple[Ints, Flags]:
    """The rows (v,) of reviewed candidates, in ascending order, and whether each is wrong (v,).

    Parameters
    ----------
    decisions : the valid ones, in order of time; the last one on a candidate counts. Accepting a finding, redrawing it
        or declaring it void means that the label is wrong; rejecting it means that it is right. A segment without a
        finding is right if it was accepted. "unsure" is ignored
    image, segment, box : (n,), (n,) and (n, 4) of the candidates: image_id, the source's own id of the segment (None:
        nothing was annotated so), and x, y, width, height
    annotator : (n,) of the labels; decisions that name another annotator are ignored

    A finding belongs to the candidate of the same segment, or without a segment, whose box is most like its own: a wall
    that is labelled as floor is a candidate of its own, and its finding names the floor. Its type does not matter,
    because a reviewer sees every error. Findings of other commands are ignored. A decision on a segment without
    a finding counts only if the segment is a single candidate.
    """
    rows_of: dict[tuple[str, int | str | None], list[int]] = {}
    for row, key in enumerate(zip(image, segment, strict=True)):
        rows_of.setdefault(key, []).append(row)
    whose = dict(zip(image, annotator, strict=True))
    verdicts: dict[int, bool] = {}
    for decision in decisions:
        finding = decision.finding
        if (
            decision.verdict == "unsure"
            or decision.image is None
            or (finding is not None and finding.code not in _FLAG_CODES)
        ):
            continue
        name = decision.annotator or (finding.annotator if finding is not None else None)
        if name not in (None, whose.get(decision.image)):
            continue
        segment_id = decision.segment if finding is None else next(iter(finding.segments), None)
        rows = np.array(rows_of.get((decision.image, segment_id), []), np.int64)
        if finding is not None and finding.bbox is not None:
            rows = np.append(rows, np.array(rows_of.get((decision.image, None), []), np.int64))
            alike = box_ious(box[rows].T, np.array(finding.bbox))
            rows = rows[[alike.argmax()]] if len(rows) and alike.max() >= MIN_BOX_IOU else rows[:0]
        if len(rows) == 1 and (finding is not None or segment_id is not None):
            verdicts[int(rows[0])] = decision.verdict != ("accept" if finding is None else "reject")
    judged = sorted(verdicts)
    return np.array(judged, np.int64), np.array([verdicts[row] for row in judged], bool)


def reviewed_candidates(
    case: LabelCheck, ranked: RankedCandidates, decisions: Sequence[Decision]
) -> tuple[Ints, Flags]:
    """The rows (v,) of candidates that reviewers decided, and whether each is wrong (v,)."""
    if not decisions:
        return np.empty(0, np.int64), np.empty(0, bool)
    image = case.images[ranked.image]
    names = np.array(case.given.maps.image_ids, object)[image].tolist()
    whose = case.tables.annotations["annotator"][case.rows.annotation[image]].tolist()
    return match_decisions(
        decisions, names, candidate_ids(case, image, ranked.row).tolist(), candidate_boxes(ranked), whose
    )


def candidate_ids(case: LabelCheck, image: Ints, row: Ints) -> Column:
    """(n,) the source's own id of each candidate's segment; None where nothing is annotated so."""
    segments, ids = case.tables.segments, np.full(len(row), None, object)
    annotated = np.flatnonzero(row >= 0)
    segment_row = case.rows.segment[case.rows.first[image[annotated]] + row[annotated]]
    number = segments["segment_id"][segment_row].astype(object)
    ids[annotated] = np.where(segments.missing("source_id")[segment_row], number, segments["source_id"][segment_row])
    return ids
