"""What the rules of `segdata flag` share: one flagged candidate, and its finding in words."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segdata.core.finding import Action, Box, Correction, RowFinding
from segdata.core.rule import CONFIDENCE, Tables, excludes_nothing

LIKELY_ERROR = 0.5  # probability at or above which messages say "probably", below it "may be"


class Candidate(NamedTuple):
    """One row of `Candidates.suspects`.

    `called` names the segment: its category and id, or how much of it; `place` is its place among the `n_flagged`
    candidates of all types, from 1, the most probable error first.
    """

    annotation: int
    segment: int
    probability: float
    low: float
    high: float
    category: str
    seen: str
    pixels: int
    whole: bool
    believed: float
    believed_seen: float
    right: float
    down: float
    seam: int
    is_sampled: bool
    box: Box
    called: str
    place: int
    n_flagged: int
    correction: Correction

    @property
    def remedy(self) -> str:
        """The proposal in words."""
        if self.correction.action == "redraw" and not self.whole:
            return (
                f"redraw {self.correction.category} without it"
                if not self.seen
                else f"redraw {self.correction.category}"
            )
        return describe_correction(self.correction)

    @property
    def verb_be(self) -> str:
        """The words "is probably", "are probably" or "may be", by the probability, and by segment or pixels."""
        return f"{'is' if self.whole else 'are'} probably" if self.probability >= LIKELY_ERROR else "may be"

    @property
    def verb_have(self) -> str:
        """The words "probably has", "probably have" or "may have"."""
        return f"probably {'has' if self.whole else 'have'}" if self.probability >= LIKELY_ERROR else "may have"

    @property
    def probability_range(self) -> str:
        """The probability as far as it is known: a range, narrow after enough decisions of reviewers.

        A 95 % interval that holds 0.05 does not say that there is an error, so the rank stands for its lower end; one
        that holds 0.95 as well excludes nothing.
        """
        low, high = f"{self.low:.2f}", f"{self.high:.2f}"
        if self.low > 1 - CONFIDENCE:
            return f"P {low}" if low == high else f"P {low} to {high}"
        rank = f"rank {self.place:,} of {self.n_flagged:,}"
        return rank if excludes_nothing(self.low, self.high) else f"{rank}, P at most {high}"

    def finding(self, what: str, why: str) -> RowFinding:
        """The finding of a rule: what is probably wrong, the range of its probability, and the reason."""
        belongs = "belongs" if self.whole else "belong"
        lot = f"{belongs} to the random sample that estimates all errors: {self.probability_range}; if it is wrong"
        message = f"{what}: {self.probability_range}, {why}"
        return RowFinding(
            f"{self.called} {lot}, {self.remedy}" if self.is_sampled else f"{self.called} {message}; {self.remedy}",
            segments=(self.segment,) if self.segment >= 0 else (),
            annotation=self.annotation,
            category=self.category or self.seen,
            bbox=self.box,
            pixels=self.pixels,
            score=self.probability,
            score_range=(round(self.low, 6), round(self.high, 6)),
            correction=self.correction,
        )


_COLUMNS = (
    "annotation", "segment", "probability", "low", "high", "category", "seen", "pixels", "whole", "believed",
    "believed_seen", "right", "down", "seam", "is_sampled",
)  # fmt: skip


def flagged_candidates(tables: Tables, kind: str, min_probability: float) -> Iterator[Candidate]:
    """The flagged candidates of one type, at or above a probability."""
    if tables.candidates is None:
        return
    rows, segments = tables.candidates.suspects, tables.segments
    flagged = np.sort(-rows["probability"][rows["flagged"]])
    is_reported = rows["flagged"] & (rows["type"] == kind) & (rows["probability"] >= min_probability)
    for row in np.flatnonzero(is_reported).tolist():
        cell = {name: rows.cell(name, row) for name in _COLUMNS}
        x, y, width, height = (rows.cell(name, row) for name in ("x", "y", "width", "height"))
        called = cell["category"] or cell["seen"]
        if cell["segment"] >= 0:
            source = segments.cell("source_id", cell["segment"])
            called += f" {segments.cell('segment_id', cell['segment']) if source is None else source}"
        if not cell["whole"]:
            called = f"{cell['pixels']:,} px of {cell['category'] or cell['seen']}"
        place = 1 + int(np.searchsorted(flagged, -cell["probability"]))
        correction = tables.candidates.corrections[row]
        yield Candidate(
            **cell, box=(x, y, width, height), called=called, place=place, n_flagged=len(flagged), correction=correction
        )


_WORDS: dict[Action, str] = {
    "add": "add {category}", "delete": "delete it", "rename": "rename it to {category}", "redraw": "redraw it",
    "split": "split it into {pieces} pieces", "join": "join it with {joins}",
}  # fmt: skip


def describe_correction(correction: Correction) -> str:
    """A correction in words.

    >>> describe_correction(Correction(action="split", category="car", size=(9, 9), counts=("a", "b")))
    'split it into 2 pieces'
    """
    words = _WORDS[correction.action]
    return words.format(category=correction.category, pieces=len(correction.counts), joins=correction.joins)
