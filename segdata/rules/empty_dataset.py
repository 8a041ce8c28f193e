"""SEG020 empty-dataset: there is nothing to check."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG020", "empty-dataset", severity="error", needs=(), whole=True)
def empty_dataset(tables: Tables) -> Findings:
    """The dataset has no image, or not one segment.

    Flagged:
        ....

        ....

    Fine:
        ....

        aa..

    Single images without a segment are SEG312. If files cannot be read, their own errors say so instead.

    Why: an export that failed, or a filter that matched nothing, has no defect that another rule could find, and your
    pipeline goes on with it.

    Remedy: export again. If the data are empty on purpose, suppress the finding with that as the reason.
    """
    n_images = len(tables.images)
    is_unreadable = any(defect.severity not in ("info", "warning") for defect in tables.defects)
    if len(tables.segments) or is_unreadable:  # errors of the files say why nothing was read
        return
    if n_images == 0:
        yield RowFinding("no image and no segment: the dataset is empty")
        return
    n_annotated = len(np.unique(tables.annotations["image"]))
    what = f"{count_noun(n_images, 'image')}, {n_annotated:,} of them annotated, and not one segment"
    yield RowFinding(what, pixels=0)
