"""What the tests of core share."""

from types import SimpleNamespace
from typing import Any

import pytest

from segdata.core import kernels as chosen
from segdata.core.kernels import _reference


@pytest.fixture(scope="session", params=["compiled", "reference"])
def kernels(request: pytest.FixtureRequest) -> Any:
    """The kernels, of one kind after the other."""
    if request.param == "reference":
        return _reference
    if lacking := chosen.lacking():
        pytest.skip(f"not built: {', '.join(lacking)}")
    return SimpleNamespace(**{name: chosen.find_compiled(name) for name in chosen._MODULE})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of kernels try both kinds in every run, so that a run with the reference need not repeat them."""
    for item in items:
        if "kernels" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.both_kernels)
