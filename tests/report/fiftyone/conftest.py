"""A database for FiftyOne that lives as long as the tests of this folder."""

import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SPEC = find_spec("fiftyone")


def mongod() -> Path | None:
    """The program of the database that is installed with FiftyOne."""
    found = None if SPEC is None or SPEC.origin is None else Path(SPEC.origin).parent / "db" / "bin" / "mongod"
    return found if found is not None and found.is_file() else None


@pytest.fixture(scope="session")
def fo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:  # Any: FiftyOne has no types
    """FiftyOne with an empty database of its own; skipped where either is not installed."""
    program = mongod()
    if program is None:
        pytest.skip("FiftyOne or its database is not installed: pip install 'segdata[fiftyone]'")
    folder = tmp_path_factory.mktemp("mongod")
    port = free_port()
    words = [program, "--dbpath", folder, "--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"]
    server = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    patch = pytest.MonkeyPatch()
    patch.setenv("FIFTYONE_DATABASE_URI", f"mongodb://127.0.0.1:{port}")
    patch.setenv("FIFTYONE_PLUGINS_DIR", str(tmp_path_factory.mktemp("plugins")))
    patch.setenv("FIFTYONE_USER", "rosa")
    try:
        wait_for(port)
        from segdata.report.fiftyone.app import import_fiftyone

        yield import_fiftyone()
    finally:
        patch.undo()
        server.terminate()
        server.wait()


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    return free_port()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def wait_for(port: int) -> None:
    """Return when something listens on a port."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")
