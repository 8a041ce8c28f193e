import inspect
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from segdata.api.in_memory import from_arrays
from segdata.core.errors import SegdataError
from segdata.core.label_maps import LabelMaps
from segdata.core.pixel_limit import max_pixels, pixel_limit
from segdata.core.processes import ImageProcesses, process_pool
from segdata.core.runs import Ints


@pytest.fixture
def maps() -> LabelMaps:
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2:4] = True
    empty = np.zeros((4, 5), bool)
    masks = {f"{row}.png": [(mask, "a")] * (row % 3) + [(~mask, "b")] for row in range(20)} | {
        "none.png": [(empty, "a")]
    }
    return from_arrays(masks, ["a", "b"]).maps()


@dataclass(frozen=True)
class Describe:
    """What a process sees of each image."""

    word: str = ""

    def __call__(self, maps: LabelMaps, images: Ints) -> list[tuple[object, ...]]:
        return [
            (
                self.word,
                image,
                maps.image_ids[row],
                maps.semantic(row).tolist(),
                len(maps.segments(row).ids),
                max_pixels(),
            )
            for row, image in enumerate(images.tolist())
        ]


@dataclass(frozen=True)
class Fail:
    """Raises an error for one image, or ends its process."""

    end: bool

    def __call__(self, maps: LabelMaps, images: Ints) -> list[int]:
        if 7 in images:
            if self.end:
                os.kill(os.getpid(), signal.SIGKILL)
            raise SegdataError("7.png: is wrong")
        return images.tolist()


def test_processes_see_what_this_one_sees_in_order(maps: LabelMaps) -> None:
    images = np.array([0, 1, 4, 5, 7, 8, 12, 19, 20])
    with pixel_limit(12_345):
        there = list(ImageProcesses(maps, 3).run(Describe("x"), images))
        assert there == Describe("x")(maps.take(images), images)
        assert [each[3] for each in there] == [maps.semantic(row).tolist() for row in images.tolist()]
    assert list(ImageProcesses(maps, 2).run(Describe("y"), images[:0])) == []


def test_an_error_in_a_process_is_raised_here(maps: LabelMaps) -> None:
    with pytest.raises(SegdataError, match=r"7\.png: is wrong"):
        list(ImageProcesses(maps, 2).run(Fail(False), np.arange(21)))


def test_a_process_that_dies_is_an_error_that_says_what_to_do(maps: LabelMaps) -> None:
    with pytest.raises(SegdataError, match=r"one of 2 processes was ended.*--jobs"):
        list(ImageProcesses(maps, 2).run(Fail(True), np.arange(21)))
    assert len(list(ImageProcesses(maps, 2).run(Describe(), np.arange(21)))) == 21


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "print('started')\n"
        "from segdata.api.in_memory import from_arrays\n"
        "from segdata.core.processes import ImageProcesses\n"
        "from tests.core.test_processes import Describe\n"
        "maps = from_arrays({'a.png': [(np.ones((2, 2), bool), 'a')]}, ['a']).maps()\n"
        "print(len(list(ImageProcesses(maps, 2).run(Describe(), np.arange(1)))))\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.stdout.split() == ["started", "1"]
    assert done.stderr == ""


def test_a_process_that_had_nothing_to_do_and_is_replaced_is_no_warning() -> None:
    import loky.process_executor

    text = "A worker stopped while some jobs were given"
    assert text in inspect.getsource(loky.process_executor)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("error")
        with process_pool(2):
            warnings.warn(f"{text} to the executor.", UserWarning, stacklevel=1)
            with pytest.raises(UserWarning):
                warnings.warn("something else", UserWarning, stacklevel=1)
    assert told == []
