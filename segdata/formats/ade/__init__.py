"""ADE20K, the full release: classes and instances in the colours of X_seg.png, parts in X_parts_1.png and so on.

Read: beside X.jpg a mask X_seg.png, masks of parts in the same code, and X.json with its masks of single objects
(release of 2021) or X_atr.txt (2016). A pixel's class is R // 10 * 256 + G, its instance is B (0: none). Every region
is a segment of a thing. Parts are segments of their own on top of their wholes, with the attributes `part_level` and
`part_of` (the id of the whole). A region's object in the JSON is found by place: by the object's own mask
X/instance_*.png (255 visible, 128 hidden), else by its polygon. An object with hidden pixels has the attribute
`amodal`: visible and hidden pixels as COCO's RLE. The JSON's other keys are attributes (attributes, occluded, crop,
depth_ordering_rank, raw_name if it is not the name, polygon, saved_date …). Category ids are the indices `name_ndx`; if
your files give only names, ids follow the alphabetical order.

Written: X_seg.png, X_parts_*.png, X.json and the masks of single objects, with images.csv for names, sizes and frames,
and taxonomy.yaml. Category ids are classes, 1 to 6655; a level of an image holds at most 255 objects. With
`--copy-images` you get the images beside their masks.

Source: CSAILVision/ADE20K (README.md, utils/utils_ade20k.py, sample images); of 2016:
groups.csail.mit.edu/vision/datasets/ADE20K and open-edge-platform/datumaro ade20k2017.py. Not verified on files:
X_atr.txt, of which no sample is public.
"""

import re

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import MASK_LOSSES

ALIASES = ("ade", "ade20k-full")
NAMES = NameLimits(r"\r")
LOSSES: frozenset[LossKind] = MASK_LOSSES | {"spatial"}
CHECKED = ("CSAILVision/ADE20K's sample images", "loadAde20K's formulas", "Datumaro's fixture in its repository")
READ_OPTIONS = {
    "instances": "no: leave the masks of single objects closed: objects are found by polygons, and `amodal` is missing"
}
_OF_JSON = rb'"name_ndx"|"annotation"\s*:\s*\{.*"imsize"'


def image_of(mask: str) -> str:
    """`<name>_seg.png` -> `<name>`: both lie in one folder."""
    return mask.removesuffix("_seg.png")


def detect(probe: FileProbe) -> FormatMatch | None:
    """A mask X_seg.png with X.json, X_atr.txt or X_parts_1.png of the same stem; or one of these files itself."""
    if probe.root.is_file():
        return FormatMatch(1.0, "a JSON file with name_ndx") if probe.heads(r"\.json$", rb'"name_ndx"') else None
    stems = [name.removesuffix("_seg.png") for name in probe.matching(r"_seg\.png$")]
    names = set(probe.names)
    for stem in stems:
        if f"{stem}.json" in names and re.search(_OF_JSON, probe.head(f"{stem}.json"), re.DOTALL):
            return FormatMatch(1.0, f"{stem}_seg.png and {stem}.json with name_ndx")
        if f"{stem}_atr.txt" in names or f"{stem}_parts_1.png" in names:
            beside = f"{stem}_atr.txt" if f"{stem}_atr.txt" in names else f"{stem}_parts_1.png"
            return FormatMatch(0.95, f"{stem}_seg.png and {beside}")
    return None


read = ImportedOnCall("segdata.formats.ade.dataset:open_ade")


write = ImportedOnCall("segdata.formats.ade.dataset:write_ade")
