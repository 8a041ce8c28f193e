"""Draft labels for unannotated images, by classical methods, a model's predictions or trained networks."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Unpack

import numpy as np
import pyarrow.compute as pc

from segdata.api.convert import Conversion, with_batches, write_derived
from segdata.api.read import Data, ReadOptions, read
from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.config import Config, Option
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun, missing_extra
from segdata.core.executor import Progress, no_progress
from segdata.core.finding import Defect
from segdata.core.image_files import read_channels
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Runs
from segdata.core.taxonomy import Category, Taxonomy, load_taxonomy
from segdata.dataset import Dataset
from segdata.formats.shared.images import ImageFolder, image_limits
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, PerImageSource
from segdata.noise.confident_labels import ConfidentLabels, add_void_category, keep_confident, mark_drafted
from segdata.noise.drafting import Colours, RegionMap, SegmentImage, check_options, scale_image, segmentation_method
from segdata.noise.networks.plan import Settings, StageProgress
from segdata.noise.segments import VOID, GivenLabels

MAX_IMAGE_SEGMENTS = 20_000  # of an image; more are noise
_LEARNING_IMAGES = 50  # sampled for learning


class DraftedImage(NamedTuple):
    """The outcome for one image: whether it is empty, and how many segments were left out; threads collect these."""

    is_empty: bool
    left: int = 0


@dataclass(frozen=True, slots=True)
class DraftResult:
    """The result of `draft`.

    Attributes
    ----------
    written : the dataset
    method : of drafting
    options : all of the method's
    n_empty : number of images without segments
    remarks : a line for each thing to know about the draft
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
    progress: Progress = no_progress,
) -> DraftResult:
    """Draft labels for the images that nobody annotated, by classical methods, as a new canonical dataset.

    Parameters
    ----------
    images : a dataset, or a folder of image files
    target, jobs, progress : see `Dataset`
    method : ``threshold``, ``watershed``, ``superpixels`` (segments), or ``kmeans`` (classes of pixels)
    options : of the method, see `segdata.noise.drafting`
    category : of the segments; default: the taxonomy's only one, otherwise ``object``. The classes of ``kmeans``
        are called ``region_1`` (the darkest) and so on
    taxonomy : the categories, or their file

    Annotations have the source ``model`` and the stage ``drafted``. Images that cannot be decoded get none; those
    without any segment get an empty one.
    Raises SegdataError for unknown methods and options, and if every image is annotated.
    """
    all_options = check_options(method, options or {})
    entries, root = _entries(images)
    categories = taxonomy if isinstance(taxonomy, Taxonomy) or taxonomy is None else load_taxonomy(Path(taxonomy))
    try:
        with image_limits():
            draw = segmentation_method(method, all_options, partial(_sample_images, entries))
    except ModuleNotFoundError as error:
        raise missing_extra("scikit-image", "torch", error) from error
    draft_taxonomy, category_ids = _categories(method, all_options, category, categories)
    drafted: list[DraftedImage] = []
    provenance = {"source": "model", "stage": "drafted", "attributes": _method_attributes(method, all_options)}
    profile = Profile(
        name=Path(target).name,
        format="draft",
        task="semantic" if method == "kmeans" else "instance",
        taxonomy=draft_taxonomy,
        taxonomy_declared=categories is not None,
        coverage=Policy("sparse"),
        overlap=Policy("forbid"),
        files=str(root),
    )
    read_image = partial(_draft_image, draw, category_ids, provenance, drafted)
    source = PerImageSource(root, profile, entries, (), read_image, f"draft-{method}", per_chunk=4, labels_name="draft")
    origin = f"drafted by {method} ({', '.join(f'{name} {value}' for name, value in all_options.items())})"
    try:
        written = write_derived(Dataset(source, profile, Config()), target, origin, jobs=jobs, progress=progress)
    except ModuleNotFoundError as error:
        raise missing_extra("scikit-image", "torch", error) from error
    n_empty = sum(image.is_empty for image in drafted)
    return DraftResult(
        written,
        method,
        all_options,
        n_empty,
        tuple(_method_remarks(n_empty, [image.left for image in drafted if image.left])),
    )


def _entries(images: Data) -> tuple[list[ImageEntry], Path]:
    """The images to annotate, in ascending order of ids, and the folder of their names."""
    if isinstance(images, OpenDataset):
        return _unannotated_entries(images)
    root = Path(images)
    if not root.exists():
        raise SegdataError(f"{root}: does not exist")
    dataset = _labelled_dataset(root) if root.is_dir() else read(images)
    if dataset is not None:
        return _unannotated_entries(dataset)
    folder = ImageFolder.below(root)
    if not folder.paths:
        raise SegdataError(f"{root}: no image files to annotate")
    return [ImageEntry(name, path, record=True) for name, path in sorted(folder.paths.items())], root


