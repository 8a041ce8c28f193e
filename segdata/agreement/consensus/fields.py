"""Fields: over which pixels annotators are weighed against each other, one field for each category in dispute.

STAPLE's result depends on the field. Over a whole image, most of which nobody ever doubts, everybody's specificity is
nearly 1, and what one annotator alone drew is believed. So the field is what is near a dispute.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from segdata.agreement.opposite import Flags
from segdata.agreement.pixels.voting import ABSENT, Votes
from segdata.core import kernels
from segdata.core.errors import check_choice
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine, Rows, expand_ranges

Extent = Literal["band", "box", "image"]
EXTENTS: tuple[Extent, ...] = ("band", "box", "image")


@dataclass(frozen=True, slots=True)
class Fields:
    """U fields, each for a category that annotators of a case do not agree on, and their N patterns of votes.

    Attributes
    ----------
    case, category : (U,) what each field is for
    field, pattern : (N,) ascending; all patterns of the case belong to each of its fields
    says, there : (N, R) whether an annotator gave the pattern's pixels the field's category, and whether they judged
        them: who calls them void did not
    pixels : (N,) of the pattern that lie in the field
    """

    case: Ints
    category: Ints
    field: Ints
    pattern: Ints
    says: Flags
    there: Flags
    pixels: Ints


def fields(votes: Votes, extent: Extent = "band", margin: int = 3) -> Fields:
    """The fields of all categories in dispute.

    `extent` is what belongs to a field: ``band``, pixels in dispute; ``box``, in each image the box of all pixels that
    anybody gave the category; both with the pixels up to `margin` pixels to their sides and corners; ``image``, all.
    """
    check_choice("extent", extent, EXTENTS)
    void = np.array([each.kind == "void" for each in votes.categories] + [False, False], bool)
    judged = (votes.vote != ABSENT) & ~void[votes.vote]
    named, category, disputed = _named(votes, judged)
    n_categories = max(len(votes.categories), 1)
    unit, of = np.unique(votes.case[named] * n_categories + category, return_inverse=True)
    kept = np.bincount(of[disputed], minlength=len(unit)) > 0
    number = np.where(kept, np.cumsum(kept) - 1, -1)[of]
    case, code = np.divmod(unit[kept], n_categories)
    by_case = np.argsort(votes.case, kind="stable")
    first, count = _places(votes.case[by_case], case)
    pattern = by_case[expand_ranges(first, count)]
    field = np.repeat(np.arange(len(case)), count)
    if extent == "image":
        pixels = votes.pixels[pattern]
    else:
        of_field = (number >= 0) & (disputed | (extent == "box"))
        drawn = _pieces(votes, named[of_field], number[of_field])
        near = (_boxed if extent == "box" else _dilated)(drawn, votes.line, margin)
        pixels = _inside(near, votes, field, pattern)
    says = votes.vote[pattern] == code[field, None]
    return Fields(case, code, field, pattern, says, judged[pattern], pixels)


def _named(votes: Votes, judged: Flags) -> tuple[Ints, Ints, Flags]:
    """Every pattern with each category that somebody gave it, void left out, and whether another judged otherwise."""
    pattern, voter = np.nonzero(judged & (votes.vote >= 0))
    n_categories = max(len(votes.categories), 1)
    pair, n_for = np.unique(pattern * n_categories + votes.vote[pattern, voter], return_counts=True)
    pattern, category = np.divmod(pair, n_categories)
    return pattern, category, n_for < judged.sum(axis=1)[pattern]


def _pieces(votes: Votes, pattern: Ints, owner: Ints) -> SweepRuns:
    """The strips of some patterns, each under an owner; a pattern may have several."""
    order = np.argsort(votes.pieces.owner, kind="stable")
    first, count = _places(votes.pieces.owner[order], pattern)
    rows = order[expand_ranges(first, count)]
    return SweepRuns(votes.pieces.start[rows], votes.pieces.end[rows], np.repeat(owner, count).astype(np.int32))


def _places(ordered: Ints | Rows, wanted: Ints) -> tuple[Ints, Ints]:
    """Where each wanted value begins among those in order, and how often it is there."""
    first = np.searchsorted(ordered, wanted).astype(np.int64)
    return first, np.searchsorted(ordered, wanted, "right") - first


def _dilated(side: SweepRuns, line: NumberLine, margin: int) -> SweepRuns:
    """All pixels at most `margin` rows and columns from those of the same owner."""
    frame, x, y = line.lower(side.start)
    top, bottom = np.maximum(y - margin, 0), np.minimum(y + (side.end - side.start) + margin, line.height[frame])
    high = _united(SweepRuns(_at(line, frame, x, top), _at(line, frame, x, bottom), side.owner), line)
    frame, x, y = line.lower(high.start)
    moved = []
    for by in range(-margin, margin + 1):
        inside = (x + by >= 0) & (x + by < line.width[frame])
        start = high.start[inside] + by * (line.height[frame[inside]] + 1)
        moved.append((start, start + (high.end - high.start)[inside], high.owner[inside]))
    start, end, owner = (np.concatenate(columns) for columns in zip(*moved, strict=True))
    return _united(SweepRuns(start, end, owner), line)


def _boxed(side: SweepRuns, line: NumberLine, margin: int) -> SweepRuns:
    """The boxes of each owner's pixels in each frame, `margin` pixels wider on all sides."""
    frame, x, y = line.lower(side.start)
    box, of = np.unique(side.owner * len(line.base) + frame, return_inverse=True)
    owner, frame = np.divmod(box, max(len(line.base), 1))
    _, left, top, width, height = kernels.extents(of, x, y, y + (side.end - side.start), len(box))
    right, bottom = (
        np.minimum(left + width + margin, line.width[frame]),
        np.minimum(top + height + margin, line.height[frame]),
    )
    left, top = np.maximum(left - margin, 0), np.maximum(top - margin, 0)
    column = expand_ranges(left, right - left)
    which = np.repeat(np.arange(len(box)), right - left)
    start = _at(line, frame[which], column, top[which])
    return _united(SweepRuns(start, start + (bottom - top)[which], owner[which].astype(np.int32)), line)


