"""Lookalikes: every two images that are the same picture, so that a division keeps them together."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from segdata.core.executor import n_threads
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure.alike import BITS, MOST, MOST_IMAGES, look
from segdata.measure.copies import copies

_BLOCK = 2048


def lookalikes(images: Table, jobs: int = 0) -> Ints:
    """(n, 2) pairs of rows of images that rule SEG304 (split-leak) would call the same, were they in two splits.

    Files with the same bytes, and images whose difference hashes differ in at most `segdata.measure.alike.MOST` bits;
    of more than `MOST_IMAGES` images only the former, since all would have to be decoded. Of files with the same bytes
    each is paired with the first.
    """
    names = ("image_id", "uri", "sequence", "split")
    content = copies(pa.table({name: pa.array(images[name].tolist(), pa.string()) for name in names}))["content"]
    first: dict[str, int] = {}
    found = [(first.setdefault(each, row), row) for row, each in enumerate(content.to_pylist()) if each is not None]
    pairs = np.array([(a, b) for a, b in found if a != b], np.int64).reshape(-1, 2)
    return pairs if len(images) > MOST_IMAGES else np.concatenate([pairs, _near(images, jobs)])


def _near(images: Table, jobs: int) -> Ints:
    """Pairs of images that look the same; files that hold several images are left out."""
    uris = images["uri"].tolist()
    shared = Counter(uris)
    rows = [row for row, uri in enumerate(uris) if uri is not None and "://" not in uri and shared[uri] == 1]
    with ThreadPoolExecutor(n_threads(jobs)) as pool:
        looks = list(pool.map(look, [uris[row] for row in rows]))
    known = np.array([row for row, each in zip(rows, looks, strict=True) if each is not None], np.int64)
    if len(known) == 0:
        return np.empty((0, 2), np.int64)
    bits = np.unpackbits(np.array([each for each in looks if each is not None]), axis=1)
    signs = bits.astype(np.float32) * 2 - 1  # the product of two counts the bits that agree, less those that differ
    pairs = []
    for begin in range(0, len(known), _BLOCK):
        a, b = np.nonzero(signs[begin : begin + _BLOCK] @ signs.T >= BITS - 2 * MOST)
        pairs.append(np.stack([known[a + begin], known[b]], axis=1)[a + begin < b])
    return np.concatenate(pairs)
