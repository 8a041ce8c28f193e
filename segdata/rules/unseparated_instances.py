"""SEG120 unseparated-instances: touching things share one mask."""

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import bridged_segments


@rule(
    "SEG120",
    "unseparated-instances",
    severity="info",
    needs=("lobes",),
    tasks=("instance", "panoptic"),
    habit="image",
    per_image=True,
    opt_in=True,
)
def unseparated_instances(
    tables: Tables, *, min_neck: float = 0.7, min_area_z: float = 1.5, min_bent_z: float = 1.5, min_gain: float = 2.5
) -> Findings:
    """One region is as large as several of its companions, with a lobe for each.

    Flagged (min_neck=0.3, min_gain=2.0):
        aaa.bbb.ccc.ddd
        aaa.bbb.ccc.ddd
        aaa.bbb.ccc.ddd
        ...............
        eee.fff.ggggggg
        eee.fff.ggg.ggg
        eee.fff.ggg.ggg

        a, b, c, d, e, f, g: cell

    Fine, it has no lobes (min_neck=0.3, min_gain=2.0):
        aaa.bbb.ccc.ddd
        aaa.bbb.ccc.ddd
        aaa.bbb.ccc.ddd
        ...............
        eee.fff.ggggggg
        eee.fff.ggggggg
        eee.fff.ggggggg

        a, b, c, d, e, f, g: cell

    Fine, its companions are as large (min_neck=0.3, min_gain=2.0):
        aaaaaaa.bbbbbbb
        aaaaaaa.bbbbbbb
        aaaaaaa.bbbbbbb
        ...............
        ccccccc.ddddddd
        ccccccc.ddddddd
        ccccccc.ddddddd
        ...............
        eeeeeee.fffffff
        eeeeeee.fffffff
        eeeeeee.fffffff
        ...............
        ggggggg........
        ggg.ggg........
        ggg.ggg........

        a, b, c, d, e, f, g: cell

    Companions are the segments of the category in the same annotation; fewer than 7, or of too different sizes, are not
    enough. Lobes are what is left after an erosion that parts the segment; each must be like the companions in area and
    convexity, and the whole unlike them. If the neck between lobes is narrow, that is SEG108. The rule ignores crowds,
    void and stuff.

    Why: your metrics need a mask for each object, also where objects touch. One mask for several counts as one hit, or
    as none.

    Remedy: separate them.

    Options: `min_neck`: necks that are narrower, over the smaller lobe's width, are left to SEG108. `min_area_z` and
    `min_bent_z`: the robust scores of the logarithm of the area, and of the lack of solidity. `min_gain`: by how much
    both together exceed the score of the more unusual lobe.
    Defaults: nuclei of GBM40 (40 images, 4976) have 4 findings and of the Data Science Bowl 2018 (670 images, 29461,
    before they were corrected) 5: two or three nuclei in 8 of these 9, the other is bent. COCO (50 images), TACO,
    kudzu, crops, lemons and StarDist have none: too few of a category in an image, or of too different sizes. The
    severity is info, since 9 findings say little about its precision. It and SEG108 find 31 % of the pairs of touching
    nuclei of GBM40 that were made one (`benchmarks/rules/instances.py`).
    """
    bridged = bridged_segments(tables)
    large = (bridged["neck"] > min_neck) & (bridged["area_z"] >= min_area_z) & (bridged["bent_z"] >= min_bent_z)
    large &= bridged["gain"] >= min_gain
    area = tables.segments["area"]
    for segment, neck, lobes, typical in bridged.take(large).lines("segment", "neck", "lobes", "typical"):
        times = area[segment] / typical
        message = (
            f"{area[segment]:,} px in {count_noun(lobes, 'lobe')}, {times:.1f} times what is usual in this annotation; "
            f"the neck is {neck:.2f} as wide as the smaller lobe"
        )
        yield RowFinding(message, segments=(segment,), pixels=int(area[segment]))
