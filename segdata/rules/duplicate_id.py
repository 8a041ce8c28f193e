"""SEG008 duplicate-id: one id is used twice."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG008", "duplicate-id", severity="error", needs=(), habit="image", per_image=True)
def duplicate_id(tables: Tables) -> Findings:
    """The same image, annotation or category id occurs twice.

    Example:
        /annotations/4040/id is 309, as /annotations/309/id
        2 images have names that differ in case or accents alone, such as 'IMG_1.JPG' and 'img_1.jpg' (a warning)

    Not flagged: ids that are unique within an image only, where the format allows that (panoptic segments). Both
    entries are kept and checked.

    File names that differ in case alone, or in how their accents are composed, are one name on the disks of Windows and
    macOS.

    Why: an index by id keeps only the last entry, so segments vanish when you load them, and corrections reach the
    wrong one.

    Remedy: renumber the entries. If both are the same, delete one (SEG104). If two files have the same images, move
    one away, or name the file to validate.
    """
    yield from reader_findings(tables, "SEG008")
