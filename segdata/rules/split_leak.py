"""SEG304 split-leak: one image is in two splits."""

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.table import Table
from segdata.rules.shared import reader_findings


@rule("SEG304", "split-leak", severity="error", needs=("copies",))
def split_leak(tables: Tables, *, max_bits: int = 16) -> Findings:
    """The same image, or nearly the same, is in two splits.

    Example:
        train/a.jpg and val/b.jpg are the same file, byte by byte (error)
        val/c.jpg is train/a.jpg saved again, brighter and smaller (warning)
        train.txt and val.txt both name a.jpg (error)

    You get one finding for each image that another split has as well. If the files are not byte-identical, it is a
    warning. Difference hashes tell which images look the same (dHash, N. Krawetz 2013, with 256 bits instead of 64):
    the gradients of the image reduced to 17 x 16 pixels, which survive another brightness, size or compression, but no
    crop. The rule ignores copies within a split, images without contrast, files with several frames or slices, and
    images that are not on this machine. If your data have no splits, or more than 20,000 images, no image is decoded,
    and you get only byte-identical files.

    Why: images that are in both your training and test data make the test worthless, and where the labels of the two
    differ, one of them is wrong. Neighbouring frames of a video are nearly the same image.

    Remedy: take the image out of one of the splits. Split again by scene, video or patient, not by file.

    Options: `max_bits`: bits in which two images of one thing may differ, at most 16.
    Defaults: 112 images of COCO, CamVid, GBM40, kudzu, lemons and crops, saved again as PNG, as JPEG of quality 50, 6
    and 25 levels brighter, and at half size, differ by at most 14 bits, but for one that clipped at 25 levels (32).
    Among 751 images of 16 datasets, the pairs within 16 bits are those that two datasets share (4 of nerves and
    microscopy, 3 of CamVid and CamSeq01), neighbouring frames of DAVIS (1), an image that occurs twice in one dataset
    (1) and magnetic tiles, photographed at several exposures (449; the 24 looked at were right). The next nearest are
    retinas at 24. Between CamVid's splits there is none.
    """
    yield from reader_findings(tables, "SEG304")
    images, alike = tables.images, tables.alike
    part = images["part"]
    differs = (part[alike["image"]] != part[alike["of"]]) & ~images.missing("part")[alike["image"]]
    differs &= ~images.missing("part")[alike["of"]]
    leaks = alike.take(differs & ((alike["same"] == 1) | (alike["bits"] <= max_bits)))
    for rows in leaks.groups("image"):
        nearest = min(rows.tolist(), key=lambda row: (1 - leaks["same"][row], leaks["bits"][row], leaks["of"][row]))
        yield _leak(images, *next(leaks.take(rows[rows == nearest]).lines("image", "of", "same", "bits")))


def _leak(images: Table, image: int, other: int, is_same_file: int, bits: int) -> RowFinding:
    """The finding of one image that is `other` again."""
    name, other_name = images["image_id"][image], images["image_id"][other]
    split, other_split = images["part"][image], images["part"][other]
    splits = f"one is in {other_split}, this in {split}"
    if not is_same_file:
        sequence = images["sequence"][image]
        film = sequence is not None and sequence == images["sequence"][other]
        how = f"{bits} of 256 bits of their difference hashes differ"
        note = "; both are frames of one video" if film else ""
        return RowFinding(f"nearly the same as {other_name} ({how}): {splits}{note}", image=image, severity="warning")
    if name == other_name:
        return RowFinding(f"it is in {other_split} and in {split}", image=image)
    return RowFinding(f"the same file as {other_name}, byte by byte: {splits}", image=image)
