"""Duplicates: images that show the same picture, by content or appearance, and a comparison of their labels."""

import hashlib
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch, clip_to_roi
from segdata.core.errors import SegdataError
from segdata.core.executor import map_files, run_ordered
from segdata.core.overlay import SweepRuns
from segdata.core.paths import local_file, split_from_path
from segdata.core.pixel_limit import open_picture
from segdata.core.runs import Flags, Ints, NumberLine, expand_ranges
from segdata.core.strata import joint_codes, number_names
from segdata.core.table import Column, Table
from segdata.measure.cache import hash_file
from segdata.measure.registry import measure_dataset, measure_images
from segdata.measure.sequences import ColumnArrays, DatasetView

BITS = 256
MAX_DIFFERING_BITS = 16  # by which two pictures of the same scene may differ
MAX_COMPARED_IMAGES = 20_000  # with more, decoding and comparing all of them takes minutes
_HASH_SIDE = 16  # cells
_MIN_STEP = 0.005  # of the brightest level: smaller steps between neighbours are noise
_MIN_STEPS = 48  # of 256: different pictures agree in 15 of 16 of so many once in 10^10 times
_MIN_CONTRAST = 0.03  # of the brightest level: a thumbnail that varies less has no gradients to compare
MIN_SIDE = 48  # pixels of an image; smaller ones have no details to compare
# Of the details of copies, mirrored or not: they reach 0.92 at an eighth of the size, other poses of a satellite 0.91.
MIN_CORRELATION = 0.92
_MAX_DETAIL = 2.0  # times the median
_DETAIL_SIZE = (34, 32)  # pixels of a thumbnail whose details are compared
_DRAWING_SIDE = 128  # pixels of the thumbnail of a drawing
_MIN_PLAIN = 0.9  # of the steps between its neighbours: 0.94 in drawn gauges, 0.77 at most in photographs of eyes
_MAX_PLAIN_STEP = 0.01  # of its contrast
_MAX_RESIDUAL = 0.1  # of its contrast: copies brighter or as JPEG of quality 30 have 0.08, needles that moved 0.12
_HASHES_AT_ONCE = 2048
_DRAWINGS_KEPT = 1024  # thumbnails, of 64 KiB each
_MAX_REPEATED_PAIRS = 100  # of images with the same labels that are decoded
Bytes = NDArray[np.uint8]
Signs = NDArray[np.float32]
Floats32 = NDArray[np.float32]
_TAIL_BYTES = 4096  # different pictures of one size differ at the end, while beginnings are often equal
_Key = TypeVar("_Key", bound=Hashable)
_PAIRS_AT_ONCE = 16  # pairs that are loaded together


