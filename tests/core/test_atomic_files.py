import errno
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from segdata.core import atomic_files
from segdata.core.atomic_files import hidden_stem, lock_target, place, replace_whole, sync_tree, write_whole
from segdata.core.errors import SegdataError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    writing = replace_whole(tmp_path / "a.json")
    writing.__enter__().write_text("half")
    assert not writing.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.json": "old"}


def test_a_full_disk_names_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic_files.os, "fsync", full)
    with pytest.raises(SegdataError, match=r"a\.json: cannot be written: No space left on device"):
        write_whole(tmp_path / "a.json", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    texts = [f"{number}" * 100_000 for number in range(8)]
    threads = [Thread(target=write_whole, args=(tmp_path / "a", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() in texts


def test_names_up_to_the_limit_of_the_file_system(tmp_path: Path) -> None:
    for name in ("a" * 255, "é" * 127):
        write_whole(tmp_path / name, "new")
        assert (tmp_path / name).read_text() == "new"
    assert hidden_stem("a" * 254 + "b") != hidden_stem("a" * 254 + "c")


@pytest.mark.parametrize("is_folder", [False, True])
def test_nothing_is_placed_over_what_is_there(tmp_path: Path, is_folder: bool) -> None:
    made, target = tmp_path / "made", tmp_path / "target"
    for path, text in ((made, "new"), (target, "old")):
        if is_folder:
            path.mkdir()
            path = path / "file"
        path.write_text(text)
    with pytest.raises(OSError, match=r"File exists|Directory not empty"):
        place(made, target)
    assert (target / "file" if is_folder else target).read_text() == "old"


def test_a_target_is_locked_until_its_owner_ends_or_dies(tmp_path: Path) -> None:
    target = tmp_path / "out"
    code = (
        "import sys; from pathlib import Path; from segdata.core.atomic_files import lock_target\n"
        "with lock_target(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(target)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(SegdataError, match="another program is writing it"), lock_target(target):
            pass
        process.kill()
    assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]
    with lock_target(target) as locked:
        assert locked
    assert list(tmp_path.iterdir()) == []


def test_all_files_and_folders_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r0001" / "segments").mkdir(parents=True)
    (tmp_path / "r0001" / "segments" / "part").write_text("rows")
    flushed: list[str] = []
    monkeypatch.setattr(atomic_files, "sync", lambda path: flushed.append(path.relative_to(tmp_path).as_posix()))
    sync_tree(tmp_path)
    assert flushed == ["r0001/segments/part", "r0001/segments", "r0001", "."]
