"""Finding: one thing that a rule found, with its evidence."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from segdata.core.correction import Correction

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")  # worst first
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule found.

    Attributes
    ----------
    code, rule : the rule's stable code (``SEG106``) and name (``speck``)
    severity : ``error``, ``warning`` or ``info``
    message : what, where, how much, and against which limit, in one line
    image : image_id; None for a finding about the dataset
    annotator : None if the dataset has only one
    segments : the source's own ids
    category : the category's name
    bbox : x, y, width, height in pixels
    pixels : how many pixels are affected
    score : how sure, in [0, 1], where the rule knows
    file, line, place : where in the files; `place` is a JSON pointer, an XPath or a pixel
    fix : whether `--fix` (safe) or `--unsafe-fixes` can mend it
    correction : what a model proposes instead, for a reviewer to accept
    kind : which of the things that a rule tells apart; None: it tells one
    """

    code: str
    rule: str
    severity: Severity
    message: str
    image: str | None = None
    annotator: str | None = None
    segments: tuple[int | str, ...] = ()
    category: str | None = None
    bbox: Box | None = None
    pixels: int | None = None
    score: float | None = None
    file: str | None = None
    line: int | None = None
    place: str | None = None
    fix: Literal["safe", "unsafe"] | None = None
    correction: Correction | None = None
    kind: str | None = None

    def order(self) -> tuple[object, ...]:
        """Sorts findings the same way whatever found them first: worst first, then by code, image and place."""
        return (
            SEVERITIES.index(self.severity),
            self.code,
            self.image or "",
            self.annotator or "",
            self.file or "",
            self.line or 0,
            self.bbox or (0, 0, 0, 0),
            tuple(map(str, self.segments)),
            self.message,
            self.place or "",
        )


class Found(msgspec.Struct, frozen=True):
    """What a rule yields: a message and the rows of the tables that it speaks of.

    The rule runner turns it into a `Finding`: image, annotator, source ids and category follow from the rows. There
    may be very many, and a structure of msgspec is made in a tenth of the time that a dataclass takes.

    Attributes
    ----------
    message : in one line
    segments : rows of the `segments` table
    annotation : row of `annotations`, where no segment is named
    image : row of `images`, where no annotation is named
    ids, image_id, annotator : the source's own words, for a defect that has no rows
    bbox, pixels, score : as in `Finding`; bbox defaults to the one segment's box
    category : a name, where no segment is named
    severity : instead of the rule's own
    is_fixable : whether the rule's fix, if it has one, can mend this finding
    file, line, place : as in `Finding`; default to where the first segment was read from
    correction, kind : as in `Finding`
    """

    message: str
    segments: tuple[int, ...] = ()
    annotation: int | None = None
    image: int | None = None
    ids: tuple[int | str, ...] = ()
    image_id: str | None = None
    annotator: str | None = None
    bbox: Box | None = None
    pixels: int | None = None
    score: float | None = None
    category: str | None = None
    severity: Severity | None = None
    is_fixable: bool = True
    file: str | None = None
    line: int | None = None
    place: str | None = None
    correction: Correction | None = None
    kind: str | None = None
