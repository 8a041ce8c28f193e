import numpy as np
import pytest

from segdata.formats.shapes.soundness import check_numbers, check_ring, outside


@pytest.mark.parametrize(
    "points", [[1, 2, 3.5, 4, 5, 6], [[1, 2], [3, 4], [5, 6]], [(0, 0), (0, 0), (0, 0)], [[1e7, -1e7]] * 3]
)
def test_sound_rings(points: object) -> None:
    assert check_ring(points) is None


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([1, 2, 3, 4, 5, 6, 7], "has 7 numbers; x and y come in pairs"),
        ([[1, 2], [3, 4]], "has 2 points; at least 3 are needed"),
        ([], "has 0 points; at least 3 are needed"),
        ([[1, 2], [3, 4], [5, float("nan")]], "has the coordinate nan"),
        ([[1, 2], [3, 4], [5, -float("inf")]], "has the coordinate -inf"),
        ([1, 2, 3, 4, 5, 1e8], "has the coordinate 1e+08, more than 10,000,000 px from the frame"),
        *(
            (strange, "has points that are not pairs of numbers")
            for strange in (
                None,
                "123456",
                {"x": 1},
                [[1, 2], [3], [5, 6]],
                [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
                ["1", "2", "3", "4", "5", "6"],
                [None] * 6,
                [True] * 6,
                [10**400] * 6,
                [[[1, 2]], [[3, 4]], [[5, 6]]],
            )
        ),
    ],
)
def test_what_is_wrong_with_a_ring(points: object, said: str) -> None:
    assert check_ring(points) == said


def test_numbers_of_an_ellipse() -> None:
    assert check_numbers(1, 2.5, -3) is None
    assert check_numbers(1, 2e7) == "has the coordinate 2e+07, more than 10,000,000 px from the frame"


@pytest.mark.parametrize(
    ("point", "beyond"),
    [((0, 0), 0), ((40, 30), 0), ((-1.5, 3), 1.5), ((3, -2), 2), ((42, 3), 2), ((3, 30.25), 0.25), ((-3, 35), 5)],
)
def test_how_far_the_farthest_point_lies_outside(point: tuple[float, float], beyond: float) -> None:
    points = np.array([[10.0, 10], point, [20, 10]])
    assert outside(points, height=30, width=40) == beyond
