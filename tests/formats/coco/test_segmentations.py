"""RLEs that go row by row are told by the box that only that reading fits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from pycocotools import mask as coco_mask

from segdata.core.format import ReadRequest
from segdata.core.runs import Runs
from segdata.formats.coco import instances
from segdata.formats.coco import segments as coco_segments
from segdata.formats.coco.columns import RawColumn
from segdata.formats.coco.segments import _insert_runs, read_rles
from segdata.testing.pictures import Mask
from tests.generators.coco_documents import annotation, document, load_all, write_document
from tests.generators.traps.coco_rle import counts_of

HEIGHT, WIDTH = 23, 31


def read(folder: Path, segmentation: Any, bbox: list[float] | None) -> tuple[int, list[str]]:
    """How many segments are read, and the codes of the defects."""
    keys = {"segmentation": segmentation} | ({} if bbox is None else {"bbox": bbox})
    image = {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}
    batch, defects = load_all(
        instances.read(ReadRequest(write_document(folder, document(images=[image], annotations=[annotation(**keys)]))))
    )
    return batch.n_segments, [each.code for each in defects]


@st.composite
def boxes(draw: st.DrawFn) -> Mask:
    """A box in the image."""
    left, top = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : draw(st.integers(top + 1, HEIGHT)), left : draw(st.integers(left + 1, WIDTH))] = True
    return mask


@settings(max_examples=60)
@given(mask=boxes(), wrong=st.booleans(), compressed=st.booleans(), declared=st.booleans())
def test_only_rows_for_columns_are_told(
    tmp_path_factory: pytest.TempPathFactory, mask: Mask, wrong: bool, compressed: bool, declared: bool
) -> None:
    """A sound RLE never is; one by rows is, unless its box fits both readings, or there is none."""
    flat = mask.ravel() if wrong else mask.T.ravel()
    box = coco_mask.toBbox(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))).tolist()
    coded: Any = {"size": [HEIGHT, WIDTH], "counts": counts_of(flat)}
    as_read = coco_mask.frPyObjects(coded, HEIGHT, WIDTH)
    off = max(abs(a - b) for a, b in zip(_edges(coco_mask.toBbox(as_read).tolist()), _edges(box), strict=True))
    if compressed:
        coded = as_read | {"counts": as_read["counts"].decode()}
    found = read(tmp_path_factory.mktemp("rle"), coded, box if declared else None)
    assert found == ((0, ["SEG005"]) if off > 2 and declared else (1, []))


def _edges(box: list[float]) -> list[float]:
    x, y, width, height = box
    return [x, y, x + width, y + height]


@pytest.mark.parametrize("bbox", [[0, 0, 1, 1], [5, 5, 0, 0], [-9, -9, 99, 99]])
def test_a_box_that_fits_neither_is_only_a_wrong_box(tmp_path: Path, bbox: list[float]) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[3:9, 10:20] = True
    assert read(tmp_path, {"size": [HEIGHT, WIDTH], "counts": counts_of(mask.T.ravel())}, bbox) == (1, [])


def test_an_empty_mask_has_no_order(tmp_path: Path) -> None:
    assert read(tmp_path, {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}, [0, 0, 0, 0]) == (1, [])


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=30))
def test_a_few_runs_go_between_many_as_if_all_were_sorted(drawn: list[tuple[int, bool]]) -> None:
    owners = sorted(dict(drawn).items())
    many, few = (
        [(owner, start) for owner, is_few in owners if is_few == wanted for start in range(owner % 3 + 1)]
        for wanted in (False, True)
    )

    def runs(pairs: list[tuple[int, int]]) -> Runs:
        owner, start = (np.array([pair[k] for pair in pairs], np.int64) for k in (0, 1))
        return Runs(start, start + 1, owner.astype(np.int32))

    both = _insert_runs(runs(many), runs(few))
    assert list(zip(both.owner.tolist(), both.start.tolist(), strict=True)) == sorted(many + few)
    assert (both.length == both.start + 1).all()
    assert both.owner.dtype == np.int32


COUNTS = st.sampled_from(
    b"[0, 2, 4];[6];[1,5];[0, 2, 3];[7, -1];[2, 4.0];[2, 4e0];[2, 4.5];[];[[2], 4];[2, null];[9007199254740993];"
    b'[2, "4"];[18446744073709551616];"6";"06";null;{}'.split(b";")
)
RLES = st.builds(
    lambda counts, size, form: form % (size, counts),
    COUNTS,
    st.sampled_from([b"[2, 3]", b"[3, 2]", b"[2, 3.0]", b"[2]", b"[2, 3, 1]", b"[]", b"null", b'"23"']),
    st.sampled_from(
        [b'{"size": %b, "counts": %b}', b'{ "size" :%b , "counts":%b, "x": [1] }', b'{"size": %b, "c\\u006funts": %b}']
    ),
)


@given(st.lists(RLES, max_size=6))
def test_lists_of_counts_are_read_as_one_by_one(texts: list[bytes]) -> None:
    raws = RawColumn.from_values([Raw(text) for text in texts])
    height, width = np.full(len(texts), 2), np.full(len(texts), 3)
    runs, sound, faults = read_rles(raws, height, width)
    with pytest.MonkeyPatch.context() as patch:
        nothing = Runs.empty(), np.zeros(len(texts), bool)
        patch.setattr(coco_segments, "_read_plain_counts", lambda *_: nothing)
        expected = read_rles(raws, height, width)
    assert sound.tolist() == expected[1].tolist()
    assert sorted(map(str, faults)) == sorted(map(str, expected[2]))
    for name in ("start", "length", "owner"):
        assert getattr(runs, name).tolist() == getattr(expected[0], name).tolist()
