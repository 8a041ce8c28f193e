"""SEG101 gap: pixels are unlabelled where coverage is exhaustive."""

from collections import Counter

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding, Severity
from segdata.core.reductions import leading
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.rules.shared import (
    SUM_COLUMNS,
    background_is_declared,
    leaves_background_unlabelled,
    requires_full_coverage,
    sum_by_owner,
)


@rule(
    "SEG101",
    "gap",
    severity="error",
    needs=("coverage", "gaps"),
    fix="unsafe",
    habit="image",
    per_image=background_is_declared,
    by_part=True,
)
def gap(
    tables: Tables, *, min_pixels: int = 1, background_share: float = 0.25, background_annotations: int = 5
) -> Findings:
    """Pixels are unlabelled where coverage is exhaustive.

    Flagged, exhaustive coverage is declared:
        aaabbb
        aaa.bb
        coverage: exhaustive

    Flagged as a warning, the format's habit is exhaustive:
        aaabbb
        aaa.bb
        coverage: exhaustive (habit)

    Fine, void is a label:
        aaabbb
        aaavbb
        coverage: exhaustive
        v: unknown (void)

    Fine, coverage is sparse:
        aaabbb
        aaa.bb

    You get one finding for each annotation: an error if the dataset declares that every pixel is labelled, a warning if
    that is only the format's habit. Pixels outside the region of interest do not count; void is a label. Pixels whose
    label the reader could not make out (SEG007, SEG009, SEG010, SEG014) are not reported again.

    If you have not declared the coverage and nearly all annotations leave much of their image unlabelled, like masks of
    objects on a background, you get one info for the dataset: such pixels are background, not forgotten. That needs 5
    annotations, or a taxonomy that names the value of `unlabelled`.

    Why: whether such a pixel is background, forgotten, or unclear decides what your model learns there, and every
    loader guesses anew.

    Remedy: label them, give each the category of its neighbours, or mark them void. If you intend the gaps, declare
    `coverage: sparse`.

    Options: `min_pixels`: annotations with fewer unlabelled pixels in total are not flagged. `background_share` and
    `background_annotations`: unlabelled pixels count as background if there are so many annotations and nine in ten
    leave more than this share of their image unlabelled.
    Defaults: any pixel counts. CamVid and CamSeq01 (56 masks) have none; COCO's panoptic sample has 2712 and 7189,
    under 3 % of an image. Masks of objects on a background (DAVIS, fly and nerve tissue) leave a quarter or more.
    """
    annotations = tables.annotations
    reported = _already_reported(tables)[annotations["image"]]
    if leaves_background_unlabelled(tables, background_share, background_annotations):
        if (whole := leading(tables)) is not None:
            yield _background(whole)
        return
    is_large = annotations["unlabelled"] - reported >= max(min_pixels, 1)
    flagged = np.flatnonzero(requires_full_coverage(tables) & is_large)
    declared = tables.profile.coverage.declared | ~annotations.missing("coverage")
    frame = (tables.images["width"] * tables.images["height"])[annotations["image"]]
    void = annotations["void"]
    gaps = sum_by_owner(tables.gaps.take(np.isin(tables.gaps["annotation"], flagged)), "annotation")
    for row, n, pixels, largest, x, y, width, height in gaps.lines("annotation", *SUM_COLUMNS):
        message = f"{pixels:,} unlabelled px ({pixels / frame[row]:.2%}) in {count_noun(n, 'gap')}"
        message += f", the largest {largest:,} px" if n > 1 else ""
        message += f"; plus {void[row]:,} px of void" if void[row] else ""
        message += f"; {reported[row]:,} px of them could not be read" if reported[row] else ""
        severity: Severity = "error" if declared[row] else "warning"
        box, labelled = (x, y, width, height), bool(annotations["labelled"][row])
        yield RowFinding(message, annotation=row, bbox=box, pixels=pixels, severity=severity, is_fixable=labelled)


def _background(tables: Tables) -> RowFinding:
    """One finding for masks that leave a background."""
    unlabelled = tables.annotations["unlabelled"]
    share = unlabelled / (tables.images["width"] * tables.images["height"])[tables.annotations["image"]]
    message = (
        f"{count_noun(len(share), 'annotation')} leave {share.min():.0%} to {share.max():.0%} of the image unlabelled, "
        "taken as background: declare `coverage: sparse`, or `coverage: exhaustive` if every pixel must be labelled"
    )
    return RowFinding(message, pixels=int(unlabelled.sum()), severity="info", is_fixable=False)


def _already_reported(tables: Tables) -> Ints:
    """(n_images,) unlabelled pixels that a defect already reports, because the reader could not read their label."""
    reported: Counter[str | None] = Counter()
    for defect in tables.defects:
        if defect.code in ("SEG007", "SEG009", "SEG010", "SEG014"):
            reported[defect.image] += defect.pixels or 0
    if not reported:
        return np.zeros(len(tables.images), np.int64)
    return np.array([reported[image] for image in tables.images["image_id"].tolist()], np.int64)
