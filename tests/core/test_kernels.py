"""Which kernels are used, and that the two kinds fit each other."""

import inspect
import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from segdata.core import kernels as chosen
from segdata.core.kernels import _reference

FUNCTIONS = sorted(chosen._MODULE.keys() - chosen.COMPILED_ONLY)


def test_compiled_kernels_without_a_twin_are_named() -> None:
    assert {name for name in chosen._MODULE if not hasattr(_reference, name)} == chosen.COMPILED_ONLY


def test_all_kernels_are_built() -> None:
    """A kernel that is missing is its slow reference, and nobody notices."""
    assert chosen.lacking() == [], "build the kernels again: pip install -e . --no-build-isolation"


def test_a_kernel_that_was_not_built_is_its_twin_and_the_others_stay_compiled() -> None:
    """As after an extension could not be compiled, or one from before a kernel was added."""
    program = """if True:
        import sys
        sys.modules["segdata.core.kernels._compiled.walk"] = None
        from segdata.core import kernels
        modules = kernels.measure_segments.__module__, kernels.cover.__module__
        print(*modules, kernels.is_compiled("measure_segments"), kernels.describe())"""
    asked_for_none = {name: value for name, value in os.environ.items() if name != "SEGDATA_KERNELS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=asked_for_none, capture_output=True, text=True, check=True
    )
    kinds = " ".join(f"segdata.core.kernels._{kind}" for kind in ("reference.labels", "compiled.sweep"))
    assert (
        done.stdout.strip()
        == f"{kinds} False compiled kernels but for even_steps, measure_segments, parts (slower: build them again)"
    )


def test_an_unknown_kernel_is_no_attribute() -> None:
    assert not hasattr(chosen, "no_such_kernel")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_twins_have_the_same_parameters(kernels: ModuleType, name: str) -> None:
    ours, reference = (list(inspect.signature(getattr(one, name)).parameters) for one in (kernels, _reference))
    assert ours == reference


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_chosen_function_is_of_the_named_kind(name: str) -> None:
    assert getattr(chosen, name).__module__.startswith(f"segdata.core.kernels._{chosen.NAME}.")


def test_reference_kernels_can_be_asked_for() -> None:
    command = [sys.executable, "-c", "from segdata.core import kernels; print(kernels.NAME, kernels.cover.__module__)"]
    said = subprocess.run(
        command, env=os.environ | {"SEGDATA_KERNELS": "reference"}, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["reference", "segdata.core.kernels._reference.sweep"]


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
        ("overlaps", "qqiqqi"),
        ("overlaps_within", "qqi"),
        ("tally", "iiq"),
        ("cut", "qqqq"),
        ("even_steps", "qqiqq"),
        ("expand_ranges", "qq"),
        ("lift", "qiqq"),
    ],
)
def test_compiled_kernels_refuse_columns_that_do_not_fit(name: str, dtypes: str) -> None:
    """They would read beyond the end of a column."""
    kernel = chosen.find_compiled(name)
    if kernel is None:
        pytest.skip("not built")
    *most, last = (np.zeros(3, dtype) for dtype in dtypes)
    with pytest.raises(ValueError, match="3"):
        kernel(*most, last[:2])