@measure_dataset("copies", tables={"alike": ("image", "of", "same", "bits")})
def measure_similar_images(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The table `alike`; see `similar_images`."""
    return {"alike": [similar_images(view.tables["images"], view.jobs)]}


def similar_images(images: Table, jobs: int) -> ColumnArrays:
    """Find pairs of images that show the same picture: image and of (rows, `of` the earlier one), same and bits.

    Each image is listed with the most similar earlier image, and with that of another split. `same`: the files
    hold the same bytes. `bits`: the number of the 256 bits of their difference hashes that differ (`differing_bits`),
    at most `MAX_DIFFERING_BITS`. Hashes are compared only if images are in several splits, and there are at most
    `MAX_COMPARED_IMAGES`, since every image must be decoded for it.
    """
    content, (splits, part) = number_names(images.texts("content"))[1], number_names(images.texts("part"))
    has_content = np.flatnonzero(~images.missing("content"))
    pairs_found = dict.fromkeys(_repeated_files(content, part, has_content), (1, 0))
    if len(splits) > 1 and len(images) <= MAX_COMPARED_IMAGES:
        rows, hashes = _difference_hashes(images, jobs)
        near = {(int(rows[b]), int(rows[a])): bits for a, b, bits in _nearest_hashes(hashes, part[rows])}
        uncertain = [pair for pair in near if pair not in pairs_found]
        same = _SameDetails(images["uri"].tolist(), jobs)
        same.read(row for pair in uncertain for row in pair)
        pairs_found |= {(a, b): (0, near[a, b]) for a, b in uncertain if same.among(a, [b])}
    pairs = np.array([(*pair, *pairs_found[pair]) for pair in sorted(pairs_found)], np.int64).reshape(-1, 4)
    return {name: pairs[:, place] for place, name in enumerate(("image", "of", "same", "bits"))}


class _SameDetails:
    """Whether images with similar hashes show the same: hashes of smooth skies agree by their light alone.

    Images that are too small to have details are taken as they are. Drawings of one kind, such as gauges or charts, are
    alike by construction: their pixels must be equal. Each file is decoded once for its details, and once as a drawing.
    """

    def __init__(self, uris: Sequence[str], jobs: int) -> None:
        self._uris, self._jobs = uris, jobs
        self._details: dict[int, Floats32 | None] = {}  # by row
        self._drawing = lru_cache(_DRAWINGS_KEPT)(_drawing_of)

    def read(self, rows: Iterable[int]) -> None:
        """Decode the images of these rows in threads, unless they are decoded already."""
        lacking = sorted({*rows} - {*self._details})
        found = map_files(_read_details, [self._uris[row] for row in lacking], self._jobs)
        self._details.update(zip(lacking, found, strict=True))

    def among(self, row: int, others: Sequence[int]) -> list[int]:
        """Those of the `others`, rows that are read, that show what the image at `row` shows."""
        own = self._details[row]
        if own is None:
            return list(others)
        return [other for other in others if self._is_same(row, own, other)]

    def _is_same(self, row: int, own: Floats32, other: int) -> bool:
        details = self._details[other]
        if details is None:
            return True
        if float((own * details).sum()) < MIN_CORRELATION:
            return False
        return not _are_two_drawings(*(self._drawing(self._uris[place]) for place in (row, other)))


_Drawing = tuple[tuple[int, int], Floats32 | None]  # the size of an image, and a thumbnail if it is a plain drawing


def _drawing_of(uri: str) -> _Drawing:
    with open_picture(uri) as file:
        size = file.size
    thumbnail = decode_thumbnail(uri, (_DRAWING_SIDE, _DRAWING_SIDE), exact=True)
    return size, thumbnail if thumbnail is not None and _is_plain(thumbnail) else None


def _are_two_drawings(one: _Drawing, other: _Drawing) -> bool:
    """Whether two image files of one size are plain drawings that differ by more than brightness and compression."""
    (size, first), (other_size, second) = one, other
    if size != other_size or first is None or second is None:
        return False
    own, others = first - first.mean(), second - second.mean()
    slope = float((own * others).sum() / (own**2).sum())  # least squares, in a tenth of np.polyfit
    return bool(np.abs(slope * own - others).max() > _MAX_RESIDUAL * np.ptp(second))


def _is_plain(grey: Floats32) -> bool:
    """Whether nearly all pixels of a thumbnail equal their neighbour."""
    is_plain_step = np.abs(np.diff(grey, axis=1)) <= _MAX_PLAIN_STEP * np.ptp(grey)
    return bool(is_plain_step.mean() >= _MIN_PLAIN)


def _read_details(uri: str) -> Floats32 | None:
    thumbnail = decode_thumbnail(uri, _DETAIL_SIZE, MIN_SIDE)
    return None if thumbnail is None else np.asarray(details(thumbnail[None])[0], np.float32)


def details(small: Floats32) -> Floats32:
    """Grey levels minus the mean of their 7 x 7 surroundings, normalised: sums of products are correlations.

    Details are clipped at `_MAX_DETAIL` times the median of the image: else a few edges would decide.
    """
    padded = np.pad(small, ((0, 0), (4, 3), (4, 3)), mode="edge").cumsum(axis=1).cumsum(axis=2)
    mean = (padded[:, 7:, 7:] - padded[:, :-7, 7:] - padded[:, 7:, :-7] + padded[:, :-7, :-7]) / 49
    detail = small - mean
    usual = np.median(np.abs(detail), axis=(1, 2), keepdims=True)
    detail = np.clip(detail, -_MAX_DETAIL * usual, _MAX_DETAIL * usual)
    scale = np.sqrt((detail**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(detail / np.maximum(scale, 1e-6), np.float32)


def difference_hash(uri: str) -> Bytes | None:
    """The difference hash of an image file, (2, 32) bytes; None if it cannot be decoded, or has few gradients.

    First, whether each pixel of the image, reduced to 17 x 16, is darker than its right neighbour: 256 bits, which
    do not depend on brightness, size and compression. Second, whether the two differ at all.
    Source: N. Krawetz (2013), "Kind of Like That", hackerfactor.com (dHash, there of 64 bits, and without the second).
    """
    small = decode_thumbnail(uri, (_HASH_SIDE + 1, _HASH_SIDE))
    if small is None:
        return None
    step = small[:, 1:] - small[:, :-1]
    is_step = np.abs(step) > _MIN_STEP * np.abs(small).max()
    return np.stack([np.packbits(step > 0), np.packbits(is_step)]) if is_step.sum() >= _MIN_STEPS else None


def differing_bits(one: Bytes, other: Bytes) -> Ints:
    """(...) the number of the 256 bits in which difference hashes (..., 2, 32) differ.

    Bits where both pictures are flat, as in padding and on a plain background, do not count, since all pictures are
    equal there. The share of the other bits that differ is scaled to all 256, rounded up.
    """
    either = one[..., 1, :] | other[..., 1, :]
    differing = (one[..., 0, :] ^ other[..., 0, :]) & either
    n_either, n_differing = (np.bitwise_count(bits).sum(axis=-1, dtype=np.int64) for bits in (either, differing))
    return np.asarray(-(-n_differing * BITS // np.maximum(n_either, 1)))


def decode_thumbnail(uri: str, size: tuple[int, int], min_side: int = 1, *, exact: bool = False) -> Floats32 | None:
    """The grey levels of an image file, reduced to `size` (width, height).

    None if it cannot be decoded, has no gradients, or has a side of fewer than `min_side` pixels. `exact`: JPEG is
    decoded in full, which thin lines need.
    """
    from PIL import Image

    try:
        with open_picture(uri) as file:
            if min(file.size) < min_side:
                return None
            if not exact:  # a JPEG is decoded at a fraction
                file.draft("L", (max(8 * _HASH_SIDE, size[0]), max(8 * _HASH_SIDE, size[1])))
            grey = file.convert("F") if file.mode[0] in "IF" else file.convert("L").convert("F")
            small = np.asarray(grey.resize(size, Image.Resampling.BOX))
    except Exception:  # an image that cannot be decoded is reported by another rule
        return None
    return None if np.ptp(small) <= _MIN_CONTRAST * np.abs(small).max() else small


def _repeated_files(content: Ints, part: Ints, rows: Ints) -> list[tuple[int, int]]:
    """Yield images with the first image of the same content, and with the first one of another split."""
    first: dict[int, dict[int, int]] = {}
    pairs = []
    for row in rows.tolist():
        of_part = first.setdefault(int(content[row]), {})
        others = [twin for other, twin in of_part.items() if other != part[row]]
        pairs += [(row, twin) for twin in {*list(of_part.values())[:1], *others[:1]}]
        of_part.setdefault(int(part[row]), row)
    return pairs


def single_image_rows(images: Table) -> list[int]:
    """The rows of images whose file is on this machine and holds no further image."""
    local = {row: uri for row, uri in enumerate(images["uri"].tolist()) if uri is not None and "://" not in uri}
    shared = Counter(local.values())
    return [row for row, uri in local.items() if shared[uri] == 1]


def _difference_hashes(images: Table, jobs: int) -> tuple[Ints, Bytes]:
    """The rows of images that have a difference hash, and the hashes (n, 2, 32), without files with several images."""
    rows, uris = single_image_rows(images), images["uri"].tolist()
    digests = map_files(difference_hash, [uris[row] for row in rows], jobs)
    kept = [(row, digest) for row, digest in zip(rows, digests, strict=True) if digest is not None]
    hashes = np.array([digest for _, digest in kept], np.uint8).reshape(-1, 2, BITS // 8)
    return np.array([row for row, _ in kept], np.int64), hashes


def _nearest_hashes(hashes: Bytes, part: Ints) -> list[tuple[int, int, int]]:
    """For each hash the nearest earlier one, and the nearest of another split: earlier, later and distance in bits.

    The nearest hash has the most equal bits; the distance is then counted by `differing_bits`.
    """
    n = len(hashes)
    pairs: set[tuple[int, int, int]] = set()
    for first in range(0, n, _HASHES_AT_ONCE):
        later = np.arange(first, min(first + _HASHES_AT_ONCE, n))
        signs = _signs(hashes[later, 0])
        best = np.full((2, len(later)), MAX_DIFFERING_BITS + 1)
        whose = np.zeros((2, len(later)), np.int64)
        for begin in range(0, first + 1, _HASHES_AT_ONCE):
            earlier = np.arange(begin, min(begin + _HASHES_AT_ONCE, n))
            bits = ((BITS - signs @ _signs(hashes[earlier, 0]).T) / 2).astype(np.int64)
            bits[earlier[None, :] >= later[:, None]] = BITS
            for which in range(2):
                if which:
                    bits[part[later][:, None] == part[earlier][None, :]] = BITS
                nearest = bits.argmin(axis=1)
                distance = bits[np.arange(len(later)), nearest]
                better = distance < best[which]
                best[which][better], whose[which][better] = distance[better], earlier[nearest[better]]
        for which, place in zip(*np.nonzero(best <= MAX_DIFFERING_BITS), strict=True):
            a, b = int(whose[which, place]), int(later[place])
            differing = int(differing_bits(hashes[a], hashes[b]))
            if differing <= MAX_DIFFERING_BITS:
                pairs.add((a, b, differing))
    return sorted(pairs)


def _signs(hashes: Bytes) -> Signs:
    """The bits of hashes as -1 and 1: their scalar product is the number of equal bits minus that of different ones."""
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1


@measure_dataset("imprints", tables={"repeated_labels": ("annotation", "of", "bits")})
def measure_repeated_labels(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The table `repeated_labels`: annotations (rows) of other images than that of the first with the same imprint.

    bits: in how many of 256 bits the difference hashes of the two images differ; -1 where either has none, or there are
    more than `_MAX_REPEATED_PAIRS` pairs. Annotations without segments are left out.
    """
    annotations, images = view.tables["annotations"], view.tables["images"]
    rows = np.flatnonzero(annotations["n_segments"] > 0)
    imprint = annotations.take(rows).texts("imprint").dictionary_encode().indices.to_numpy()
    same, first = joint_codes(imprint)
    of, image = rows[first[same]], annotations["image"]
    columns = np.stack([rows, of], axis=1)[image[rows] != image[of]]
    pairs = columns.tolist()
    bits = np.full(len(pairs), -1, np.int64)
    if 0 < len(pairs) <= _MAX_REPEATED_PAIRS:
        single_rows = set(single_image_rows(images))
        uris = images["uri"].tolist()
        for k, (row, of) in enumerate(pairs):
            both = [uris[image[annotation]] if image[annotation] in single_rows else None for annotation in (row, of)]
            hashes = [None if uri is None else difference_hash(uri) for uri in both]
            if hashes[0] is not None and hashes[1] is not None:
                bits[k] = differing_bits(hashes[0], hashes[1])
    return {"repeated_labels": [{"annotation": columns[:, 0], "of": columns[:, 1], "bits": bits}]}


@measure_images("copies")
def hash_image_files(images: pa.Table) -> pa.Table:
    """Columns `content`, the BLAKE2 hash of an image's file if another may be equal, and `part`, its split.

    Without a declared split, the folder gives it. Content is null for files that cannot be read, for files whose size
    and last bytes no other file has, and for all frames or slices of a file but the first.
    """
    uris, names, sequences = (images[name].to_pylist() for name in ("uri", "image_id", "sequence"))
    splits = [split or split_from_path(name) for split, name in zip(images["split"].to_pylist(), names, strict=True)]
    files = [local_file(uri) for uri in uris]
    first: dict[Path, int] = {}
    several: set[int] = set()
    for row, (path, uri, sequence) in enumerate(zip(files, uris, sequences, strict=True)):
        if path is not None and first.setdefault(path, row) != row and (sequence is not None or "://" in uri):
            several.add(row)
    paths = {row: str(path) for row, path in enumerate(files) if path is not None and row not in several}
    rows = _rows_with_shared_key(list(paths), map_files(_file_size, list(paths.values())))
    rows = _rows_with_shared_key(rows, map_files(_file_tail, [paths[row] for row in rows]))
    digests = dict(zip(rows, map_files(hash_file, [paths[row] for row in rows]), strict=True))
    content = [digests.get(row) for row in range(len(uris))]
    return pa.table({"content": pa.array(content, pa.string()), "part": pa.array(splits, pa.string())})


def _rows_with_shared_key(rows: Sequence[int], keys: Iterable[_Key | None]) -> list[int]:
    """The rows whose key another row has too."""
    rows_of_key: dict[_Key, list[int]] = {}
    for row, key in zip(rows, keys, strict=True):
        if key is not None:
            rows_of_key.setdefault(key, []).append(row)
    return sorted(row for several in rows_of_key.values() if len(several) > 1 for row in several)


def _file_size(uri: str) -> int | None:
    """The size of a file on this machine in bytes; None if it does not exist."""
    try:
        return os.stat(uri).st_size  # noqa: PTH116 - a Path for each of many files would take longer than this
    except (OSError, ValueError):
        return None


def _file_tail(uri: str) -> tuple[int, bytes] | None:
    """The size and the last bytes of a file."""
    try:
        with Path(uri).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _TAIL_BYTES, 0))
            return size, hashlib.blake2b(file.read(), digest_size=16).digest()
    except OSError:
        return None


