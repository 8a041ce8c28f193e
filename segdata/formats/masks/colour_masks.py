"""Colour masks and index masks: the colour, palette index or grey value of a pixel names its category.

RGB and RGBA masks are read by the colours of the taxonomy, palette and grey masks by its ids (a palette's index is the
id, its colours are for the eye). A table that other tools write can stand for a taxonomy: label_colors.txt,
labelmap.txt, labelmap.csv, classes.csv, class_dict.csv, dataset_meta.json, label_classes.json (Hasty), or _classes.csv
in each split (Roboflow). If you have neither, segdata knows CamVid and SceneParse150 by the names of their files, and
you choose other well-known classes with the option `preset`. Else segdata guesses what the values mean, and says so
(SEG219): each is a category, 255 beside small ids is void, and 0 and 255 alone, or 0 and 1, are background and
foreground. If you have ten masks or more, a value that only one of them has, in a few pixels (at most 64), is no
category: you get SEG009 for it. The `data.yaml` of a semantic dataset of Ultralytics names the folder of masks
(`masks_dir`) and the classes (`names`), and 255 is ignored; MMSegmentation's `img_dir/` and `ann_dir/` are images and
masks. Folders of images and masks may have any names, and lie in folders of splits: files of the same names belong
together, and photographs are the images. You may keep masks beside their images: `a.png` and `a.jpg`, or `a_mask.png`
and `a.png`. If the bands of your images are separate files, they are the channels of one image, `a.tif`: with a mask
`a.png`, `a_B02.tif` and `a_B08.tif`, `a_rgb.png` and `a_nir.png`, `a_0000.png` and `a_0001.png`, or `a/red.tif` and
`a/nir.tif` in a folder.

Written: 8-bit palette PNGs whose index is the category id if the ids allow, else RGB PNGs. With the option `layout` you
get what training programs read: grey masks in a folder for each split, whose values are 0 to n - 1 in the order of the
taxonomy, and 255 for unlabelled and void; of Ultralytics also `data.yaml`. With `--copy-images` the images lie beside
them, in `img_dir/` or `images/`.
"""

from segdata.core.format import FILE_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.masks import describe_encoding, most_of, probe_masks
from segdata.formats.shared import CATEGORY_MASK_LOSSES
from segdata.formats.shared.colour_tables import preset_names

ALIASES = ("masks", "mask", "png", "semantic", "semantic-masks", "color-masks", "camvid")
NAMES = FILE_NAMES
LOSSES: frozenset[LossKind] = CATEGORY_MASK_LOSSES | {"spatial"}
CHECKED = ("Pillow", "SegNet's colours of CamVid", "Datumaro's fixture of CamVid")
READ_OPTIONS = {
    "preset": "the classes, if no taxonomy lies beside the masks: " + ", ".join(preset_names()),
    "masks": "a word in the paths of the masks to read, if each image has several: label_id",
    "smoothed": "nearest: a value that the taxonomy lacks means the nearest one, for smoothed or compressed masks",
}


WRITE_OPTIONS = {"layout": "flat (default), mmsegmentation (img_dir, ann_dir) or ultralytics (data.yaml, semantic)"}


def image_of(mask: str) -> str | None:
    """The path of a mask's image in the layouts of training programs; None for other layouts."""
    from segdata.formats.masks.training_layouts import image_beside

    return image_beside(mask)


def detect(files: FileProbe) -> FormatMatch | None:
    """Masks in a known layout with 8 bits, or with categories in more of them, unless segdata.yaml says otherwise."""
    masks = probe_masks(files.root)
    if masks is None or masks.config.layers or masks.config.instance_ids or masks.numbers_objects:
        return None
    if not masks.are_categories and most_of(masks.heads, lambda head: head.bits > 8):
        return None
    return FormatMatch(0.7 if masks.is_declared else 0.3, f"{masks.evidence}: {describe_encoding(masks.heads)} masks")


read = ImportedOnCall("segdata.formats.masks.colour_mask_files:open_colour_masks")


write = ImportedOnCall("segdata.formats.masks.colour_mask_files:write_colour_masks")
