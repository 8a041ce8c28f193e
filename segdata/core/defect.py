"""Defect: what a reader met in a file. The rule file of its code decides what becomes of it."""

from dataclasses import dataclass

from segdata.core.finding import Severity


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing wrong with the files, as the reader saw it.

    Attributes
    ----------
    code : of the rule that owns this defect, ``SEG001`` to ``SEG099``
    message : what is wrong and against which limit, in one line, without the file's name
    file : the file, as a path below the dataset's root where it is below it
    place : where in the file: a JSON pointer (``/annotations/17/bbox``), a line, or a pixel (``x=3, y=9``)
    line : the line in a text file, from 1
    image : the image_id that is affected; None for the whole dataset
    annotator : whose annotation; None if there is only one
    segments : the source's own ids
    category : the category's name
    bbox : x, y, width, height in pixels
    pixels : how many pixels are affected
    severity : instead of the rule's own
    lost : whether something of the source is left out because of it; None: as is usual for its code
    """

    code: str
    message: str
    file: str | None = None
    place: str | None = None
    line: int | None = None
    image: str | None = None
    annotator: str | None = None
    segments: tuple[int | str, ...] = ()
    category: str | None = None
    bbox: tuple[int, int, int, int] | None = None
    pixels: int | None = None
    severity: Severity | None = None
    lost: bool | None = None
