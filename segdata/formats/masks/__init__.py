"""Probe: what names and headers of a folder tell about its masks, for the formats that masks may be in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from segdata.core.config import Config, load_config
from segdata.formats.shared.file_names import has_images, is_image_name

if TYPE_CHECKING:
    from segdata.formats.shared.mask_files import MaskHeader


_PROBED = 8  # masks whose headers are read


class MaskProbe(msgspec.Struct, frozen=True):
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


def most_of(heads: "Sequence[MaskHeader]", test: "Callable[[MaskHeader], bool]") -> bool:
    """Whether most headers are so: one odd file does not tell what a folder holds."""
    return 2 * sum(map(test, heads)) > len(heads)


def _spread_sample(paths: list[Path], n: int) -> list[Path]:
    """Up to `n` of the files, evenly over all of them."""
    return paths[:: max(1, len(paths) // n)][:n]


def _probe_image_files(root: Path) -> MaskProbe | None:
    """The masks below `root`, by their layout and the headers of some files."""
    from segdata.formats.shared.images import ImageFolder
    from segdata.formats.shared.mask_files import looks_like_photograph, mask_headers
    from segdata.formats.shared.mask_layouts import RivalFoldersError, find_layouts
    from segdata.formats.shared.pairing import INDEX_FILE, has_index, split_masks_from_images
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
    alone = layouts[0].masks == root and root.is_dir() and layouts[0].family is None
    every = ImageFolder.below(root).paths if alone else {}
    if every and all(name.lower().endswith((".jpg", ".jpeg")) for name in every):
        return None  # photographs
    masks, images = split_masks_from_images(every)
    mask_paths = list(masks.values()) or [path for layout in layouts for path in layout.mask_files()]
    named = not alone or bool(images) or find_colour_table(root) is not None or (root / "taxonomy.yaml").is_file()
    heads = mask_headers(_spread_sample(mask_paths, _PROBED))
    n_jpeg = sum(path.suffix.lower() in (".jpg", ".jpeg") for path in mask_paths)
    lossy = 20 * n_jpeg > len(mask_paths) or most_of(heads, lambda head: head.lossy is not None)
    if alone and (lossy or (not named and looks_like_photograph(_spread_sample(mask_paths, 3)))):
        return None
    return MaskProbe(config, heads, layouts[0].evidence, named)