def _inside(near: SweepRuns, votes: Votes, field: Ints, pattern: Ints) -> Ints:
    """(n,) how many pixels of each pattern lie in each field; `near.owner` is the field, in the order of the line."""
    pieces, n_patterns = votes.pieces, max(len(votes.pixels), 1)
    of, which, start, length = kernels.strips(near.start, near.end, near.owner, pieces.start, pieces.end, pieces.owner)
    frame_of_near = votes.line.frame_of(near.start)
    n_frames = max(len(votes.line.base), 1)
    # What nobody labelled is not in the pieces: it is what is left of each field in each image.
    room = np.bincount(near.owner * n_frames + frame_of_near, near.end - near.start)
    taken = np.bincount(of * n_frames + votes.line.frame_of(start), length, len(room))
    rest = np.flatnonzero(room - taken)
    key = np.concatenate(
        [of * np.int64(n_patterns) + which, rest // n_frames * n_patterns + votes.blank[rest % n_frames]]
    )
    amount = np.concatenate([length, (room - taken)[rest].astype(np.int64)])
    found, total, _, _ = kernels.distinct(key.astype(np.int64), amount)
    wanted = field * n_patterns + pattern
    at = np.minimum(np.searchsorted(found, wanted), max(len(found) - 1, 0))
    return np.where(found[at] == wanted, total[at], 0) if len(found) else np.zeros(len(wanted), np.int64)


def _united(side: SweepRuns, line: NumberLine) -> SweepRuns:
    """The union of each owner's runs, which may come in any order, in the order of the line."""
    end = int(line.base[-1] + (line.height[-1] + 1) * (line.width[-1] + 1)) if len(line.base) else 1
    lift = side.owner.astype(np.int64) * end
    order = np.argsort(side.start + lift, kind="stable")
    start, length, _ = kernels.cover((side.start + lift)[order], (side.end + lift)[order])
    owner, start = np.divmod(start, end)
    order = np.argsort(start, kind="stable")
    return SweepRuns(start[order], (start + length)[order], owner[order].astype(np.int32))


def _at(line: NumberLine, frame: Ints, x: Ints, y: Ints) -> Ints:
    """Where pixels (x, y) lie on the line; y may be the height, where the column ends."""
    return line.base[frame] + x * (line.height[frame] + 1) + y
