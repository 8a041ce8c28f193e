"""NIfTI writer: volumes of categories, or of instances."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import check_choice
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy
from segdata.formats.medical.nifti.bycategory import pictures_by_category
from segdata.formats.medical.nifti.byinstance import TABLE, InstancePainter
from segdata.formats.medical.nifti.folder import VolumeFolder
from segdata.formats.medical.nifti.index import write_index
from segdata.formats.medical.nifti.layering import Layering, layering_of
from segdata.formats.medical.nifti.stack import stacks
from segdata.formats.shared.count_losses import count_losses
from segdata.formats.shared.taxonomies import table_names, write_sidecars

_HELD = frozenset({"images.channels", "images.frame", "images.sequence"})  # by the index


def write_nifti(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    kinds: frozenset[LossKind],
    *,
    values: str | None = None,
) -> None:
    """Write the volumes, and beside them what they do not hold."""
    by = values or ("category" if profile.task == "semantic" else "instance")
    check_choice("values", by, ("category", "instance"))
    counted = (_counted(batch, losses, by, kinds) for batch in batches)
    target.mkdir(parents=True)
    if by == "category":
        layering = layering_of(profile)
        folder = VolumeFolder(target, profile, layering, losses)
        volumes = [folder.save(stack) for stack in stacks(pictures_by_category(counted, layering, losses))]
        write_sidecars(target, profile, _with_blank(profile.taxonomy, layering.blank))
    else:
        layering = Layering(("",), {})
        folder = VolumeFolder(target, profile, layering, losses)
        painter = InstancePainter(table_names(profile.taxonomy), losses)
        volumes = [folder.save(stack) for stack in stacks(painter.pictures(counted))]
        painter.write_table(target / TABLE)
        write_sidecars(target, profile, profile.taxonomy, InstanceIds(table=TABLE))
    write_index(target, volumes, layering.index())


def _counted(batch: Batch, losses: LossCounter, by: str, kinds: frozenset[LossKind]) -> Batch:
    """The batch; what its columns say beyond volumes is counted (an instance's track and crowd flag by its painter)."""
    count_losses(batch, losses, kinds if by == "category" else kinds - {"crowd", "track"}, _HELD)
    return batch


def _with_blank(taxonomy: Taxonomy, blank: int) -> Taxonomy:
    """The taxonomy, which says what unlabelled is where that is not 0."""
    return taxonomy if blank == 0 else msgspec.structs.replace(taxonomy, unlabelled=blank)
