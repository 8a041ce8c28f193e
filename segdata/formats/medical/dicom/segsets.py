"""Segmentation sets: one DICOM segmentation for each series and annotator."""

from collections.abc import Iterable
from pathlib import Path

from segdata.core.batch import Batch
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.formats.masks.beside import write_beside
from segdata.formats.medical.dicom.groups import Groups, count_beside
from segdata.formats.medical.dicom.index import IndexFile, write_dicom_index
from segdata.formats.medical.dicom.segwriter import SegWriter


def write_segmentations(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, kinds: frozenset[Kind]
) -> None:
    """Write all of them; raises SegdataError where an annotated image is no DICOM file."""
    target.mkdir(parents=True)
    writer = SegWriter(target, profile.taxonomy, losses)
    groups = Groups("dicom-seg")
    files: list[IndexFile] = []
    for group in groups.of(count_beside(batch, kinds - {"attributes", "source"}, losses) for batch in batches):
        for who in group.layers:
            file, segments = writer.save(group, who)
            files.append(IndexFile(file, who[0], segments))
    write_dicom_index(target, groups.index, files)
    write_beside(target, profile, profile.taxonomy)
