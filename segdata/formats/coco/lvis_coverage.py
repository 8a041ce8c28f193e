"""LVIS coverage: read LVIS' lists of categories for each image as coverage, and write them from it.

Categories in an image's `neg_category_ids` are absent. Those in `not_exhaustive_category_ids` may have more instances
than were drawn. For other categories with annotations, every instance was drawn. All remaining categories are
unknown.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.config import Coverage, encode_coverage, parse_coverage
from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile
from segdata.core.safe_text import whole_number
from segdata.formats.coco.images import CATEGORY_KEYS, Categories, ImageList, category_keys
from segdata.formats.coco.instances_reader import InstancesSource, open_instances
from segdata.formats.coco.writer import write_instances
from segdata.formats.shared.derived_sources import AlteredSource

_RARE, _COMMON = 10, 100  # maximum number of images with the category
_NEGATIVE_KEY, _OPEN_KEY = "neg_category_ids", "not_exhaustive_category_ids"


@dataclass(frozen=True, slots=True)
class LvisCoverage:
    """The coverage of the images of an LVIS document."""

    listing: ImageList  # the document's images
    row_of: Mapping[str, int]  # image_id -> row in `listing`
    listed: Mapping[int, str]  # the document's category id -> name
    names: Mapping[int, str]  # category id -> name

    @staticmethod
    def from_document(listing: ImageList, categories: Categories) -> "LvisCoverage":
        """The coverage of a document with these images and categories."""
        names = {id_: category.name for id_, category in categories.taxonomy.by_id().items()} | categories.unknown
        row_of = {image_id: row for row, image_id in enumerate(listing.image_ids)}
        return LvisCoverage(listing, row_of, {id_: names[to] for id_, to in categories.to.items()}, names)

    def with_coverage(self, batch: Batch) -> Batch:
        """`batch` with the two lists moved from the metadata of images to the coverage of annotations."""
        metadata = [dict(keys or ()) for keys in batch.images["metadata"].to_pylist()]
        defects: list[Defect] = []
        coverage = []
        images = batch.images["image_id"].to_pylist()
        for image, keys, ids in zip(images, metadata, _categories_by_image(batch), strict=True):
            present = {self.names[id_] for id_ in ids}
            negative, more = (
                self._names(image, key, keys.pop(key, None), defects) for key in (_NEGATIVE_KEY, _OPEN_KEY)
            )
            for name in sorted(negative & present):
                message = f"category {name!r} is in {_NEGATIVE_KEY} and has segments in the image"
                defects.append(self._defect("SEG004", message, image, _NEGATIVE_KEY))
            for name in sorted(negative & more - present):
                message = f"category {name!r} is in both {_NEGATIVE_KEY} and {_OPEN_KEY}: absent, and not all drawn"
                defects.append(self._defect("SEG004", message, image, _OPEN_KEY))
            by_category: dict[str, Coverage] = dict.fromkeys((negative | present) - more, "exhaustive")
            # A category in neither list is sparse; an explicit entry is needed only if it has no segments.
            by_category |= dict.fromkeys(more - present, "sparse")
            coverage.append(encode_coverage(by_category))
        coverage_of_annotation = [coverage[row] for row in batch.annotation_image]
        annotations = replace_column(batch.annotations, "coverage", coverage_of_annotation)
        return replace(_with_metadata(batch, metadata), annotations=annotations, defects=(*batch.defects, *defects))

    def _names(self, image: str, key: str, text: str | None, defects: list[Defect]) -> set[str]:
        """The names of the categories in one of an image's lists."""
        if text is None:
            message = f"without {key}, which LVIS' evaluation asks for, if only as an empty list"
            defects.append(replace(self._defect("SEG004", message, image, key), severity="warning", lost=False))
            return set()
        try:
            ids = msgspec.json.decode(text, type=list[int])
        except msgspec.ValidationError:
            defects.append(self._defect("SEG004", f"{key} is not a list of ids; ignored", image, key))
            return set()
        unknown = [str(id_) for id_ in ids if id_ not in self.listed]
        if unknown:
            more = ", …" if len(unknown) > 5 else ""
            message = f"{key} has ids that are not among the categories: {', '.join(unknown[:5])}{more}"
            defects.append(self._defect("SEG007", message, image, key))
        return {self.listed[id_] for id_ in ids if id_ in self.listed}

    def _defect(self, code: str, message: str, image: str, key: str) -> Defect:
        place = self.listing.place(self.row_of[image], f"/{key}")
        return Defect(code, message, self.listing.document.name, place, image=image)


