"""nnU-Net writer: cases, dataset.json, and what it has no place for beside it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from segdata.core.batch import Batch
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.formats.medical.nifti.bycategory import pictures_by_category
from segdata.formats.medical.nifti.index import write_index
from segdata.formats.medical.nifti.stack import Stack, stacks
from segdata.formats.medical.nnunet.byregion import pictures_by_region
from segdata.formats.medical.nnunet.datasetjson import NAME
from segdata.formats.medical.nnunet.folder import NnunetFolder
from segdata.formats.medical.nnunet.plan import Plan, plan_of
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses
from segdata.formats.shared.painting import in_first_annotation, segment_examples
from segdata.formats.shared.taxonomies import write_sidecars

_HELD = frozenset({"images.channels", "images.frame", "images.sequence"})  # by the index


def write_nnunet(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    kinds: frozenset[LossKind],
    *,
    file_ending: str | None = None,
    channels: str | None = None,
) -> None:
    """Write the cases: volumes, or pictures."""
    plan = plan_of(profile, file_ending, channels)
    if plan.ending == ".png":
        count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    folder = NnunetFolder(target, profile, plan.ending, losses)
    counted = (_counted(batch, plan, losses, kinds) for batch in batches)
    if plan.regions:
        pictures = pictures_by_region(counted, plan, losses)
    else:
        pictures = pictures_by_category(counted, plan.layering, losses)
    piles = stacks(pictures) if plan.ending == ".nii.gz" else (Stack([picture]) for picture in pictures)
    volumes = [folder.save(stack) for stack in piles]
    if plan.ending == ".nii.gz":
        _count_placed(profile, {each.sequence for each in volumes}, losses)
    (target / NAME).write_text(plan.dataset_json(folder.cases), encoding="utf-8")
    write_index(target, volumes, {})
    write_sidecars(target, profile, profile.taxonomy)


def _count_placed(profile: Profile, written: set[str | None], losses: LossCounter) -> None:
    """Count the volumes that have no file of their own: where a case had several files of labels, it has one now."""
    lost = [each.name for each in profile.sequences if each.is_placed and each.name not in written]
    losses.add("spatial", "sequences", len(lost), examples=lost[:3])


def _counted(batch: Batch, plan: Plan, losses: LossCounter, kinds: frozenset[LossKind]) -> Batch:
    """The batch; what its columns say beyond labels is counted, and void categories that become one."""
    count_losses(batch, losses, kinds, _HELD)
    merged = np.isin(batch.segments["category_id"].to_numpy(), np.array(plan.merged, np.int64))
    rows = np.flatnonzero(merged & in_first_annotation(batch))
    pixels = int(batch.runs.areas(batch.n_segments)[rows].sum())
    losses.add("void", "segments", len(rows), pixels, segment_examples(batch, rows))
    return batch
