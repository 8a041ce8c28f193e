"""SEG311 boundary-treatment: some files draw a border touching, others with a band between."""

import numpy as np

from segdata.core.finding import RowFinding, Severity
from segdata.core.guideline import quote_guideline
from segdata.core.reductions import gather, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.strata import joint_codes
from segdata.rules.shared import image_names, separating_column


@rule("SEG311", "boundary-treatment", severity="info", needs=("borders",), whole=True, by_part=True)
def boundary_treatment(
    tables: Tables, *, min_places: int = 20, min_files: int = 3, max_share: float = 0.2, max_between: float = 0.5
) -> Findings:
    """Two categories touch in some annotations and have a thin band between them in others.

    Flagged (min_places=4, min_files=1):
        aaaa
        bbbb

        aaaa
        ....
        bbbb

        a: road
        b: car

    Fine, the band is always there (min_places=4, min_files=1):
        aaaa
        ....
        bbbb

        aaaa
        ....
        bbbb

        a: road
        b: car

    The rule looks at the places (image columns) where one category follows the other, with nothing or with 1 to 5
    pixels of void or unlabelled pixels between them. An annotation draws them touching if it leaves a band in at most
    max_share of these places, and apart if it leaves a band in all but max_share. A finding needs min_files of both and
    hardly any in between: then the scene is not the cause, and annotators read the guideline in two ways. If the two
    ways follow annotators, folders, sequences, cameras or months, the finding says so. It is a warning if they do and
    the guideline tells how to draw the border, and else an info, since things may lie so. The rule does not see borders
    that are exactly upright.

    Why: your model learns to leave a band at random, and boundary metrics measure who drew the border.

    Remedy: decide on one way, write it into the guideline (`boundary_rule`), and redraw the smaller group: give the
    band to the nearer segment.

    Options: `min_places`: annotations with fewer places for a pair do not count. `min_files`: annotations that each way
    needs. `max_share`: the share of places that may be drawn the other way. `max_between`: how many annotations may
    draw the pair neither way, as a share of the smaller group.
    Defaults: none of 24 public datasets is flagged. In CamVid and CamSeq01 the annotations of a pair leave a band in 0
    to 20 % of the places, a few in more; in nuclei (GBM40) in 20 to 100 %: one cluster each. A seeded band around every
    car in half of the files gives 4 of 8 at 0 and 4 at 100 %.
    """
    borders, segments = tables.borders, tables.segments
    category = np.sort(np.stack([segments["category_id"][borders[side]] for side in ("a", "b")]), axis=0)
    annotation = segments["annotation"][borders["a"]]
    pair_number, pair_first = joint_codes(*category, annotation)
    n_touching, n_apart = (np.bincount(pair_number, borders[name], len(pair_first)) for name in ("touching", "apart"))
    places = n_touching + n_apart
    enough = places >= min_places
    pair_rows = pair_first[enough]
    share = (n_apart / np.maximum(places, 1))[enough]
    keys, owner = {"a": category[0][pair_rows], "b": category[1][pair_rows]}, annotation[pair_rows]
    ways = {"n": np.ones(len(pair_rows), np.int64), "touch": share <= max_share, "band": share >= 1 - max_share}
    sums = sum_by(tables, keys, ways)
    divided = sums.take(np.minimum(sums["touch"], sums["band"]) >= min_files)
    rows = np.flatnonzero(np.isin(keys["a"], divided["a"]) & np.isin(keys["b"], divided["b"]))
    columns = {"annotation": owner, "share": share, **keys}
    tables, pairs = gather(tables, {name: col[rows] for name, col in columns.items()}, {"annotation": "annotations"})
    share = pairs["share"]
    for rows in pairs.groups("a", "b"):
        touch_rows, band_rows = rows[share[rows] <= max_share], rows[share[rows] >= 1 - max_share]
        n_between = len(rows) - len(touch_rows) - len(band_rows)
        n_smaller = min(len(touch_rows), len(band_rows))
        if n_smaller >= min_files and n_between <= max_between * n_smaller:
            first, second = (tables.profile.name_of(int(pairs[side][rows[0]])) for side in ("a", "b"))
            touching, apart = (pairs["annotation"][way] for way in (touch_rows, band_rows))
            message = (
                f"{first!r} and {second!r} touch in {len(touching):,} annotations ({image_names(tables, touching)}), "
                f"and have a band of void or nothing between them in {len(apart):,} ({image_names(tables, apart)}); "
                f"{n_between:,} in between"
            )
            column = separating_column(tables, touching, apart, "these draw them apart")
            guideline = quote_guideline(tables.profile.taxonomy, first, "boundary_rule")
            severity: Severity | None = "warning" if column and guideline else None
            yield RowFinding(message + column + guideline, category=first, severity=severity)
