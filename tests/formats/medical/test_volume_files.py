"""Shelf: each file is decoded once."""

import threading
from pathlib import Path

from segdata.core.medical_files import DecodedFiles


def test_a_shelf_decodes_each_file_once_for_all_threads() -> None:
    begun: list[Path] = []
    gate = threading.Event()

    def slow(path: Path) -> str:
        begun.append(path)
        gate.wait(10)
        if path.name == "bad":
            raise OSError("damaged")
        return path.name

    decoded = DecodedFiles(slow, most=2)
    got: list[str] = []

    def ask(name: str) -> None:
        try:
            got.append(decoded.get(Path(name)))
        except OSError as error:
            got.append(str(error))

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("a", "a", "bad", "bad")]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert sorted(got) == ["a", "a", "damaged", "damaged"]
    assert sorted(path.name for path in begun) == ["a", "bad"]
    for name in ("b", "c", "a"):
        ask(name)
    assert [path.name for path in begun].count("a") == 2, "only the last two are kept"
