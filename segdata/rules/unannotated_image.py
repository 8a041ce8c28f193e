"""SEG312 unannotated-image: nothing is labelled in an image."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.profile import SequenceKind
from segdata.core.reductions import gather, leading, medians, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.measure.sequences import FrameSequence, frame_sequences
from segdata.rules.shared import image_names

_MIN_SECONDS, _MIN_TIMED = 30.0, 5  # of an annotation whose segments were lost; annotations that tell what is usual


@rule("SEG312", "unannotated-image", severity="info", needs=(), per_sequence=True)
def unannotated_image(
    tables: Tables, *, max_share: float = 0.1, min_frames: int = 3, min_usual: float = 0.5
) -> Findings:
    """An annotated image has no segment.

    Flagged:
        aa..

        ....

        bb..

    Fine:
        aa..

        a...

        bb..

    You get one finding for each image, an info: only the picture shows whether there is something to label. If more
    than max_share of the annotations are empty, that is the nature of the data (defect inspection, rare events), and
    you get one for the dataset. It is a warning for a video that ends, or begins, with frames without a segment, and a
    volume that does with slices, beside one that has about as much labelled as others. One more names
    annotations that took as long as those with segments, where the tool tells (Label Studio). An image that
    an annotator never worked on is not annotated and not flagged, nor is one whose segments have no size to be drawn
    in: SEG002 or SEG004 names that. Nor are the slices of a volume before its first and
    behind its last segment, where what is labelled ends by and by.

    Why: your training uses a skipped image as pure background.

    Remedy: annotate it, or take it out. If you find it really empty, suppress the finding with that as the reason.

    Options: `max_share`: the share of empty annotations above which one finding covers all. `min_frames`, `min_usual`:
    the least number of such frames of a video, and the least share of its usual labelled area in the frame beside them.
    Defaults: COCO (50 images) has 2 %, a forgotten one; magnetic_tile, where one kind is `Free`, 18 %.
    """
    yield from _empty_annotations(tables, max_share, min_frames, min_usual)
    yield from _lost_work(tables)


def _empty_annotations(tables: Tables, max_share: float, min_frames: int, min_usual: float) -> Findings:
    """A finding for each empty annotation, or one for all, and for sequences that are unfinished."""
    has_size = tables.images["width"][tables.annotations["image"]] > 0
    empty = np.flatnonzero((tables.annotations["n_segments"] == 0) & has_size)
    n = total(tables, empty=len(empty), all=len(tables.annotations))
    if n["empty"] > max(max_share * n["all"], 1):
        if leading(tables) is not None:
            share = n["empty"] / n["all"]
            message = f"{n['empty']:,} of {n['all']:,} annotations ({share:.0%}) have no segment"
            yield RowFinding(message)
        yield from _unfinished_sequences(tables, _of_kind(tables, "video"), "frame", min_frames, min_usual)
        return
    volumes = _of_kind(tables, "volume")
    yield from _unfinished_sequences(tables, volumes, "slice", 1, min_usual)
    for row in np.setdiff1d(empty, _outer_slices(tables, volumes)).tolist():
        yield RowFinding("annotated, but without a segment", annotation=row)


def _lost_work(tables: Tables) -> Findings:
    """One finding for empty annotations that took as long as those with segments."""
    annotations = tables.annotations
    seconds, is_empty = annotations["seconds"].astype(np.float64), annotations["n_segments"] == 0
    if not total(tables, timed_empty=int((is_empty & (seconds >= _MIN_SECONDS)).sum()))["timed_empty"]:
        return
    spent = seconds[~is_empty & ~np.isnan(seconds)]
    usual = medians(tables, spent, np.zeros(len(spent), np.int64))
    if not len(usual) or usual["n"][0] < _MIN_TIMED:
        return
    typical = float(usual["median"][0])
    rows = np.flatnonzero(is_empty & (seconds >= max(_MIN_SECONDS, typical)))
    tables, lost = gather(tables, {"annotation": rows}, {"annotation": "annotations"})
    if len(lost):
        names = image_names(tables, lost["annotation"])
        yield RowFinding(
            f"{count_noun(len(lost), 'annotation')} without a segment took as long as those with segments (median "
            f"{typical:,.0f} s) or longer: {names}; was the work lost?"
        )


def _of_kind(tables: Tables, kind: SequenceKind) -> list[FrameSequence]:
    return frame_sequences(tables.profile, tables.images, tables.annotations, kind)


def _outer_slices(tables: Tables, volumes: list[FrameSequence]) -> Ints:
    """The annotations of slices before the first segment of a volume, and behind the last, if it has one."""
    rows = [np.empty(0, np.int64)]
    for volume in volumes:
        labelled = np.flatnonzero(tables.annotations["n_segments"][volume.annotation] > 0)
        if len(labelled):
            rows += [volume.annotation[: labelled[0]], volume.annotation[labelled[-1] + 1 :]]
    return np.concatenate(rows)


def _unfinished_sequences(
    tables: Tables, sequences: list[FrameSequence], noun: str, min_frames: int, min_usual: float
) -> Findings:
    """Sequences whose labels stop, or begin, from one frame to the next, where nothing leaves or comes in by and by."""
    if not sequences:
        return
    pixels = np.bincount(tables.segments["annotation"], tables.segments["area"], len(tables.annotations))
    for sequence in sequences:
        labelled = np.flatnonzero(pixels[sequence.annotation] > 0)
        if not len(labelled):
            continue
        own = pixels[sequence.annotation]
        usual = float(np.median(own[labelled]))
        first, last, n = int(labelled[0]), int(labelled[-1]), len(own)
        for count, edge, where, beside in (
            (first, first, "first", "after them"),
            (n - 1 - last, last, "last", "before them"),
        ):
            if min_frames <= count < n / 2 and own[edge] >= min_usual * usual:
                has = "has" if count == 1 else "have"
                message = (
                    f"the {where} {count_noun(count, noun)} of {n:,} of {sequence.sequence!r} {has} no segment, and "
                    f"{own[edge]:,.0f} px are labelled in the {noun} {beside}: is the work unfinished?"
                )
                row = sequence.annotation[0 if where == "first" else last + 1]
                yield RowFinding(message, annotation=int(row), severity="warning")
