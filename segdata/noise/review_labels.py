"""Review labels: which candidates reviewers have judged, and how, from their decisions on findings and segments."""

from collections.abc import Iterable, Sequence

import numpy as np

from segdata.core.finding import Box, Decision
from segdata.core.runs import Ints, bounding_boxes
from segdata.noise.error_types import CODES
from segdata.noise.flag_result import candidate_ids
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import Flags, Floats
from segdata.noise.selection import LabelCheck

_MIN_BOX_IOU = 0.5  # the IoU of boxes from which on a finding is about a candidate
_FLAG_CODES = frozenset(CODES.values())


def match_decisions(
    decisions: Iterable[Decision],
    image: Sequence[str],
    segment: Sequence[int | str | None],
    box: Ints,
    annotator: Sequence[str | None],
) -> tuple[Ints, Flags]:
    """The rows (v,) of reviewed candidates, in ascending order, and whether each is wrong (v,).

    Parameters ---------- decisions : the valid ones, in order of time; the last one on a candidate counts. Accepting a
    finding, redrawing it or
        declaring it void means that the label is wrong; rejecting it means that it is right. A segment without a
        finding is right if it was accepted. "unsure" is ignored
    image, segment, box : (n,), (n,) and (n, 4) of the candidates: image_id, the source's own id of the segment (None:
        nothing was annotated so), and x, y, width, height
    annotator : (n,) of the labels; decisions that name another annotator are ignored

    A finding belongs to the candidate of the same segment (or without a segment, if it names none) whose box is most
    like its own. Its type does not matter, because a reviewer sees every error. Findings of other commands are ignored.
    A decision on a segment without a finding counts only if the segment is a single candidate.
    """
    rows_of: dict[tuple[str, int | str | None], list[int]] = {}
    for row, key in enumerate(zip(image, segment, strict=True)):
        rows_of.setdefault(key, []).append(row)
    whose = dict(zip(image, annotator, strict=True))
    verdicts: dict[int, bool] = {}
    for decision in decisions:
        finding = decision.finding
        if (
            decision.verdict == "unsure"
            or decision.image is None
            or (finding is not None and finding.code not in _FLAG_CODES)
        ):
            continue
        name = decision.annotator or (finding.annotator if finding is not None else None)
        if name not in (None, whose.get(decision.image)):
            continue
        segment_id = decision.segment if finding is None else next(iter(finding.segments), None)
        rows = np.array(rows_of.get((decision.image, segment_id), []), np.int64)
        if finding is not None and finding.bbox is not None:
            alike = _iou(box[rows], finding.bbox)
            rows = rows[[alike.argmax()]] if len(rows) and alike.max() >= _MIN_BOX_IOU else rows[:0]
        if len(rows) == 1 and (finding is not None or segment_id is not None):
            verdicts[int(rows[0])] = decision.verdict != ("accept" if finding is None else "reject")
    judged = sorted(verdicts)
    return np.array(judged, np.int64), np.array([verdicts[row] for row in judged], bool)


def _iou(boxes: Ints, box: Box) -> Floats:
    """(n,) of boxes (n, 4) with one."""
    x, y, width, height = boxes.T.astype(np.float64)
    wide = np.minimum(x + width, box[0] + box[2]) - np.maximum(x, box[0])
    high = np.minimum(y + height, box[1] + box[3]) - np.maximum(y, box[1])
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    return np.asarray(shared / np.maximum(width * height + box[2] * box[3] - shared, 1))


def reviewed_candidates(
    case: LabelCheck, ranked: RankedCandidates, decisions: Sequence[Decision]
) -> tuple[Ints, Flags]:
    """The rows (v,) of candidates that reviewers decided, and whether each is wrong (v,)."""
    if not decisions:
        return np.empty(0, np.int64), np.empty(0, bool)
    image = case.images[ranked.image]
    names = np.array(case.given.maps.image_ids, object)[image].tolist()
    whose = case.tables.annotations["annotator"][case.rows.annotation[image]].tolist()
    return match_decisions(
        decisions, names, candidate_ids(case, image, ranked.row).tolist(), _candidate_boxes(ranked), whose
    )


def _candidate_boxes(ranked: RankedCandidates) -> Ints:
    """(n, 4) x, y, width and height of each candidate."""
    every = [
        part for sort in ("annotated", "regions") for part in (getattr(segments, sort) for segments in ranked.found)
    ]
    boxes = [np.column_stack(bounding_boxes(segments.runs, segments.heights, len(segments))) for segments in every]
    return np.concatenate([np.empty((0, 4), np.int64), *boxes])
