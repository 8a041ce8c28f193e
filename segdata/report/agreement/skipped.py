"""Skipped: images in which one annotator has nothing and everybody else has much, in words."""

from collections.abc import Iterator

import numpy as np

from segdata.agreement.summary.agreed import Agreement
from segdata.core.rule import Tables
from segdata.report.agreement.numbers import listed
from segdata.report.agreement.points import Conclusion

_LEAST = 3  # segments that every other one has: of fewer it may be a miss


def skipped(found: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """Whose annotations are empty where those of all others are not; slices of volumes may well be."""
    opposed, annotations = tables.opposed, tables.annotations
    if opposed is None:
        return
    single = opposed.cases["image"][opposed.cases["frames"] == 1]
    image, n = annotations["image"], annotations["n_segments"]
    many = np.bincount(image, n >= _LEAST, len(tables.images))
    several = np.bincount(image, minlength=len(tables.images))
    is_alone = (several > 1) & (many == several - 1)
    rows = np.flatnonzero((n == 0) & np.isin(image, single) & is_alone[image])
    names = annotations["annotator"]
    drawn = {who: int(n[names == who].sum()) for who in found.annotators}
    act = "See whether these are the right files, and whether their masks hold what the taxonomy says."
    if not any(drawn.values()):
        yield Conclusion("repair", "warning", "Nobody has drawn anything", act=act)
        return
    for who in (name for name in found.annotators if not drawn[name]):
        said = "All that others have counts as missed."
        yield Conclusion("repair", "warning", f"{who} has drawn nothing at all", said, act)
    for who in (name for name in found.annotators if drawn[name] and name in names[rows].tolist()):
        mine = [str(each) for each in tables.images["image_id"][image[rows[names[rows] == who]]].tolist()]
        said = f"Everybody else has {_LEAST} segments or more there; all of it counts as missed."
        act = f"Have it drawn, or take these annotations of {who} out if they were skipped, and compare again."
        yield Conclusion("repair", "warning", f"{who} has nothing in {listed(mine)}", said, act)
