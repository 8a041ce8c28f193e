"""LVIS: COCO instances of more than a thousand categories, of which each image was searched for a few only.

Specification: lvis-dataset/lvis-api (lvis/lvis.py, lvis/eval.py) on GitHub; pixels as pycocotools makes them.

Read: as COCO instances, and `neg_category_ids` and `not_exhaustive_category_ids` of images as the coverage of their
annotations: a category is exhaustive there where it is known to be absent, or where all its instances were drawn. An
image without `file_name` (LVIS 1.0 has none) is called as the last two parts of its `coco_url`
(``train2017/000000391895.jpg``), as detectron2 does. `def` of categories is their definition; `synset`, `synonyms`,
`frequency` and their counts are kept.

Written: as COCO instances, with the two lists of each image, and the `frequency` of categories that LVIS' evaluation
asks for (r: in at most 10 images, c: in at most 100, f: in more), counted where the source does not tell it. In
datasets of sparse coverage all categories of an image are in `not_exhaustive_category_ids` and none is negative; where
coverage is exhaustive it is the reverse. LVIS has no crowds: the flag is kept as COCO's `iscrowd`, and its evaluation
takes no notice of it. Not checked against the published files, which are not here, but against what lvis-api reads.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from segdata.core.batch import Batch
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.formats import coco_instances
from segdata.formats.altered import AlteredSource
from segdata.formats.coco.categories import KEYS, category_keys
from segdata.formats.coco.federated import Federation, present_categories, saying_federated
from segdata.formats.coco.instances import open_instances
from segdata.formats.coco.instances_writer import write_instances
from segdata.formats.coco.sniff import clue, the_document

LOSSES: frozenset[Kind] = coco_instances.LOSSES
CHECKED = ("pycocotools", "lvis/lvis.py and lvis/eval.py of lvis-dataset/lvis-api (what they ask for)")
FILE_SUFFIXES = (".json",)
WRITE_OPTIONS = coco_instances.WRITE_OPTIONS
_RARE, _COMMON = 10, 100  # images that a category is in, at most


def detect(seen: Glance) -> Clue | None:
    """A JSON file, or a folder with one, whose images have negative categories, or whose categories have synsets."""
    return clue(seen.root, "lvis")


def read(request: Request) -> AlteredSource:
    """Open a document; raises SegdataError where there is none, or several to choose from."""
    source = open_instances(request, *the_document(request.root, "lvis"), "lvis")
    return AlteredSource(source, Federation.of(source.listing, source.categories).told)


def write(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, *, polygons: str = "source"
) -> None:
    """Write one document: `target` itself where it ends in .json, else annotations.json in that folder.

    Raises SegdataError where `polygons` is none of the choices.
    """
    path = target if target.suffix.lower() == ".json" else target / "annotations.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    counted = replace(profile, metadata=dict(profile.metadata))
    write_instances(counted, _federated(batches, counted, losses), path, losses, LOSSES, polygons=polygons)


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
