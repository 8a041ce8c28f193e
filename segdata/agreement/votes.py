"""Votes: the categories that annotators gave each pixel, as the few distinct patterns and their numbers of pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.annotator_pairs import Flags, collect_segments
from segdata.agreement.contingency import flatten_segments
from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine
from segdata.core.taxonomy import Category

UNLABELLED = -1  # of an annotator who gave a pixel no category
ABSENT = -2  # of one who did not annotate the image: no vote
_BITS = 62  # of a whole number that hold votes


@dataclass(frozen=True, slots=True)
class PixelVotes:
    """P patterns: pixels of a case that the same annotators gave the same categories.

    Attributes
    ----------
    categories : the panel's; those who voted for a pixel gave it a position in this list, or `UNLABELLED`
    line : of the batch's images
    pieces : strips of pixels that somebody gave a category, in the order of the line, apart; `pieces.owner` is the
        pattern
    case : (P,) the case of each pattern
    pixels : (P,) how many pixels have it, also those that nobody gave a category
    vote : (P, R) what each of R annotators said: a category, `UNLABELLED`, or `ABSENT`
    blank : (n_images,) the pattern of an image's pixels that nobody gave a category; -1: there are none
    """

    categories: Sequence[Category]
    line: NumberLine
    pieces: SweepRuns
    case: Ints
    pixels: Ints
    vote: Ints
    blank: Ints

    @property
    def is_void(self) -> Flags:
        """(P,) whether any annotator calls the pixels void."""
        # Votes below 0 take what is appended.
        void = np.array([each.kind == "void" for each in self.categories] + [False, False], bool)
        return np.asarray(np.logical_or.reduce(void[self.vote], axis=1))

    def tables(self) -> dict[str, dict[str, Ints | NDArray[np.int32]]]:
        """The columns of the tables `patterns` and `votes`, see `segdata.core.annotator_pairs.AnnotatorPairs`."""
        kept = ~self.is_void
        vote = self.vote[kept].astype(np.int32)  # there are more votes than of anything else
        pattern, annotator = np.nonzero(vote != ABSENT)
        return {
            "patterns": {"case": self.case[kept], "pixels": self.pixels[kept]},
            "votes": {
                "pattern": pattern,
                "annotator": annotator.astype(np.int32),
                "category": vote[pattern, annotator],
            },
        }


def vote_tables(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    *,
    case: Ints | None = None,
    asked: Flags | None = None,
) -> dict[str, dict[str, Ints | NDArray[np.int32]]]:
    """The columns of the tables `patterns` and `votes`; takes what `collect_votes` takes."""
    return collect_votes(batch, annotators, categories, case=case, asked=asked).tables()


def collect_votes(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    *,
    case: Ints | None = None,
    asked: Flags | None = None,
) -> PixelVotes:
    """What all annotators said of every pixel of a batch, in one sweep.

    Where several segments of an annotator claim a pixel, a void one has it, else the one drawn last. Who was not asked
    for the category that another gives a pixel has no vote on it.

    Parameters
    ----------
    batch : annotations by these annotators, at most one by each on an image
    annotators : their names
    categories : votes are positions in this list; every category id of the batch is among them
    case : (n_images,) the case of each image; None: each is one
    asked : (n_annotations, n_categories) whether an annotation was to show a category; None: each all of them
    """
    n_images = batch.images.num_rows
    case = np.arange(n_images) if case is None else case
    at = {name: k for k, name in enumerate(annotators)}
    who = np.array([at[name] for name in batch.annotations["annotator"].to_pylist()], np.int64)
    annotation = np.full((len(annotators), n_images), -1, np.int64)
    annotation[who, batch.annotation_image] = np.arange(len(who))
    line = NumberLine.of(*batch.image_size)
    sides = [_labelled_runs(batch, rows, line, categories) for rows in annotation]
    start, end, said, code = _constant_strips(sides, len(categories) + 1)
    told, task = _distinct_tasks(asked, len(who), len(categories))
    # A pattern is what was said, who was there, and what for, in one case.
    tasks = np.append(task, ABSENT)[annotation]
    units, unit = np.unique(np.column_stack([case, tasks.T]), axis=0, return_inverse=True)
    unit = unit.reshape(-1)
    key, total, _, pattern = kernels.distinct(unit[line.frame_of(start)] * len(said) + code, end - start)
    unit_of, says = key // max(len(said), 1), said[key % max(len(said), 1)] - 1
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
        _valid_votes(says, units[unit_of, 1:], told),
        blank_of[unit],
    )


def _labelled_runs(batch: Batch, annotation: Ints, line: NumberLine, categories: Sequence[Category]) -> SweepRuns:
    """What one annotator drew, no pixel twice; `owner` is the category's position + 1."""
    image = np.arange(len(annotation))
    drawn = collect_segments(batch, annotation, line, image, categories, np.ones(len(image), bool), False)
    side = flatten_segments(drawn)
    return SweepRuns(side.start, side.end, (drawn.category[side.owner] + 1).astype(np.int32))


