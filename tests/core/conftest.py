"""What the tests of core share."""

import importlib
from types import ModuleType

import pytest


@pytest.fixture(scope="session", params=["compiled", "plain"])
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    """The kernels, of one kind after the other."""
    try:
        return importlib.import_module(f"segdata.core.kernels._{request.param}")
    except ImportError as error:
        pytest.skip(f"not built: {error}")
