"""VOC's classes: the twenty of the challenge, and the two values that every VOC mask has beside classes."""

from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.mask_values import voc_color

BACKGROUND, VOID = 0, 255  # in both masks: no object, and the border between objects
MOST = 254  # classes of a dataset, and objects of an image
# In alphabetical order, from 1. Source: VOC2012 development kit, section 1; some it spells in two words elsewhere.
# fmt: off
_NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat",
    "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person",
    "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on
_ALIASES = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv/monitor"}

VOC = Taxonomy(
    name="PASCAL VOC",
    unlabelled=BACKGROUND,
    categories=(
        *(
            Category(
                id=number,
                name=name,
                kind="thing",
                color=voc_color(number),
                aliases=(_ALIASES[name],) if name in _ALIASES else (),
            )
            for number, name in enumerate(_NAMES, 1)
        ),
        Category(id=VOID, name="void", kind="void", color=voc_color(VOID)),
    ),
)
