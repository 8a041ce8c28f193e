"""KITTI reader: masks of instances, or of labels alone."""

from segdata.core.format import ReadRequest
from segdata.formats.shared.pairing import has_index, images_folder
from segdata.formats.shared.per_image import PerImageSource
from segdata.formats.street.codebook import codebook
from segdata.formats.street.label_colours import labels_beside
from segdata.formats.street.look import Look
from segdata.formats.street.numbering import KITTI
from segdata.formats.street.opened import opened
from segdata.formats.street.pairs import chosen, paired_by_index, paired_files
from segdata.formats.street.split_folders import kind_of, relabelled, split_files

_KINDS = {"instance": "instance", "semantic": "semantic"}  # kind -> folder
_PICTURES = "image_2"


def open_kitti(request: ReadRequest) -> PerImageSource:
    """The dataset with the labels of Cityscapes, or its own; raises UnreadableError where there are none."""
    kind = chosen(request.options, "labels", tuple(_KINDS))
    joins = chosen(request.options, "stuff", ("joined", "numbered")) != "numbered"
    root, images = request.root, images_folder(request)
    if has_index(root):
        pairing = paired_by_index(root, images, kind, kind_of, relabelled)
    else:
        pairing = paired_files(root, split_files(root, images, _PICTURES, ".png", _KINDS), tuple(_KINDS), kind, images)
    book = codebook(labels_beside(root), request.taxonomy)
    numbered = any(entry.record == "instance" for entry in pairing.entries)
    looks = {
        "instance": Look(root, book, KITTI, numbered, joins).at,
        "semantic": Look(root, book, None, numbered).at,
    }
    return opened(request, "kitti", pairing, book.naming, looks, numbered)
