"""LabelMe: a JSON file beside each image, as wkentaro's labelme writes them.

Specification: labelme/_label_file.py, labelme/_shape.py, labelme/_utils/shape.py (shapes_to_label) of wkentaro/labelme.

Read: folders of JSON files, or one of them. Shapes of one label and group_id are the parts of one segment, others are
segments by themselves. Polygons, rectangles (upright and oriented) and circles are drawn by Pillow's rule with their
edges, as labelme draws them; masks lie at their first point, rounded. Bridges that a polygon goes there and back are
not pixels: its parts and holes are restored. Points and lines have no area: they are counted and left out. `__ignore__`
becomes void. `_background_` is unlabelled, and a hole in what was drawn before it, as for labelme's converters. Flags,
descriptions and other keys of a shape become attributes, those of the file metadata of its image. `id`, `track_id`,
`score`, `source` and `iscrowd` of a shape, and `annotator` and `source` of the file, become the columns of that
meaning. imagePath names the image, with slashes of either kind; imageData is compared with that image.

Written: a JSON file for each image, with polygons if they draw exactly the segment's pixels, else with a mask. The
parts of a segment share a group_id that is free. Attributes that are true or false become flags. ``taxonomy.yaml``
beside them has the ids, kinds and colours of the categories. If an image has several annotators, you get the first
one's work. For an image without annotation you get a file without shapes.
"""

from segdata.core.errors import list_names
from segdata.core.format import FILE_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import LABELME_LOSSES

NAMES = FILE_NAMES
LOSSES: frozenset[LossKind] = LABELME_LOSSES
CHECKED = ("labelme's own VOC exports in its repository", "Pillow", "supervision 0.31 (what it writes is read)")


def detect(probe: FileProbe) -> FormatMatch | None:
    """JSON files with shapes that have points, and the path of an image."""
    pattern = r"\.json$"
    shapes = set(probe.heads(pattern, rb'"shapes"\s*:\s*\['))
    documents = set(probe.heads(pattern, rb'"(imagePath|shape_type|imageHeight)"\s*:'))
    names = sorted(shapes & documents)
    if not names:
        return None
    return FormatMatch(0.95, f"shapes of an image in {list_names(names)}")


read = ImportedOnCall("segdata.formats.tools.labelme_reader:open_labelme")


write = ImportedOnCall("segdata.formats.tools.labelme_writer:write_labelme")
