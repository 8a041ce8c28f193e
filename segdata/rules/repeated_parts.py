"""Parts of segments that many images have at one place: a legend, a scale bar, a mark of a tool; a part of SEG315."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import leading, sum_by, total
from segdata.core.rule import Findings, Tables
from segdata.core.strata import independent_units, joint_codes
from segdata.rules.shared import SUM_COLUMNS

_MIN_PIXELS = 20  # of a part: smaller ones are at one place by chance
_MIN_IMAGES, _MIN_IMAGE_SHARE = 4, 0.1  # that have it, and of all that are labelled
_MAX_PARTS = 30  # that many images have: with more the scene stands still
_MAX_SHARE = 0.25  # of the pixels of its segment, unless it is a rectangle
_MIN_SIDE = 4  # of such a rectangle


def repeated_parts(tables: Tables) -> Findings:
    """One finding if small parts of segments are in many images, at one place, with the same box and pixels."""
    parts, segments = tables.parts, tables.segments
    of_mark = parts["area"] <= _MAX_SHARE * segments["area"][parts["segment"]]
    of_mark |= (parts["area"] == parts["width"] * parts["height"]) & (
        np.minimum(parts["width"], parts["height"]) >= _MIN_SIDE
    )
    # Parts at the frame are borders of a camera, or the car that it is mounted on.
    of_mark &= (parts["area"] >= _MIN_PIXELS) & ~segments["iscrowd"][parts["segment"]] & (parts["cut"] == 0)
    rows = np.flatnonzero(of_mark)
    owner = parts["segment"][rows]
    keys = {name: parts[name][rows].astype(np.int64) for name in SUM_COLUMNS[2:]}
    keys["category"] = segments["category_id"][owner].astype(np.int64)
    units = independent_units(tables)
    is_first = np.zeros(len(rows), bool)
    is_first[joint_codes(*keys.values(), units[segments["image"][owner]])[1]] = True
    repeated = sum_by(tables, keys, {"images": is_first}, least=_MIN_IMAGES)
    n_images = total(tables, n=len(np.unique(units[segments["image"]])))["n"]
    repeated = repeated.take(repeated["images"] >= _MIN_IMAGE_SHARE * n_images)
    if leading(tables) is None or not 0 < len(repeated) <= _MAX_PARTS:
        return
    largest = repeated.take(np.argsort(-repeated["area"], kind="stable")[:1])
    (area, x, y, width, height, category, images) = next(largest.lines(*SUM_COLUMNS[2:], "category", "images"))
    n_more = len(repeated) - 1
    more = f", and so {'is' if n_more == 1 else 'are'} {count_noun(n_more, 'more part')}" if n_more else ""
    yield RowFinding(
        f"a part of {area:,} px, {width} x {height} px at x = {x}, y = {y}, is in {images:,} of {n_images:,} images, "
        f"pixel by pixel{more}: was a legend, a scale bar or another mark labelled with the scene?",
        category=tables.profile.name_of(category),
        pixels=int((repeated["area"] * repeated["images"]).sum()),
        severity="info",
    )
