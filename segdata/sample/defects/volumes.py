"""Defects of volumes: each in its own copy of one clean phantom, whose slices are index masks.

The phantom has an organ with an arm one voxel wide, which stands apart on most of its slices, and with a canal one
voxel wide, which is a hole on each; in three dimensions neither is a defect. Beside it runs a vessel.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.sample import write
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.taxonomy import Category, write_taxonomy

ORGAN, VESSEL = 1, 2
SET = "volume"
_NAMES = {ORGAN: "organ", VESSEL: "vessel"}
Volume = NDArray[np.uint8]


def phantom() -> Volume:
    """Labels of 14 slices of 40 x 48 voxels."""
    z, y, x = np.mgrid[:14, :40, :48]
    labels = np.zeros(z.shape, np.uint8)
    labels[((z - 6.5) / 6) ** 2 + ((y - 20) / 13) ** 2 + ((x - 18) / 12) ** 2 < 1] = ORGAN
    labels[3:12, 12, 34] = labels[8, 12, 26:35] = ORGAN
    labels[:, 20, 20] = 0
    labels[(y - 28 + 0.3 * z) ** 2 + (x - 40) ** 2 < 9] = VESSEL
    return labels


@dataclass(frozen=True)
class _Copy:
    """A copy of the phantom under its own name, and where its files are."""

    site: Site
    name: str
    labels: Volume

    def write(self) -> None:
        """Its slices as images and masks, and what is said of all copies."""
        folder = self.site.folder
        names = [Category(id_, name, (80 * id_, 60, 90), "stuff") for id_, name in _NAMES.items()]
        write_taxonomy(folder / "taxonomy.yaml", names, unlabelled=0)
        sequences = {"pattern": "{sequence}/{frame}.png", "kind": "volume"}
        write.write_config(folder, coverage="sparse", overlap="forbid", sequences=sequences)
        for number, labels in enumerate(self.labels):
            write.write_png(folder / "masks" / self.name / f"{number:04d}.png", labels)
            grey = (40 + 70 * labels + 3 * number).astype(np.uint8)
            write.write_png(folder / "images" / self.name / f"{number:04d}.png", grey)

    def defect(self, code: str, what: str, where: NDArray[np.bool_], category: int) -> Defect:
        """A defect at the first of the slices that have most of it; `where` is in three dimensions."""
        number = int(where.sum(axis=(1, 2)).argmax())
        place = f"{self.name}/{number:04d}.png"
        return self.site.defect(
            code, what, file=f"masks/{place}", image=place, category=_NAMES[category],
            bbox=write.box_of(where[number]), pixels=int(where.sum()),
        )  # fmt: skip


@seeds(SET)
def slice_gap(site: Site) -> Iterator[Defect]:
    """SEG358: the vessel is not drawn on one slice."""
    copy = _Copy(site, "gap", phantom())
    gone = copy.labels == VESSEL
    gone[np.arange(14) != 6] = False
    copy.labels[gone] = 0
    copy.write()
    yield copy.defect("SEG358", "the vessel is missing on slice 6", gone, VESSEL)


@seeds(SET)
def specks_and_pinholes(site: Site) -> Iterator[Defect]:
    """SEG106, SEG107: five voxels of the organ that stand alone on two slices; three voxels of a closed hole in it."""
    copy = _Copy(site, "crumbs", phantom())
    speck, hole = (np.zeros(copy.labels.shape, bool) for _ in range(2))
    speck[5, 36:38, 2] = speck[6, 35:38, 2] = True
    hole[4, 18, 14] = hole[5, 18, 13:15] = True
    copy.labels[speck], copy.labels[hole] = ORGAN, 0
    copy.write()
    yield copy.defect("SEG106", "five voxels on two slices", speck, ORGAN)
    yield copy.defect("SEG107", "a hole of three voxels on two slices", hole, ORGAN)
