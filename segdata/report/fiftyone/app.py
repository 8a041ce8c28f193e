"""App: FiftyOne with its database, the segdata plugin in it, and its App on this machine."""

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from segdata.core.errors import SegdataError, missing_extra
from segdata.report.fiftyone.views import WORST

ADDRESS = "127.0.0.1"  # never reachable from other machines
PORT = 5151
_PATIENCE = 180  # seconds; an idle machine needs about ten


@dataclass(frozen=True, slots=True)
class App:
    """The running App, at an address of this machine."""

    address: str
    _server: Any = field(repr=False)  # Any: FiftyOne has no types

    def wait(self) -> None:
        """Wait until interrupted; raises SegdataError if the App stops before."""
        self._server.wait()
        raise SegdataError("the App has stopped; all decisions are kept, start it again")


@contextmanager
def run_app(fo: Any, dataset: Any, port: int = PORT) -> Iterator[App]:  # Any: FiftyOne has no types
    """Run the App with a dataset, worst images first, while the block runs.

    Only its server is started: a session in this process would reset the page whenever it reconnects. Raises
    SegdataError if the port is taken, or the App does not start within three minutes.
    """
    if _answers(port):
        raise SegdataError(f"port {port} is taken, perhaps by another App; --port {port + 1} uses another")
    logging.getLogger("fiftyone").setLevel(logging.ERROR)
    service = fo.core.service.ServerService
    wait = service._wait_for_child_port
    service._wait_for_child_port = partialmethod(
        wait, timeout=_PATIENCE
    )  # its own limit is a minute, and leaves the server running
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # see import_fiftyone
            server = service(port, address=ADDRESS, do_not_track=True)
    except Exception as error:  # FiftyOne and its libraries raise many classes
        raise SegdataError(f"the App does not start: {error}; if the machine is busy, try again") from error
    finally:
        service._wait_for_child_port = wait
    view = f"?view={WORST.replace(' ', '-')}" if dataset.has_saved_view(WORST) else ""
    try:
        yield App(f"http://{ADDRESS}:{port}/datasets/{quote(dataset.name, safe='')}{view}", server)
    finally:
        server.stop()


def _answers(port: int) -> bool:
    """Whether something listens on a port; FiftyOne would show that instead."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((ADDRESS, port)) == 0


_DATABASE = (
    "install its database (pip install 'segdata[fiftyone]'; on some systems pip install fiftyone-db), or start a "
    "mongod and name it: FIFTYONE_DATABASE_URI=mongodb://127.0.0.1:27017"
)


def import_fiftyone() -> Any:  # Any: FiftyOne has no types
    """Import FiftyOne, connected to the database that FIFTYONE_DATABASE_URI names, else to its own.

    Usage reports are off. Raises SegdataError that names what is missing and how to install it.
    """
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "1"
    os.environ.setdefault("FIFTYONE_DATABASE_VALIDATION", "false")  # otherwise it warns about databases that work
    os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies are older than Python
        try:
            package = import_module("fiftyone")
        except ModuleNotFoundError as error:
            raise missing_extra("FiftyOne", "fiftyone", error) from error
        try:
            package.list_datasets()  # the first query connects
        except Exception as error:  # pymongo, mongoengine and FiftyOne raise many classes
            raise _unreachable(error) from error
    return package


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise SegdataError if the database stops while the block, or the decorated function, runs."""
    try:
        yield
    except Exception as error:  # pymongo is installed only with FiftyOne
        if not type(error).__module__.startswith("pymongo."):
            raise
        remedy = "run the command again to continue"
        raise SegdataError(f"the database of FiftyOne has stopped: {_error_text(error)}; {remedy}") from error


def _error_text(error: Exception) -> str:
    return (
        str(error).split(", Timeout:")[0].split(" (configured timeouts")[0].strip().rstrip(".") or type(error).__name__
    )


def _unreachable(error: Exception) -> SegdataError:
    """The error for a database that does not answer."""
    what = _error_text(error)
    address = os.environ.get("FIFTYONE_DATABASE_URI")
    if address is not None:
        return SegdataError(
            f"no database of FiftyOne at {address}: {what}; start a mongod there, or unset the variable"
        )
    return SegdataError(f"the database of FiftyOne does not start: {what}; {_DATABASE}")


PLUGIN_NAME = "@segdata/review"
_FOLDER = "segdata-review"
_SOURCE = Path(__file__).parent / "plugin"
_FILES = ("fiftyone.yml", "__init__.py", "keys.js")


def install_plugin(fo: Any) -> Path:  # Any: FiftyOne has no types
    """Copy the plugin into FiftyOne's plugin folder, or update it.

    Returns its folder. A disabled plugin stays disabled. Raises SegdataError if the folder cannot be written, or holds
    something else.
    """
    folder = Path(fo.config.plugins_dir) / _FOLDER
    manifest = folder / "fiftyone.yml"
    try:
        if folder.exists() and PLUGIN_NAME not in (manifest.read_text("utf-8") if manifest.is_file() else ""):
            raise SegdataError(
                f"{folder}: was not made by segdata; move it away, so that segdata can install its buttons"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            content, target = (_SOURCE / name).read_bytes(), folder / name
            if not target.is_file() or target.read_bytes() != content:
                partial = folder / f".{name}.partial"
                partial.write_bytes(content)
                partial.replace(target)
    except OSError as error:
        what = f"{folder}: cannot be written: {error.strerror}"
        raise SegdataError(f"{what}; FIFTYONE_PLUGINS_DIR names another folder for FiftyOne's plugins") from error
    return folder
