"""Sighted: the masks of a folder that has image files, told by their places, names and headers."""

from pathlib import Path

from segdata.core.config import Config, load_config
from segdata.formats.images import ImageFolder
from segdata.formats.masks import colourtable
from segdata.formats.masks.layout import RivalFoldersError, layouts
from segdata.formats.masks.maskclue import MaskClue
from segdata.formats.masks.maskfile import decode, mask_headers
from segdata.formats.masks.maskindex import INDEX, has_index
from segdata.formats.masks.partner import flat
from segdata.formats.masks.valueruns import ValueRuns

_LOOKED_AT = 8  # masks whose headers are read


def sighted(root: Path) -> MaskClue | None:
    """The masks below `root`, as `maskclue.look` has them."""
    settings = root / "segdata.yaml"
    config = load_config(settings) if settings.is_file() else Config()
    try:
        found = layouts(root)
    except RivalFoldersError as error:  # reading says so
        heads = mask_headers(list(ImageFolder.below(error.folders[0]).paths.values())[:_LOOKED_AT])
        return MaskClue(config, heads, "several folders that may be masks", True)
    if not found:
        return MaskClue(config, (), INDEX, True) if has_index(root) else None
    alone = found[0].masks == root and root.is_dir()
    masks, images = flat(ImageFolder.below(root).paths) if alone else ({}, {})
    some = list(masks.values()) or [path for layout in found for path in layout.mask_files()]
    named = not alone or bool(images) or colourtable.beside(root) is not None or (root / "taxonomy.yaml").is_file()
    heads = mask_headers(some[:_LOOKED_AT])
    if alone and (any(head.lossy for head in heads) or (not named and _is_photograph(some[0]))):
        return None
    return MaskClue(config, heads, found[0].evidence, named)


def _is_photograph(path: Path) -> bool:
    """Whether neighbours rarely have the same value: masks are made of areas, photographs of shades."""
    try:
        runs = ValueRuns.of(decode(path).pixels)
    except OSError:
        return False
    n_pixels = runs.height * runs.width
    return n_pixels > 1000 and 2 * len(runs.start) > n_pixels
