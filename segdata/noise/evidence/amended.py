"""Amended: what the labels would be after a proposal, in terms of whole segments.

A segment of what is not countable is all of its category in an image, so to delete or redraw one of its parts is to
redraw the segment. What is added or redrawn lies on top: where no pixel is of two segments it takes them from others.
"""

from dataclasses import dataclass, replace

import numpy as np

from segdata.core.runs import Ints, Runs
from segdata.noise.evidence.candidates import Candidates
from segdata.noise.evidence.depth import NEAR
from segdata.noise.evidence.drawn import UNLABELLED, Drawn, Pixels, parts_of, runs_of_pixels, shared
from segdata.noise.evidence.evidence import Evidence
from segdata.noise.evidence.fit import centres
from segdata.noise.evidence.proposals import Proposal, for_drawn, for_region, pieces_of
from segdata.noise.types import Type

HELD = 0.5  # the share of a thing within another that makes it a part of that


@dataclass(frozen=True, slots=True)
class Amended(Proposal):
    """What to do with one segment of an image.

    Attributes
    ----------
    segment : the given segment that it is about, -1: none
    whole : whether what is wrong is all of that segment
    gone : whether nothing takes the place of what is wrong
    """

    segment: int
    whole: bool
    gone: bool = False

    def seam(self, height: int, width: int) -> int:
        """Pixel edges along which the proposed pieces touch; 0 where there is one."""
        if self.n_pieces < 2:
            return 0
        pixels = Pixels.of_runs(self.pieces, self.n_pieces)
        canvas = np.full(width * height, -1, np.int64)
        canvas[pixels.at] = pixels.of
        of = canvas.reshape(width, height)
        return sum(int(((a != b) & (a >= 0) & (b >= 0)).sum()) for a, b in ((of[1:], of[:-1]), (of[:, 1:], of[:, :-1])))

    def way(self, one: Drawn, given: Drawn) -> tuple[float, float]:
        """Pixels to the right and down, from what is wrong to what is proposed; 0 where there is not one of each.

        `one` is what is wrong: `segment`, or a part of it, whose other parts stay where they are.
        """
        if self.n_pieces != 1:
            return 0.0, 0.0
        pieces = Pixels.of_runs(self.pieces, 1).at
        if self.segment >= 0 and not self.whole:
            rest = np.setdiff1d(_pixels(given, self.segment), _pixels(one, 0))
            pieces = np.setdiff1d(pieces, rest)
        if not len(pieces):
            return 0.0, 0.0
        proposed = runs_of_pixels(pieces, np.zeros(len(pieces), np.int64), one.height)
        right, down = (centres(proposed, 1, one.height) - centres(one.runs, 1, one.height))[0].tolist()
        return right, down


def for_thing(
    found: Candidates, at: int, type_: Type, given: Drawn, evidence: Evidence, move: tuple[int, int] = (0, 0)
) -> Amended:
    """What annotated thing `at` should be, if it is wrong in this way; one that falls into no pieces is redrawn.

    `move`: as of `segdata.noise.evidence.proposals.for_drawn`.
    """
    proposal = for_drawn(found, at, type_, given, evidence, move)
    if type_ == "shift" and any(move):
        return _all_of(proposal, int(found.row[at]))
    if proposal.action == "split" and proposal.n_pieces < 2:
        proposal = for_drawn(found, at, "boundary", given, evidence)
    row = int(found.row[at])
    return _beside_others(proposal, row, given) if proposal.action == "redraw" else _all_of(proposal, row)


def _beside_others(proposal: Proposal, row: int, given: Drawn) -> Amended:
    """A thing redrawn without the other things that the model sees as one with it: where these are is not in doubt."""
    seen = Drawn.of(proposal.pieces, np.array([1]), given.height, given.width)
    met = shared(given, seen)
    others = met.a[(met.pixels > HELD * given.areas[met.a]) & (met.a != row)]
    if not len(others):
        return _all_of(proposal, row)
    taken = Pixels.of_runs(given.runs.take(others, len(given)), len(others)).at
    before, left = _pixels(given, row), np.setdiff1d(_pixels(seen, 0), taken)
    amended = _redrawn(row, proposal.category, before, _nearest_part(left, before, given), given.height)
    return _all_of(proposal, row) if amended.action == "delete" else replace(amended, whole=True)


def _nearest_part(pixels: Ints, near: Ints, given: Drawn) -> Ints:
    """The connected part of some pixels that has most of others."""
    if not len(pixels):
        return pixels
    parts, of = parts_of(runs_of_pixels(pixels, np.zeros(len(pixels), np.int64), given.height), given.height, 1)
    each = Pixels.of_runs(parts, len(of))
    shares = each.sums(np.isin(each.at, near))
    return np.sort(each.at[each.of == int(shares.argmax())])


