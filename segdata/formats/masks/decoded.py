"""Decoded: the mask file of an image, or the defect that says why there is none."""

from pathlib import Path

from segdata.core.defect import Defect
from segdata.formats.masks.maskfile import MaskFile, decode
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import BrokenLabelsError


def decoded(root: Path, entry: Entry) -> MaskFile:
    """The first mask of an image; raises BrokenLabelsError, with its defect, where it cannot be decoded."""
    path = entry.files[0]
    try:
        return decode(path, entry.page or 0)
    except OSError as error:
        raise BrokenLabelsError(cannot_decode(root, path, error)) from error


def cannot_decode(root: Path, path: Path, error: OSError) -> Defect:
    """The defect of a mask that raised `error` when it was decoded: SEG002 where it is missing, else SEG001."""
    if isinstance(error, FileNotFoundError):
        return Defect("SEG002", "the mask file does not exist", below(root, path))
    return Defect("SEG001", f"mask cannot be read: {error.strerror or error}", below(root, path))
