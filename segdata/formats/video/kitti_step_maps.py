"""Read and write STEP panoptic maps with the classes of KITTI-STEP, MOTChallenge-STEP or the dataset's taxonomy.

KITTI-STEP's numbers are Cityscapes' train ids.
Source: google-research/deeplab2 g3doc/setup/kitti_step.md, g3doc/setup/motchallenge_step.md and data/dataset.py.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError, check_choice
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import with_folder
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.file_names import spread_sample
from segdata.formats.shared.image_names import images_folder
from segdata.formats.shared.mask_files import ValueMeanings, decode_mask, value_defects
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names, write_sidecars
from segdata.formats.street.cityscapes_labels import LABELS, TRAINED
from segdata.formats.video import STEP_LAST_TRACK, STEP_MAPS, STEP_SPLITS, frame_masks
from segdata.formats.video.kitti_step import LOSSES

VOID = 255
TAXONOMY = "taxonomy"  # the numbers are the ids of the taxonomy
_TRACKED_NAMES = frozenset({"person", "car"})  # other classes have no instances in STEP
_MOTCHALLENGE_NAMES = ("sidewalk", "building", "vegetation", "sky", "person", "rider", "bicycle")
_MOTS_NAMES = {"person": "pedestrian"}  # the name in MOTS


def _benchmark(labels: Mapping[int, Category]) -> Taxonomy:
    return Taxonomy(
        categories=(
            *(
                Category(
                    id=number,
                    name=label.name,
                    kind="thing" if label.name in _TRACKED_NAMES else "stuff",
                    color=label.color,
                    parent=label.parent,
                )
                for number, label in sorted(labels.items())
            ),
            Category(id=VOID, name="void", kind="void", color=(0, 0, 0)),
        )
    )


_TRAINED = {number: LABELS.by_id()[id_] for number, id_ in TRAINED.items()}
_BY_NAME = {label.name: label for label in _TRAINED.values()}
BENCHMARKS = {
    "kitti": _benchmark(_TRAINED),
    "motchallenge": _benchmark({number: _BY_NAME[name] for number, name in enumerate(_MOTCHALLENGE_NAMES)}),
}
_CHOICES = (*BENCHMARKS, TAXONOMY)


@dataclass(frozen=True, slots=True)
class _StepClasses:
    """The classes of a dataset."""

    naming: CategoryNames  # of their names
    category: Mapping[int, int]  # class -> category id
    unlabelled: bool = False  # whether class 255 is unlabelled, not void, by the user's taxonomy


def _read_step_classes(
    root: Path, taxonomy: Taxonomy | None, labels: str, occurring: Callable[[], set[int]]
) -> _StepClasses:
    """Find the classes by the option `labels`, one of `_CHOICES`.

    If that is empty, they are the ids of a taxonomy that shares no name with the benchmarks, else those of the
    benchmark in which the classes occur (`occurring` reads some masks). Raises UnreadableError if that is ambiguous.
    """
    if not labels and taxonomy is not None and not _BY_NAME.keys() & taxonomy.by_name().keys():
        labels = TAXONOMY
    benchmark = labels or _guess_benchmark(root, occurring())
    check_choice("labels", benchmark, _CHOICES)
    void = None if taxonomy is None else next(iter(taxonomy.void_ids), None)
    is_unlabelled = taxonomy is not None and void is None and taxonomy.unlabelled_id == VOID
    if benchmark != TAXONOMY:
        return _benchmark_classes(BENCHMARKS[benchmark], taxonomy, void, is_unlabelled)
    if taxonomy is None:
        raise UnreadableError(f"{root}: labels=taxonomy needs a taxonomy; write taxonomy.yaml, or give --taxonomy")
    ids = {id_: id_ for id_ in taxonomy.by_id()}
    return _StepClasses(CategoryNames(taxonomy, True, {}), ids if void is None else ids | {VOID: void}, is_unlabelled)


def _benchmark_classes(
    benchmark: Taxonomy, taxonomy: Taxonomy | None, void: int | None, is_unlabelled: bool
) -> _StepClasses:
    """A benchmark's classes; in the user's taxonomy the first category of kind void stands for void."""
    given_names = set() if taxonomy is None else taxonomy.by_name().keys()
    names = {
        item.id: _MOTS_NAMES[item.name]
        if item.name not in given_names and _MOTS_NAMES.get(item.name) in given_names
        else item.name
        for item in benchmark.categories
        if item.id != VOID or (void is None and not is_unlabelled)
    }
    resolved = resolve_names(names.values(), taxonomy, benchmark)
    category = {number: resolved.to[name] for number, name in names.items()}
    return _StepClasses(resolved, category if void is None else category | {VOID: void}, is_unlabelled)


def _guess_benchmark(root: Path, classes: set[int]) -> str:
    """The benchmark of these classes; only KITTI-STEP has more than seven."""
    kitti_only = set(range(len(_MOTCHALLENGE_NAMES), len(_TRAINED)))
    if classes & kitti_only:
        return "kitti"
    raise UnreadableError(
        f"{root}: the classes {sorted(classes)} may be KITTI-STEP's or MOTChallenge-STEP's; give the option "
        "labels=kitti, labels=motchallenge, or labels=taxonomy where they are the ids of a taxonomy"
    )


def _step_class_numbers(taxonomy: Taxonomy, labels: str | None) -> tuple[dict[int, int], str]:
    """Category id -> class, without void categories, and the matching one of `_CHOICES`.

    KITTI-STEP's numbers if it has all names, else the ids themselves. Raises SegdataError for names that the
    benchmark asked for does not have, and for ids beyond 254.
    """
    first = taxonomy.by_id()
    categories = [
        category for category in taxonomy.categories if category.kind != "void" and first[category.id] is category
    ]
    if labels is not None:
        check_choice("labels", labels, _CHOICES)
    for benchmark, classes in BENCHMARKS.items():
        number = {category.name: category.id for category in classes.categories if category.kind != "void"}
        number |= {_MOTS_NAMES[name]: id_ for name, id_ in number.items() if name in _MOTS_NAMES}
        missing = [category.name for category in categories if category.name not in number]
        taken = [number[category.name] for category in categories if category.name in number]
        if labels == benchmark and (missing or len(set(taken)) < len(taken)):
            raise SegdataError(
                f"labels={benchmark}: {missing[0] if missing else 'pedestrian'!r} has no class of its own"
            )
        if labels in (None, benchmark) and not missing and len(set(taken)) == len(taken):
            return {category.id: number[category.name] for category in categories}, benchmark
    over = [category.id for category in categories if not 0 <= category.id < VOID]
    if over:
        raise SegdataError(
            f"category id {over[0]} does not fit the 8 bits of STEP (0 to {VOID - 1}); give it another id"
        )
    return {category.id: category.id for category in categories}, TAXONOMY


_LAYOUT = f"STEP has {STEP_MAPS}/<split>/<sequence>/<frame>.png"
_N_PROBED = 16  # masks decoded to detect the benchmark


def open_step(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError if there are no maps, or the meaning of their classes is unknown."""
    root, images = request.root, images_folder(request)
    pairing = frame_masks.pair_frames(root, _frame_folders(root, images), images, layout=_LAYOUT)
    masks = [path for entry in pairing.entries for path in entry.files]
    labels = str(request.options.get("labels") or request.config.options.get("labels") or "")
    classes = _read_step_classes(root, request.taxonomy, labels, partial(_occurring, masks))
    sequences = frame_masks.list_sequences(pairing.entries)
    profile = classes.naming.profile("kitti-step", root, "panoptic", "exhaustive", "forbid", sequences=sequences)
    reader = partial(_read_frame, root, classes)
    return PerImageSource(root, profile, pairing.entries, pairing.defects, reader, annotator=request.annotator)


