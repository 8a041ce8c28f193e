"""Writes masks in the layouts of training programs: MMSegmentation's folders, and Ultralytics' semantic datasets.

Sources: docs/en/advanced_guides/datasets.md of open-mmlab/mmsegmentation (img_dir, ann_dir; labels 0 to n - 1, 255
ignored); https://docs.ultralytics.com/datasets/semantic (data.yaml with masks_dir and names; 255 ignored).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import msgspec
import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.losses import LossCounter
from segdata.core.paths import is_unsafe_path, with_folder
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared import writing
from segdata.formats.shared.image_index import Cell, write_index
from segdata.formats.shared.taxonomies import train_and_val, write_data_yaml, write_sidecars

TrainingLayout = Literal["mmsegmentation", "ultralytics"]
LAYOUTS: tuple[str, ...] = get_args(TrainingLayout)
_FOLDERS = {"mmsegmentation": ("img_dir", "ann_dir"), "ultralytics": ("images", "semantic")}  # images, masks
_IGNORED_VALUE = 255  # the value of unlabelled and void pixels
_DEFAULT_SPLIT = "train"  # for images without a split


def write_training_masks(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, layout: str
) -> None:
    """Write grey masks whose values are 0 to n - 1 in the order of the taxonomy, in a folder for each split.

    Pixels without label, and those of void, are 255. Raises SegdataError for another layout, and for over 255 classes.
    """
    if layout not in LAYOUTS:
        raise SegdataError(f"layout {layout!r} is none of flat, {', '.join(LAYOUTS)}")
    classes = [category for category in profile.taxonomy.categories if category.kind != "void"]
    if len(classes) > _IGNORED_VALUE:
        raise SegdataError(
            f"{len(classes)} classes do not fit 8-bit masks in which {_IGNORED_VALUE} is ignored; drop some"
        )
    values = {category.id: number for number, category in enumerate(classes)}
    values |= {category.id: _IGNORED_VALUE for category in profile.taxonomy.categories if category.kind == "void"}
    renumbered = [category for category in profile.taxonomy.categories if values[category.id] != category.id]
    losses.add("category-details", "categories", len(renumbered), 0, [category.name for category in renumbered[:3]])
    writing.count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    splits: dict[str, str] = {}
    write_index(target, _write_masks(batches, target, layout, values, losses, splits))
    if layout == "ultralytics":
        places = {split: f"images/{split}" for split in splits}
        entries = {"path": ".", **train_and_val(places, f"images/{_DEFAULT_SPLIT}")}
        entries |= {"test": places["test"]} if "test" in places else {}
        entries["masks_dir"] = _FOLDERS["ultralytics"][1]
        write_data_yaml(target, entries, [category.name for category in classes])
    write_sidecars(
        target, profile, Taxonomy(categories=(*_renumber(classes, values), _ignored_category(profile.taxonomy)))
    )


def _renumber(classes: list[Category], values: dict[int, int]) -> list[Category]:
    return [msgspec.structs.replace(category, id=values[category.id]) for category in classes]


def _ignored_category(taxonomy: Taxonomy) -> Category:
    """The category of ignored pixels: the only void category, else a new one."""
    void = [category for category in taxonomy.categories if category.kind == "void"]
    if len(void) == 1:
        return msgspec.structs.replace(void[0], id=_IGNORED_VALUE)
    taken = {category.name for category in taxonomy.categories if category.kind != "void"}
    name = next(name for name in ("ignore", "ignored", "void 255") if name not in taken)
    return Category(id=_IGNORED_VALUE, name=name, kind="void")


def image_beside(mask: str) -> str | None:
    """The path, without extension, where training programs look for a mask's image; None for other layouts.

    >>> image_beside("ann_dir/train/a.png"), image_beside("semantic/val/b/c.png"), image_beside("masks/a.png")
    ('img_dir/train/a', 'images/val/b/c', None)
    """
    folder, _, rest = mask.partition("/")
    places = {masks: images for images, masks in _FOLDERS.values()}
    return f"{places[folder]}/{rest.removesuffix('.png')}" if folder in places else None


def _write_masks(
    batches: Iterable[Batch],
    target: Path,
    layout: str,
    values: dict[int, int],
    losses: LossCounter,
    splits: dict[str, str],
) -> Iterator[tuple[Cell, ...]]:
    """Write the masks, add each split's folder -> name to `splits`, and yield the rows of the index."""
    names = writing.MaskPaths()
    folder = _FOLDERS[layout][1]
    for batch in batches:
        painted = np.array([values.get(id_, -1) for id_ in batch.segment_category.tolist()], np.int64)
        writing.count_category_mask_losses(batch, painted, losses, _IGNORED_VALUE, ids=painted)
        for image in writing.segments_by_image(batch):
            mask = None
            if image.annotated:
                split = image.split or _DEFAULT_SPLIT
                if is_unsafe_path(split) or "/" in split:
                    raise SegdataError(f"image {image.image_id!r}: its split {split!r} is no name of a folder")
                splits[split] = split
                # Do not repeat the folder of a split in the image's path.
                inner = PurePosixPath(image.image_id)
                parts = inner.parts[1:] if len(inner.parts) > 1 and inner.parts[0] == split else inner.parts
                mask = names.name("/".join((split, *parts))).replace("masks", folder, 1)
                row_values = painted[image.segments]
                pixels = writing.paint(image, row_values, _IGNORED_VALUE, np.uint32)
                writing.count_hidden_segments(batch, image, row_values, pixels, losses)
                Image.fromarray(pixels.astype(np.uint8)).save(with_folder(target / mask))
            yield image.index_row(mask)
