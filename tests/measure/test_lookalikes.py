"""Lookalikes: all pairs that SEG304 would tell of, and no image without a file."""

from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.table import Table
from segdata.measure.alike import MOST, alike, look
from segdata.measure.lookalikes import lookalikes


def table_of(uris: list[str | None]) -> Table:
    n = len(uris)
    columns = {name: np.full(n, None, object) for name in ("sequence", "split", "content", "part")}
    columns["part"][:] = [("a", "b")[row % 2] for row in range(n)]
    return Table({"image_id": np.array([str(n) for n in range(n)], object), "uri": np.array(uris, object), **columns})


def test_every_pair_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    uris: list[str | None] = []
    for number in range(4):
        blobs = Image.fromarray(rng.integers(0, 200, (9, 12, 3), np.uint8)).resize((80, 60), Image.Resampling.BICUBIC)
        for again in range(3):
            path = tmp_path / f"{number}{again}.png"
            Image.fromarray(np.asarray(blobs) + np.uint8(9 * again)).save(path)
            uris.append(str(path))
    (tmp_path / "copy.png").write_bytes((tmp_path / "00.png").read_bytes())
    uris += [str(tmp_path / "copy.png"), str(tmp_path / "none.png"), None, None]
    looks = [None if uri is None else look(uri) for uri in uris]
    expected = {
        (a, b)
        for (a, one), (b, other) in combinations(enumerate(looks), 2)
        if one is not None and other is not None and np.unpackbits(one ^ other).sum() <= MOST
    }
    assert {(0, 1), (0, 2), (1, 2), (0, 12)} <= expected
    found = lookalikes(table_of(uris), jobs=2)
    assert {(int(a), int(b)) for a, b in found} == expected


def test_images_without_files_are_alike_to_none() -> None:
    table = table_of([None] * 5)
    assert lookalikes(table).tolist() == []
    assert alike(table, 1)["image"].tolist() == []
