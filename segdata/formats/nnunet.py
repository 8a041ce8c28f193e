"""nnU-Net's raw datasets: `imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz` and dataset.json.

Volumes and pictures (.png, .tif, .bmp) of one or more channels are read; `imagesTs/` are images that nobody annotated.
An image is called `<case><ending>`, a slice of a volume `<case><ending>/<0000>`. Categories are the labels of
dataset.json; where these are regions, lists of values, a pixel belongs to every region that its value is in. `ignore`
is void, and 0, the background, is unlabelled. What nnU-Net would refuse, a gap between values or a wrong numTraining,
is a finding. Datasets of version 1 and of the Medical Segmentation Decathlon are read too.
Written: labels with values 1, 2, 3 … (those that were read, where the categories are the same still), and dataset.json,
which lists the files of the images where they are, and keeps the ids of categories; taxonomy.yaml and volumes.json keep
the rest. nnU-Net wants the folder to be called `Dataset001_Name`.
Source: MIC-DKFZ/nnUNet documentation/dataset_format.md, region_based_training.md, ignore_label.md.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import UnreadableError
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.formats.beyond import BY_CATEGORY
from segdata.formats.masks.beside import write_beside
from segdata.formats.medical.nifti.bycategory import pictures_by_category
from segdata.formats.medical.nifti.head import is_volume
from segdata.formats.medical.nifti.index import INDEX, read_index, write_index
from segdata.formats.medical.nifti.opened import OpenVolumes
from segdata.formats.medical.nifti.reel import Reel
from segdata.formats.medical.nifti.stack import Stack, stacks
from segdata.formats.medical.nnunet.byregion import pictures_by_region
from segdata.formats.medical.nnunet.cases import cases_of
from segdata.formats.medical.nnunet.datasetjson import NAME, DatasetJson, clue_of, read_dataset_json
from segdata.formats.medical.nnunet.folder import NnunetFolder
from segdata.formats.medical.nnunet.plan import Plan, plan_of
from segdata.formats.medical.nnunet.source import case_reel, nnunet_source
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.sheets import examples, is_painted
from segdata.formats.unheld import count_spatial, count_unheld

LOSSES: frozenset[Kind] = BY_CATEGORY | {"spatial", "void"}
CHECKED = ("nibabel", "the checks of nnU-Net's verify_dataset_integrity")
WRITE_OPTIONS = {
    "file_ending": ".nii.gz or .png; default: as it was read, else .nii.gz where there are volumes",
    "channels": "the names of the images' channels, `CT` or `R,G,B`, by which nnU-Net normalises; default: as read",
}
_HELD = frozenset({"images.channels", "images.frame", "images.sequence"})  # by the index


def detect(seen: Glance) -> Clue | None:
    """A dataset.json with labels, beside a folder labelsTr or imagesTr, or with the ending of files."""
    evidence = clue_of(seen)
    return None if evidence is None else Clue(1.0, evidence)


def read(request: Request) -> PerImageSource:
    """Open a dataset; raises UnreadableError without a dataset.json."""
    root = request.root.parent if request.root.name == NAME else request.root
    if not (root / NAME).is_file():
        raise UnreadableError(f"{root}: no {NAME}, which every dataset of nnU-Net has")
    said = read_dataset_json(root / NAME)
    opened = OpenVolumes(root)
    volumes = is_volume(f"x{said.ending}")
    if (root / INDEX).is_file():
        reels, _ = read_index(root, opened.defects)
        for reel in reels if volumes else ():
            opened.take(reel, None)
    else:
        reels = [reel for reel in _reels(root, said, opened, volumes) if reel is not None]
    return nnunet_source(request, said, opened.reels if volumes else reels, opened)


def _reels(root: Path, said: DatasetJson, opened: OpenVolumes, volumes: bool) -> Iterator[Reel | None]:
    """The cases in the folders of a dataset; volumes with their headers."""
    for case in cases_of(root, said, opened.defects):
        if not volumes:
            yield case_reel(root, case, said, None, (0, 0))
            continue
        image = opened.image([path for path in case.images if path is not None and path.is_file()])
        shape = image.shape if image is not None else opened.shape(case.label)
        if shape is not None:
            opened.take(case_reel(root, case, said, shape[2], (shape[1], shape[0])), image)
        yield None


def write(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: Losses,
    *,
    file_ending: str | None = None,
    channels: str | None = None,
) -> None:
    """Write a dataset for nnU-Net: sequences are volumes, or every image is a picture, by `file_ending`."""
    plan = plan_of(profile, file_ending, channels)
    if plan.ending == ".png":
        count_spatial(profile, losses)
    target.mkdir(parents=True)
    folder = NnunetFolder(target, profile, plan.ending, losses)
    counted = (_counted(batch, plan, losses) for batch in batches)
    if plan.regions:
        pictures = pictures_by_region(counted, plan, losses)
    else:
        pictures = pictures_by_category(counted, plan.layering, losses)
    piles = stacks(pictures) if plan.ending == ".nii.gz" else (Stack([picture]) for picture in pictures)
    volumes = [folder.save(stack) for stack in piles]
    (target / NAME).write_text(plan.dataset_json(folder.cases), encoding="utf-8")
    write_index(target, volumes, {})
    write_beside(target, profile, profile.taxonomy)


def _counted(batch: Batch, plan: Plan, losses: Losses) -> Batch:
    """The batch; what its columns say beyond labels is counted, and void categories that become one."""
    count_unheld(batch, losses, LOSSES, _HELD)
    merged = np.isin(batch.segments["category_id"].to_numpy(), np.array(plan.merged, np.int64))
    rows = np.flatnonzero(merged & is_painted(batch))
    pixels = int(batch.runs.areas(batch.n_segments)[rows].sum())
    losses.add("void", "segments", len(rows), pixels, examples(batch, rows))
    return batch
