"""SEG102 overlap: two segments claim the same pixels."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.reductions import leading, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.table import Table
from segdata.rules.shared import forbidden_overlaps


@rule(
    "SEG102",
    "overlap",
    severity="error",
    needs=("pairs",),
    per_image=lambda profile: profile.overlap.value != "allow" or profile.overlap.declared,
    by_part=True,
)
def overlap(tables: Tables, *, min_pixels: int = 1) -> Findings:
    """Two segments claim the same pixels.

    Flagged, overlap is declared forbidden:
        aaxbb
        aaxbb

        x = a + b
        overlap: forbid

    Flagged as a warning, the format's habit forbids it:
        aaxbb
        aaxbb

        x = a + b
        overlap: forbid (habit)

    Flagged, both have one category:
        aaxbb
        aaxbb

        x = a + b
        a, b: car
        overlap: same-category-forbid

    Flagged as one info, only the format's habit allows it:
        aaxbb
        aaxbb

        x = a + b

    Fine, overlap is declared allowed:
        aaxbb
        aaxbb

        x = a + b
        overlap: allow

    Fine, they have two categories:
        aaxbb
        aaxbb

        x = a + b
        overlap: same-category-forbid

    Fine, one is a part of the other:
        aaxbb
        aaxbb

        x = a + b
        category: car (part_of scene)
        category: scene
        a: car
        b: scene
        overlap: forbid

    If you declare overlap forbidden, each pair is an error. If the format's habit forbids it, each annotation has a
    warning. If the format's habit allows it (COCO), the dataset has one info. If you declare it allowed, there is no
    finding. Crowds may overlap, and so may categories that the taxonomy names in `part_of` or `may_overlap`, and
    categories below those. Pairs named in `may_not_overlap` or `may_not_touch` are SEG207.

    Why: a mask holds one category per pixel, so when you convert the data, one of the two loses pixels, depending on
    file order.

    Remedy: redraw the border that both share. If your categories are real layers, declare `overlap: allow`, or
    `may_overlap`.

    Options: `min_pixels`: pairs that share fewer pixels are not flagged.
    Defaults: any pixel counts where overlap is forbidden, because a mask cannot hold it.
    """
    policy = tables.profile.overlap
    if policy.value == "allow" and policy.declared:
        return
    pairs = forbidden_overlaps(tables)
    pairs = pairs.take(pairs["shared"] >= min_pixels)
    if policy.declared:
        yield from _pair_findings(tables, pairs)
    elif policy.value == "allow":
        yield from _single_finding(tables, pairs)
    else:
        yield from _each_annotation(tables, pairs)


def _pair_findings(tables: Tables, pairs: Table) -> Findings:
    category, profile = tables.segments["category_id"], tables.profile
    for a, b, shared, x, y, width, height in pairs.lines("a", "b", "shared", "x", "y", "width", "height"):
        first, second = sorted(profile.name_of(int(category[row])) for row in (a, b))
        whose = f"two segments of {first!r}" if first == second else f"{first!r} and {second!r}"
        message = f"{shared:,} px belong to {whose}; overlap is forbidden"
        message += quote_guideline(profile.taxonomy, first, "boundary_rule")
        yield RowFinding(message, segments=(a, b), bbox=(x, y, width, height), pixels=shared)


def _each_annotation(tables: Tables, pairs: Table) -> Findings:
    shared = pairs["shared"]
    for rows in pairs.beside(annotation=tables.segments["annotation"][pairs["a"]]).groups("annotation"):
        worst = rows[[shared[rows].argmax()]]
        ((a, b, largest, *box),) = pairs.take(worst).lines("a", "b", "shared", "x", "y", "width", "height")
        pixels = int(shared[rows].sum())
        message = f"1 pair of segments shares {pixels:,} px"
        if len(rows) > 1:
            pairs_share = f"{len(rows):,} pairs of segments share {pixels:,} px, summed over pairs"
            message = f"{pairs_share}; this one most: {largest:,} px"
        yield RowFinding(message, segments=(a, b), bbox=tuple(box), pixels=pixels, severity="warning")


def _single_finding(tables: Tables, pairs: Table) -> Findings:
    owners = np.unique(tables.segments["annotation"][pairs["a"]])
    sums = total(tables, pairs=len(pairs), annotations=len(owners), pixels=int(pairs["shared"].sum()))
    n_pairs, n_annotations, pixels = sums["pairs"], sums["annotations"], sums["pixels"]
    if n_pairs == 0 or leading(tables) is None:
        return
    where = f"in {count_noun(n_annotations, 'annotation')}"
    shares = f"share {pixels:,} px (summed over pairs)" if n_pairs > 1 else f"shares {pixels:,} px"
    message = (
        f"{count_noun(n_pairs, 'pair')} of segments {where} {shares}; this format allows it: declare "
        "`overlap: allow` in segdata.yaml if you mean it, or `overlap: forbid` to list each pair"
    )
    yield RowFinding(message, pixels=pixels, severity="info")
