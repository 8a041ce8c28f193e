"""Draft labels for images that nobody annotated, for people to correct."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segdata.api.converting import Conversion
from segdata.api.deriving import derive
from segdata.api.opening import Data, Progress, read, silent
from segdata.core import kernels
from segdata.core.config import Config, Option
from segdata.core.counted import counted
from segdata.core.dataset import Dataset
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, missing_extra
from segdata.core.planes import planes
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Runs
from segdata.core.taxonomy import Category, Taxonomy, load_taxonomy
from segdata.drafting.brightness import Colours, scaled
from segdata.drafting.method import Draw, checked, drawing
from segdata.drafting.tidy import Labels
from segdata.formats.shared.images import ImageFolder, image_limits
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, PerImageSource

MOST_SEGMENTS = 20_000  # of an image; who has more of them has noise
_LEARNT_FROM = 50  # images


class Seen(NamedTuple):
    """What was seen on one image: whether nothing, and how many segments are left out. Threads put it in a list."""

    is_empty: bool
    left: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """What was drafted.

    Attributes
    ----------
    written : the dataset
    method : how
    options : all of the method's
    n_empty : images on which nothing was found
    remarks : what a person must know, a line each
    """

    written: Conversion
    method: str
    options: dict[str, Option]
    n_empty: int
    remarks: tuple[str, ...]


def draft(
    images: Data,
    target: str | Path,
    method: str = "watershed",
    options: Mapping[str, Option] | None = None,
    *,
    category: str | None = None,
    taxonomy: str | Path | Taxonomy | None = None,
    jobs: int = 0,
    progress: Progress = silent,
) -> Draft:
    """Draft labels by classical means, without any training, as a new canonical dataset.

    Parameters
    ----------
    images : a folder of image files, or a dataset: then those of its images that nobody annotated
    target : the dataset to be written; it must not exist
    method : ``threshold``, ``watershed``, ``superpixels`` (segments), or ``kmeans`` (classes of pixels)
    options : of the method, see `segdata.drafting.method`
    category : what the segments are; default: the taxonomy's only one, else ``object``. The classes of ``kmeans`` are
        called ``region_1`` (the darkest) and so on
    taxonomy : the categories, or their file
    jobs, progress : as for `convert`

    All annotations are from the source ``model``, at the stage ``drafted``, and say how they were made; an image
    on which nothing is found has an empty one. Images that cannot be decoded have none. Raises SegdataError for unknown
    methods and options, and where there is no image to annotate.
    """
    every = checked(method, options or {})
    entries, root = _entries(images)
    categories = taxonomy if isinstance(taxonomy, Taxonomy) or taxonomy is None else load_taxonomy(Path(taxonomy))
    try:
        with image_limits():
            draw = drawing(method, every, partial(_some, entries))
    except ModuleNotFoundError as error:
        raise missing_extra("scikit-image", "noise", error) from error
    known, of = _categories(method, every, category, categories)
    seen: list[Seen] = []
    said = {"source": "model", "stage": "drafted", "attributes": _told(method, every)}
    profile = Profile(
        name=Path(target).name,
        format="draft",
        task="semantic" if method == "kmeans" else "instance",
        taxonomy=known,
        taxonomy_declared=categories is not None,
        coverage=Policy("sparse"),
        overlap=Policy("forbid"),
        files=str(root),
    )
    look = partial(_look, draw, of, said, seen)
    source = PerImageSource(root, profile, entries, (), look, f"draft-{method}", per_chunk=4, what="draft")
    how = f"drafted by {method} ({', '.join(f'{name} {value}' for name, value in every.items())})"
    try:
        written = derive(Dataset(source, profile, Config()), target, how, jobs=jobs, progress=progress)
    except ModuleNotFoundError as error:
        raise missing_extra("scikit-image", "noise", error) from error
    n_empty = sum(each.is_empty for each in seen)
    return Draft(written, method, every, n_empty, tuple(_remarks(n_empty, [each.left for each in seen if each.left])))


def _entries(images: Data) -> tuple[list[ImageEntry], Path]:
    """The images to annotate, in ascending order of their ids, and where their names start."""
    if not isinstance(images, Dataset):
        root = Path(images)
        if not root.exists():
            raise SegdataError(f"{root}: does not exist")
        if root.is_dir() and not (root / "dataset.yaml").exists():
            folder = ImageFolder.below(root)
            if not folder.paths:
                raise SegdataError(f"{root}: no image files to annotate")
            return [ImageEntry(name, path, record=True) for name, path in sorted(folder.paths.items())], root
    dataset = read(images)
    return sorted(unannotated(dataset), key=lambda entry: entry.image_id), Path(dataset.profile.files)


def unannotated(dataset: Dataset) -> list[ImageEntry]:
    """The images that nobody annotated and that have a file, each with its row in the dataset as its record.

    Raises SegdataError where there are none.
    """
    found, row, n_without_file = [], 0, 0
    for batch in dataset:
        annotated = set(batch.annotation_image.tolist())
        for at, each in enumerate(batch.images.to_pylist()):
            if at not in annotated and each["uri"] is not None:
                named = {name: each[name] for name in ("sequence", "frame", "split", "group")}
                size = (each["height"] or 0, each["width"] or 0)
                found.append(ImageEntry(each["image_id"], uri=each["uri"], record=row + at, size=size, **named))
            n_without_file += at not in annotated and each["uri"] is None
        row += batch.images.num_rows
    if not found and n_without_file:
        lost = f"no file is known of {counted(n_without_file, 'image')} that nobody annotated"
        raise SegdataError(f"{dataset.profile.files}: {lost}; say where they are with --images")
    if not found:
        raise SegdataError(f"{dataset.profile.files}: every image is annotated; there is nothing to draft")
    return found


def _where(entry: ImageEntry) -> str:
    return str(entry.image) if entry.image is not None else str(entry.uri)


def _some(entries: list[ImageEntry]) -> Iterable[Colours]:
    """Images from all over the dataset, to learn from."""
    step = max(len(entries) // _LEARNT_FROM, 1)
    n_seen = 0
    for entry in entries[::step]:
        try:
            yield scaled(planes(_where(entry), entry.size))
            n_seen += 1
        except (OSError, ValueError, SyntaxError):
            continue
    if n_seen == 0:
        raise SegdataError("no image can be decoded, there is nothing to learn from")


def _categories(
    method: str, options: Mapping[str, Option], category: str | None, taxonomy: Taxonomy | None
) -> tuple[Taxonomy, tuple[int, ...]]:
    """The taxonomy, and the ids that the labels 1, 2, … of an image have, or a single one for all of them."""
    if method == "kmeans":
        n = int(options["regions"])
        if category is not None:
            raise SegdataError("kmeans tells regions apart, and not one category; leave --category out")
        if taxonomy is None:
            made = (Category(id=k, name=f"region_{k}", kind="stuff") for k in range(1, n + 1))
            taxonomy = Taxonomy(categories=tuple(made))
        ids = [each.id for each in taxonomy.categories if each.kind != "void"]
        if len(ids) < n:
            raise SegdataError(
                f"the taxonomy has {len(ids)} categories for {n} regions; give the option regions={len(ids)}"
            )
        return taxonomy, tuple(ids[:n])
    if taxonomy is None:
        taxonomy = Taxonomy(categories=(Category(id=1, name=category or "object"),))
    named = [each.name for each in taxonomy.categories if each.kind != "void"]
    if category is None and len(named) != 1:
        raise SegdataError(f"which category are the segments? give --category, one of {', '.join(named[:8])}")
    chosen = taxonomy.by_name().get(category or named[0])
    if chosen is None:
        raise SegdataError(f"no category {category!r} in the taxonomy; it has {', '.join(named[:8])}")
    return taxonomy, (chosen.id,)


def _told(method: str, options: Mapping[str, Option]) -> list[tuple[str, str]]:
    """How a draft was made, as attributes of annotations."""
    return [(name, json.dumps(value)) for name, value in {"method": method, **options}.items()]


def _look(
    draw: Draw, of: tuple[int, ...], said: Mapping[str, object], seen: list[Seen], entry: ImageEntry
) -> list[ImageAnnotation]:
    """The draft of one image."""
    uri = _where(entry)
    try:
        colours = scaled(planes(uri, entry.size))
    except (OSError, ValueError, SyntaxError) as error:  # a damaged PNG is a SyntaxError to Pillow
        raise BrokenLabelsError(Defect("SEG001", f"cannot be decoded, it has no draft: {error}", uri)) from error
    labels, left = _largest(draw(colours))
    n = int(labels.max(initial=0))
    start, length, value = kernels.label_runs(np.ascontiguousarray(labels))
    inside = value > 0
    runs = Runs(start[inside], length[inside], (value[inside] - 1).astype(np.int32)).sorted_by_owner(n)
    ids = np.arange(1, n + 1, dtype=np.int64)
    category = np.array(of, np.int64) if len(of) > 1 else np.full(n, of[0], np.int64)
    drawn = np.flatnonzero(runs.areas(n))
    seen.append(Seen(len(drawn) == 0, left))
    names = {"source": ["model"] * len(drawn)}
    size = (labels.shape[0], labels.shape[1])
    ids = category[:n] if len(of) > 1 else ids
    return [ImageAnnotation(size, ids[drawn], category[drawn], runs.take(drawn, n), columns=names, annotation=said)]


def _largest(labels: Labels) -> tuple[Labels, int]:
    """The labels with the largest segments, of more than `MOST_SEGMENTS`, and how many are left out."""
    n = int(labels.max(initial=0))
    if n <= MOST_SEGMENTS:
        return labels, 0
    area = np.bincount(labels.ravel())
    area[0] = 0
    kept = np.zeros(n + 1, bool)
    kept[np.argsort(-area, kind="stable")[:MOST_SEGMENTS]] = True
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return np.asarray(number[labels], np.int32), n - MOST_SEGMENTS


def _remarks(n_empty: int, left: list[int]) -> Iterator[str]:
    if n_empty:
        yield f"nothing was found on {counted(n_empty, 'image')}, whose annotations are empty"
    if left:
        yield (
            f"{counted(len(left), 'image')} had more than {MOST_SEGMENTS:,} segments, mostly noise: "
            f"the {sum(left):,} smallest were left out; raise the option min_pixels"
        )
