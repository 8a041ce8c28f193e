"""Heads: how files of annotation tools begin."""

from pathlib import Path

from segdata.core.format import HEAD_BYTES

CVAT = rb"<annotations\s*>(?s:.*)<(meta|image|track)[\s>]"
VIA_JSON = rb'"_via_img_metadata"\s*:|"shape_attributes"\s*:'
VIA_CSV = rb"\A(\xef\xbb\xbf)?#?filename,file_size,file_attributes,region_count,region_id,region_shape_attributes"


def head_of(path: Path) -> bytes:
    """The first bytes of a file, in which it shows what it is; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""
