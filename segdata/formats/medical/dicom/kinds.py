"""Kinds of DICOM files, by the SOP class in their first bytes. Source: DICOM PS3.10, section 7.1."""

import re

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # binary or fractional; label map
INDEX = "dicom.json"  # what our writers leave beside objects
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_CLASS = re.compile(rb"\A.{128}DICM.{0,200}?UI.{2}(1\.2\.840\.10008\.5\.1\.4\.1\.1\.[\d.]+)", re.DOTALL)


def kind_of_head(head: bytes) -> str | None:
    """The SOP class in the first bytes of a file; None where it is no DICOM file."""
    match = _CLASS.match(head)
    return match[1].decode() if match else None
