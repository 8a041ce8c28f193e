"""Layers: one binary or thresholded mask file for each category or object of an image; layers may overlap.

You set the pattern of the file names with `layers.pattern` in segdata.yaml: ``{stem}_{category}_{instance}.png``,
``{category}/{stem}.png``, ``1st_manual/{stem}_manual1.gif`` with `category: vessel`. If you leave out `{instance}`, a
layer is a category of its image, and an empty layer means that the image does not have the category.
"""

from typing import TYPE_CHECKING

from segdata.core import format
from segdata.core.config import load_config
from segdata.core.format import FileProbe, FormatMatch, ReadRequest

if TYPE_CHECKING:
    from segdata.formats.shared.per_image import PerImageSource


ALIASES = ("binary-masks", "layer-masks", "binary")
FAMILY = "masks"  # `--from masks` reads this format, too
LOSSES: frozenset[format.LossKind] = frozenset()  # it is only read
CHECKED = ("Pillow and numpy (each layer's pixels)",)


def detect(files: FileProbe) -> FormatMatch | None:
    """Only if segdata.yaml has `layers`: file names alone do not distinguish layers from masks."""
    settings = files.root / "segdata.yaml"
    if settings.is_file() and load_config(settings).layers is not None:
        return FormatMatch(0.95, "segdata.yaml has layers")
    return None


def read(request: ReadRequest) -> "PerImageSource":
    """Open a dataset of layers; raises UnreadableError without `layers.pattern`, or if no file fits it."""
    from segdata.formats.masks.layer_files import open_layers

    return open_layers(request)
