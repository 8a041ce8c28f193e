"""Found: what a reader finds on one image, drawn by one annotator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segdata.core.defect import Defect
from segdata.core.runs import Ints, Runs


@dataclass(frozen=True, slots=True)
class Found:
    """One annotation: n segments, their runs, and what is wrong.

    Attributes
    ----------
    size : height and width in pixels of the image that was drawn on
    segment_id, category_id : (n,) int64
    runs : `runs.owner` is the segment
    columns : further columns of `columns.BATCH_SEGMENTS`, (n,) each: iscrowd, track_id, rings, attributes, file …
    encoding : how a mask stores values; None for labels that are no masks
    annotator : who drew; None: as the user says
    annotation : further columns of `columns.BATCH_ANNOTATIONS`, a value each: source, stage, created, attributes …
    defects : met in the labels; `file` and `image` are filled in where they are None
    metadata : what the labels say of the image: name -> JSON text
    file : that the labels are in; None: the entry's first
    """

    size: tuple[int, int]
    segment_id: Ints
    category_id: Ints
    runs: Runs
    columns: Mapping[str, Sequence[object]] = field(default_factory=dict)
    encoding: str | None = None
    annotator: str | None = None
    annotation: Mapping[str, object] = field(default_factory=dict)
    defects: Sequence[Defect] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None


class BrokenLabelsError(Exception):
    """The labels of an image cannot be read at all; `defects` say why."""

    def __init__(self, *defects: Defect) -> None:
        super().__init__("; ".join(defect.message for defect in defects))
        self.defects = defects