def find_lookalikes(images: Table, jobs: int = 0) -> Ints:
    """(n, 2) pairs of rows that link all images that rule SEG304 (split-leak) would report if they were in two splits.

    Files with the same bytes, and images whose difference hashes differ in at most
    `MAX_DIFFERING_BITS` bits; only the former if there are more than `MAX_COMPARED_IMAGES` images, since all would
    have to be decoded. Most pairs of images that others link already are left out, since a thousand frames of a still
    scene are half a million pairs: each file is paired with the first one that has the same bytes, for example.
    """
    names = ("image_id", "uri", "sequence", "split")
    columns = hash_image_files(pa.table({name: pa.array(images[name].tolist(), pa.string()) for name in names}))
    first: dict[str, int] = {}
    digests = enumerate(columns["content"].to_pylist())
    first_and_row = [(first.setdefault(digest, row), row) for row, digest in digests if digest is not None]
    pairs = np.array([(a, b) for a, b in first_and_row if a != b], np.int64).reshape(-1, 2)
    if len(images) > MAX_COMPARED_IMAGES:
        return pairs
    return np.concatenate([pairs, np.array(_similar_looks(images, jobs), np.int64).reshape(-1, 2)])


def _similar_looks(images: Table, jobs: int) -> list[tuple[int, int]]:
    """Pairs that link images with similar difference hashes, and the same details; see `find_lookalikes`."""
    rows, hashes = _difference_hashes(images, jobs)
    signs, same = _signs(hashes[:, 0]), _SameDetails(images["uri"].tolist(), jobs)
    pairs, group = list[tuple[int, int]](), np.arange(len(rows))
    for begin in range(0, len(rows), _HASHES_AT_ONCE):
        is_close = signs[begin : begin + _HASHES_AT_ONCE] @ signs.T >= BITS - 2 * MAX_DIFFERING_BITS
        for place, close in enumerate(is_close, begin):
            later = place + 1 + np.flatnonzero(close[place + 1 :])
            later = later[group[later] != group[place]]
            later = later[differing_bits(hashes[place], hashes[later]) <= MAX_DIFFERING_BITS]
            if len(later):
                row, others = int(rows[place]), rows[later].tolist()
                same.read([row, *others])
                alike = same.among(row, others)
                pairs += [(row, other) for other in alike]
                group[np.isin(group, group[later[np.isin(others, alike)]])] = group[place]
    return pairs


