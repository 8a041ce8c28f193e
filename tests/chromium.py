"""Chromium: a page in a headless one, driven through two pipes by the DevTools protocol, for tests of pages."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
)  # fmt: skip


def chromium() -> str | None:
    """The program, where the system has one."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Page:
    """One page.

    Attributes
    ----------
    patience : seconds to wait for what is to come
    """

    def __init__(self, words: int, answers: int, patience: float = 120) -> None:
        self.patience = patience
        self._words, self._answers = words, os.fdopen(answers, "rb")
        self._rest, self._count, self._session = b"", 0, ""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable")

    def open(self, address: str, width: int = 1600, height: int = 1000) -> None:
        """Go to an address, in a window of this size."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._ask("Page.navigate", url=address)

    def value(self, script: str) -> Any:  # Any: JSON
        """What an expression of JavaScript gives; of a promise what it comes to. Raises ValueError where it throws."""
        told = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise ValueError(told["exceptionDetails"].get("exception", {}).get("description", told))
        return told["result"].get("value")

    def wait(self, script: str) -> Any:  # Any: JSON
        """What an expression gives as soon as that is true; raises TimeoutError where it stays false."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            if found := self.value(f"(e => e instanceof Node ? true : e)({script})"):
                return found
            time.sleep(0.1)
        raise TimeoutError(f"never true: {script}; the page says: {self.value('document.body.innerText')[:2000]!r}")

    def click(self, script: str) -> None:
        """Click with the mouse in the middle of the element that an expression gives, once it is there and rests."""
        middle = """e => {
            if (!e) return null;
            e.scrollIntoView({block: "nearest"});
            const r = e.getBoundingClientRect();
            return r.width ? [r.x + r.width / 2, r.y + r.height / 2] : null }"""
        place, before = self.wait(f"({middle})({script})"), None
        while place != before:  # what moves is not where it seems to be
            time.sleep(0.1)
            place, before = self.wait(f"({middle})({script})"), place
        self.click_at(*place)

    def click_until(self, script: str, then: str) -> None:
        """Click until something is true: a page that is still building itself up loses clicks."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            self.click(script)
            for _ in range(20):
                if self.value(f"!!({then})"):
                    return
                time.sleep(0.1)
        raise TimeoutError(f"never true: {then}")

    def click_at(self, x: float, y: float) -> None:
        """Click with the mouse at a place of the window."""
        self._ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Write where the cursor is."""
        self._ask("Input.insertText", text=text)

    def press(self, key: str, code: int) -> None:
        """Press a key, such as ``Enter``, 13."""
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path) -> None:
        """Save what is to be seen as PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"]))

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:  # Any: JSON
        self._count += 1
        words = {"id": self._count, "method": method, "params": params}
        os.write(
            self._words, json.dumps(words | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        )
        while True:
            told = self._answer()
            if told.get("id") == self._count:
                if "error" in told:
                    raise ValueError(f"{method}: {told['error']['message']}")
                return told["result"]  # type: ignore[no-any-return]  # as the protocol says

    def _answer(self) -> dict[str, Any]:  # Any: JSON
        while b"\0" not in self._rest:
            more = os.read(self._answers.fileno(), 2**16)
            if not more:
                raise EOFError("the browser has ended")
            self._rest += more
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)  # type: ignore[no-any-return]  # as the protocol says


@contextmanager
def browser(program: str) -> Iterator[Page]:
    """A page of Chromium with a profile of its own, while the block runs."""
    theirs, words = os.pipe()
    answers, ours = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        pipes = f'exec 3</dev/fd/{theirs} 4>/dev/fd/{ours}; exec "$@"'  # where the protocol wants them
        words_of = ["sh", "-c", pipes, "sh", program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        running = subprocess.Popen(
            words_of, pass_fds=(theirs, ours), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs)
        os.close(ours)
        try:
            yield Page(words, answers)
        finally:
            os.close(words)  # it ends when nobody speaks to it
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