def _unannotated_entries(dataset: OpenDataset) -> tuple[list[ImageEntry], Path]:
    return sorted(unannotated_images(dataset), key=lambda entry: entry.image_id), Path(dataset.profile.files)


def _labelled_dataset(root: Path) -> OpenDataset | None:
    """The dataset in a folder, if it is canonical or has labels beside images; None for photographs alone."""
    if (root / "dataset.yaml").exists():
        return read(root)
    try:
        dataset = read(root)
        if any(pc.any(batch.images["uri"].is_valid().take(batch.annotation_image)).as_py() for batch in dataset):
            return dataset
    except SegdataError:  # the folder has no labels
        pass
    return None


def unannotated_images(dataset: OpenDataset) -> list[ImageEntry]:
    """The unannotated images with a file; the record of each is its row in the dataset.

    Raises SegdataError where there are none.
    """
    entries, row, n_without_file = [], 0, 0
    for batch in dataset:
        annotated = set(batch.annotation_image.tolist())
        for offset, image in enumerate(batch.images.to_pylist()):
            if offset not in annotated and image["uri"] is not None:
                named = {name: image[name] for name in ("sequence", "frame", "split", "group")}
                size = (image["height"] or 0, image["width"] or 0)
                entries.append(ImageEntry(image["image_id"], uri=image["uri"], record=row + offset, size=size, **named))
            n_without_file += offset not in annotated and image["uri"] is None
        row += batch.images.num_rows
    if not entries and n_without_file:
        lost = f"no file is known of {count_noun(n_without_file, 'image')} that nobody annotated"
        raise SegdataError(f"{dataset.profile.files}: {lost}; say where they are with --images")
    if not entries:
        raise SegdataError(f"{dataset.profile.files}: every image is annotated; there is nothing to draft")
    return entries


def _image_path(entry: ImageEntry) -> str:
    return str(entry.image) if entry.image is not None else str(entry.uri)


