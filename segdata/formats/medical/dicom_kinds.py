"""Kinds of DICOM files: how the first bytes tell them apart, and what DICOM objects cannot hold.

Source: DICOM PS3.10, section 7.1.
"""

import re

from segdata.core.format import FileProbe, FormatMatch, LossKind

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # binary or fractional; label map
DICOM_INDEX = "dicom.json"  # what our writers leave beside objects
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_CLASS = re.compile(rb"\A.{128}DICM.{0,200}?UI.{2}(1\.2\.840\.10008\.5\.1\.4\.1\.1\.[\d.]+)", re.DOTALL)


def sop_class(head: bytes) -> str | None:
    """The SOP class in the first bytes of a file; None where it is no DICOM file."""
    match = _CLASS.match(head)
    return match[1].decode() if match else None


LOSSES: frozenset[LossKind] = frozenset(
    {
        "annotation-attributes",
        "attributes",
        "crowd",
        "empty-segment",
        "image-details",
        "instance",
        "rings",
        "score",
        "secondary-categories",
        "segment-id",
        "source",
    }
)


def dicom_clue(seen: FileProbe, format: str, kinds: tuple[str, ...], what: str) -> FormatMatch | None:
    """A DICOM file whose head says that it is of one of these kinds, or our index where nobody drew anything."""
    found = [name for name in seen.names if sop_class(seen.head(name)[:512]) in kinds]
    if found:
        return FormatMatch(1.0, f"{found[0]} is a DICOM {what}")
    alone = DICOM_INDEX in seen.names and f'"format": "{format}", "files": []'.encode() in seen.head(DICOM_INDEX)
    return FormatMatch(1.0, f"{DICOM_INDEX} is that of a dataset without a {what}") if alone else None
