"""Out of fold: every image judged by networks that were trained without it, and without what resembles it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, missing_extra
from segdata.core.label_maps import LabelMaps
from segdata.core.planes import planes
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.measure.measure import measure
from segdata.noise.networks.detail import breadth
from segdata.noise.networks.fingerprint import fingerprint
from segdata.noise.networks.folds import fold_of, units
from segdata.noise.networks.memory import free_main_memory
from segdata.noise.networks.picture import Loader, Pictures
from segdata.noise.networks.plan import Facts, Plan, least_instance, placed, plan_for
from segdata.noise.networks.predictions import Predictions, opened, replace_file
from segdata.noise.networks.settings import Settings
from segdata.noise.networks.stage import Stage, silent

if TYPE_CHECKING:
    import torch

_CACHE = 0.4  # of the memory, for decoded images


def out_of_fold(
    dataset: OpenDataset,
    folder: str | Path | Callable[[str], Path],
    settings: Settings | None = None,
    *,
    load: Loader = planes,
    tables: Tables | None = None,
    maps: LabelMaps | None = None,
    planned: Callable[[Plan], None] = lambda plan: None,
    progress: Callable[[Stage], None] = silent,
) -> Predictions:
    """Predict every image of a dataset by networks that have not seen it.

    Parameters
    ----------
    dataset : with its image files
    folder : for the predictions and checkpoints; where a run of the same data and settings was killed, it goes on.
        Or a function that names it, of a text that stands for the data and settings
    load : decodes an image file: (channels, height, width) of a URI
    tables, maps : what was measured of the dataset, in the order of its images, and its labels; default: it is measured
    planned : is called with the plan, before anything is trained
    progress : is called now and then

    Images that cannot be read are left out, and become `Predictions.defects`. An image that nobody annotated is judged,
    but not learned from. The result is the same in every run with the same device; what differs between devices and
    numbers of threads are last digits.

    Raises SegdataError where PyTorch is not installed, fewer than two images can be learned from, nothing is labelled
    in these, or the folder holds predictions of other data or settings.
    """
    settings = settings or Settings()
    try:
        from segdata.noise.networks import device as devices
        from segdata.noise.networks.encoders import published_weights
        from segdata.noise.networks.run import Run
    except ModuleNotFoundError as error:
        raise missing_extra("PyTorch", "noise", error) from error
    if settings.pretrained:
        published_weights()  # before any work is done
    chosen = devices.chosen(settings.device)
    memory = settings.max_memory or free_main_memory() // 2
    maps = dataset.maps(settings.annotator) if maps is None else maps
    key = fingerprint(maps, settings, chosen.type)
    folder = folder(key) if callable(folder) else Path(folder)
    done = _begun(folder, key)
    if done is not None:
        planned(done.plan)
        return done
    known = tables or measure(dataset.source, frozenset(), chunks=dataset.chunks(), profile=dataset.profile)
    pictures = Pictures(maps, int(_CACHE * memory), load)
    readable = pictures.survey(settings.jobs)
    _check_readable(readable, pictures)
    taught = readable & _annotated(known, settings.annotator)
    held = units(known, taught, settings)
    classes = _classes(maps, np.flatnonzero(taught))
    facts = _facts(known, maps, pictures, taught, held.among(taught), classes, chosen)
    plan = _kept_plan(folder, lambda: plan_for(facts, settings, memory))
    planned(plan)
    fold = fold_of(known, held, taught, plan.folds, plan.seed)
    pictures = pictures.reduced(plan.scale)
    run = Run(maps, pictures, known, fold, taught, classes, plan, settings, folder, chosen)
    for number in range(plan.folds):
        run.fold(number, np.flatnonzero((fold == number) & readable), _timed(progress))
    notes = tuple(note for note in (held.note,) if note)
    ids = tuple(maps.classes[each] for each in classes)
    unread = {each.image for each in pictures.defects}
    still = readable & np.array([each not in unread for each in maps.image_ids], bool)
    found = Predictions(folder, tuple(maps.image_ids), ids, fold, still, plan, notes, pictures.defects)
    replace_file(folder / "pace.json", msgspec.json.encode(vars(run.pace)))
    found.save()
    run.tidy()
    return found


def _begun(folder: Path, key: str) -> Predictions | None:
    """The predictions where the folder holds them; raises SegdataError where it holds those of something else."""
    path = folder / "key"
    try:
        there = path.read_text(encoding="ascii") if path.exists() else None
        if there is None:
            replace_file(path, key.encode("ascii"))
    except OSError as error:
        raise SegdataError(f"{folder}: cannot be written: {error.strerror}") from error
    if there is not None and there != key:
        raise SegdataError(
            f"{folder}: holds predictions of other labels or settings; name another folder, or delete it"
        )
    return opened(folder) if (folder / "predictions.json").is_file() else None


def _check_readable(readable: NDArray[np.bool_], pictures: Pictures) -> None:
    """Raise SegdataError where no image can be looked at."""
    if not readable.any() and pictures.defects:
        first = pictures.defects[0]
        raise SegdataError(
            f"none of the {len(readable):,} images can be looked at; {first.image}: {first.message}. Say where "
            "they are: --images DIR, or give what a model has seen in them: --predictions"
        )


def _kept_plan(folder: Path, make: Callable[[], Plan]) -> Plan:
    """The plan of the run that was killed, since memory that is free now may be another; else a new one."""
    path = folder / "plan.json"
    if path.is_file():
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    plan = make()
    replace_file(path, msgspec.json.encode(plan))
    return plan


def _annotated(tables: Tables, annotator: str | None) -> NDArray[np.bool_]:
    """(n_images,) whether somebody, or this annotator, annotated an image."""
    rows = tables.annotations
    of = rows["image"] if annotator is None else rows["image"][rows["annotator"] == annotator]
    found = np.zeros(len(tables.images), bool)
    found[of] = True
    return found


def _classes(maps: LabelMaps, rows: Ints) -> Ints:
    """The classes of `maps` that occur in images; raises SegdataError where none does."""
    found = np.unique(np.concatenate([maps.segments(row).classes for row in rows.tolist()]))
    if not (found >= 0).any():
        raise SegdataError("no segment of a category in the images that can be read: there is nothing to learn")
    return found[found >= 0]


def _facts(
    tables: Tables,
    maps: LabelMaps,
    pictures: Pictures,
    taught: NDArray[np.bool_],
    n_units: int,
    classes: Ints,
    device: "torch.device",
) -> Facts:
    from segdata.noise.networks.device import free_memory

    things = {each.id for each in tables.profile.taxonomy.categories if each.kind == "thing"}
    named = {maps.classes[each] for each in classes.tolist()}
    segments = tables.segments
    single = np.isin(segments["category_id"], sorted(things & named)) & ~segments["iscrowd"] & (segments["area"] > 0)
    return Facts(
        n_images=int(taught.sum()),
        n_units=n_units,
        height=int(np.median(maps.height[taught])),
        width=int(np.median(maps.width[taught])),
        largest=(int(maps.height.max()), int(maps.width.max())),
        channels=pictures.channels or 1,
        categories=len(classes),
        instances=tables.profile.task != "semantic" and bool(things & named),
        placed=placed(tables),
        least_area=least_instance(segments["area"][single]),
        device=device.type,
        free=free_memory(device),
        breadth=breadth(maps, np.flatnonzero(taught)),
    )


def _timed(progress: Callable[[Stage], None]) -> Callable[[str, int, int], None]:
    """Adds the time that is left, as it went since the first call of a stage."""
    begun: dict[str, tuple[float, int]] = {}

    def tell(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        since, first = begun.setdefault(what, (now, done))
        left = (now - since) / (done - first) * (total - done) if done > first else float("nan")
        progress(Stage(what, done, total, left))

    return tell