def _sample_images(entries: list[ImageEntry]) -> Iterable[Colours]:
    """A sample of images spread over the dataset, to learn from."""
    step = max(len(entries) // _LEARNING_IMAGES, 1)
    n_seen = 0
    for entry in entries[::step]:
        try:
            yield scale_image(read_channels(_image_path(entry), entry.size))
            n_seen += 1
        except OSError:
            continue
    if n_seen == 0:
        raise SegdataError("no image can be decoded, so there is nothing to learn from")


def _categories(
    method: str, options: Mapping[str, Option], category: str | None, taxonomy: Taxonomy | None
) -> tuple[Taxonomy, tuple[int, ...]]:
    """The taxonomy, and the ids that the labels 1, 2, … of an image have, or a single one for all of them."""
    if method == "kmeans":
        n = int(options["regions"])
        if category is not None:
            raise SegdataError("kmeans finds several regions, not one category; leave out --category")
        if taxonomy is None:
            regions = (Category(id=k, name=f"region_{k}", kind="stuff") for k in range(1, n + 1))
            taxonomy = Taxonomy(categories=tuple(regions))
        ids = [category_entry.id for category_entry in taxonomy.categories if category_entry.kind != "void"]
        if len(ids) < n:
            raise SegdataError(
                f"the taxonomy has {len(ids)} categories for {n} regions; give the option regions={len(ids)}"
            )
        return taxonomy, tuple(ids[:n])
    if taxonomy is None:
        taxonomy = Taxonomy(categories=(Category(id=1, name=category or "object"),))
    named = [category_entry.name for category_entry in taxonomy.categories if category_entry.kind != "void"]
    if category is None and len(named) != 1:
        raise SegdataError(f"name the category of the segments with --category, one of {', '.join(named[:8])}")
    drafted = taxonomy.by_name().get(category or named[0])
    if drafted is None:
        raise SegdataError(f"no category {category!r} in the taxonomy; it has {', '.join(named[:8])}")
    return taxonomy, (drafted.id,)


def _method_attributes(method: str, options: Mapping[str, Option]) -> list[tuple[str, str]]:
    """The method of a draft, as attributes of annotations."""
    return [(name, json.dumps(value)) for name, value in {"method": method, **options}.items()]


def _draft_image(
    draw: SegmentImage,
    categories: tuple[int, ...],
    details: Mapping[str, object],
    drafted: list[DraftedImage],
    entry: ImageEntry,
) -> list[ImageAnnotation]:
    uri = _image_path(entry)
    try:
        colours = scale_image(read_channels(uri, entry.size))
    except OSError as error:
        raise BrokenLabelsError(Defect("SEG001", f"cannot be decoded, it has no draft: {error}", uri)) from error
    labels, left = _largest(draw(colours))
    n = int(labels.max(initial=0))
    start, length, value = kernels.label_runs(np.ascontiguousarray(labels))
    inside = value > 0
    runs = Runs(start[inside], length[inside], (value[inside] - 1).astype(np.int32)).sorted_by_owner(n)
    ids = np.arange(1, n + 1, dtype=np.int64)
    category = np.array(categories, np.int64) if len(categories) > 1 else np.full(n, categories[0], np.int64)
    kept = np.flatnonzero(runs.areas(n))
    drafted.append(DraftedImage(len(kept) == 0, left))
    names = {"source": ["model"] * len(kept)}
    size = (labels.shape[0], labels.shape[1])
    ids = category[:n] if len(categories) > 1 else ids
    return [ImageAnnotation(size, ids[kept], category[kept], runs.take(kept, n), columns=names, annotation=details)]


def _largest(labels: RegionMap) -> tuple[RegionMap, int]:
    """The labels with the largest segments, of more than `MAX_IMAGE_SEGMENTS`, and how many are left out."""
    n = int(labels.max(initial=0))
    if n <= MAX_IMAGE_SEGMENTS:
        return labels, 0
    area = np.bincount(labels.ravel())
    area[0] = 0
    kept = np.zeros(n + 1, bool)
    kept[np.argsort(-area, kind="stable")[:MAX_IMAGE_SEGMENTS]] = True
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return np.asarray(number[labels], np.int32), n - MAX_IMAGE_SEGMENTS


def _method_remarks(n_empty: int, left: list[int]) -> Iterator[str]:
    if n_empty:
        yield f"nothing was found on {count_noun(n_empty, 'image')}, whose annotations are empty"
    if left:
        yield (
            f"{count_noun(len(left), 'image')} had more than {MAX_IMAGE_SEGMENTS:,} segments, mostly noise: "
            f"the {sum(left):,} smallest were left out; raise the option min_pixels"
        )


class _Unsure(NamedTuple):
    """The segments of a batch below the confidence, those without one, and annotations that are entirely void."""

    n_unsure: int
    n_unscored: int
    n_empty: int


def draft_from(
    predictions: Data,
    target: str | Path,
    *,
    confidence: float = 0.5,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> DraftResult:
    """Make a draft of a model's predictions: COCO results, SAM's masks, probabilities, panoptic PNG files, or others.

    Segments with a score below `confidence` become void where no other segment has their pixels; scores are kept.
    `target`, `jobs`, `progress`: see `Dataset`.
    """
    dataset = read(predictions, **opening)
    taxonomy, void = add_void_category(dataset.profile)
    unsure: list[_Unsure] = []

    def of_model(batch: Batch) -> Batch:
        kept, n_unsure = keep_confident(batch, confidence, void)
        owners = kept.segment_annotation[kept.segments["category_id"].to_numpy() != void]
        per_annotation = np.bincount(owners, minlength=kept.annotations.num_rows)
        unsure.append(_Unsure(n_unsure, batch.segments["score"].null_count, int((per_annotation == 0).sum())))
        return mark_drafted(kept)

    changed = with_batches(dataset, of_model)
    profile = replace(dataset.profile, taxonomy=taxonomy)
    written = write_derived(
        replace(changed, profile=profile),
        target,
        f"drafted from {dataset.profile.files} with a confidence of {confidence:g}",
        jobs=jobs,
        progress=progress,
    )
    n_unsure, n_unscored, n_empty = (sum(column) for column in zip(*unsure, _Unsure(0, 0, 0), strict=True))
    remarks = []
    if n_unsure:
        remarks.append(f"{count_noun(n_unsure, 'segment')} with a score below {confidence:g} became void")
    if n_unscored:
        remarks.append(f"{count_noun(n_unscored, 'segment')} without a score stayed")
    return DraftResult(written, "predictions", {"confidence": confidence}, n_empty, tuple(remarks))


def draft_by_model(
    data: Data,
    target: str | Path,
    *,
    precision: float = 0.9,
    work_dir: str | Path | None = None,
    settings: Settings | None = None,
    jobs: int = 0,
    progress: Progress = no_progress,
    trained: Callable[[StageProgress], None] | None = None,
    **opening: Unpack[ReadOptions],
) -> DraftResult:
    """Draft labels for the images that nobody annotated, by networks trained on the annotated ones.

    Parameters
    ----------
    target, jobs, progress : see `Dataset`
    precision : how often pixels (or instances) must be right. The confidence that this takes is measured on the
        annotated images, each predicted by a network that has not seen it, with 90 % confidence for each category;
        less certain pixels become void, and a category that never reaches it is not drafted
    work_dir : a folder for networks and predictions, where a stopped run goes on; default: a temporary folder
    settings : of the training; `segdata.Settings`
    trained : called with the state of the training

    In panoptic data things are drawn one by one, and stuff around them. Raises SegdataError where every image is
    annotated, or none, or no file of the others is known.
    """
    from segdata.noise.networks.out_of_fold import out_of_fold

    dataset = read(data, **opening)
    has_labels, others = _annotated_images(dataset), unannotated_images(dataset)
    with TemporaryDirectory() as scratch, image_limits():
        more: dict[str, Any] = {} if trained is None else {"progress": trained}  # Any: a function
        predictions = out_of_fold(dataset, work_dir or scratch, settings, **more)
        maps = dataset.maps()
        rows = np.flatnonzero(predictions.usable & has_labels).tolist()
        things = frozenset(dataset.taxonomy.thing_ids)
        judged = ConfidentLabels.learnt(
            predictions, GivenLabels.from_maps(maps, predictions.categories), rows, precision, things
        )
        draft_taxonomy, void = add_void_category(dataset.profile)
        sizes = list(zip(maps.height.tolist(), maps.width.tolist(), strict=True))
        entries = [replace(entry, size=sizes[entry.record]) for entry in others if predictions.usable[entry.record]]
        drafted: list[DraftedImage] = []
        provenance = {"source": "model", "stage": "drafted", "attributes": _model_attributes(precision)}
        profile = replace(dataset.profile, taxonomy=draft_taxonomy, name=Path(target).name)
        read_image = partial(_predicted_image, judged, void, provenance, drafted)
        entries.sort(key=lambda entry: entry.image_id)
        source = PerImageSource(
            Path(dataset.profile.files), profile, entries, predictions.defects, read_image, "draft-model"
        )
        origin = f"drafted by networks trained on {int(has_labels.sum())} images, with a precision of {precision:g}"
        written = write_derived(
            replace(dataset, source=source, profile=profile, rows=None), target, origin, jobs=jobs, progress=progress
        )
    remarks = tuple(_model_remarks(judged, draft_taxonomy))
    return DraftResult(written, "model", {"precision": precision}, sum(image.is_empty for image in drafted), remarks)


def _annotated_images(dataset: Dataset) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(n_images,) whether each image is annotated, in the order of the dataset's batches."""
    pieces = [np.bincount(batch.annotation_image, minlength=batch.images.num_rows) > 0 for batch in dataset]
    return np.concatenate([np.empty(0, bool), *pieces])


def _model_attributes(precision: float) -> list[tuple[str, str]]:
    return [("method", '"model"'), ("precision", f"{precision:g}")]


def _predicted_image(
    judged: ConfidentLabels, void: int, details: Mapping[str, object], drafted: list[DraftedImage], entry: ImageEntry
) -> list[ImageAnnotation]:
    """The segments of one image that the networks predict with enough confidence."""
    segments = judged.draft_segments(entry.record)
    drafted.append(DraftedImage(bool((segments.category == VOID).all())))
    category = np.append(judged.predictions.categories, void)[
        np.where(segments.category == VOID, -1, segments.category - 1)
    ]
    ids = np.arange(1, len(segments) + 1, dtype=np.int64) if judged.predictions.plan.instances else category
    columns: dict[str, list[object]] = {
        "source": ["model"] * len(segments),
        "score": [None if np.isnan(score) else score for score in segments.score.tolist()],
    }
    size = (segments.height, segments.width)
    return [ImageAnnotation(size, ids, category, segments.runs, columns=columns, annotation=details)]


def _model_remarks(judged: ConfidentLabels, taxonomy: Taxonomy) -> Iterator[str]:
    """A line with the minimum confidence for each category."""
    for id_, bar in zip(judged.predictions.categories, judged.bars[1:].tolist(), strict=True):
        name = taxonomy.name_of(id_)
        yield (
            f"{name}: not drafted; these images do not show that the networks are so often right about it"
            if np.isinf(bar)
            else f"{name}: drawn from a confidence of {bar:.2f}"
        )
    yield from judged.predictions.notes
