"""Votes: the categories that annotators give each pixel, as distinct patterns, and decisions by vote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.contingency import flatten_segments, number_layers
from segdata.agreement.paired_segments import PanelBatch, category_positions, collect_segments
from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.runs import Flags, Floats, Ints, NumberLine
from segdata.core.statistics import ratio
from segdata.core.taxonomy import Category

UNLABELLED = -1  # vote of an annotator who gave a pixel no category
ABSENT = -2  # of an annotator who did not annotate the image: no vote
_BITS = 62  # of an integer that hold votes


@dataclass(frozen=True, slots=True)
class PixelVotes:
    """The votes on pixels as P patterns: sets of pixels of a case with the same votes."""

    # the panel's; those who voted for a pixel gave it a position in this list, or `UNLABELLED`
    categories: Sequence[Category]
    line: NumberLine  # of the batch's images
    # strips of pixels that somebody gave a category, in the order of the line, apart; `pieces.owner` is the pattern
    pieces: SweepRuns
    case: Ints  # (P,) the case of each pattern
    pixels: Ints  # (P,) how many pixels have it, also those that nobody gave a category
    vote: Ints  # (P, R) what each of R annotators said: a category, `UNLABELLED`, or `ABSENT`
    blank: Ints  # (n_images,) the pattern of an image's pixels that nobody gave a category; -1: there are none

    @property
    def is_void(self) -> Flags:
        """(P,) whether any annotator labels the pixels void."""
        # Votes below 0 take what is appended.
        void = np.array([category.kind == "void" for category in self.categories] + [False, False], bool)
        return np.asarray(np.logical_or.reduce(void[self.vote], axis=1))

    def tables(self) -> dict[str, dict[str, Ints | NDArray[np.int32]]]:
        """The columns of the tables `patterns` and `votes`, see `segdata.core.annotator_pairs.AnnotatorPairs`."""
        kept = ~self.is_void
        vote = self.vote[kept].astype(np.int32)  # votes take most of the memory
        pattern, annotator = np.nonzero(vote != ABSENT)
        return {
            "patterns": {"case": self.case[kept], "pixels": self.pixels[kept]},
            "votes": {
                "pattern": pattern,
                "annotator": annotator.astype(np.int32),
                "category": vote[pattern, annotator],
            },
        }


def collect_votes(images: PanelBatch) -> PixelVotes:
    """The votes of all annotators on every pixel of some images, in one sweep.

    A pixel that several segments of an annotator claim goes to a void one, else to the one drawn last. An annotator who
    was not asked for a category that another one gives a pixel has no vote on it.
    """
    annotators, categories, annotation = images.annotators, images.categories, images.annotation
    line = NumberLine.from_sizes(*images.batch.image_size)
    sides = [_labelled_runs(images, rows, line) for rows in annotation]
    start, end, answers, code = _constant_strips(sides, len(categories) + 1)
    task_categories, task = _distinct_tasks(images.asked, images.batch.annotations.num_rows, len(categories))
    # A pattern is a combination of votes, annotators present, and their tasks, in one case.
    tasks = np.append(task, ABSENT)[annotation]
    units, unit = np.unique(np.column_stack([images.case, tasks.T]), axis=0, return_inverse=True)
    key, total, _, pattern = kernels.distinct(unit[line.frame_of(start)] * len(answers) + code, end - start)
    unit_of, says = key // max(len(answers), 1), answers[key % max(len(answers), 1)] - 1
    room = np.bincount(unit, line.height * line.width, len(units)).astype(np.int64)
    blank = room - np.bincount(unit_of, total, len(units)).astype(np.int64)
    silent = np.flatnonzero((blank > 0) & (units[:, 1:] != ABSENT).any(axis=1))
    blank_of = np.full(len(units), -1, np.int64)
    blank_of[silent] = np.arange(len(key), len(key) + len(silent))
    unit_of = np.concatenate([unit_of, silent])
    says = np.concatenate([says, np.full((len(silent), len(annotators)), UNLABELLED)])
    return PixelVotes(
        categories,
        line,
        SweepRuns(start, end, pattern),
        units[unit_of, 0],
        np.concatenate([total, blank[silent]]),
        _valid_votes(says, units[unit_of, 1:], task_categories),
        blank_of[unit],
    )


def vote_tables(images: PanelBatch, layer: Ints) -> dict[str, dict[str, Ints | NDArray[np.int32]]]:
    """The columns of the tables `patterns` and `votes`, with all layers that annotators drew in a case.

    If an annotator draws categories in layers, each layer (of the segments, from `overlapping_layers`) is judged by
    itself, so that the lower one does not count as missed, nor the upper one as another category of it: the
    pixels of the case count once for every layer.
    """
    if not layer.any():
        return collect_votes(images).tables()
    batch = images.batch
    case = images.case[batch.segment_image]
    code = category_positions(batch.segment_category, images.categories)
    is_void = np.array([category.kind == "void" for category in images.categories], bool)[code]
    pieces = []
    for number in range(int(layer.max()) + 1):
        rows = np.flatnonzero((layer == number) | is_void)
        tables = collect_votes(replace(images, batch=batch.take_segments(rows))).tables()
        pieces.append(tables if number == 0 else _tables_of_cases(tables, np.unique(case[layer == number])))
    n_before = np.cumsum([0, *(len(tables["patterns"]["case"]) for tables in pieces)])
    for tables, first in zip(pieces, n_before.tolist(), strict=False):
        tables["votes"]["pattern"] = tables["votes"]["pattern"] + first
    return {
        name: {column: np.concatenate([tables[name][column] for tables in pieces]) for column in pieces[0][name]}
        for name in pieces[0]
    }


def _tables_of_cases(
    tables: dict[str, dict[str, Ints | NDArray[np.int32]]], cases: Ints
) -> dict[str, dict[str, Ints | NDArray[np.int32]]]:
    """The rows of some cases alone."""
    kept = np.isin(tables["patterns"]["case"], cases)
    place, of_kept = np.cumsum(kept) - 1, kept[tables["votes"]["pattern"]]
    votes = {name: column[of_kept] for name, column in tables["votes"].items()}
    votes["pattern"] = place[votes["pattern"]]
    return {"patterns": {name: column[kept] for name, column in tables["patterns"].items()}, "votes": votes}


def _labelled_runs(images: PanelBatch, annotation: Ints, line: NumberLine) -> SweepRuns:
    """The runs of one annotator, without overlaps; `owner` is the category's position + 1."""
    image = np.arange(len(annotation))
    segments = collect_segments(images, annotation, line, image, np.zeros(len(image), bool))
    side = flatten_segments(segments)
    return SweepRuns(side.start, side.end, (segments.category[side.owner] + 1).astype(np.int32))