def _distinct_tasks(asked: Flags | None, n_annotations: int, n_categories: int) -> tuple[Flags, Ints]:
    """The different tasks: for which categories (n_tasks, n_categories + 2); and that of each annotation (n,).

    Every task has the votes -2 and -1, which take what is appended.
    """
    if asked is None:
        return np.ones((1, n_categories + 2), bool), np.zeros(n_annotations, np.int64)
    told, task = np.unique(asked, axis=0, return_inverse=True)
    return np.concatenate([told, np.ones((len(told), 2), bool)], axis=1), task.reshape(-1)


def _valid_votes(says: Ints, task: Ints, told: Flags) -> Ints:
    """The votes (P, R) that count: of annotators who were there, on what they were asked for."""
    counts = task != ABSENT
    for k in range(says.shape[1] if not told.all() else 0):
        counts &= told[np.maximum(task, 0), says[:, k, None]]
    return np.where(counts, says, ABSENT)


def _constant_strips(sides: Sequence[SweepRuns], n_labels: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Strips on which every side says the same from end to end; where none says anything there is none.

    Takes R sides whose runs share no pixels, with a label from 1 to `n_labels` - 1 as owner. Returns `start` and `end`
    (n,), the S different things `said` (S, R), label 0 where a side has no run, and which of them each strip is (n,).

    The labels at a place are the digits of one number. Where a side's label changes, its digit does: the running sum
    of these steps along the line says all that is said.
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
    code, said = np.zeros(len(start), np.int64), np.zeros((1, 0), np.int64)
    for first in range(0, len(sides), wide):
        power = n_labels ** np.arange(len(sides[first : first + wide]), dtype=np.int64)
        scale = np.zeros(len(sides), np.int64)
        scale[first : first + wide] = power
        steps = [step * by for (_, step), by in zip(changes, scale.tolist(), strict=True)]
        number, _, _, row = kernels.distinct(np.cumsum(np.concatenate(steps)[order])[last], end - start)
        pair, _, _, both = kernels.distinct(code * len(number) + row, end - start)
        digits = number[pair % len(number), None] // power % n_labels
        said = np.concatenate([said[pair // len(number)], digits], axis=1)
        code = both.astype(np.int64)
    some = said.max(axis=1, initial=0)[code] > 0
    return start[some], end[some], said, code[some]


def _label_changes(side: SweepRuns) -> tuple[Ints, Ints]:
    """Where the label changes along a side whose runs share no pixels, and by how much."""
    label = side.owner.astype(np.int64)
    opens = np.ones(len(label) + 1, bool)  # no run ends where this one, or the end of all, begins
    opens[1:-1] = side.start[1:] > side.end[:-1]
    before = np.where(opens[:-1], 0, np.append(0, label[:-1]))
    ends = opens[1:]
    return np.concatenate([side.start, side.end[ends]]), np.concatenate([label - before, -label[ends]])
