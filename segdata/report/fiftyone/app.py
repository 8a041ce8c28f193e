"""App: FiftyOne's App on this machine, for as long as somebody looks."""

import io
import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partialmethod
from typing import Any

from segdata.core.errors import SegdataError
from segdata.report.fiftyone.look import WORST

ADDRESS = "127.0.0.1"  # labels are nobody else's business
PORT = 5151
_PATIENCE = 180  # seconds; where nothing else runs it takes about ten


@contextmanager
def app(fo: Any, dataset: Any, port: int = PORT) -> Iterator[str]:  # Any: FiftyOne has no types
    """The App with a dataset, the worst images first, while the block runs; gives its address.

    Raises SegdataError where the port is taken, or the App does not start within three minutes.
    """
    if _answers(port):
        raise SegdataError(f"port {port} is taken, perhaps by another App; --port {port + 1} uses another")
    logging.getLogger("fiftyone").setLevel(logging.ERROR)  # it greets, and explains what is said here in one line
    first = dataset.load_saved_view(WORST) if dataset.has_saved_view(WORST) else None
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints each of its attempts to connect
            warnings.simplefilter("ignore")  # as for the import
            _launch(fo, port=port, dataset=dataset, view=first)
        view = "" if first is None else f"?view={WORST.replace(' ', '-')}"
        yield f"http://{ADDRESS}:{port}/datasets/{dataset.slug}{view}"
    finally:
        fo.close_app()


def _launch(fo: Any, **what: Any) -> None:  # Any: FiftyOne has no types
    """Start the App, and wait for it longer than FiftyOne does: after its minute it would leave the server running."""
    service = fo.core.service.ServerService
    wait = service._wait_for_child_port
    service._wait_for_child_port = partialmethod(wait, timeout=_PATIENCE)
    try:
        fo.launch_app(remote=True, address=ADDRESS, **what)
    except Exception as error:  # of FiftyOne and its libraries, each with classes of its own
        raise SegdataError(f"the App does not start: {error}; on a busy machine try again") from error
    finally:
        service._wait_for_child_port = wait


def _answers(port: int) -> bool:
    """Whether something listens on a port: FiftyOne would show that instead."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((ADDRESS, port)) == 0
