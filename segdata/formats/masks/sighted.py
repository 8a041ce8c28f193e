"""Sighted: the masks of a folder that has image files, told by their places, names and headers."""

from pathlib import Path

from segdata.core.config import Config, load_config
from segdata.formats.masks.maskclue import MaskClue
from segdata.formats.shared import taxonomies
from segdata.formats.shared.file_names import split_masks_and_images
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import ValueRuns, decode_mask, mask_headers
from segdata.formats.shared.pairing import INDEX_FILE, RivalFoldersError, find_layouts, has_index

_LOOKED_AT = 8  # masks whose headers are read


def sighted(root: Path) -> MaskClue | None:
    """The masks below `root`, as `maskclue.look` has them."""
    settings = root / "segdata.yaml"
    config = load_config(settings) if settings.is_file() else Config()
    try:
        found = find_layouts(root)
    except RivalFoldersError as error:  # reading says so
        heads = mask_headers(list(ImageFolder.below(error.folders[0]).paths.values())[:_LOOKED_AT])
        return MaskClue(config, heads, "several folders that may be masks", True)
    if not found:
        return MaskClue(config, (), INDEX_FILE, True) if has_index(root) else None
    alone = found[0].masks == root and root.is_dir()
    masks, images = split_masks_and_images(ImageFolder.below(root).paths) if alone else ({}, {})
    some = list(masks.values()) or [path for layout in found for path in layout.mask_files()]
    named = (
        not alone
        or bool(images)
        or taxonomies.find_colour_table(root) is not None
        or (root / "taxonomy.yaml").is_file()
    )
    heads = mask_headers(some[:_LOOKED_AT])
    if alone and (any(head.lossy for head in heads) or (not named and _is_photograph(some[0]))):
        return None
    return MaskClue(config, heads, found[0].evidence, named)


def _is_photograph(path: Path) -> bool:
    """Whether neighbours rarely have the same value: masks are made of areas, photographs of shades."""
    try:
        runs = ValueRuns.of(decode_mask(path).pixels)
    except OSError:
        return False
    n_pixels = runs.height * runs.width
    return n_pixels > 1000 and 2 * len(runs.start) > n_pixels
