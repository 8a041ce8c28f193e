"""Contour sets: one structure set for each series and annotator."""

from collections.abc import Iterable
from pathlib import Path

from segdata.core.batch import Batch
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.formats.masks.beside import write_beside
from segdata.formats.medical.dicom.contourwriter import ContourWriter
from segdata.formats.medical.dicom.groups import Groups, count_beside
from segdata.formats.medical.dicom.index import IndexFile, write_dicom_index
from segdata.formats.medical.dicom.members import KINDS


def write_contours(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, kinds: frozenset[Kind]
) -> None:
    """Write all of them; raises SegdataError where an annotated image is no DICOM file."""
    target.mkdir(parents=True)
    writer = ContourWriter(target, profile.taxonomy, losses)
    groups = Groups("rt-struct")
    files: list[IndexFile] = []
    for group in groups.of(count_beside(batch, kinds - {"attributes", "rings", "source"}, losses) for batch in batches):
        for who in group.layers:
            file, segments = writer.save(group, who)
            files.append(IndexFile(file, who[0], segments, None if segments else KINDS.get(who[1] or "")))
    write_dicom_index(target, groups.index, files)
    write_beside(target, profile, profile.taxonomy)
