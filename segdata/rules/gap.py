"""SEG101 gap: pixels that nobody labelled, where everything must be."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segdata.core.counted import counted
from segdata.core.finding import Found, Severity
from segdata.core.policy import leaves_background, must_be_full
from segdata.core.rule import Tables, rule
from segdata.core.summed import summed


@rule("SEG101", "gap", severity="error", needs=("coverage", "gaps"))
def gap(
    tables: Tables, *, min_pixels: int = 1, background_share: float = 0.25, background_annotations: int = 5
) -> Iterator[Found]:
    """Unlabelled pixels where coverage is exhaustive.

    Flagged:
        aaabbb
        aaa.bb
        coverage: exhaustive

    Flagged:
        aaabbb
        aaa.bb
        coverage: exhaustive (habit)

    Fine:
        aaabbb
        aaavbb
        coverage: exhaustive
        v: unknown (void)

    Fine:
        aaabbb
        aaa.bb

    One finding for each annotation, an error where the dataset declares that every pixel is labelled, a warning where
    that is only the format's habit. Pixels outside the region of interest do not count; void is a label. Pixels whose
    label the reader could not make out (SEG007, SEG009, SEG010, SEG014) are not reported again.

    Where nobody declared the coverage and nearly all annotations leave much of their image unlabelled, as masks of
    objects on a background do, that is one info for the dataset: such pixels are background, not forgotten.

    Why: whether such a pixel is background, forgotten, or unclear decides what a model learns there, and every loader
    guesses anew.

    Remedy: label them, give each the category of its neighbours, or mark them void. Where gaps are meant, declare
    `coverage: sparse`.

    Options: min_pixels, annotations with fewer unlabelled pixels in all are kept. background_share and
    background_annotations: from so many annotations on, of which nine in ten leave more than this share of their image
    unlabelled, it is background.
    Defaults: any pixel counts. CamVid and CamSeq01 (56 masks) have none; COCO's panoptic sample has 2712 and 7189,
    under 3 % of an image. Masks of objects on a background (DAVIS, fly and nerve tissue) leave a quarter or more.
    """
    annotations = tables.annotations
    told = _already_told(tables)[annotations["image"]]
    if leaves_background(tables, background_share, background_annotations):
        yield _background(tables)
        return
    flagged = np.flatnonzero(must_be_full(tables) & (annotations["unlabelled"] - told >= max(min_pixels, 1)))
    declared = tables.profile.coverage.declared | annotations["coverage"].notna().to_numpy()
    frame = tables.images[["width", "height"]].prod(axis=1).to_numpy()[annotations["image"]]
    void = annotations["void"].to_numpy()
    gaps = summed(tables.gaps[tables.gaps["annotation"].isin(flagged)], "annotation")
    columns = ["annotation", "n", "pixels", "area", "x", "y", "width", "height"]
    for row, n, pixels, largest, x, y, width, height in gaps[columns].itertuples(index=False):
        message = f"{pixels:,} unlabelled px ({pixels / frame[row]:.2%}) in {counted(n, 'gap')}"
        message += f", the largest {largest:,} px" if n > 1 else ""
        message += f"; void besides: {void[row]:,} px" if void[row] else ""
        message += f"; {told[row]:,} px of them could not be read" if told[row] else ""
        severity: Severity = "error" if declared[row] else "warning"
        yield Found(message, annotation=row, bbox=(x, y, width, height), pixels=pixels, severity=severity)


def _background(tables: Tables) -> Found:
    """One finding for masks that leave a background."""
    unlabelled = tables.annotations["unlabelled"]
    share = unlabelled / tables.images[["width", "height"]].prod(axis=1).to_numpy()[tables.annotations["image"]]
    message = (
        f"{counted(len(share), 'annotation')} leave {share.min():.0%} to {share.max():.0%} of the image unlabelled, "
        "taken for background: declare `coverage: sparse`, or `coverage: exhaustive` if every pixel must be labelled"
    )
    return Found(message, pixels=int(unlabelled.sum()), severity="info")


def _already_told(tables: Tables) -> NDArray[np.int64]:
    """(n_images,) pixels that are unlabelled because the reader could not make out their label, and said so."""
    defects = tables.defects[tables.defects["code"].isin(["SEG007", "SEG009", "SEG010", "SEG014"])]
    pixels = defects.groupby("image")["pixels"].sum()
    return tables.images["image_id"].map(pixels).fillna(0).to_numpy(dtype=np.int64)
