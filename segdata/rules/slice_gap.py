"""SEG358 slice-gap: a structure is missing on one slice of a volume."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.profile import has_volumes
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags
from segdata.core.table import Table

_FEW = 2  # gaps of a category that are no habit; and slices


@rule("SEG358", "slice-gap", severity="warning", needs=("shapes", "volumes"), when=has_volumes)
def slice_gap(tables: Tables, *, min_pixels: int = 8, min_share: float = 0.5, max_gaps: float = 0.05) -> Findings:
    """A structure is missing on a slice between two that have it.

    Flagged:
        .....
        .aaaa
        .aaaa
        .aaaa

        .....
        .....
        .....
        .....

        .....
        .aaaa
        .aaaa
        .aaaa

        sequence: volume
        a: lesion

    Fine, it moves aside:
        aaa...
        aaa...
        aaa...

        .aaa..
        .aaa..
        .aaa..

        aaaa..
        aaaa..
        aaaa..

        sequence: volume
        a: lesion

    You get one finding for each two parts that lie over each other on the slices before and after the one between, if
    neither of them continues there. A structure has one category and track in one volume. The rule does not judge
    slices without an annotation, nor categories whose structures are so thin that they come and go.

    Why: nothing in a body or a tissue stops for one slice. The structure counts as two, and its volume is too small.

    Remedy: draw it on the slice between, or interpolate between its neighbours.

    Options: `min_pixels`: the least number of pixels over each other. `min_share`: the same as a share of the smaller
    part. `max_gaps`: a category comes and goes if it has more than two gaps in a volume, and more than this share of
    its parts of three slices and more.
    Defaults: fly tissue (7 sections, three layers) has 1: a synapse, dark in the image, that is not drawn. Its merged
    labels have that and 2 more, one of them real. Membranes, which are labelled by direction there, come and go (15 to
    26 times in each of five categories, 211 to 286 parts of three sections and more) and are ignored. Three readers of
    one brain scan, a spleen, spines and nuclei in three dimensions have none.
    """
    segments, skips = tables.segments, tables.skips
    skips = skips.take((skips["shared"] >= min_pixels) & (skips["shared"] >= min_share * skips["smaller"]))
    columns = ("before", "annotation", "shared", "smaller", "x", "y", "width", "height")
    for before, annotation, shared, smaller, *box in skips.take(~_come_and_go(tables, skips, max_gaps)).lines(*columns):
        name = tables.profile.name_of(int(segments.cell("category_id", before)))
        message = (
            f"{name} is missing here, but {shared:,} px overlap between the slices before and after "
            f"(the smaller part has {smaller:,} px)"
        )
        yield RowFinding(message, annotation=annotation, bbox=tuple(box), pixels=shared, category=name)


def _come_and_go(tables: Tables, skips: Table, max_gaps: float) -> Flags:
    """(n_skips,) whether gaps are usual for the category in its volume."""
    sequence, category = tables.images["sequence"][tables.segments["image"]], tables.segments["category_id"]
    long = tables.solids["segment"][tables.solids["slices"] > _FEW]
    usual = np.zeros(len(skips), bool)
    before = skips["before"]
    for rows in skips.beside(sequence=sequence[before], category=category[before]).groups("sequence", "category"):
        first = before[rows[0]]
        n_long = ((sequence[long] == sequence[first]) & (category[long] == category[first])).sum()
        usual[rows] = len(rows) > max(_FEW, max_gaps * n_long)
    return usual
