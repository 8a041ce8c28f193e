"""Out-of-fold prediction: networks predict each image without having seen it or images that resemble it."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from segdata.core.atomic_files import lock_target, write_whole
from segdata.core.cluster import ImageCluster
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, missing_extra
from segdata.core.executor import no_progress, single_threaded_opencv
from segdata.core.image_files import read_channels
from segdata.core.label_maps import LabelMaps
from segdata.core.paths import local_file
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Ints
from segdata.core.split_assignment import assign_splits
from segdata.measure.measure import measure_source
from segdata.noise.networks.images import ImageCache, Loader
from segdata.noise.networks.plan import (
    DataFacts,
    Settings,
    StageProgress,
    TrainingPlan,
    free_main_memory,
    ignore_progress,
    mean_breadth,
    min_instance_area,
    plan_for,
    upright_category,
)
from segdata.noise.networks.predictions import Predictions, open_predictions
from segdata.noise.trust import RelatedImages

if TYPE_CHECKING:
    import torch

    from segdata.noise.networks.training import FoldRun


@dataclass(frozen=True, slots=True)
class FoldUnits:
    """Images that must stay together in one fold."""

    unit: Ints  # (n_images,) images with the same number belong together
    note: str = ""  # deviation from the request; empty if none

    def among(self, rows: Flags) -> int:
        """The number of units of the images `rows` (n_images,)."""
        return len(np.unique(self.unit[rows]))


def fold_units(related: RelatedImages, usable: Flags) -> FoldUnits:
    """Groups, sequences and lookalikes; each image is a separate unit if all would be one.

    `usable` (n_images,): those that can be trained on. Raises SegdataError for fewer than two, since no image would
    be left to train on while one is judged.
    """
    if usable.sum() < 2:
        count = f"{len(usable)} images, of which {int(usable.sum())} can be read and are annotated"
        raise SegdataError(f"{count}: two are needed to judge one by the other; tile them: segdata tile")
    if len(np.unique(related.unit[usable])) > 1:
        return FoldUnits(related.unit)
    note = "all images are in one group, so they were separated: errors that they share stay hidden"
    return FoldUnits(np.arange(len(usable)), note)


def assign_folds(tables: Tables, units: FoldUnits, usable: Flags, n_folds: int, seed: int) -> Ints:
    """(n_images,) the fold of each image; categories are balanced over folds, and units are in one fold.

    `usable` (n_images,): those that can be trained on. The others get a fold, too, but every fold has some usable ones.
    """
    names = [f"fold {place}" for place in range(n_folds)]
    dealt = assign_splits(tables, dict.fromkeys(names, 1 / n_folds), units.unit, seed)
    number = {name: place for place, name in enumerate(names)}
    fold = np.array([number[dealt.part_of[image]] for image in tables.images["image_id"].tolist()], np.int64)
    for empty in np.flatnonzero(np.bincount(fold[usable], minlength=n_folds) == 0).tolist():
        several = np.bincount(fold[usable], minlength=n_folds)
        for unit in np.unique(units.unit[usable]):  # the first one that is not all of its fold
            in_unit = (units.unit == unit) & usable
            if in_unit.sum() < several[fold[in_unit][0]]:
                fold[units.unit == unit] = empty
                break
    return fold


_NETWORKS = 6  # version of how networks are built and trained: a run that was stopped goes on by the same


def fingerprint(maps: LabelMaps, settings: Settings, device: str) -> str:
    """32 hexadecimal digits of images, labels, settings, and the kind of device.

    Files of images and weights count by size and time of change, a network of the user by its name.
    """
    digest = hashlib.blake2b(digest_size=16)
    relevant, model = replace(settings, model=None, device="auto", jobs=0, max_memory=None), settings.model
    name = None if model is None else f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', model)}"
    digest.update(repr((_NETWORKS, maps.image_ids, maps.classes, relevant, name, device)).encode())
    for stamp in _file_stamps(maps, settings):
        digest.update(repr(stamp).encode())
    digest.update(np.stack([maps.height, maps.width]).tobytes())
    for row in range(len(maps)):
        segments = maps.segments(row)
        for array in (segments.classes, segments.crowd, segments.runs.start, segments.runs.length, segments.runs.owner):
            digest.update(array.tobytes())
    return digest.hexdigest()


def _file_stamps(maps: LabelMaps, settings: Settings) -> Iterator[tuple[str, int, int]]:
    """The URI, size and time of change of each file; -1 if it is missing, or on another machine."""
    files = zip(maps.channels, maps.uris, strict=True)
    uris = [uri for own_channels, single in files for uri in (own_channels or (single or "",))]
    for uri in [*uris, *(() if settings.weights is None else (str(settings.weights),))]:
        path = local_file(uri)
        try:
            status = None if path is None else path.stat()
        except OSError:
            status = None
        yield (uri, -1, -1) if status is None else (uri, status.st_size, status.st_mtime_ns)


_CACHE_SHARE = 0.4  # of the memory, for decoded images


def out_of_fold(
    dataset: OpenDataset,
    folder: str | Path | Callable[[str], Path],
    settings: Settings | None = None,
    *,
    load: Loader = read_channels,
    tables: Tables | None = None,
    maps: LabelMaps | None = None,
    related: RelatedImages | None = None,
    on: ImageCluster | None = None,
    planned: Callable[[TrainingPlan], None] = no_progress,
    progress: Callable[[StageProgress], None] = ignore_progress,
) -> Predictions:
    """Predict every image of a dataset by networks that have not seen it.

    Parameters
    ----------
    dataset : with its image files
    folder : for the predictions and checkpoints; a killed run of the same data and settings continues there. Or a
        function that returns the folder for a text that identifies the data and settings
    load : decodes an image file: (channels, height, width) of a URI
    tables, maps, related : the measured tables of the dataset, in the order of its images, its labels, and which
        images belong together; default: they are measured
    on : a cluster whose workers predict, and can read `folder`; this process trains the networks. None: this process
        predicts, too
    planned : is called with the plan, before training
    progress : is called from time to time

    Images that cannot be read are left out, and become `Predictions.defects`. An image that nobody annotated is judged,
    but networks do not learn from it. The same device gives the same result in every run. Other numbers of threads
    change the last digits; other devices, or processors with and without bfloat16, a little more.

    Raises SegdataError if PyTorch is not installed, if fewer than two images can be learned from, if nothing is
    labelled in these, or if the folder holds predictions of other data or settings.
    """
    settings = settings or Settings()
    try:
        from segdata.noise.networks.network import choose_device, published_weights
        from segdata.noise.networks.training import FoldRun
    except ModuleNotFoundError as error:
        raise missing_extra("PyTorch", "torch", error) from error
    if settings.pretrained:
        published_weights()  # before any work is done
    device = choose_device(settings.device)
    memory = settings.max_memory or free_main_memory() // 2
    maps = dataset.maps(settings.annotator) if maps is None else maps
    key = fingerprint(maps, settings, device.type)
    folder = folder(key) if callable(folder) else Path(folder)
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with lock_target(folder):
        done = _finished_predictions(folder, key)
        if done is not None:
            planned(done.plan)
            return done
        measured = tables or measure_source(
            dataset.source, frozenset(), chunks=dataset.chunks(), profile=dataset.profile
        )
        if related is None:
            related = RelatedImages.from_tables(measured, settings.group, settings.near, settings.jobs)
        pictures = ImageCache(maps, int(_CACHE_SHARE * memory), load)
        training = _read_images(measured, maps, pictures, related, settings)
        plan = _kept_plan(folder, lambda: plan_for(_data_facts(training, device), settings, memory))
        planned(plan)
        run = FoldRun(
            maps=maps,
            pictures=pictures.downscale(plan.scale),
            tables=measured,
            fold_of=assign_folds(measured, training.units, training.taught, plan.folds, plan.seed),
            taught=training.taught,
            classes=training.classes,
            plan=plan,
            settings=settings,
            folder=folder,
            device=device,
        )
        with single_threaded_opencv():  # the networks' own threads are as many as `jobs`
            run.predict(training.readable, on, _timed_progress(progress))
        predictions = _predictions(run, training)
        write_whole(folder / "pace.json", msgspec.json.encode(vars(run.pace)))
        predictions.save()
        run.tidy()
        return predictions


@dataclass(frozen=True, slots=True)
class _TrainingImages:
    """The training data of the networks."""

    tables: Tables
    maps: LabelMaps
    pictures: ImageCache
    readable: Flags  # (n_images,) whose file can be read
    taught: Flags  # (n_images,) of these, those that are annotated
    units: FoldUnits
    classes: Ints  # of `maps`, that occur


def _read_images(
    tables: Tables, maps: LabelMaps, pictures: ImageCache, related: RelatedImages, settings: Settings
) -> _TrainingImages:
    """Read the images; raises SegdataError if none can be read, or if nothing can be learnt from them."""
    readable = pictures.survey(settings.jobs)
    _check_readable(readable, pictures)
    taught = readable & _annotated_images(tables, settings.annotator)
    units = fold_units(related, taught)
    return _TrainingImages(tables, maps, pictures, readable, taught, units, _classes(maps, np.flatnonzero(taught)))


def _predictions(run: "FoldRun", training: _TrainingImages) -> Predictions:
    """The predictions of a finished run; images that could not be read again have none."""
    maps, defects = training.maps, run.pictures.defects
    unread = {item.image for item in defects}
    return Predictions(
        folder=run.folder,
        image_ids=tuple(maps.image_ids),
        categories=tuple(maps.classes[item] for item in training.classes),
        fold=run.fold_of,
        usable=training.readable & np.array([item not in unread for item in maps.image_ids], bool),
        plan=run.plan,
        notes=tuple(note for note in (training.units.note,) if note),
        defects=defects,
    )


def _finished_predictions(folder: Path, key: str) -> Predictions | None:
    """The predictions in the folder, if any; raises SegdataError if they are of other data."""
    path = folder / "key"
    try:
        stored = path.read_text(encoding="ascii") if path.exists() else None
        if stored is None:
            write_whole(path, key.encode("ascii"))
    except OSError as error:
        raise SegdataError(f"{folder}: cannot be written: {error.strerror}") from error
    if stored is not None and stored != key:
        raise SegdataError(
            f"{folder}: holds predictions for other labels or settings; choose another folder, or delete it"
        )
    return open_predictions(folder) if (folder / "predictions.json").is_file() else None


def _check_readable(readable: Flags, pictures: ImageCache) -> None:
    """Raise SegdataError if no image can be read."""
    if not readable.any() and pictures.defects:
        first = pictures.defects[0]
        raise SegdataError(
            f"none of the {len(readable):,} images can be read; {first.image}: {first.message}. Name their "
            "folder with --images DIR, or give the predictions of a model with --predictions"
        )


def _kept_plan(folder: Path, make: Callable[[], TrainingPlan]) -> TrainingPlan:
    """The plan of the killed run, since the free memory may have changed; else a new plan."""
    path = folder / "plan.json"
    if path.is_file():
        return msgspec.json.decode(path.read_bytes(), type=TrainingPlan)
    plan = make()
    write_whole(path, msgspec.json.encode(plan))
    return plan


def _annotated_images(tables: Tables, annotator: str | None) -> Flags:
    """(n_images,) whether somebody, or this annotator, annotated an image."""
    rows = tables.annotations
    image_rows = rows["image"] if annotator is None else rows["image"][rows["annotator"] == annotator]
    is_annotated = np.zeros(len(tables.images), bool)
    is_annotated[image_rows] = True
    return is_annotated


def _classes(maps: LabelMaps, rows: Ints) -> Ints:
    """The classes of `maps` that occur in images; raises SegdataError if none does."""
    classes = np.unique(np.concatenate([maps.segments(row).classes for row in rows.tolist()]))
    if not (classes >= 0).any():
        raise SegdataError("the readable images have no segment of a category: there is nothing to learn")
    return classes[classes >= 0]


def _data_facts(training: _TrainingImages, device: "torch.device") -> DataFacts:
    from segdata.noise.networks.network import free_memory

    maps, tables, taught, profile = training.maps, training.tables, training.taught, training.tables.profile
    thing_ids = {item.id for item in profile.taxonomy.categories if item.kind == "thing"}
    thing_ids &= {maps.classes[item] for item in training.classes.tolist()}
    segments = tables.segments
    single = np.isin(segments["category_id"], sorted(thing_ids)) & ~segments["iscrowd"] & (segments["area"] > 0)
    return DataFacts(
        n_images=int(taught.sum()),
        n_units=training.units.among(taught),
        height=int(np.median(maps.height[taught])),
        width=int(np.median(maps.width[taught])),
        largest=(int(maps.height.max()), int(maps.width.max())),
        channels=training.pictures.channels or 1,
        categories=len(training.classes),
        instances=profile.task != "semantic" and bool(thing_ids),
        placed=upright_category(tables),
        least_area=min_instance_area(segments["area"][single]),
        device=device.type,
        free=free_memory(device),
        breadth=mean_breadth(maps, np.flatnonzero(taught)),
    )


def _timed_progress(progress: Callable[[StageProgress], None]) -> Callable[[str, int, int], None]:
    """Adds the remaining time, estimated from the pace since the first call of a stage."""
    started: dict[str, tuple[float, int]] = {}

    def tell(stage: str, done: int, total: int) -> None:
        moment = time.monotonic()
        since, first = started.setdefault(stage, (moment, done))
        seconds_left = (moment - since) / (done - first) * (total - done) if done > first else float("nan")
        progress(StageProgress(stage, done, total, seconds_left))

    return tell
