"""How files of annotation tools begin."""

from pathlib import Path

from segdata.core.format import HEAD_BYTES

CVAT_HEAD = rb"<annotations\s*>(?s:.*)<(meta|image|track)[\s>]"
VIA_JSON_HEAD = rb'"_via_img_metadata"\s*:|"shape_attributes"\s*:'
VIA_CSV_HEAD = rb"\A(\xef\xbb\xbf)?#?filename,file_size,file_attributes,region_count,region_id,region_shape_attributes"


def read_head(path: Path) -> bytes:
    """The first bytes of a file, in which it shows what it is; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""
