"""Everyone: what all annotators drew on the images of a batch, laid on one number line."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.agreement.instances.overlapping import areas, covered, in_crowds, union
from segdata.agreement.opposite import Drawn, Flags, cases_of, drawn_by, outside
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine
from segdata.core.taxonomy import Category


@dataclass(frozen=True, slots=True)
class Everyone:
    """All segments of R annotators on n_cases cases; every image of the batch is a frame.

    Attributes
    ----------
    line : of the images
    case_of_frame : (n_images,)
    drawn : the n segments of all, void ones too, those of the first annotator first
    annotator : (n,) who drew each
    clear : the pixels without those that their own annotator calls void
    area : (n,) of these
    lost : (n, R) pixels of each segment that do not count against each annotator: either calls them void, or they
        are in the annotator's crowds of the segment's category
    in_void : (n, R) those of them that are left in `clear` and that the annotator calls void
    asked : (R, n_cases, n_categories) who annotated a case, and was asked for a category
    """

    line: NumberLine
    case_of_frame: Ints
    drawn: Drawn
    annotator: Ints
    clear: SweepRuns
    area: Ints
    lost: Ints
    in_void: Ints
    asked: Flags


def everyone(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    *,
    case: Ints | None = None,
    asked: Flags | None = None,
    volumes: frozenset[str] = frozenset(),
    is_semantic: bool = False,
) -> Everyone:
    """What there is of each annotator; the other arguments are those of `segdata.agreement.opposite.opposites`.

    `case` (n_images,) is the case of each image, from 0; by default in the order of `cases_of`.
    """
    of_image = cases_of(batch, volumes)
    if case is None:
        case = np.unique(of_image, return_inverse=True)[1]
    at = {name: k for k, name in enumerate(annotators)}
    who = np.array([at[name] for name in batch.annotations["annotator"].to_pylist()], np.int64)
    # Where nobody is, there is one who drew nothing.
    annotation = np.full((max(len(annotators), 1), batch.images.num_rows), -1, np.int64)
    annotation[who, batch.annotation_image] = np.arange(len(who))
    line = NumberLine.of(*batch.image_size)
    each = [drawn_by(batch, rows, line, case, categories, of_image >= 0, is_semantic) for rows in annotation]
    void = [union(one.runs_of(one.is_void, np.arange(len(one)))) for one in each]
    clear = [outside(one.side, own) if len(own.start) else one.side for one, own in zip(each, void, strict=True)]
    first = np.cumsum([0, *(len(one) for one in each)])
    names = ("segment", "case", "category", "is_void", "is_crowd", "is_thing", "area")
    columns = {name: np.concatenate([getattr(one, name) for one in each]) for name in names}
    drawn = Drawn(**columns, side=_together([one.side for one in each], first))
    all_clear = _together(clear, first)
    in_void = np.zeros((len(drawn), len(each)), np.int64)
    in_crowd = np.zeros((len(drawn), len(each)), np.int64)
    for r, (one, side) in enumerate(zip(each, clear, strict=True)):
        if len(void[r].start):
            in_void[:, r] = covered(all_clear, void[r], len(drawn))
        in_crowd[:, r] = in_crowds(drawn, all_clear, one, side, one.is_crowd)
    area = areas(all_clear, len(drawn))
    own = (drawn.area - area)[:, None]
    told = np.zeros((len(annotators), int(case.max(initial=-1)) + 1, len(categories)), bool)
    told[who, case[batch.annotation_image]] = True if asked is None else asked
    annotator = np.repeat(np.arange(len(each)), [len(one) for one in each])
    return Everyone(line, case, drawn, annotator, all_clear, area, own + in_void + in_crowd, in_void, told)


def _together(sides: Sequence[SweepRuns], first: Ints) -> SweepRuns:
    """The runs of all sides, in order; the owners of side k are counted from `first[k]`."""
    start = np.concatenate([np.empty(0, np.int64), *(side.start for side in sides)])
    end = np.concatenate([np.empty(0, np.int64), *(side.end for side in sides)])
    owner = [side.owner + np.int32(by) for side, by in zip(sides, first, strict=False)]
    order = np.argsort(start, kind="stable")
    return SweepRuns(start[order], end[order], np.concatenate([np.empty(0, np.int32), *owner])[order])
