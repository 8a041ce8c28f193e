"""Alike: which images are the same picture, by their files' content or by what they look like."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from segdata.core.executor import n_threads
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure.stretch import Columns

BITS = 256
MOST = 16  # bits in which two pictures of one thing may differ
MOST_IMAGES = 20_000  # all are decoded and compared with all, for minutes where there are more
_SIDE = 16
_PLAIN = 0.03  # of the brightest: an image whose thumbnail varies less has no gradients to compare
_BLOCK = 2048
Bytes = NDArray[np.uint8]
Signs = NDArray[np.float32]


def alike(images: Table, jobs: int) -> Columns:
    """Pairs of images that are the same picture: image and of (rows, `of` the earlier one), same and bits.

    Each image is listed with the earlier one that it is most like, and with that of another split. `same`: the files
    hold the same bytes. `bits`: in how many of the 256 bits of their difference hashes they differ, at most `MOST`.
    Hashes are only compared where images are in several splits, and there are at most `MOST_IMAGES`, since for that
    every image must be decoded.
    """
    _, content = np.unique(images["content"].astype(str), return_inverse=True)
    _, part = np.unique(images["part"].astype(str), return_inverse=True)
    known = np.flatnonzero(~images.missing("content"))
    found = dict.fromkeys(_repeated(content, part, known), (1, 0))
    splits = set(images["part"].tolist()) - {None}
    if len(splits) > 1 and len(images) <= MOST_IMAGES:
        rows, looks = _looks(images, jobs)
        for a, b, bits in _nearest(looks, part[rows]):
            found.setdefault((int(rows[b]), int(rows[a])), (0, bits))
    pairs = np.array([(*pair, *found[pair]) for pair in sorted(found)], np.int64).reshape(-1, 4)
    return {name: pairs[:, place] for place, name in enumerate(("image", "of", "same", "bits"))}


def look(uri: str) -> Bytes | None:
    """The difference hash of an image file, (32,) bytes; None where it cannot be decoded, or has no gradients.

    Whether each pixel of the image, reduced to 17 x 16, is darker than the one to its right: 256 bits, which survive a
    change of brightness, of size and of compression.
    Source: N. Krawetz (2013), "Kind of Like That", hackerfactor.com (dHash, there of 64 bits).
    """
    from PIL import Image

    try:
        with Image.open(uri) as file:
            file.draft("L", (8 * _SIDE, 8 * _SIDE))  # a JPEG is decoded at a fraction of its size
            grey = file.convert("F") if file.mode[0] in "IF" else file.convert("L").convert("F")
            small = np.asarray(grey.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX))
    except Exception:  # an image that cannot be decoded is another rule's business, whatever is wrong with it
        return None
    if np.ptp(small) <= _PLAIN * np.abs(small).max():
        return None
    return np.packbits(small[:, 1:] > small[:, :-1])


def _repeated(content: Ints, part: Ints, rows: Ints) -> list[tuple[int, int]]:
    """Images with the first that has their content, and the first of another split."""
    first: dict[int, dict[int, int]] = {}
    found = []
    for row in rows.tolist():
        of_part = first.setdefault(int(content[row]), {})
        others = [twin for other, twin in of_part.items() if other != part[row]]
        found += [(row, twin) for twin in {*list(of_part.values())[:1], *others[:1]}]
        of_part.setdefault(int(part[row]), row)
    return found


def _looks(images: Table, jobs: int) -> tuple[Ints, Bytes]:
    """The rows of the images that have a difference hash, and the hashes (n, 32)."""
    uris = images["uri"].tolist()
    shared = Counter(uris)
    rows = [row for row, uri in enumerate(uris) if uri is not None and "://" not in uri and shared[uri] == 1]
    with ThreadPoolExecutor(n_threads(jobs)) as pool:
        found: Sequence[Bytes | None] = list(pool.map(look, [uris[row] for row in rows]))
    kept = [(row, each) for row, each in zip(rows, found, strict=True) if each is not None]
    return np.array([row for row, _ in kept], np.int64), np.array([each for _, each in kept]).reshape(-1, BITS // 8)


def _nearest(looks: Bytes, part: Ints) -> list[tuple[int, int, int]]:
    """Earlier, later and distance in bits: of each hash the nearest earlier one, and that of another split."""
    n = len(looks)
    found: set[tuple[int, int, int]] = set()
    for first in range(0, n, _BLOCK):
        later = np.arange(first, min(first + _BLOCK, n))
        signs = _signs(looks[later])
        best = np.full((2, len(later)), MOST + 1)
        whose = np.zeros((2, len(later)), np.int64)
        for begin in range(0, first + 1, _BLOCK):
            earlier = np.arange(begin, min(begin + _BLOCK, n))
            bits = ((BITS - signs @ _signs(looks[earlier]).T) / 2).astype(np.int64)
            bits[earlier[None, :] >= later[:, None]] = BITS
            for which in range(2):
                if which:
                    bits[part[later][:, None] == part[earlier][None, :]] = BITS
                nearest = bits.argmin(axis=1)
                distance = bits[np.arange(len(later)), nearest]
                better = distance < best[which]
                best[which][better], whose[which][better] = distance[better], earlier[nearest[better]]
        for which, place in zip(*np.nonzero(best <= MOST), strict=True):
            found.add((int(whose[which, place]), int(later[place]), int(best[which, place])))
    return sorted(found)


def _signs(looks: Bytes) -> Signs:
    """The bits of hashes as -1 and 1: the product of two counts those that agree, less those that differ."""
    return np.unpackbits(looks, axis=1).astype(np.float32) * 2 - 1
