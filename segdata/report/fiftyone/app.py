"""App: FiftyOne's App on this machine, for as long as somebody looks."""

import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from typing import Any
from urllib.parse import quote

from segdata.core.errors import SegdataError
from segdata.report.fiftyone.look import WORST

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
def app(fo: Any, dataset: Any, port: int = PORT) -> Iterator[App]:  # Any: FiftyOne has no types
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
