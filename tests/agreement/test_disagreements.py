"""A segment that somebody has not is missed where nothing is, and joined where its pixels are in others."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import segdata

Ids = NDArray[np.uint16]


def agree(tmp_path: Path, **drawn: Ids) -> list[tuple[str, str | None, str]]:
    for who, ids in drawn.items():
        (tmp_path / who).mkdir()
        Image.fromarray(ids).save(tmp_path / who / "a.png")
    result = segdata.agree({who: tmp_path / who for who in drawn}, select=["SEG401", "SEG402", "SEG405"])
    return sorted((finding.code, finding.annotator, finding.message) for finding in result.findings)


def columns(*ids: int, width: int = 10) -> Ids:
    """A picture of upright stripes, each of one segment."""
    return np.repeat(np.array(ids, np.uint16)[None], 20, axis=0).repeat(width, axis=1)


NONE = "no object of its own where 2 of 2 others have one (200 px): it is joined with its neighbours"


@pytest.mark.parametrize(
    ("cleo", "expected"),
    [
        (columns(1, 0, 3, 4, 5, 6), [("SEG401", "cleo", "nothing where 2 of 2 others have object (200 px)")]),
        # One segment for stripes 2 and 3: both are pieces of it.
        (columns(1, 2, 2, 4, 5, 6), [("SEG405", "cleo", "1 object where most others have 2")]),
    ],
)
def test_a_segment_in_another_one_is_not_missed(
    tmp_path: Path, cleo: Ids, expected: list[tuple[str, str, str]]
) -> None:
    everybody = columns(1, 2, 3, 4, 5, 6)
    assert agree(tmp_path, anna=everybody, ben=everybody, cleo=cleo) == expected


def test_a_segment_that_its_neighbours_share_is_joined_with_them(tmp_path: Path) -> None:
    everybody = columns(1, 1, 1, 2, 2, 3, 3, 3, width=10)
    cleo = columns(1, 1, 1, 1, 3, 3, 3, 3, width=10)  # half of stripe 2 is with 1, the other half with 3
    assert agree(tmp_path, anna=everybody, ben=everybody, cleo=cleo) == [
        ("SEG405", "cleo", NONE.replace("200 px", "400 px"))
    ]


def test_a_segment_that_most_others_join_is_not_extra(tmp_path: Path) -> None:
    cleo = columns(1, 1, 1, 2, 2, 3, 3, 3, width=10)
    everybody = columns(1, 1, 1, 1, 3, 3, 3, 3, width=10)
    assert agree(tmp_path, anna=everybody, ben=everybody, cleo=cleo) == [
        ("SEG405", "cleo", "object (400 px) that most others join with its neighbours")
    ]


def test_a_segment_on_nothing_is_extra(tmp_path: Path) -> None:
    cleo, everybody = columns(1, 1, 2, 0, 3), columns(1, 1, 0, 0, 3)
    assert agree(tmp_path, anna=everybody, ben=everybody, cleo=cleo) == [
        ("SEG402", "cleo", "object (200 px) where the others have nothing")
    ]


def test_who_joins_neighbours_everywhere_is_said_to_join_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for who in ("anna", "ben", "cleo"):
        (tmp_path / who).mkdir()
    for number in range(12):
        ids = columns(*range(1, 9), width=int(rng.integers(6, 12)))
        for who in ("anna", "ben"):
            Image.fromarray(ids).save(tmp_path / who / f"{number}.png")
        joined = np.where(ids % 3 == 2, ids - 1, ids)  # 2 with 1, 5 with 4, 8 with 7
        Image.fromarray(joined.astype(np.uint16)).save(tmp_path / "cleo" / f"{number}.png")
    result = segdata.agree({who: tmp_path / who for who in ("anna", "ben", "cleo")}, select=["SEG406"])
    assert [finding.message.partition(" in ")[0] for finding in result.findings] == [
        "cleo joins 75% of object with its neighbours (others 0%)",
        "cleo splits object differently from most others",
    ]
