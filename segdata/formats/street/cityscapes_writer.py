"""Cityscapes writer: `gtFine/<split>/<city>/<base>_gtFine_<what>.png`."""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy
from segdata.formats.street import cityscapes_table as table
from segdata.formats.street.cityscapes_files import FINE, PICTURES, SPLITS
from segdata.formats.street.codebook import label_ids
from segdata.formats.street.numbering import CITYSCAPES
from segdata.formats.street.pairs import NO_SPLIT
from segdata.formats.street.writer import Pixels, Style, write_street

_OFFICIAL = re.compile(r"(?P<city>[^_]+)_\d{6}_\d{6}")


def write_cityscapes(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, trained: bool
) -> None:
    """Write a dataset; `trained`: masks of train ids too."""
    labels = official_labels(profile.taxonomy)
    saves = partial(_save, trained), partial(_save_labels, trained)
    style = Style(CITYSCAPES, labels, table.UNLABELLED, _stem, *saves, crowds=True)
    write_street(profile, batches, target, losses, style)


def official_labels(taxonomy: Taxonomy) -> dict[int, int]:
    """Category id -> label id of Cityscapes, for the categories that Cityscapes has."""
    known = taxonomy.by_name()
    nobody = known.get(table.UNLABELLED_NAME)
    blank = {} if nobody is None else {nobody.id: table.UNLABELLED}
    return blank | label_ids(table.LABELS, taxonomy)


def known_alone(profile: Profile, batches: Iterable[Batch], format: str) -> Iterator[Batch]:
    """The batches; raises SegdataError at a segment of a category that is neither Cityscapes' nor void."""
    taxonomy = profile.taxonomy
    held = official_labels(taxonomy).keys() | set(taxonomy.void_ids)
    for batch in batches:
        categories = batch.segments["category_id"].to_numpy()
        strange = np.setdiff1d(categories, list(held))
        if len(strange):
            names = [each.name for each in taxonomy.categories if each.id not in held]
            names += [profile.name_of(each) for each in strange.tolist() if each not in taxonomy.by_id()]
            listed = ", ".join(map(repr, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            raise SegdataError(
                f"{format} has labels of its own, and the taxonomy others: {listed}; read with a --taxonomy that has "
                "the official names, with these as aliases, or leave them out with the write option unknown=drop"
            )
        yield batch


def _stem(split: str | None, image_id: str) -> str:
    """`gtFine/<split>/<city>/<base>`: the official scripts look two folders deep. What has no split is for training."""
    path = PurePosixPath(image_id)
    base, folders = path.stem.removesuffix(f"_{PICTURES}"), list(path.parent.parts)
    if split is None:
        split = folders[0] if folders and folders[0] in SPLITS else "train"
    if folders and folders[0] == split:
        folders = folders[1:]
    official = _OFFICIAL.fullmatch(base)
    city = "_".join(folders) or (official["city"] if official else NO_SPLIT)
    return f"{FINE}/{split}/{city}/{base}"


def _save(trained: bool, target: Path, stem: str, values: Pixels) -> str:
    """Write the masks of an image whose segments are instances and regions."""
    _save_labels(trained, target, stem, _LABEL_OF[values])
    return _written(target, stem, "instanceIds", values)


def _save_labels(trained: bool, target: Path, stem: str, labels: Pixels) -> str:
    """Write the masks of an image whose segments are label ids."""
    (target / stem).parent.mkdir(parents=True, exist_ok=True)
    if trained:
        _written(target, stem, "labelTrainIds", _TRAIN_ID_OF[labels])
    return _written(target, stem, "labelIds", labels.astype(np.uint8))


def _written(target: Path, stem: str, what: str, pixels: NDArray[np.uint8 | np.uint16]) -> str:
    name = f"{stem}_{FINE}_{what}.png"
    Image.fromarray(pixels).save(target / name)
    return name


_LABEL_OF = CITYSCAPES.split(np.arange(2**16, dtype=np.int64))[0].astype(np.uint16)
_TRAIN_ID_OF = np.array([table.TRAIN_ID.get(each, table.IGNORED) for each in range(256)], np.uint8)
