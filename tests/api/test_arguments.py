"""Arguments of a wrong type are refused before any file is read; what works is not."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segdata

SEMANTIC = Path("sample_data/semantic")
UNTYPED: Any = segdata  # for calls that a type checker would refuse


@pytest.fixture(scope="module")
def data() -> Any:  # Any: as above
    return segdata.read(SEMANTIC)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda _: UNTYPED.read(SEMANTIC, fromat="coco"),
            "read() got an unexpected keyword argument 'fromat'; did you mean 'format'?",
        ),
        (
            lambda data: data.diff(data, jbos=1),
            "Dataset.diff() got an unexpected keyword argument 'jbos'; did you mean 'jobs'?",
        ),
        (lambda _: UNTYPED.read(5), "read(): data must be str, Path or Dataset, not 5 (int)"),
        (lambda _: UNTYPED.read(SEMANTIC, format=3), "read(): format must be str or None, not 3 (int)"),
        (
            lambda _: UNTYPED.validate(SEMANTIC, config=3),
            "validate(): config must be str, Path, Config or None, not 3 (int)",
        ),
        (
            lambda data: data.validate(config=3),
            "Dataset.validate(): config must be str, Path, Config or None, not 3 (int)",
        ),
        (lambda data: data.validate(select=[5]), "select must be str or a list of str, not [5] (list)"),
        (lambda data: data.tile("out", "8"), "Dataset.tile(): size must be int or (int, int), not '8' (str)"),
        (lambda data: data.tile("out", (8, 8, 8)), "size must be int or (int, int), not (8, 8, 8) (tuple)"),
        (lambda data: data.split(seed="x"), "Dataset.split(): seed must be int, not 'x' (str)"),
        (lambda data: data.split({"train": "most"}), "parts must be a mapping or None, not {'train': 'most'} (dict)"),
        (lambda data: data.sample(3, 4), "Dataset.sample(): target must be str, Path or None, not 3 (int)"),
        (lambda data: data.review.decide("SEG101"), "decisions must be a list of Decision, not 'SEG101' (str)"),
        (lambda _: UNTYPED.agree({"a": 5}), "agree(): data must be str, Path, Dataset, a mapping or a list of "),
        (lambda data: data.convert("out", on_loss=1), "on_loss must be 'warn', 'error' or 'allow', not 1 (int)"),
        (lambda data: data.validate(progress=1), "progress must be a function, not 1 (int)"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(call: Callable[[Any], object], message: str, data: Any) -> None:
    with pytest.raises(TypeError) as error:
        call(data)
    assert message in str(error.value)


def test_what_can_be_used_as_the_type_is_accepted(data: Any, tmp_path: Path) -> None:
    whole = np.int64(64)
    assert data.tile(tmp_path / "tiles", [whole, whole], overlap=np.int8(0))
    codes = (code for code in ("SEG101", "SEG102"))  # can be read once: the check leaves it alone
    assert data.validate(select=codes, jobs=np.int32(1)) == data.validate(select=["SEG101", "SEG102"], jobs=1)


def test_a_function_can_be_pickled_for_other_processes() -> None:
    assert pickle.loads(pickle.dumps(segdata.validate)) is segdata.validate
