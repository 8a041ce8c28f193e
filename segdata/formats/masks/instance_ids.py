"""Instance-ID images: 8, 16 or 32 bit PNG or TIFF files whose pixel value is the id of a segment.

In segdata.yaml (`instance_ids:`) you give values their categories: a `divisor` (value = category id * divisor + number,
as in Cityscapes with 1000 and KITTI with 256), a side `table`, or one `category` for all. A value below the divisor is
the id of a category: its whole region, for a thing a crowd. Number 0 is an instance, except with the divisor 256, with
which KITTI means "no instance". Palette PNG frames of videos, `masks/<video>/00005.png`, are read so where their values
number objects: 1, 2 and so on in each video. Without a setting every value but 0 is an instance of one category, or
category * divisor + number if the values look like that, and SEG219 says so. The bands of an image may be separate
files, named as for colour-masks.

Written: 16-bit PNG files, 32-bit TIFF for images of more than 65 535 segments, with the table beside them.
"""

from segdata.core.format import FILE_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.masks import most_of, probe_masks
from segdata.formats.shared import MASK_LOSSES

ALIASES = ("instances", "instance-masks", "id-masks", "label-images")
FAMILY = "masks"  # `--from masks` reads this format, too
READ_OPTIONS = {"masks": "a word in the paths of the masks to read, if each image has several: instance"}
NAMES = FILE_NAMES
LOSSES: frozenset[LossKind] = MASK_LOSSES | {"spatial"}
CHECKED = ("Pillow and numpy (each value's pixels)",)


def detect(files: FileProbe) -> FormatMatch | None:
    """Masks in a known layout with more than 8 bits, or any masks if segdata.yaml has `instance_ids`."""
    masks = probe_masks(files.root)
    if masks is None or masks.config.layers or masks.are_categories:
        return None
    if masks.config.instance_ids:
        # More specific formats may have this setting, too.
        return FormatMatch(0.85, "segdata.yaml has instance_ids")
    if masks.numbers_objects:
        return FormatMatch(0.72, f"{masks.evidence}: palette masks that number the objects of each video")
    if not most_of(masks.heads, lambda head: head.bits >= 16 and not head.has_colors and head.lossy is None):
        return None
    return FormatMatch(0.7 if masks.is_declared else 0.4, f"{masks.evidence}: {masks.heads[0].encoding} masks")


read = ImportedOnCall("segdata.formats.masks.instance_id_files:open_instance_ids")


write = ImportedOnCall("segdata.formats.masks.instance_id_files:write_instance_ids")
