"""LVIS writer: instances, with what LVIS says of images and of categories' frequencies."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from segdata.core.batch import Batch
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.formats.coco.categories import KEYS, category_keys
from segdata.formats.coco.federated import present_categories, saying_federated
from segdata.formats.coco.instances_writer import write_instances

_RARE, _COMMON = 10, 100  # images that a category is in, at most


def write_lvis(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: Losses,
    kinds: frozenset[Kind],
    *,
    polygons: str = "source",
) -> None:
    """Write the document at `target`, or in that folder."""
    path = target if target.suffix.lower() == ".json" else target / "annotations.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    counted = replace(profile, metadata=dict(profile.metadata))
    write_instances(counted, _federated(batches, counted, losses), path, losses, kinds, polygons=polygons)


def _federated(batches: Iterable[Batch], profile: Profile, losses: Losses) -> Iterator[Batch]:
    """The batches with what LVIS says of images; after the last one `profile` tells the categories' frequencies."""
    n_images: Counter[int] = Counter()
    for batch in batches:
        for ids in present_categories(batch):
            n_images.update(ids)
        yield saying_federated(batch, profile, losses)
    keys = category_keys(profile.metadata)
    for category in profile.taxonomy.categories:
        count = n_images[category.id]
        frequency = "r" if count <= _RARE else "c" if count <= _COMMON else "f"
        keys.setdefault(str(category.id), {}).setdefault("frequency", frequency)
    profile.metadata[KEYS] = json.dumps(keys, ensure_ascii=False)
