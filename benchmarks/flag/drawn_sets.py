"""Sets on which `flag` is proved: real images of one or several modalities, with errors drawn by a hand of its own.

    python -m benchmarks.flag.drawn_sets DATA WORK SET...

Writes the images of each set to WORK/SET/images, puts errors into its labels, and trains the networks of `--quick` on
these labels, which are kept in WORK/SET/networks. DATA is the folder of the real datasets.

The errors are not those of `segdata.noise.corruptions`: other code, other shapes and other sizes, chosen once and
before any result was seen. Choices were made on the sets of `DEV`; those of `UNSEEN` were tried when all was done.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.shared.real_sets import SETS, real_sets
from segdata.api.in_memory import from_arrays
from segdata.api.read import read
from segdata.core.dataset import OpenDataset

Mask = NDArray[np.bool_]
LONGEST = 768  # px of the longer side; larger images are reduced


@dataclass(frozen=True)
class Source:
    """Some images of a real set (as `real_sets` names it), from `first` to `last`, of some categories."""

    name: str
    first: int
    last: int
    categories: tuple[str, ...] = ()
    step: int = 1


GBM, TILES, NERVE, CROPS = "GBM40 nuclei", "magnetic tiles, threshold", "nerve, layers, corrected", "crops"
SOURCES: dict[str, tuple[Source, ...]] = {
    "mixed-dev": (
        Source(GBM, 0, 14),
        Source(NERVE, 0, 4, ("axon",)),
        Source("lemons", 0, 6),
        Source(CROPS, 0, 10),
        Source(TILES, 0, 100, ("MT_Blowhole", "MT_Break"), 8),
    ),
    "gbm-dev": (Source(GBM, 14, 28),),
    "crops-dev": (Source(CROPS, 10, 47),),
    "mixed-unseen": (
        Source(GBM, 28, 40),
        Source("kudzu, train and val", 0, 10),
        Source("fly tissue, three layers", 0, 4, ("mitochondria",)),
        Source("StarDist nuclei", 0, 1),
        Source("COCO train2017, 50 images", 0, 8),
    ),
    "tiles-unseen": (Source(TILES, 0, 200, ("MT_Fray", "MT_Uneven", "MT_Crack"), 4),),
    "kudzu-unseen": (Source("kudzu, train and val", 10, 40),),
}
DEV = tuple(name for name in SOURCES if name.endswith("-dev"))
UNSEEN = tuple(name for name in SOURCES if name.endswith("-unseen"))


@dataclass(frozen=True)
class Wrong:
    """One error: its kind, the pixels of what is there, and of what should be."""

    kind: str
    new: Mask
    old: Mask


@dataclass(frozen=True)
class Drawn:
    """The labels of an image: things, the error that each is part of (-1: none), and the errors."""

    masks: list[Mask]
    error: list[int]
    errors: list[Wrong]
    is_bare: bool = False  # most of its things were left out


def real_images(folder: Path, source: Source) -> Iterator[tuple[str, NDArray[np.uint8], list[Mask]]]:
    """(height, width, 3) each image, its name, and the masks of its things."""
    wanted = next(each for each in SETS if each.name == source.name)
    for each, path in real_sets(folder):
        if each is not wanted:
            continue
        data = read(path, **each.opening)
        maps = data.maps()
        kinds = [id_ for id_, name in zip(maps.classes, maps.names, strict=True)
                 if not source.categories or name in source.categories]  # fmt: skip
        has = [row for row in range(len(maps)) if np.isin(maps.segments(row).classes, _rows(maps.classes, kinds)).any()]
        for row in has[source.first : source.last : source.step]:
            uri = maps.uris[row]
            if uri is None:
                continue
            masks = _things(data, maps, row, _rows(maps.classes, kinds))
            picture = _picture(uri)
            factor = min(LONGEST / max(picture.shape[:2]), 1.0)
            if factor < 1:
                size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
                picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
                masks = [np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)) for mask in masks]
            masks = [mask for mask in masks if mask.sum() >= 30]
            if masks:
                yield maps.image_ids[row].replace("/", "_"), picture, masks
        return


def _rows(classes: tuple[int, ...], kinds: list[int]) -> NDArray[np.int64]:
    return np.array([row for row, id_ in enumerate(classes) if id_ in kinds], np.int64)


def _picture(uri: str) -> NDArray[np.uint8]:
    with Image.open(uri) as file:
        pixels = np.asarray(file)
    if pixels.dtype != np.uint8:
        low, high = np.percentile(pixels, [1, 99.5])
        pixels = ((pixels.astype(float) - low) / max(high - low, 1e-9) * 255).clip(0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(pixels).convert("RGB"))


def _things(data: OpenDataset, maps: object, row: int, kinds: NDArray[np.int64]) -> list[Mask]:
    segments = maps.segments(row)  # type: ignore[attr-defined]  # LabelMaps
    height, width = int(maps.height[row]), int(maps.width[row])  # type: ignore[attr-defined]
    masks = []
    for number in np.flatnonzero(np.isin(segments.classes, kinds) & ~segments.crowd).tolist():
        flat = np.zeros(width * height, bool)
        runs = segments.runs.take(np.array([number]), len(segments.classes))
        for start, length in zip(runs.start.tolist(), runs.length.tolist(), strict=True):
            flat[start : start + length] = True
        mask = flat.reshape(width, height).T
        if data.profile.task == "instance":
            masks.append(mask)
        else:
            label, n = ndimage.label(mask)
            masks += [label == part for part in range(1, n + 1)]
    return masks


def _radius(mask: Mask) -> float:
    return float(np.sqrt(mask.sum() / np.pi))


def _disc(shape: tuple[int, ...], y: float, x: float, a: float, b: float, turn: float) -> Mask:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    u = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
    v = -(columns - x) * np.sin(turn) + (rows - y) * np.cos(turn)
    return np.asarray((u / a) ** 2 + (v / b) ** 2 < 1)


def _moved(mask: Mask, right: int, down: int) -> Mask:
    moved = np.zeros_like(mask)
    high, wide = mask.shape
    target = np.s_[max(down, 0) : high + min(down, 0), max(right, 0) : wide + min(right, 0)]
    origin = np.s_[max(-down, 0) : high + min(-down, 0), max(-right, 0) : wide + min(-right, 0)]
    moved[target] = mask[origin]
    return moved


def _eroded(mask: Mask, by: float) -> Mask:
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] > by)


def _grown(mask: Mask, by: float) -> Mask:
    return np.asarray(ndimage.distance_transform_edt(~mask) <= by)


def _half(mask: Mask, share: float, rng: np.random.Generator) -> Mask:
    """The pixels on one side of a line, about that share of all."""
    y, x = np.nonzero(mask)
    turn = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(turn) + y * np.sin(turn)
    side = np.zeros_like(mask)
    chosen = along <= np.quantile(along, share)
    side[y[chosen], x[chosen]] = True
    return side


Draw = Callable[[Mask, list[Mask], np.random.Generator], list[Mask]]


def _speck(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    area = float(np.median([each.sum() for each in others])) * rng.uniform(0.02, 0.07)
    near = np.flatnonzero(_grown(mask, 6) & ~mask)
    if not len(near):  # it fills the image
        return [mask]
    y, x = divmod(int(rng.choice(near)), mask.shape[1])
    a = max(np.sqrt(area / np.pi), 1.3)
    return [mask, _disc(mask.shape, y, x, a * rng.uniform(1, 1.6), a, rng.uniform(0, np.pi)) & ~mask]


def _sliver(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    rim = _grown(mask, rng.uniform(2, 3.5)) & ~_grown(mask, 0.5)
    return [mask, rim & _grown(_half(mask, rng.uniform(0.1, 0.5), rng), 4)]


def _core_and_ring(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    core = _eroded(mask, rng.uniform(0.25, 0.5) * _radius(mask))
    return [mask & ~core, core] if rng.random() < 0.5 else [mask, core]


def _hole(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    inside = np.flatnonzero(_eroded(mask, 0.3 * _radius(mask)))
    if not len(inside):  # too thin for one
        return [mask]
    y, x = divmod(int(rng.choice(inside)), mask.shape[1])
    a = _radius(mask) * rng.uniform(0.25, 0.45)
    return [mask & ~_disc(mask.shape, y, x, a, a * rng.uniform(0.6, 1), rng.uniform(0, np.pi))]


def _split(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    side = _half(mask, rng.uniform(0.1, 0.5), rng)
    return [side, mask & ~side]


def _bitten(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    return [_half(mask, rng.uniform(0.35, 0.7), rng)]


def _box(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    drawn = np.zeros_like(mask)
    drawn[ndimage.find_objects(mask.astype(int))[0]] = True
    return [drawn]


def _triangle(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    """A polygon of three to five corners on the outline."""
    from PIL import ImageDraw

    y, x = np.nonzero(mask & ~_eroded(mask, 1.5))
    turn = np.arctan2(y - y.mean(), x - x.mean())
    wanted = np.sort(rng.uniform(-np.pi, np.pi) + np.arange(n := int(rng.integers(3, 6))) * 2 * np.pi / n)
    place = [int(np.abs(np.angle(np.exp(1j * (turn - each)))).argmin()) for each in wanted]
    canvas = Image.new("1", mask.shape[::-1])
    ImageDraw.Draw(canvas).polygon([(int(x[at]), int(y[at])) for at in place], fill=1)
    return [np.asarray(canvas, bool)]


def _loose(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    return [_grown(mask, max(rng.uniform(0.3, 0.6) * _radius(mask), 2))]


def _stale(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    away, turn = rng.uniform(0.5, 1.2) * _radius(mask), rng.uniform(0, 2 * np.pi)
    return [_moved(mask, round(away * np.cos(turn)), round(away * np.sin(turn)))]


def _copy(mask: Mask, others: list[Mask], rng: np.random.Generator) -> list[Mask]:
    away, turn = rng.uniform(0.6, 1.6) * _radius(mask), rng.uniform(0, 2 * np.pi)
    return [mask, _moved(mask, round(away * np.cos(turn)), round(away * np.sin(turn)))]


DRAW: dict[str, Draw] = {
    "speck": _speck, "sliver": _sliver, "core and ring": _core_and_ring, "hole": _hole, "split": _split,
    "bitten": _bitten, "box": _box, "few corners": _triangle, "loose": _loose, "stale": _stale, "copy": _copy,
}  # fmt: skip
KINDS = (*DRAW, "merge", "missing", "bare image")
_ADDS = ("speck", "sliver", "copy")  # the thing itself stays right
SHARE, MIN_PIXELS = 0.02, 12


def with_errors(masks: list[Mask], rng: np.random.Generator) -> Drawn:
    """Errors of one to three kinds in about half of the images; in one of twenty nearly all things are left out."""
    if rng.random() < 0.06 and len(masks) > 3:
        kept = rng.random(len(masks)) < 0.15
        gone = [
            Wrong("bare image", np.zeros_like(mask), mask) for mask, stays in zip(masks, kept, strict=True) if not stays
        ]
        stay = [mask for mask, stays in zip(masks, kept, strict=True) if stays] or masks[:1]
        return Drawn(stay, [-1] * len(stay), gone, True)
    drawn, error, errors = list(masks), [-1] * len(masks), list[Wrong]()
    if rng.random() < 0.5:
        return Drawn(drawn, error, errors)
    for kind in rng.permutation(KINDS[:-1])[: int(rng.integers(1, 4))].tolist():
        for _ in range(max(int(rng.poisson(SHARE * len(masks))), 1)):
            free = [row for row, each in enumerate(error) if each < 0 and drawn[row].sum() >= 60]
            if not free:
                break
            _spoil(kind, int(rng.choice(free)), drawn, error, errors, rng)
    rows = [row for row, mask in enumerate(drawn) if mask.any()]
    if not rows:  # an image without any label says nothing of how it is labelled
        return Drawn(list(masks), [-1] * len(masks), [])
    return Drawn([drawn[row] for row in rows], [error[row] for row in rows], errors)


def _spoil(
    kind: str, row: int, drawn: list[Mask], error: list[int], errors: list[Wrong], rng: np.random.Generator
) -> None:
    mask, number = drawn[row], len(errors)
    if kind == "missing":
        errors.append(Wrong(kind, np.zeros_like(mask), mask))
        drawn[row], error[row] = np.zeros_like(mask), number
    elif kind == "merge":
        near = _grown(mask, 4)
        beside = [at for at, each in enumerate(drawn) if at != row and error[at] < 0 and (each & near).any()]
        if beside:
            joined = beside[: int(rng.integers(1, 3))]
            both = np.any([mask, *(drawn[at] for at in joined)], axis=0)
            errors.append(Wrong(kind, both, both))
            drawn[row], error[row] = np.asarray(ndimage.binary_closing(both, iterations=2)) | both, number
            for at in joined:
                drawn[at], error[at] = np.zeros_like(mask), number
    else:
        new = [each for each in DRAW[kind](mask, drawn, rng) if each.sum() >= MIN_PIXELS]
        changed = [each for each in new if (each != mask).any()]
        if not changed:
            return
        errors.append(Wrong(kind, np.any(changed, axis=0), mask))
        if kind in _ADDS:
            drawn.extend(changed)
            error.extend([number] * len(changed))
        else:
            drawn[row], error[row] = new[0], number
            drawn.extend(new[1:])
            error.extend([number] * len(new[1:]))


def built(folder: Path, work: Path, name: str, seed: int | None = 0) -> tuple[OpenDataset, dict[str, Drawn]]:
    """A set with errors, and what is wrong in each image; image files are written to WORK/NAME/images.

    Without a `seed` the labels are as they are.
    """

    def draw(masks: list[Mask], number: tuple[int, int]) -> Drawn:
        if seed is None:
            return Drawn(masks, [-1] * len(masks), [])
        return with_errors(masks, np.random.default_rng([seed, *number]))

    return written_set(folder, work, name, draw)


def written_set(
    folder: Path, work: Path, name: str, draw: Callable[[list[Mask], tuple[int, int]], Drawn]
) -> tuple[OpenDataset, dict[str, Drawn]]:
    """A set whose labels `draw` makes of the masks of an image, and of the numbers of its source and itself."""
    images = work / name / "images"
    images.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Drawn] = {}
    for number, source in enumerate(SOURCES[name]):
        for at, (image, picture, masks) in enumerate(real_images(folder, source)):
            file = f"{number}_{Path(image).stem}.png"
            Image.fromarray(picture).save(images / file)
            drawn[file] = draw(masks, (number, at))
    labels = {file: [(mask, "thing") for mask in each.masks] for file, each in drawn.items()}
    return from_arrays(labels, ["thing"], images=images, name=name), drawn


def main() -> None:
    """Build sets, and train their networks."""
    import torch

    from segdata.noise.networks.out_of_fold import out_of_fold
    from segdata.noise.networks.plan import Settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="+", choices=SOURCES)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.sets:
        began = time.process_time()
        data, drawn = built(asked.data, asked.work, name)
        n = sum(len(each.masks) for each in drawn.values()), sum(len(each.errors) for each in drawn.values())
        print(
            f"{name}: {len(drawn)} images, {n[0]} things, {n[1]} errors, {time.process_time() - began:.0f} s",
            flush=True,
        )
        out_of_fold(data, asked.work / name / "networks", Settings(quick=True, jobs=1, device="cpu"))
        print(f"{name}: {time.process_time() - began:.0f} s of processor with training", flush=True)


if __name__ == "__main__":
    main()
