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

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest, Source
from segdata.core.profile import Profile
from segdata.formats.coco.probe import POLYGONS_OPTION, choose_document, document_clue
from segdata.formats.shared.declared_losses import COCO_LOSSES

if TYPE_CHECKING:
    from segdata.core.batch import Batch


LOSSES: frozenset[LossKind] = COCO_LOSSES | {"empty-annotation"}
CHECKED = ("pycocotools", "lvis/lvis.py and lvis/eval.py of lvis-dataset/lvis-api (what they ask for)")
FILE_SUFFIXES = (".json",)
WRITE_OPTIONS = POLYGONS_OPTION


def detect(seen: FileProbe) -> FormatMatch | None:
    """A JSON file, or a folder with one, whose images have negative categories, or whose categories have synsets."""
    return document_clue(seen.root, "lvis")


def read(request: ReadRequest) -> Source:
    """Open a document; raises SegdataError where there is none, or several to choose from."""
    from segdata.formats.coco.instances_reader import open_instances
    from segdata.formats.coco.lvis_coverage import LvisCoverage
    from segdata.formats.shared.derived_sources import AlteredSource

    source = open_instances(request, *choose_document(request.root, "lvis"), "lvis")
    return AlteredSource(source, LvisCoverage.of(source.listing, source.categories).told)


def write(
    profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter, *, polygons: str = "source"
) -> None:
    """Write one document: `target` itself where it ends in .json, else annotations.json in that folder.

    Raises SegdataError where `polygons` is none of the choices.
    """
    from segdata.formats.coco.lvis_coverage import write_lvis

    write_lvis(profile, batches, target, losses, LOSSES, polygons=polygons)