@measure_dataset(
    "twins",
    tables={"twins": ("pair", "annotation", "other", "category_id", "area", "other_area", "shared")},
    needs=("alike",),
)
def compare_duplicates(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The table `twins`: one row per pair of `alike` images, annotator and category, of images of one size.

    pair (row of `alike`), annotation and other (rows, that of the later and of the earlier image), category_id, area
    and other_area (pixels of either that the category covers), shared (by both). Crowds and void are left out. The
    slices of two volumes whose files are the same are compared one by one.
    """
    images = view.tables["images"]
    pairs = _pairs_of_slices(images, view.tables["alike"])
    a, b = pairs["of"], pairs["image"]
    fits = (images["width"][a] == images["width"][b]) & (images["height"][a] == images["height"][b])
    rows = np.flatnonzero(fits & (images["width"][a] > 0))
    portions = [rows[first : first + _PAIRS_AT_ONCE] for first in range(0, len(rows), _PAIRS_AT_ONCE)]
    return {"twins": list(run_ordered(partial(_compare_pairs, view, pairs), portions, view.jobs))}


def _pairs_of_slices(images: Table, alike: Table) -> Table:
    """The pairs of `alike` with their rows in it, `pair`, and the further slices of paired volumes.

    The files of paired volumes are equal, so that their slices pair up in order.
    """
    uris = images["uri"].tolist()
    of, image, pair = alike["of"].tolist(), alike["image"].tolist(), list(range(len(alike)))
    volumes = [row for row in np.flatnonzero(alike["same"] == 1).tolist() if "#k=" in (uris[image[row]] or "")]
    slices: dict[str, list[int]] = {}
    for row, uri in enumerate(uris) if volumes else ():
        slices.setdefault((uri or "").partition("#")[0], []).append(row)
    for row in volumes:
        first, second = (slices[uris[side[row]].partition("#")[0]] for side in (of, image))
        if len(first) == len(second):
            of, image, pair = of + first[1:], image + second[1:], pair + [row] * (len(first) - 1)
    return Table({name: np.array(rows, np.int64) for name, rows in (("of", of), ("image", image), ("pair", pair))})


def _compare_pairs(view: DatasetView, all_pairs: Table, rows: Ints) -> ColumnArrays:
    """The rows of the table `twins` for some pairs."""
    tables = view.tables
    pairs, annotations = all_pairs.take(rows), tables["annotations"]
    image = np.unique(np.concatenate([pairs["of"], pairs["image"]]))
    batch, _ = clip_to_roi(view.source.load(view.source_row[image]))
    begin, end = (np.searchsorted(annotations["image"], image, side) for side in ("left", "right"))
    annotation = expand_ranges(begin.astype(np.int64), (end - begin).astype(np.int64))
    if batch.annotations.num_rows != len(annotation):
        files = ", ".join(str(view.source.image_ids[row]) for row in view.source_row[image][:3].tolist())
        raise SegdataError(f"{view.profile.files}: files have changed while they were read ({files}, …); try again")
    pair, other, own = _match_annotations(pairs, image, batch, annotations["annotator"][annotation])
    category, code = np.unique(batch.segment_category, return_inverse=True)
    height, width = batch.image_size
    of_image = batch.annotation_image[own]
    line = NumberLine.from_sizes(np.repeat(height[of_image], len(category)), np.repeat(width[of_image], len(category)))
    counts = ~batch.segment_is_crowd
    counts &= ~np.isin(batch.segment_category, view.profile.taxonomy.void_ids)
    covered = [_category_cover(batch, annotations, line, code, len(category), counts) for annotations in (own, other)]
    n_frames = len(own) * len(category)
    area, other_area = (np.bincount(line.frame_of(side.start), side.end - side.start, n_frames) for side in covered)
    _, _, start, length = covered[0].strips_with(covered[1])
    shared = np.bincount(line.frame_of(start), length, n_frames)
    some = np.flatnonzero(area + other_area)
    which, kind = np.divmod(some, max(len(category), 1))
    columns = {
        "pair": pairs["pair"][pair[which]],
        "annotation": annotation[own[which]],
        "other": annotation[other[which]],
        "category_id": category[kind],
        "area": area[some],
        "other_area": other_area[some],
        "shared": shared[some],
    }
    return {name: values.astype(np.int64) for name, values in columns.items()}


def _match_annotations(pairs: Table, image: Ints, batch: Batch, annotator: Column) -> tuple[Ints, Ints, Ints]:
    """The pair, and the batch's annotations of its earlier and later image by the same annotator."""
    by: dict[tuple[int, str | None], int] = {}
    for row, (place, name) in enumerate(zip(batch.annotation_image.tolist(), annotator.tolist(), strict=True)):
        by.setdefault((place, name), row)
    names = sorted(set(annotator.tolist()), key=lambda name: (name is not None, name))
    places = [np.searchsorted(image, pairs[name]).tolist() for name in ("of", "image")]
    matches = [
        (pair, by[first, name], by[second, name])
        for pair, (first, second) in enumerate(zip(*places, strict=True))
        for name in names
        if (first, name) in by and (second, name) in by
    ]
    columns = np.array(matches, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _category_cover(
    batch: Batch, annotation: Ints, line: NumberLine, code: Ints, n_codes: int, counts: Flags
) -> SweepRuns:
    """The union of the segments of each category in some annotations, each in a frame of its own."""
    annotation_of = batch.segment_annotation
    begin, end = (np.searchsorted(annotation_of, annotation, side).astype(np.int64) for side in ("left", "right"))
    segment = expand_ranges(begin, end - begin)
    frame = np.repeat(np.arange(len(annotation)), end - begin) * n_codes + code[segment]
    kept = counts[segment]
    side = SweepRuns.from_runs(batch.runs.take(segment[kept], batch.n_segments), line, frame[kept])
    start, length, _ = kernels.cover(side.start, side.end)
    return SweepRuns(start, start + length, np.zeros(len(start), np.int32))
