"""Which kernels are used, and that the two kinds fit each other."""

import inspect
import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from segdata.core import kernels as chosen
from segdata.core.kernels import _plain

FUNCTIONS = sorted(_plain.__all__)


def test_every_function_has_both_twins(kernels: ModuleType) -> None:
    assert sorted(kernels.__all__) == FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_twins_have_the_same_parameters(kernels: ModuleType, name: str) -> None:
    ours, plain = (list(inspect.signature(getattr(one, name)).parameters) for one in (kernels, _plain))
    assert ours == plain


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_chosen_function_is_of_the_named_kind(name: str) -> None:
    assert getattr(chosen, name).__module__.startswith(f"segdata.core.kernels._{chosen.NAME}.")


def test_plain_kernels_can_be_asked_for() -> None:
    command = [sys.executable, "-c", "from segdata.core import kernels; print(kernels.NAME, kernels.cover.__module__)"]
    said = subprocess.run(
        command, env=os.environ | {"SEGDATA_KERNELS": "plain"}, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["plain", "segdata.core.kernels._plain.sweep"]


@pytest.mark.parametrize(
    ("name", "dtypes"),
    [
        ("split_counts", "qqqq"),
        ("decode_counts", "Bqqq"),
        ("join_counts", "qqqqq"),
        ("rasterise", "dqqqq"),
        ("parse_rings", "Bqq"),
        ("strips", "qqiqqi"),
        ("strips_within", "qqi"),
        ("cover", "qq"),
        ("tally", "iiq"),
        ("paired", "ii"),
        ("lift", "qiqq"),
    ],
)
def test_compiled_kernels_refuse_columns_that_do_not_fit(name: str, dtypes: str) -> None:
    """They would read beyond the end of a column."""
    compiled = pytest.importorskip("segdata.core.kernels._compiled")
    *most, last = (np.zeros(3, dtype) for dtype in dtypes)
    with pytest.raises(ValueError, match="3"):
        getattr(compiled, name)(*most, last[:2])
