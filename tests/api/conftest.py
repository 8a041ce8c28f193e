"""A cluster for the tests of what runs on one."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two worker processes on loopback, the same for all tests: to start them takes longer than most of these."""
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(host="127.0.0.1", silence_logs=50, **options) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client