def _distinct_tasks(asked: Flags | None, n_annotations: int, n_categories: int) -> tuple[Flags, Ints]:
    """The distinct tasks (n_tasks, n_categories + 2), and the task of each annotation (n,).

    The two appended columns are the votes -2 and -1, which every task has.
    """
    if asked is None:
        return np.ones((1, n_categories + 2), bool), np.zeros(n_annotations, np.int64)
    tasks, task = np.unique(asked, axis=0, return_inverse=True)
    return np.concatenate([tasks, np.ones((len(tasks), 2), bool)], axis=1), task


def _valid_votes(says: Ints, task: Ints, task_categories: Flags) -> Ints:
    """(P, R) the votes that count: by annotators who were present and asked."""
    counts = task != ABSENT
    for k in range(says.shape[1] if not task_categories.all() else 0):
        counts &= task_categories[np.maximum(task, 0), says[:, k, None]]
    return np.where(counts, says, ABSENT)


def _constant_strips(sides: Sequence[SweepRuns], n_labels: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Strips along which no side changes its label, without strips that no side labels.

    Takes R sides whose runs share no pixels, with a label from 1 to `n_labels` - 1 as owner. Returns `start` and `end`
    (n,), the S different combinations of labels (S, R), 0 where a side has no run, and each strip's combination (n,).

    The labels at a place are the digits of one number. A side's digit changes with its label: the running sum
    of these steps along the line gives the combination.
    """
    changes = [_label_changes(side) for side in sides]
    place = np.concatenate([np.empty(0, np.int64), *(place for place, _ in changes)])
    order = np.argsort(place, kind="stable")  # of pieces in order, which are merged
    place = place[order]
    last = np.ones(len(place), bool)
    last[:-1] = place[1:] != place[:-1]
    start = place[last]
    end = np.append(start[1:], start[-1:])
    wide = int(_BITS // log2(max(n_labels, 2)))  # sides whose digits one number holds
    code, answers = np.zeros(len(start), np.int64), np.zeros((1, 0), np.int64)
    for first in range(0, len(sides), wide):
        power = n_labels ** np.arange(len(sides[first : first + wide]), dtype=np.int64)
        scale = np.zeros(len(sides), np.int64)
        scale[first : first + wide] = power
        steps = [step * by for (_, step), by in zip(changes, scale.tolist(), strict=True)]
        number, _, _, row = kernels.distinct(np.cumsum(np.concatenate(steps)[order])[last], end - start)
        pair, _, _, both = kernels.distinct(code * len(number) + row, end - start)
        digits = number[pair % len(number), None] // power % n_labels
        answers = np.concatenate([answers[pair // len(number)], digits], axis=1)
        code = both.astype(np.int64)
    answered = answers.max(axis=1, initial=0)[code] > 0
    return start[answered], end[answered], answers, code[answered]


def _label_changes(side: SweepRuns) -> tuple[Ints, Ints]:
    """Places where the label changes along a side whose runs share no pixels, and by how much."""
    label = side.owner.astype(np.int64)
    opens = np.ones(len(label) + 1, bool)  # no run ends where this one, or the end of all, begins
    opens[1:-1] = side.start[1:] > side.end[:-1]
    before = np.where(opens[:-1], 0, np.append(0, label[:-1]))
    ends = opens[1:]
    return np.concatenate([side.start, side.end[ends]]), np.concatenate([label - before, -label[ends]])


UNDECIDED = -3  # category of a pixel on which annotators do not agree enough
_ROUNDING = 1e-6  # difference of equal scores


class PixelDecision(NamedTuple):
    """The decided categories of P patterns of votes."""

    category: Ints  # (P,) a position in the list of categories, -1 for unlabelled, or `UNDECIDED`
    support: Floats  # (P,) how sure it is, in [0, 1]; where undecided, of the best candidate; NaN where nobody voted


def plurality(vote: Ints) -> PixelDecision:
    """Decide by the most frequent vote, which may be unlabelled; with a tie `UNDECIDED`.

    Takes the votes (P, R) of `PixelVotes`. `support` is the share of the votes cast. The order of annotators does not
    matter.
    Source: Lam and Suen (1997), IEEE Transactions on Systems, Man, and Cybernetics A 27(5), 553-568.

    >>> plurality(np.array([[0, 1, 1], [0, 1, -2], [2, -1, -1]])).category.tolist()
    [1, -3, -1]
    """
    voted = (vote != ABSENT).astype(np.float64)
    for_it = np.zeros(vote.shape)  # how many cast the vote that each cast
    for k in range(vote.shape[1]):
        for_it += (vote == vote[:, k, None]) * voted[:, k, None]
    with np.errstate(invalid="ignore"):
        return elect(vote, for_it / voted.sum(axis=1)[:, None])


def elect(vote: Ints, score: Floats) -> PixelDecision:
    """Decide by the vote (P, R) with the highest score (P, R); `UNDECIDED` with a tie, or if no score is above 0.

    `support` is the score.
    """
    if vote.shape[1] == 0:
        return PixelDecision(np.full(len(vote), UNDECIDED), np.full(len(vote), np.nan))
    best = score.max(axis=1)
    winner = vote[np.arange(len(vote)), score.argmax(axis=1)]
    rival = (score >= best[:, None] - _ROUNDING) & (vote != winner[:, None])
    decided = (best > 0) & ~np.logical_or.reduce(rival, axis=1)
    return PixelDecision(np.where(decided, winner, UNDECIDED), best)


def majority(vote: Ints, *, least: float = 0.5) -> PixelDecision:
    """Decide by the vote of more than half of those who voted, else `UNDECIDED`; see `plurality`.

    `least` is the share that the vote must exceed, 0.5 or more.

    >>> majority(np.array([[0, 1, 1, 2], [0, 0, 0, 2]])).category.tolist()
    [-3, 0]
    """
    winner = plurality(vote)
    return PixelDecision(np.where(winner.support > least + _ROUNDING, winner.category, UNDECIDED), winner.support)


@dataclass(frozen=True, slots=True)
class DecidedStrips:
    """Decided pixels on the line as n strips; strips with different codes or crowd flags may share pixels."""

    start: Ints  # (n,)
    end: Ints  # (n,)
    code: Ints  # (n,) position in the list of categories
    crowd: Flags  # (n,) of crowds
    support: Floats  # (n,) how sure it is; NaN where nobody decided
    iou: Floats  # (n,) mean of every two annotators' IoU of the category in the case; NaN where no two drew it

    @staticmethod
    def from_decision(votes: PixelVotes, decided: PixelDecision, *, crowd: bool = False) -> "DecidedStrips":
        """The strips of patterns with a decided category."""
        pieces = votes.pieces
        kept = np.flatnonzero(~np.isin(decided.category[pieces.owner], (UNLABELLED, UNDECIDED)))
        pattern = pieces.owner[kept]
        code = decided.category[pattern]
        iou = pairwise_iou(votes)[votes.case[pattern], code] if len(kept) else np.zeros(0)
        crowds = np.full(len(kept), crowd)
        return DecidedStrips(pieces.start[kept], pieces.end[kept], code, crowds, decided.support[pattern], iou)

    @staticmethod
    def bare(side: SweepRuns, code: int) -> "DecidedStrips":
        """Strips of pixels with a category that no annotator voted for."""
        n = len(side.start)
        unknown = np.full(n, np.nan)
        return DecidedStrips(side.start, side.end, np.full(n, code), np.zeros(n, bool), unknown, unknown)

    def without(self, code: Ints) -> "DecidedStrips":
        """The strips without those of the categories `code` (k,)."""
        kept = ~np.isin(self.code, code)
        return DecidedStrips(
            *(getattr(self, name)[kept] for name in ("start", "end", "code", "crowd", "support", "iou"))
        )

    @staticmethod
    def concatenate(pieces: "list[DecidedStrips]") -> "DecidedStrips":
        """Join pieces in the order of the line."""
        names = ("start", "end", "code", "crowd", "support", "iou")
        columns = [np.concatenate([getattr(piece, name) for piece in pieces]) for name in names]
        order = np.argsort(columns[0], kind="stable")
        return DecidedStrips(*(column[order] for column in columns))


def pairwise_iou(votes: PixelVotes) -> Floats:
    """(n_cases, n_categories) the mean IoU over all pairs of annotators of a case, on the pixels that both judge.

    NaN if none of them drew the category.
    """
    n_annotators, n = votes.vote.shape[1], max(len(votes.categories), 1)
    shape = (int(votes.case.max(initial=-1)) + 1, n)
    # Votes below 0 take what is appended: who was not there judges nothing, who left it unlabelled does.
    unjudged = np.array([category.kind == "void" for category in votes.categories] + [True, False], bool)

    def pixels(vote: Ints, rows: Flags) -> Floats:
        decided = rows & (vote >= 0)
        cell = votes.case[decided] * n + vote[decided]
        return np.bincount(cell, votes.pixels[decided], shape[0] * n).astype(np.float64).reshape(shape)

    total, n_defined = np.zeros(shape), np.zeros(shape)
    for first in range(n_annotators):
        for second in range(first + 1, n_annotators):
            a, b = votes.vote[:, first], votes.vote[:, second]
            judged = ~(unjudged[a] | unjudged[b])
            both = pixels(a, judged & (a == b))
            union = pixels(a, judged) + pixels(b, judged) - both
            total += ratio(both, union, 0.0)
            n_defined += union > 0
    return ratio(total, n_defined)


def category_layers(batch: Batch, code: Ints, is_included: Flags, is_void: Flags) -> list[Ints]:
    """Rows of the chosen segments (n,) in layers, in each of which no annotation gives a pixel two categories.

    `code` (n,) are the categories; `is_void` (n,) segments are in every layer, since they take precedence. Without
    overlaps there is one layer.
    """
    rows = np.flatnonzero(is_included & ~is_void)
    side = SweepRuns.from_runs(batch.runs, batch.annotation_line, batch.segment_annotation)
    solid = np.isin(side.owner, rows)
    overlaps = find_overlaps_within(side.take(solid))
    pairs = np.unique(np.sort(np.stack([code[overlaps.a], code[overlaps.b]], axis=1), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if not len(pairs):
        return [np.flatnonzero(is_included)]
    layer = number_layers(pairs)
    number = np.zeros(int(code.max()) + 1, np.int64)
    number[list(layer)] = list(layer.values())
    return [np.flatnonzero(is_included & (is_void | (number[code] == k))) for k in range(max(layer.values()) + 1)]
