"""Probe: what names and headers of a folder tell about its masks, for the formats that masks may be in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.config import Config, load_config
from segdata.formats.shared.file_names import has_images, is_image_name, split_masks_and_images

if TYPE_CHECKING:
    from segdata.formats.shared.mask_files import MaskHeader


_PROBED = 8  # masks whose headers are read


@dataclass(frozen=True, slots=True)
class MaskProbe:
    """The masks of a folder, judged by names and headers."""

    config: Config  # segdata.yaml
    heads: "Sequence[MaskHeader]"  # headers of some masks
    evidence: str  # the layout, in words
    # the names of folders, an index or a taxonomy show that these are masks; else they are just image files
    named: bool


def probe_masks(root: Path) -> MaskProbe | None:
    """The masks below `root`; None if there are none, or only photographs."""
    named = is_image_name(root.name) if root.is_file() else has_images(root) or (root / "images.csv").is_file()
    if not named:
        return None  # most datasets are something else and need not wait for Pillow
    return _probe_image_files(root)


def describe_encoding(heads: "Sequence[MaskHeader]") -> str:
    """The encoding of masks, in words."""
    return heads[0].encoding if heads else "unreadable"


def _probe_image_files(root: Path) -> MaskProbe | None:
    """The masks below `root`, by their layout and the headers of some files."""
    from segdata.formats.shared.images import ImageFolder
    from segdata.formats.shared.mask_files import mask_headers
    from segdata.formats.shared.pairing import INDEX_FILE, RivalFoldersError, find_layouts, has_index
    from segdata.formats.shared.taxonomies import find_colour_table

    settings = root / "segdata.yaml"
    config = load_config(settings) if settings.is_file() else Config()
    try:
        layouts = find_layouts(root)
    except RivalFoldersError as error:  # raised again on reading
        heads = mask_headers(list(ImageFolder.below(error.folders[0]).paths.values())[:_PROBED])
        return MaskProbe(config, heads, "several folders that may be masks", True)
    if not layouts:
        return MaskProbe(config, (), INDEX_FILE, True) if has_index(root) else None
    alone = layouts[0].masks == root and root.is_dir()
    masks, images = split_masks_and_images(ImageFolder.below(root).paths) if alone else ({}, {})
    mask_paths = list(masks.values()) or [path for layout in layouts for path in layout.mask_files()]
    named = not alone or bool(images) or find_colour_table(root) is not None or (root / "taxonomy.yaml").is_file()
    heads = mask_headers(mask_paths[:_PROBED])
    if alone and (any(head.lossy for head in heads) or (not named and _is_photograph(mask_paths[0]))):
        return None
    return MaskProbe(config, heads, layouts[0].evidence, named)


def _is_photograph(path: Path) -> bool:
    """Whether neighbouring pixels rarely have the same value: masks consist of areas, photographs of shades."""
    from segdata.formats.shared.mask_files import ValueRuns, decode_mask

    try:
        runs = ValueRuns.of(decode_mask(path).pixels)
    except OSError:
        return False
    n_pixels = runs.height * runs.width
    return n_pixels > 1000 and 2 * len(runs.start) > n_pixels
