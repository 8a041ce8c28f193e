"""PASCAL VOC: palette masks of classes (SegmentationClass) and of objects (SegmentationObject).

Read: VOC itself, CVAT's "Segmentation mask 1.1", the exports of labelme and Datumaro. In both masks 0 is background,
read as unlabelled, and 255 the void between objects; palette and grey masks by index, RGB masks by colour. An object
has the class of most of its pixels; you get findings for pixels where the two masks disagree. If you have no masks of
objects, the dataset is semantic. labelmap.txt (`name:r,g,b:parts:actions`) or class_names.txt say what the values mean,
else they are VOC's twenty classes; grey masks whose values go beyond these, or are 0 and 255 alone, are read as masks
of other classes (`colour-masks`). ImageSets/Segmentation/*.txt names the images and their splits; other files in
JPEGImages belong to VOC's other tasks. Annotations/*.xml adds boxes and attributes (pose, truncated, occluded,
difficult, parts, actions and free ones), by class and place. Boxes include void pixels and masks do not: if an image
has void, a box that differs from its object becomes the attribute `bndbox`. Polygons in these files, as supervision
writes them without any masks, are not VOC's and are not read.

Written: the same files, with images.csv for names, sizes and frames, and labelmap.txt and taxonomy.yaml unless the
classes are VOC's. At most 254 classes and 254 objects an image. From a semantic dataset you get only the masks of
classes. With `--copy-images` you get the images in `JPEGImages`, in the format that they have: the devkit wants .jpg.

Specification: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html; labelmap.txt: docs.cvat.ai,
"Segmentation Mask", and open-edge-platform/datumaro src/datumaro/plugins/data_formats/voc. Not verified on VOC's own
images: that the numbers of objects count the boxes of the XML file, which is only used to tell apart boxes that fit
several objects.
"""

import re
from contextlib import suppress

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import CATEGORY_MASK_LOSSES

ALIASES = ("voc", "pascal", "voc2012", "voc2007", "pascal-voc-2012")
NAMES = NameLimits(r"[\x00-\x08\n-\x1f\ufffe\uffff]")
LOSSES: frozenset[LossKind] = CATEGORY_MASK_LOSSES - {"unlabelled"} | {"spatial"}
CHECKED = (
    "Datumaro 1.13 (reads what is written, writes what is read)",
    "supervision 0.31 (reads the boxes that are written)",
    "labelme's export in its repository",
    "Pillow",
)
READ_OPTIONS = {"classes": "the folder of class masks, for others than SegmentationClass (SegmentationClassAug)"}
_OFFICIAL = re.compile(r"(^|/)(\d{4}_)?\d{6}\.\w+$")  # 2007_000032, in VOC2007 000032
_N_SAMPLED, _N_CLASSES, _VOID = 12, 20, 255  # masks decoded; VOC's classes; the value of borders
_MASK = re.compile(r"(?:^|/)(SegmentationClass(?:PNG|Aug|Raw)?)/.+\.\w+$")


def image_of(mask: str) -> str:
    """`SegmentationClass/<name>.png` -> `JPEGImages/<name>`."""
    return mask.replace("SegmentationClass/", "JPEGImages/", 1).removesuffix(".png")


def detect(probe: FileProbe) -> FormatMatch | None:
    """A folder SegmentationClass with masks in it, unless segdata.yaml gives them another meaning."""
    masks = [match for name in probe.matching(r"\.(png|bmp|tiff?)$") if (match := _MASK.search(name))]
    if not masks or re.search(rb"^(instance_ids|layers)\s*:", probe.head("segdata.yaml"), re.MULTILINE):
        return None
    objects = probe.matching(r"(^|/)SegmentationObject(PNG)?/")
    if not objects and _hold_other_values(probe, masks):
        return None
    evidence = f"{masks[0][1]}/" + (" and SegmentationObject/" if objects else "")
    return FormatMatch(1.0 if objects else 0.95, evidence)


def _hold_other_values(probe: FileProbe, masks: list[re.Match[str]]) -> bool:
    """Whether grey masks that no file explains hold values that VOC has no class for, or 0 and 255 alone."""
    explained = probe.matching(r"(^|/)(labelmap\.txt|class_names\.txt|taxonomy\.ya?ml|segdata\.ya?ml|images\.csv)$")
    names = [match.string for match in masks[:_N_SAMPLED]]
    if explained or any(_OFFICIAL.search(name) for name in names):
        return False
    if any(probe.head(name)[24:26] != b"\x08\x00" for name in names[:1]):  # the first is no grey PNG of 8 bits
        return False
    from segdata.formats.shared.mask_files import decode_mask

    values = set[int]()
    for name in names:
        with suppress(OSError):
            mask = decode_mask(probe.path(name))
            values |= set() if mask.coloured else mask.distinct_values()
    return max(values - {_VOID}, default=0) > _N_CLASSES or values == {0, _VOID}


read = ImportedOnCall("segdata.formats.voc.dataset:open_voc")


write = ImportedOnCall("segdata.formats.voc.dataset:write_voc")