def count_defects(source: InstancesSource) -> list[Defect]:
    """SEG004 warnings for categories whose `image_count`, `instance_count` or `frequency` contradict the file.

    The validation set of LVIS, and a part of a release, may state the whole's counts: they are judged only if at least
    half of the categories have correct ones, or most have more in the file than they state.
    """
    declared = source.categories.keys
    used = np.asarray(source.items.ids("category_id"))[source.positions]
    category = np.array(list(map(source.categories.to.__getitem__, used.tolist())), np.int64)
    image = np.repeat(np.arange(len(source.offset) - 1), np.diff(source.offset))
    n_instances = Counter(category.tolist())
    n_images = Counter(np.unique(np.stack([category, image]), axis=1)[0].tolist())
    place = source.document.pointer("categories")
    defects = []
    for key, actual in (("instance_count", n_instances), ("image_count", n_images)):
        counts = {id_: number for id_, keys in declared.items() if (number := whole_number(keys.get(key))) is not None}
        wrong = [id_ for id_, number in counts.items() if number != actual[id_]]
        n_more = sum(actual[id_] > number for id_, number in counts.items())
        if wrong and (2 * len(wrong) <= len(counts) or 2 * n_more > len(counts)):
            shown = ", ".join(
                f"{source.profile.name_of(id_)} has {actual[id_]:,}, not {counts[id_]:,}" for id_ in wrong[:3]
            )
            more = ", …" if len(wrong) > 3 else ""
            message = f"{key} of {len(wrong):,} of {len(counts):,} categories contradicts the file: {shown}{more}"
            defects.append(Defect("SEG004", message, source.document.name, place, severity="warning", lost=False))
    unknown, wrong_letters = list[str](), list[str]()
    for id_, keys in declared.items():
        count = whole_number(keys.get("image_count"))
        letter = keys.get("frequency", "").strip('"')
        if count is None or "frequency" not in keys or letter == _frequency(count):
            continue
        shown = f"{source.profile.name_of(id_)} is {letter} with {count:,}"
        (wrong_letters if letter in {"r", "c", "f"} else unknown).append(shown)
    letters = ((wrong_letters, "contradicts image_count"), (unknown, "is none of r, c and f"))
    for several, wrong_how in letters:
        if several:
            shown = ", ".join(several[:3]) + (", …" if len(several) > 3 else "")
            message = f"the frequency of {count_noun(len(several), 'category')} {wrong_how}: {shown}"
            defects.append(Defect("SEG004", message, source.document.name, place, severity="warning", lost=False))
    return defects


def _frequency(n_images: int) -> str:
    """LVIS' frequency letter for a category in `n_images` images."""
    return "r" if n_images <= _RARE else "c" if n_images <= _COMMON else "f"


