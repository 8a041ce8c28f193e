"""Probe: the masks of a folder, judged by names and headers, for the detection of mask formats."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from segdata.core.config import Config, load_config
from segdata.core.errors import UnreadableError
from segdata.core.memo import memoize
from segdata.core.paths import split_of_name
from segdata.formats.shared.file_names import has_images, is_image_name, is_jpeg, spread_sample

if TYPE_CHECKING:
    from segdata.formats.shared.mask_files import MaskHeader


_N_SAMPLED = 8  # masks whose headers are read
_FRAME = re.compile(r"\d{5,8}\.png", re.IGNORECASE)


class MaskProbe(msgspec.Struct, frozen=True):
    """The masks of a folder, judged by names and headers."""

    config: Config  # segdata.yaml
    heads: "Sequence[MaskHeader]"  # headers of some masks
    evidence: str  # the layout, for the user
    is_declared: bool  # whether folder names, an index or a taxonomy show that these are masks, not just image files
    numbers_objects: bool = False  # whether they are palette PNG frames of videos that number objects
    are_categories: bool = False  # whether values of more than 8 bits are categories


@memoize
def probe_masks(root: Path) -> MaskProbe | None:
    """The masks below `root`; None if there are none, or only photographs."""
    has_files = is_image_name(root.name) if root.is_file() else has_images(root) or (root / "images.csv").is_file()
    if not has_files:
        return None  # avoid importing Pillow for the many datasets without masks
    return _probe_image_files(root)


def list_readable(root: Path) -> list[Path]:
    """The folder itself if a sample of its masks can be read; several folders if the user must choose.

    Empty if its images are no masks.
    """
    from segdata.formats.masks.mask_values import count_values
    from segdata.formats.masks.provisional import are_ids, propose_taxonomy
    from segdata.formats.shared.colour_tables import find_taxonomy
    from segdata.formats.shared.mask_layouts import UnclearMasksError, find_layouts

    try:
        layouts = find_layouts(root)
        paths = [path for layout in layouts for path in layout.mask_files()]
        sample = spread_sample(paths, _N_SAMPLED)
        counts = count_values(sample)
        if counts.masks and not are_ids(counts) and find_taxonomy(root, paths) is None:
            propose_taxonomy(counts)
        is_clear = not any(layout.family is not None and layout.family.rivals for layout in layouts)
        return [root] if counts.masks and is_clear else []
    except UnclearMasksError as error:
        return error.folders
    except UnreadableError:
        return []


def describe_encoding(heads: "Sequence[MaskHeader]") -> str:
    """The encodings of masks, for messages."""
    return heads[0].encoding if heads else "unreadable"


def most_of(heads: "Sequence[MaskHeader]", test: "Callable[[MaskHeader], bool]") -> bool:
    """Whether most headers pass the test, as a single odd file does not decide about a folder."""
    return 2 * sum(map(test, heads)) > len(heads)


def _probe_image_files(root: Path) -> MaskProbe | None:
    """Probe the masks below `root` by their layout and the headers of some files."""
    from segdata.formats.shared.image_index import INDEX_FILE, has_index
    from segdata.formats.shared.images import ImageFolder
    from segdata.formats.shared.mask_files import mask_headers
    from segdata.formats.shared.mask_layouts import UnclearMasksError, find_layouts
    from segdata.formats.shared.pairing import split_masks_from_images

    settings = root / "segdata.yaml"
    config = load_config(settings) if settings.is_file() else Config()
    try:
        layouts = find_layouts(root)
    except UnclearMasksError as error:  # raised again when the dataset is opened
        heads = mask_headers(list(ImageFolder.below(error.folders[0]).paths.values())[:_N_SAMPLED])
        return MaskProbe(config, heads, "several folders that may be masks", True)
    if not layouts:
        return MaskProbe(config, (), INDEX_FILE, True) if has_index(root) else None
    is_alone = layouts[0].masks == root and root.is_dir() and layouts[0].family is None
    files = ImageFolder.below(root).paths if is_alone else {}
    if files and all(map(is_jpeg, files)):
        return None
    masks, images = split_masks_from_images(files)
    paths = list(masks.values()) or [path for layout in layouts for path in layout.mask_files()]
    is_declared = not is_alone or bool(images) or _has_taxonomy(root)
    heads = mask_headers(spread_sample(paths, _N_SAMPLED))
    if is_alone and (_are_lossy(paths, heads) or (not is_declared and _are_pictures(root, files, paths))):
        return None
    is_wide = most_of(heads, lambda head: head.bits > 8 and not head.has_colors)
    are_categories = is_wide and not config.instance_ids and _are_categories(root, paths)
    return MaskProbe(config, heads, layouts[0].evidence, is_declared, _numbers_objects(paths, heads), are_categories)


def _has_taxonomy(root: Path) -> bool:
    from segdata.formats.shared.colour_tables import find_colour_table

    return find_colour_table(root) is not None or (root / "taxonomy.yaml").is_file()


def _are_lossy(paths: list[Path], heads: "Sequence[MaskHeader]") -> bool:
    """Whether one in twenty files is a JPEG, or most headers are those of an encoding that changes values."""
    n_jpeg = sum(is_jpeg(path.name) for path in paths)
    return 20 * n_jpeg > len(paths) or most_of(heads, lambda head: head.lossy is not None)


def _are_pictures(root: Path, names: Iterable[str], paths: list[Path]) -> bool:
    """Whether image files that nothing declares as masks are photographs, screenshots or GIF files.

    These have more colours than there are categories. Decodes some of them.
    """
    from segdata.formats.masks.mask_values import MAX_CATEGORIES, count_values
    from segdata.formats.shared.mask_families import is_called_labels
    from segdata.formats.shared.mask_files import looks_like_photograph

    sample = spread_sample(paths, 3)
    if looks_like_photograph(sample):
        return True
    if any(map(is_called_labels, (root.name, *names))):
        return False
    counts = count_values(sample)
    return (counts.has_colors or counts.palette is not None) and len(counts.value) > MAX_CATEGORIES


def _are_categories(root: Path, paths: list[Path]) -> bool:
    """Whether the values of masks with more than 8 bits are categories; decodes some of them."""
    from segdata.formats.masks.mask_values import count_values
    from segdata.formats.masks.provisional import are_categories
    from segdata.formats.shared.colour_tables import find_taxonomy

    return are_categories(count_values(spread_sample(paths, _N_SAMPLED)), find_taxonomy(root, paths))


def _numbers_objects(paths: list[Path], heads: "Sequence[MaskHeader]") -> bool:
    """Whether masks are frames in a folder for each video, whose values number the video's objects.

    The values in each folder, apart from 0 and 255, are then 1, 2 and so on, while categories leave gaps.
    """
    is_frame = all(_FRAME.fullmatch(path.name) and split_of_name(path.parent.name) is None for path in paths)
    if not is_frame or len({path.parent for path in paths}) < 2 or any(head.palette is None for head in heads):
        return False
    from segdata.formats.shared.mask_files import decode_mask

    values: dict[Path, set[int]] = {}
    for path in spread_sample(paths, 2 * _N_SAMPLED):
        with suppress(OSError):
            values.setdefault(path.parent, set()).update(decode_mask(path).distinct_values())
    numbers = [sorted(occurring - {0, 255}) for occurring in values.values()]
    return any(numbers) and all(occurring == list(range(1, len(occurring) + 1)) for occurring in numbers)
