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

ADDRESS = "127.0.0.1"  # labels are nobody else's business
PORT = 5151
_PATIENCE = 180  # seconds; where nothing else runs it takes about ten


@dataclass(frozen=True, slots=True)
class App:
    """The App as it runs, at an address of this machine."""

    address: str
    _server: Any = field(repr=False)  # Any: FiftyOne has no types

    def wait(self) -> None:
        """Until somebody interrupts it; raises SegdataError where the App ends before."""
        self._server.wait()
        raise SegdataError("the App has ended by itself; what was decided is kept: start it again")


@contextmanager
def run_app(fo: Any, dataset: Any, port: int = PORT) -> Iterator[App]:  # Any: FiftyOne has no types
    """The App with a dataset, the worst images first, while the block runs.

    Only its server is started: a session in this process as well would, whenever it connects anew, put the page back to
    what it believes is open. Raises SegdataError where the port is taken, or the App does not start within three
    minutes.
    """
    if _answers(port):
        raise SegdataError(f"port {port} is taken, perhaps by another App; --port {port + 1} uses another")
    logging.getLogger("fiftyone").setLevel(logging.ERROR)
    service = fo.core.service.ServerService
    wait = service._wait_for_child_port
    service._wait_for_child_port = partialmethod(wait, timeout=_PATIENCE)  # after its minute it would leave the server
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as for the import
            server = service(port, address=ADDRESS, do_not_track=True)
    except Exception as error:  # of FiftyOne and its libraries, each with classes of its own
        raise SegdataError(f"the App does not start: {error}; on a busy machine try again") from error
    finally:
        service._wait_for_child_port = wait
    view = f"?view={WORST.replace(' ', '-')}" if dataset.has_saved_view(WORST) else ""
    try:
        yield App(f"http://{ADDRESS}:{port}/datasets/{quote(dataset.name, safe='')}{view}", server)
    finally:
        server.stop()


def _answers(port: int) -> bool:
    """Whether something listens on a port: FiftyOne would show that instead."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((ADDRESS, port)) == 0


_DATABASE = (
    "install its database (pip install 'segdata[fiftyone]'; on some systems pip install fiftyone-db), or start a "
    "mongod and name it: FIFTYONE_DATABASE_URI=mongodb://127.0.0.1:27017"
)


def import_fiftyone() -> Any:  # Any: FiftyOne has no types
    """The package, connected to its database: the one that FIFTYONE_DATABASE_URI names, else one that it starts.

    Nothing is sent to its makers. Raises SegdataError that says what is missing and how to get it.
    """
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "1"
    os.environ.setdefault("FIFTYONE_DATABASE_VALIDATION", "false")  # else it warns of databases that work
    os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own dependencies are older than the Python they run on
        try:
            package = import_module("fiftyone")
        except ModuleNotFoundError as error:
            raise missing_extra("FiftyOne", "fiftyone", error) from error
        try:
            package.list_datasets()  # the first question is what connects
        except Exception as error:  # of pymongo, mongoengine and FiftyOne, each with classes of its own
            raise _unreachable(error) from error
    return package


@contextmanager
def database_errors() -> Iterator[None]:
    """Raises SegdataError where the database goes away while the block, or the function that it decorates, runs."""
    try:
        yield
    except Exception as error:  # of pymongo, which is there only where FiftyOne is
        if not type(error).__module__.startswith("pymongo."):
            raise
        remedy = "run the command again: it goes on with what is there"
        raise SegdataError(f"the database of FiftyOne is gone: {_error_text(error)}; {remedy}") from error


def _error_text(error: Exception) -> str:
    return (
        str(error).split(", Timeout:")[0].split(" (configured timeouts")[0].strip().rstrip(".") or type(error).__name__
    )


def _unreachable(error: Exception) -> SegdataError:
    """What to do about a database that does not answer."""
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
    """Copy the plugin into the folder that FiftyOne's configuration names, where it is not there as it is now.

    Returns its folder. Somebody who has switched the plugin off has it off. Raises SegdataError where the folder cannot
    be written, or holds something else.
    """
    folder = Path(fo.config.plugins_dir) / _FOLDER
    about = folder / "fiftyone.yml"
    try:
        if folder.exists() and PLUGIN_NAME not in (about.read_text("utf-8") if about.is_file() else ""):
            raise SegdataError(f"{folder}: is not of segdata; move it away, else the App has no buttons to decide with")
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            wanted, there = (_SOURCE / name).read_bytes(), folder / name
            if not there.is_file() or there.read_bytes() != wanted:
                partial = folder / f".{name}.partial"
                partial.write_bytes(wanted)
                partial.replace(there)
    except OSError as error:
        what = f"{folder}: cannot be written: {error.strerror}"
        raise SegdataError(f"{what}; FIFTYONE_PLUGINS_DIR names another folder for FiftyOne's plugins") from error
    return folder