def for_part(
    found: Candidates, at: int, type_: Type, given: Drawn, evidence: Evidence, move: tuple[int, int] = (0, 0)
) -> Amended:
    """The same for a part of what is not countable."""
    row = int(found.row[at])
    part = _pixels(found.drawn, at)
    whole = _pixels(given, row)
    if type_ in ("merge", "split"):
        joined = type_ == "split"
        after = np.union1d(whole, _gap(found, at)) if joined else np.setdiff1d(whole, _seam(found, at, evidence))
        if len(after) != len(whole):
            return _redrawn(row, int(given.category[row]), whole, after, given.height)
        type_ = "boundary"
    proposal = for_drawn(found, at, type_, given, evidence, move, alike=True)
    if len(part) == len(whole) and proposal.action != "join":
        return _all_of(proposal, row)
    if proposal.action == "rename":
        return Amended("add", proposal.category, proposal.pieces, 1, -1, 0.0, row, False)
    rest = np.setdiff1d(whole, part)
    kept = np.union1d(rest, np.unique(Pixels.of_runs(proposal.pieces, max(proposal.n_pieces, 1)).at))
    amended = _redrawn(row, int(given.category[row]), whole, kept, given.height)
    return replace(amended, gone=proposal.action == "delete")


def _seam(found: Candidates, at: int, evidence: Evidence) -> Ints:
    """The pixels of a part along which it falls into several, as far as the model, or a waist, sets them apart.

    Holes count as inside: of two rings drawn as one it is the place where they touch.
    """
    from scipy.ndimage import binary_fill_holes

    one = found.drawn.take(np.array([at]))
    part = _pixels(found.drawn, at)
    mask = np.zeros(one.width * one.height, bool)
    mask[part] = True
    inside = np.flatnonzero(binary_fill_holes(mask.reshape(one.width, one.height)))
    runs = runs_of_pixels(inside, np.zeros(len(inside), np.int64), one.height)
    full = Drawn.of(runs, one.category, one.height, one.width)
    alike = np.append(evidence.predicted.category == one.category[0], False)
    pieces = Pixels.of_runs(*pieces_of(full, np.where(alike[evidence.instance], evidence.instance, -1), evidence))
    of = np.full(mask.size, -1, np.int64)
    of[pieces.at] = pieces.of
    field = of.reshape(one.width, one.height)
    seam = np.zeros(field.shape, bool)
    for here, there in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        seam[here] |= (field[here] != field[there]) & (field[here] >= 0) & (field[there] >= 0)
    return np.flatnonzero(seam.ravel() & mask)


def _gap(found: Candidates, at: int) -> Ints:
    """The pixels between a part and others of its category, at most 4 px from one to the other."""
    drawn = found.drawn
    alike = drawn.take(np.flatnonzero(drawn.category == drawn.category[at]))
    one = Drawn.of(alike.runs, np.ones(len(alike), np.int64), drawn.height, drawn.width)
    at_all = np.flatnonzero(one.categories())
    runs = runs_of_pixels(at_all, np.zeros(len(at_all), np.int64), drawn.height)
    union = Drawn.of(runs, one.category[:1], drawn.height, drawn.width)
    closed = Drawn.of(union.grown(NEAR), one.category[:1], drawn.height, drawn.width).grown(-NEAR)
    near = drawn.take(np.array([at])).grown(2 * NEAR)
    return np.intersect1d(np.setdiff1d(Pixels.of_runs(closed, 1).at, at_all), Pixels.of_runs(near, 1).at)


def for_seen(found: Candidates, at: int, given: Drawn, evidence: Evidence) -> Amended:
    """What should be where region `at` was not annotated as the model sees it."""
    proposal = for_region(found, at, evidence)
    if found.label[at] == UNLABELLED:
        return _all_of(proposal, -1)
    region = found.regions.take(np.array([at]))
    under = shared(region, given)
    of_label = given.category[under.b] == found.label[at]
    if not of_label.any():
        return _all_of(Proposal("add", proposal.category, proposal.pieces, 1, -1, 0.0), -1)
    row = int(under.b[of_label][under.pixels[of_label].argmax()])
    if proposal.category != UNLABELLED:
        return Amended("add", proposal.category, proposal.pieces, 1, -1, 0.0, row, False)
    whole = _pixels(given, row)
    return _redrawn(row, int(given.category[row]), whole, np.setdiff1d(whole, _pixels(region, 0)), given.height)


def _all_of(proposal: Proposal, row: int) -> Amended:
    return Amended(
        proposal.action, proposal.category, proposal.pieces, proposal.n_pieces, proposal.joins, proposal.iou, row, True,
        proposal.action == "delete",
    )  # fmt: skip


def _redrawn(row: int, category: int, before: Ints, after: Ints, height: int) -> Amended:
    """A segment with other pixels; deleted where none are left."""
    if not len(after):
        return Amended("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0, row, False, True)
    runs = runs_of_pixels(after, np.zeros(len(after), np.int64), height)
    both = len(np.intersect1d(before, after))
    return Amended("redraw", category, runs, 1, -1, both / (len(before) + len(after) - both), row, False)


def _pixels(drawn: Drawn, row: int) -> Ints:
    """The pixels of one segment, in order."""
    return np.asarray(Pixels.of_runs(drawn.runs.take(np.array([row]), len(drawn)), 1).at, np.int64)