def _frame_folders(root: Path, images: Path | None) -> list[frame_masks.FrameFolder]:
    maps = root if root.name == STEP_MAPS else root / STEP_MAPS
    if not maps.is_dir():
        raise UnreadableError(f"{root}: no folder {STEP_MAPS}; {_LAYOUT}")
    photos = images or frame_masks.first_folder(maps.parent / "images")
    splits = [maps / name for name in STEP_SPLITS if (maps / name).is_dir()]
    if not splits:
        return [
            frame_masks.FrameFolder(
                maps, photos or frame_masks.first_folder(maps.parent / "training", maps.parent / "training/image_02")
            )
        ]
    return [
        frame_masks.FrameFolder(
            folder, frame_masks.first_folder(photos / folder.name) if photos else None, folder.name, f"{folder.name}/"
        )
        for folder in splits
    ]


def _occurring(masks: list[Path]) -> set[int]:
    classes: set[int] = set()
    for path in spread_sample(masks, _N_PROBED):
        with suppress(OSError):
            classes |= {value & 255 for value in decode_mask(path).distinct_values()}
    return classes


def _read_frame(root: Path, classes: _StepClasses, entry: ImageEntry) -> list[ImageAnnotation]:
    mask, runs = frame_masks.decode_frame(root, entry, True, "ids", "class and track", "8-bit RGB PNG")
    kind, number = runs.value & 255, (runs.value >> 8 & 255) * 256 + (runs.value >> 16)
    category = np.array([classes.category.get(class_, 0) for class_ in kind.tolist()], np.int64)
    taxonomy = classes.naming.taxonomy
    is_known = np.isin(kind, np.array(list(classes.category), np.int64))
    unknown = np.flatnonzero(~is_known & ~(classes.unlabelled & (kind == VOID)))
    void = np.isin(category, np.array(taxonomy.void_ids, np.int64))
    thing = np.isin(category, np.array(taxonomy.thing_ids, np.int64))
    ids = (kind << 16) + number
    tracked, crowd = (number > 0) & ~void, (number == 0) & thing & is_known
    defects = value_defects(runs, unknown.tolist(), "of red has no class", kind)
    meaning = ValueMeanings(is_known, ids, category, crowd, tracked, defects)
    places = [f"class {id_ >> 16}, track {id_ & STEP_LAST_TRACK}" for id_ in ids.tolist()]
    return [meaning.annotation(runs, relative_path(root, entry.files[0]), mask.encoding, places)]


