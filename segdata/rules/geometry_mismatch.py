"""SEG017 geometry-mismatch: labels of a volume lie elsewhere than its image, or are not whole numbers."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG017", "geometry-mismatch", severity="error", needs=(), per_image=True)
def geometry_mismatch(tables: Tables) -> Findings:
    """Labels and image of a volume differ in spacing, origin or directions, or labels are not whole numbers.

    Example:
        the labels lie up to 12.5 mm from the image: spacing 1x1x1 mm, there 1x1x5 mm
        qform and sform place the volume 3 mm apart; the sform is used
        its rows and columns run another way than those of the image 'ct/03.dcm', of the same number
        voxels of 0.2x0.2x0.5 mm, where others have 2x2x5 mm: is the header in another unit?
        1,204 voxels are not labels: the first is 0.5 at voxel (12, 40, 7)

    Not flagged: differences up to 0.001 mm, and labels that are up to 0.001 off a whole number.

    A volume whose voxels are at least seven times smaller or larger, along all three axes, than the median of six or
    more is a warning, unless more than a fifth of them are. So is a DICOM segmentation whose rows and columns run
    another way than those of its scan, since its own header places it well.

    Why: programs that follow the header put the labels elsewhere than those that follow the array. One of the two is
    wrong, and no Dice tells a flipped volume from a bad annotator. Labels between whole numbers were interpolated: no
    voxel at a border means what it says.

    Remedy: copy the header of the image onto its labels if the arrays fit each other; otherwise resample the labels to
    the image with nearest neighbours. A header without orientation is a warning: find out how the volume was stored.
    """
    yield from reader_findings(tables, "SEG017")
