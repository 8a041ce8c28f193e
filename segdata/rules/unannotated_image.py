"""SEG312 unannotated-image: nothing is labelled in an image."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG312", "unannotated-image", severity="warning", needs=())
def unannotated_image(tables: Tables, *, max_share: float = 0.1) -> Findings:
    """An annotated image has no segment.

    Flagged:
        aa..

        ....

        bb..

    Fine:
        aa..

        a...

        bb..

    You get one finding for each image. If more than max_share of the annotations are empty, that is the nature of the
    data (defect inspection, rare events), and you get one info for the dataset. An image that an annotator never worked
    on is not annotated and not flagged.

    Why: your training uses a skipped image as pure background.

    Remedy: annotate it, or take it out. If you find it really empty, suppress the finding with that as the reason.

    Options: `max_share`: the share of empty annotations above which one finding covers all.
    Defaults: COCO (50 images) has 2 %, a forgotten one; magnetic_tile, where one kind is `Free`, 18 %.
    """
    empty = np.flatnonzero(tables.annotations["n_segments"] == 0)
    if len(empty) > max(max_share * len(tables.annotations), 1):
        share = len(empty) / len(tables.annotations)
        message = f"{len(empty):,} of {len(tables.annotations):,} annotations ({share:.0%}) have no segment"
        yield RowFinding(message, severity="info")
        return
    for row in empty:
        yield RowFinding("annotated, but without a segment", annotation=int(row))
