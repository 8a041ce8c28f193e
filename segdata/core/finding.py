"""Findings of rules, corrections that they propose, defects that readers meet, and decisions of reviewers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import msgspec

Action = Literal["add", "delete", "rename", "redraw", "split", "join"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The change of the labels that a finding proposes. Nothing changes by itself.

    Attributes
    ----------
    action : "add" a segment; or, of the first segment that the finding names, "delete" it, "rename" it (its pixels
        stay), "redraw" it, "split" it into pieces, or "join" it with another. What is added or redrawn lies on top: in
        labels where no pixel is of two segments it takes its pixels from others
    category : the name of what is proposed; None for "delete"
    size : (height, width) of the image
    counts : the pixels of what is proposed, a COCO compressed RLE string for each piece; none for "delete"
    joins : the source's own id of the segment to join it with; None unless that is to be done
    iou : of what was given with what is proposed, all pieces together; None where nothing was given
    """

    action: Action
    category: str | None
    size: tuple[int, int]
    counts: tuple[str, ...] = ()
    joins: int | str | None = None
    iou: float | None = None


Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")  # worst first
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}
Count = Annotated[int, msgspec.Meta(ge=0)]
Box = tuple[int, int, int, int]
MISSING_IMAGE = "the image file does not exist"  # SEG002 of an image, not of its labels


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
    score_range : the ends of the interval in which the score is known to be; None: it is as it is
    file, line, place : where in the files; `place` is a JSON pointer, an XPath or a pixel
    fix : whether `--fix` (safe) or `--unsafe-fixes` can fix it
    correction : what a model proposes instead, for a reviewer to accept
    kind : the variant of a rule that has several; None otherwise
    count : how many findings it stands for; more than 1 where a rule's findings are usual in the dataset
    images, categories : all image_ids, or names, that these findings are about; empty for a single finding
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
    score_range: tuple[float, float] | None = None
    file: str | None = None
    line: int | None = None
    place: str | None = None
    fix: Literal["safe", "unsafe"] | None = None
    correction: Correction | None = None
    kind: str | None = None
    count: int = 1
    images: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def all_images(self) -> tuple[str, ...]:
        """The image_ids that the finding is about: one, several, or none."""
        return self.images or (() if self.image is None else (self.image,))

    def order(self) -> tuple[object, ...]:
        """The sort key of findings: most severe first, then by code, image and place."""
        return (
            _RANK[self.severity],
            self.code,
            self.image or "",
            self.annotator or "",
            self.file or "",
            self.line or 0,
            self.bbox or (0, 0, 0, 0),
            tuple(map(str, self.segments)),
            self.message,
            self.place or "",
            self.category or "",
            self.pixels or 0,
            self.count,
        )


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in `Finding.order`.

    Findings are sorted by severity, code and image first: few findings share all three, and the whole key takes ten
    times as long to make.
    """
    alike: dict[tuple[int, str, str], list[Finding]] = {}
    for finding in findings:
        key = _RANK[finding.severity], finding.code, finding.image or ""
        alike.setdefault(key, []).append(finding)
    ordered: list[Finding] = []
    for key in sorted(alike):
        several = alike[key]
        ordered += sorted(several, key=Finding.order) if len(several) > 1 else several
    return ordered


class RowFinding(msgspec.Struct, frozen=True):
    """The finding that a rule yields: a message, and the rows of the tables that it is about.

    The rule runner turns it into a `Finding`: image, annotator, source ids and category follow from the rows. There
    may be very many, and a structure of msgspec is made in a tenth of the time that a dataclass takes.

    Attributes
    ----------
    message : in one line
    segments : rows of the `segments` table
    annotation : row of `annotations`, where no segment is named
    image : row of `images`, where no annotation is named
    ids, image_id, annotator : the source's own words, for a defect that has no rows
    bbox, pixels, score, score_range : as in `Finding`; bbox defaults to the one segment's box
    category : a name, where no segment is named
    severity : instead of the rule's own
    is_fixable : whether the rule's fix, if it has one, applies to this finding
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
    score_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing wrong with the files, as the reader saw it.

    Attributes
    ----------
    code : of the rule that owns this defect: one of ``SEG0..`` in `segdata rules`
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


Verdict = Literal["accept", "reject", "fix", "void", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Via = Literal["fiftyone", "html", "cvat", "label-studio", "python"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A reviewer's verdict on a finding, or on a segment without one.

    On a finding: `accept` (it is right: apply its proposal), `reject` (the label is right, the finding a false alarm),
    `fix` (it is right, and an annotator must redraw), `void` (ignore what it shows), `unsure` (another reviewer must
    decide). On a segment: `accept` (it is right), `reject` (there is nothing: delete it), `fix`, `void`, `unsure`.

    Attributes
    ----------
    verdict : one of these
    reviewer : who decided
    time : when, ISO 8601 in UTC with seconds
    via : the tool in which the reviewer decided
    image, annotator, segment : image_id, whose work it is (None: the only annotator's), and the source's own id of the
        segment; None where the finding names none
    finding : what it is about; None for a segment without one
    imprint : of the label that the reviewer saw, see `segdata.core.label_hash`; a decision holds until it changes
    comment : in the reviewer's words
    adjudicates : it settles a disagreement, and overrides all decisions that do not
    """

    verdict: Verdict
    reviewer: str
    time: str
    via: Via
    image: str | None
    annotator: str | None = None
    segment: int | str | None = None
    finding: Finding | None = None
    imprint: str = ""
    comment: str = ""
    adjudicates: bool = False