_LAST_FRAME, _SMALL = 999_999, 999


def write_step(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, labels: str | None = None
) -> None:
    """Write all images; raises SegdataError for what the format has no numbers for."""
    classes, whose = _step_class_numbers(profile.taxonomy, labels)
    stuff = frozenset(category.id for category in profile.taxonomy.categories if category.kind == "stuff")
    refusal = f"STEP holds {STEP_LAST_TRACK:,} of a category"
    scheme = frame_masks.ValueScheme(
        base={id_: number << 16 for id_, number in classes.items()},
        void=VOID << 16,
        voids=profile.taxonomy.void_ids,
        numbers=frame_masks.TrackNumbers(1, STEP_LAST_TRACK, refusal, small=_SMALL),
        plain=stuff,
        plain_crowds=True,
    )
    (target / STEP_MAPS).mkdir(parents=True)
    frame_masks.FrameWriter(
        scheme, VOID << 16, frame_masks.FramePaths(_LAST_FRAME), partial(_save_frame, target), LOSSES
    ).write(profile, batches, target, losses)
    taxonomy = profile.taxonomy
    if not taxonomy.void_ids:
        taxonomy = msgspec.structs.replace(taxonomy, unlabelled=VOID)
    write_sidecars(target, profile, taxonomy, options={"labels": whose})


def _save_frame(
    target: Path, frame_path: frame_masks.FramePath, pixels: frame_masks.Values, shown: Ints, category: Ints
) -> str:
    split = frame_path.split if frame_path.split in STEP_SPLITS else STEP_SPLITS[0]
    name = f"{STEP_MAPS}/{split}/{frame_path.folder}/{frame_path.number:06d}.png"
    bytes_ = pixels.astype("<u4").view(np.uint8).reshape(*pixels.shape, 4)
    Image.fromarray(np.ascontiguousarray(bytes_[:, :, 2::-1])).save(with_folder(target / name))
    return name
