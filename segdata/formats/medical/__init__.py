"""Medical volumes, NIfTI and DICOM, as slices; detection of DICOM files and nnU-Net datasets.

Source: DICOM PS3.10, section 7.1.
"""

import re

from segdata.core.format import FileProbe, FormatMatch
from segdata.core.losses import LossKind

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # binary or fractional; label map
DICOM_INDEX = "dicom.json"  # written by segdata beside objects
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
DICOM_LOSSES: frozenset[LossKind] = frozenset({
    "annotation-attributes", "attributes", "crowd", "empty-segment", "image-details", "instance", "rings", "score",
    "secondary-categories", "segment-id", "source",
})  # fmt: skip
_CLASS = re.compile(rb"\A.{128}DICM.{0,200}?UI.{2}(1\.2\.840\.10008\.5\.1\.4\.1\.1\.[\d.]+)", re.DOTALL)


def sop_class(head: bytes) -> str | None:
    """The SOP class in the first bytes of a file; None if it is not a DICOM file."""
    match = _CLASS.match(head)
    return match[1].decode() if match else None


def dicom_clue(probe: FileProbe, format: str, kinds: tuple[str, ...], what: str) -> FormatMatch | None:
    """A DICOM file of one of these kinds by its header, or segdata's index of a dataset without objects."""
    # A DICOM file that is called a NIfTI is one broken file of another dataset.
    named = [name for name in probe.names if not name.lower().endswith((".nii", ".nii.gz"))]
    names = [name for name in named if sop_class(probe.head(name)[:512]) in kinds]
    if names:
        return FormatMatch(1.0, f"{names[0]} is a DICOM {what}")
    empty_index = DICOM_INDEX in probe.names and f'"format": "{format}", "files": []'.encode() in probe.head(
        DICOM_INDEX
    )
    return FormatMatch(1.0, f"{DICOM_INDEX} lists a dataset without a {what}") if empty_index else None


def nnunet_evidence(probe: FileProbe) -> str | None:
    """Why a folder, or the only one in it with a dataset.json, looks like a dataset of nnU-Net; None: it does not."""
    documents = probe.heads(r"^([^/]+/)?dataset\.json$", rb'"labels"\s*:')
    if len(documents) != 1:
        return None
    place = documents[0][: -len("dataset.json")]
    folders = probe.matching(f"^{re.escape(place)}(labels|images)T[rs]/")
    if not folders and not probe.heads(f"^{re.escape(documents[0])}$", rb'"file_ending"\s*:'):
        return None
    return f"{documents[0]} with labels" + (f", and {folders[0].rpartition('/')[0]}/" if folders else "")
