"""Layers: what annotators say of pixels, voted on apart where categories may share them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.consensus.majority import UNDECIDED, Decided
from segdata.agreement.opposite import Flags
from segdata.agreement.pixels.voting import UNLABELLED, Votes
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.runs import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Strips:
    """Pixels on the line that are decided: n strips, which may share pixels where their codes or crowds differ.

    Attributes
    ----------
    start, end : (n,)
    code : (n,) position in the list of categories
    crowd : (n,) of crowds
    support : (n,) how sure it is; NaN where nobody decided
    iou : (n,) mean of every two annotators' IoU of the category in the case; NaN where no two drew it
    """

    start: Ints
    end: Ints
    code: Ints
    crowd: Flags
    support: Floats
    iou: Floats

    @staticmethod
    def of(votes: Votes, decided: Decided, *, crowd: bool = False) -> "Strips":
        """The strips of patterns for which a category was decided."""
        pieces = votes.pieces
        kept = np.flatnonzero(~np.isin(decided.category[pieces.owner], (UNLABELLED, UNDECIDED)))
        pattern = pieces.owner[kept]
        code = decided.category[pattern]
        iou = pairwise_iou(votes)[votes.case[pattern], code] if len(kept) else np.zeros(0)
        crowds = np.full(len(kept), crowd)
        return Strips(pieces.start[kept], pieces.end[kept], code, crowds, decided.support[pattern], iou)

    @staticmethod
    def bare(side: SweepRuns, code: int) -> "Strips":
        """Pixels under a category that nobody voted for."""
        n = len(side.start)
        unknown = np.full(n, np.nan)
        return Strips(side.start, side.end, np.full(n, code), np.zeros(n, bool), unknown, unknown)

    def but(self, code: Ints) -> "Strips":
        """All but those of some categories."""
        kept = ~np.isin(self.code, code)
        return Strips(*(getattr(self, name)[kept] for name in ("start", "end", "code", "crowd", "support", "iou")))

    @staticmethod
    def joined(pieces: "list[Strips]") -> "Strips":
        """All pieces in the order of the line."""
        names = ("start", "end", "code", "crowd", "support", "iou")
        columns = [np.concatenate([getattr(piece, name) for piece in pieces]) for name in names]
        order = np.argsort(columns[0], kind="stable")
        return Strips(*(column[order] for column in columns))


def pairwise_iou(votes: Votes) -> Floats:
    """(n_cases, n_categories) the mean IoU of every two annotators of a case, of the pixels that both judge.

    NaN where none of them drew the category.
    """
    n_annotators, n = votes.vote.shape[1], max(len(votes.categories), 1)
    shape = (int(votes.case.max(initial=-1)) + 1, n)
    # Votes below 0 take what is appended: who was not there judges nothing, who left it unlabelled does.
    unjudged = np.array([each.kind == "void" for each in votes.categories] + [True, False], bool)

    def pixels(said: Ints, rows: Flags) -> Floats:
        some = rows & (said >= 0)
        cell = votes.case[some] * n + said[some]
        return np.bincount(cell, votes.pixels[some], shape[0] * n).astype(np.float64).reshape(shape)

    total, known = np.zeros(shape), np.zeros(shape)
    for one in range(n_annotators):
        for other in range(one + 1, n_annotators):
            a, b = votes.vote[:, one], votes.vote[:, other]
            judged = ~(unjudged[a] | unjudged[b])
            both = pixels(a, judged & (a == b))
            union = pixels(a, judged) + pixels(b, judged) - both
            total += np.divide(both, union, out=np.zeros(shape), where=union > 0)
            known += union > 0
    return np.asarray(np.divide(total, known, out=np.full(shape, np.nan), where=known > 0))


def apart(batch: Batch, code: Ints, chosen: Flags, is_void: Flags) -> list[Ints]:
    """Rows of the chosen segments (n,) in layers, in each of which no annotation has a pixel under two categories.

    `code` (n,) are the categories; `is_void` (n,) segments are in every layer, since they go before all others. There
    is one layer where nothing overlaps.
    """
    rows = np.flatnonzero(chosen & ~is_void)
    side = SweepRuns.of(batch.runs, batch.annotation_line, batch.segment_annotation)
    solid = np.isin(side.owner, rows)
    met = find_overlaps_within(SweepRuns(side.start[solid], side.end[solid], side.owner[solid]))
    pairs = np.unique(np.sort(np.stack([code[met.a], code[met.b]], axis=1), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if not len(pairs):
        return [np.flatnonzero(chosen)]
    layer: dict[int, int] = {}
    for each in np.unique(pairs).tolist():  # categories that overlap are few
        met_here = pairs[(pairs == each).any(axis=1)]
        taken = {layer[other] for other in met_here.ravel().tolist() if other in layer}
        layer[each] = next(k for k in range(len(taken) + 1) if k not in taken)
    number = np.zeros(int(code.max()) + 1, np.int64)
    number[list(layer)] = list(layer.values())
    return [np.flatnonzero(chosen & (is_void | (number[code] == k))) for k in range(max(layer.values()) + 1)]