def _with_coverage_lists(batch: Batch, profile: Profile, losses: LossCounter) -> Batch:
    """`batch` with the coverage of first annotations as the two lists in the metadata of images.

    The dataset's coverage is the default. The lists cannot express that every pixel is labelled, or that a category is
    unknown.
    """
    ids = {category.name: category.id for category in reversed(profile.taxonomy.categories) if category.kind != "void"}
    listed = {category.id for category in profile.taxonomy.categories if category.kind != "void"}
    first = np.searchsorted(batch.annotation_image, np.arange(batch.images.num_rows)).tolist()
    of_image = set(batch.annotation_image.tolist())
    own = batch.annotations["coverage"].to_pylist()
    images = batch.images["image_id"].to_pylist()
    metadata = [dict(keys or ()) for keys in batch.images["metadata"].to_pylist()]
    for row, (keys, present) in enumerate(zip(metadata, _categories_by_image(batch), strict=True)):
        text = own[first[row]] if row in of_image else None
        coverage = parse_coverage(text) or profile.coverage.value
        by_category: Mapping[str, Coverage] = {}
        if isinstance(coverage, str):
            if coverage == "exhaustive":
                by_category = dict.fromkeys(ids, "exhaustive")
            if text is not None or coverage == "exhaustive":
                losses.add("annotation-attributes", "images", 1, examples=[images[row]])
        else:
            by_category = coverage
            unknown = coverage.keys() - ids.keys()
            losses.add("annotation-attributes", "images", int(bool(unknown)), examples=[images[row]])
        full = {ids[name] for name, category in by_category.items() if category == "exhaustive" and name in ids}
        more = {ids[name] for name, category in by_category.items() if category == "sparse" and name in ids}
        keys[_NEGATIVE_KEY] = str(sorted(full - present))
        keys[_OPEN_KEY] = str(sorted(((present & listed) - full) | more))
    annotations = replace_column(batch.annotations, "coverage", pa.nulls(batch.annotations.num_rows, pa.string()))
    return replace(_with_metadata(batch, metadata), annotations=annotations)


def _categories_by_image(batch: Batch) -> list[set[int]]:
    """(n_images,) the ids of the categories of each image's first annotation."""
    image, annotation = batch.segment_image, batch.segment_annotation
    first = np.searchsorted(batch.annotation_image, np.arange(batch.images.num_rows))
    in_first = np.flatnonzero(annotation == first[image])
    pairs = np.unique(np.stack([image[in_first].astype(np.int64), batch.segment_category[in_first]]), axis=1)
    bounds = np.searchsorted(pairs[0], np.arange(batch.images.num_rows + 1)).tolist()
    categories = pairs[1].tolist()
    return [set(categories[begin:end]) for begin, end in pairwise(bounds)]


def _with_metadata(batch: Batch, metadata: list[dict[str, str]]) -> Batch:
    images = replace_column(batch.images, "metadata", [list(keys.items()) or None for keys in metadata])
    return replace(batch, images=images)


def write_lvis(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, polygons: str = "source"
) -> None:
    """Write the document at `target`, or in that folder."""
    counted = replace(profile, metadata=dict(profile.metadata))
    with_coverage = _batches_with_coverage(batches, counted, losses)
    write_instances(counted, with_coverage, target, losses, polygons=polygons)


def open_lvis(request: ReadRequest) -> AlteredSource:
    """Open a document; raises UnreadableError if there is none, or several."""
    source = open_instances(request, "lvis")
    coverage = LvisCoverage.from_document(source.listing, source.categories)
    return AlteredSource(source, coverage.with_coverage, tuple(count_defects(source)))


def _batches_with_coverage(batches: Iterable[Batch], profile: Profile, losses: LossCounter) -> Iterator[Batch]:
    """Yield the batches with LVIS' lists; after the last one, `profile` has the frequencies of categories."""
    n_images: Counter[int] = Counter()
    for batch in batches:
        for ids in _categories_by_image(batch):
            n_images.update(ids)
        yield _with_coverage_lists(batch, profile, losses)
    keys = category_keys(profile.metadata)
    for category in profile.taxonomy.categories:
        count = n_images[category.id]
        keys.setdefault(str(category.id), {}).setdefault("frequency", _frequency(count))
    profile.metadata[CATEGORY_KEYS] = json.dumps(keys, ensure_ascii=False)
