"""What the tests of core share."""

from types import SimpleNamespace
from typing import Any

import pytest

from segdata.core import kernels as chosen
from segdata.core.kernels import _plain


@pytest.fixture(scope="session", params=["compiled", "plain"])
def kernels(request: pytest.FixtureRequest) -> Any:
    """The kernels, of one kind after the other."""
    if request.param == "plain":
        return _plain
    if lacking := chosen.lacking():
        pytest.skip(f"not built: {', '.join(lacking)}")
    return SimpleNamespace(**{name: chosen.compiled(name) for name in _plain.__all__})
