"""SEG021 unsupported-file: a file of a kind that segdata does not decode."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG021", "unsupported-file", severity="warning", needs=(), habit="image", per_image=True)
def unsupported_file(tables: Tables) -> Findings:
    """An image or mask is of a kind that segdata does not decode.

    Example:
        images/0007.heic is HEIC, which segdata does not decode; convert it to PNG or JPEG
        images/clip.png  is a video (MP4), which segdata does not decode; convert it to PNG or JPEG

    The first bytes of the file show its kind, not its name. The file may be sound, so this is not SEG001. It is an
    error for a mask, whose labels are missing. Rules that need the pixels of the image leave it out.

    All files beside masks and label files whose names end in .psd, .cr2, .heic and the like are one finding. Those that
    have a twin that segdata reads, such as plan.psd beside plan.png, are another one, an info: they may be the drawings
    that the twins were exported from.

    Why: segdata cannot check such a file, and few training loaders open it.

    Remedy: convert it to PNG, JPEG or TIFF.
    """
    yield from reader_findings(tables, "SEG021")
