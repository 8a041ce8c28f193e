"""SEG107 pinhole: a segment has small holes."""

from segdata.core.profile import has_volumes
from segdata.core.rule import Findings, Tables, rule
from segdata.measure.sequences import outside_volumes
from segdata.rules.shared import counts_small_shapes, small_region_findings

_MIN_ELONGATION = 50  # length over width: a net of lines


@rule(
    "SEG107",
    "pinhole",
    severity="info",
    needs=("holes", "volumes"),
    fix="unsafe",
    habit="image",
    per_image=lambda profile: not has_volumes(profile),
    per_sequence=True,
)
def pinhole(tables: Tables, *, min_pixels: int = 8, max_share: float = 0.05, line_width: float = 3.0) -> Findings:
    """An unlabelled hole of a few pixels lies inside a segment.

    Flagged:
        aaaaaaaa
        aaaa.aaa
        aaaaaaaa

    Fine, it is open:
        aaaaaaaa
        aaaa.aaa
        aaaa.aaa

    Fine, another segment fills it:
        aaaaaaaa
        aaaabaaa
        aaaaaaaa

    Fine (min_pixels=1):
        aaaaaaaa
        aaaa.aaa
        aaaaaaaa

    You get one finding for each segment, with the number of such holes. In a volume a hole must also be closed in the
    slices before and after it, and its size is in voxels.

    It is an info, because only the picture tells what a brush left out from a slit, or from the tip of what lies
    behind.

    Never flagged: a hole that another segment fills, which is a small object or a speck (SEG106); a pixel that a
    polygon encloses where it touches itself; crowds and void; masks that their storage changed (SEG010); and nets of
    thin lines, which are categories that are `thin`, and segments that are narrow on average and very long.

    Why: no annotator draws a hole of three pixels. When you convert to polygons it becomes a ring of its own, and it is
    lost where the format cannot hold holes.

    Remedy: fill them, as the fix does, or make the category `thin` if your lines enclose small loops.

    Options: `min_pixels`: holes of this size or larger are not flagged. `max_share`: nor are holes above this share of
    their segment. `line_width`: segments that are narrower on average (their area over half their perimeter, in
    pixels), and over 50 times as long, are nets.
    Defaults: unlabelled holes are either tiny or large: in ten corrected masks of axons and myelin 27 have under 8
    pixels and 2 have 8 to 16. Vessels (DRIVE) are 2.1 to 2.8 pixels wide on average, every other segment with pinholes
    at least 3.3.
    """
    segments = tables.segments
    size, half = segments["area"], segments["perimeter"] / 2
    net = (size < line_width * half) & (half**2 > _MIN_ELONGATION * size)
    counts = counts_small_shapes(tables) & ~net
    for holes, group, unit in (
        (outside_volumes(tables, tables.holes), "segment", "px"),
        (tables.cavities, "thing", "voxels"),
    ):
        small = (holes["area"] < min_pixels) & (holes["area"] < max_share * holes["whole"]) & holes["empty"]
        small &= counts[holes["segment"]]
        yield from small_region_findings(holes.take(small), group, "hole", unit)
