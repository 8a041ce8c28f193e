"""GeoTIFF writer: rasters of categories, or of numbers of segments."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import check_choice
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy
from segdata.formats.geo.folder import RasterFolder
from segdata.formats.geo.index import write_index
from segdata.formats.geo.painter import CategoryPainter, Painter, SegmentPainter
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses
from segdata.formats.shared.declared_losses import CATEGORY_MASK_LOSSES, MASK_LOSSES
from segdata.formats.shared.taxonomies import write_sidecars

TABLE = "instances.csv"
_HELD = frozenset(f"images.{name}" for name in ("channels", "sequence", "frame", "split", "group", "metadata"))


def write_geotiff(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, values: str | None = None
) -> None:
    """Write the rasters, and beside them what they do not hold."""
    by = values or ("category" if profile.task == "semantic" else "instance")
    check_choice("values", by, ("category", "instance"))
    count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    if by == "category":
        painter = CategoryPainter(profile.taxonomy, losses)
        void = next(iter(profile.taxonomy.void_ids), None)
        folder = RasterFolder(target, painter.most, void, profile.taxonomy)
        _save(folder, painter, batches, losses, CATEGORY_MASK_LOSSES)
        taxonomy = _with_blank(profile.taxonomy, painter.blank) if painter.used else profile.taxonomy
        write_sidecars(target, profile, taxonomy)
    else:
        numbers = SegmentPainter(profile.taxonomy, losses, target / TABLE)
        try:
            folder = RasterFolder(target, None, None, None)
            _save(folder, numbers, batches, losses, MASK_LOSSES)
        finally:
            numbers.close()
        write_sidecars(target, profile, profile.taxonomy, InstanceIds(table=TABLE))
    write_index(target, folder.rows)


def _save(
    folder: RasterFolder, painter: Painter, batches: Iterable[Batch], losses: LossCounter, kinds: frozenset[LossKind]
) -> None:
    """Write all images, while what rasters do not hold is counted."""
    try:
        for batch in batches:
            count_losses(batch, losses, kinds, _HELD)
            for picture in painter.pictures(batch):
                folder.save(picture)
    finally:
        folder.close()


def _with_blank(taxonomy: Taxonomy, blank: int) -> Taxonomy:
    """The taxonomy, which says what unlabelled pixels have."""
    color = taxonomy.unlabelled_color
    if color is not None and set(color) == {blank}:
        return taxonomy
    return msgspec.structs.replace(taxonomy, unlabelled=blank)
