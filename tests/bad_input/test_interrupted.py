"""However a command ends, and whatever happens beside it, the dataset is as it was, or wholly in its new revision."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

import segdata
from segdata.cli import process
from segdata.core.errors import SegdataError
from segdata.store import fixes, manifest, revisions
from tests.bad_input.sound_datasets import CATEGORIES, Make, left_behind
from tests.bad_input.sound_datasets import segdata as said_of

PROGRAM = [sys.executable, "-m", "segdata.cli"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
Interruptible = Callable[[Sequence[str]], list[str]]


@pytest.fixture(scope="module")
def specks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A canonical dataset of 60 images, each with a speck to mend."""
    folder = tmp_path_factory.mktemp("specks")
    images = [{"id": k, "file_name": f"{k:03d}.png", "width": 90, "height": 60} for k in range(60)]
    rings = [[5, 5, 60, 5, 60, 50, 5, 50], [80, 10, 82, 10, 82, 12, 80, 12]]
    annotations = [
        {"id": k, "image_id": k, "category_id": 2, "segmentation": rings, "iscrowd": 0} for k in range(len(images))
    ]
    path = folder / "specks.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    segdata.convert(path, folder / "set", jobs=1)
    return folder / "set"


@pytest.fixture
def work(specks: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(specks, tmp_path / "set"))


def test_ctrl_c_while_modules_load(interruptible: Interruptible) -> None:
    """Nothing is under way yet: the system ends the process, without a traceback."""
    source = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *rest):
        if name == "segdata.cli.options":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = ["--version"]
from segdata.cli.__main__ import main
main()
"""
    done = subprocess.run(interruptible([sys.executable, "-c", source]), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def codes(root: Path) -> set[str]:
    return set(segdata.validate(root, select="speck", jobs=1).by_code)


def fix(root: Path) -> str | None:
    data = segdata.read(root)
    return fixes.write_fixes(data, segdata.validate(data, select="speck", jobs=1).single, unsafe=True)


COMMANDS = {
    "validate": ("validate", "set", "--no-cache"),
    "validate and keep": ("validate", "set"),
    "fix": ("validate", "set", "--unsafe-fixes", "--select", "speck", "--fail-on", "never"),
    "convert": ("convert", "set", "new"),
}


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("validate", signal.SIGTERM),
        ("validate and keep", signal.SIGINT),
        ("fix", signal.SIGINT),
        ("fix", signal.SIGTERM),
        ("fix", signal.SIGKILL),
        ("convert", signal.SIGINT),
        ("convert", signal.SIGKILL),
    ],
)
def test_a_signal_at_any_time(
    work: Path, tmp_path: Path, what: str, number: signal.Signals, interruptible: Interruptible
) -> None:
    """At a time drawn anew in each run, so that many runs try many."""
    before = contents(work)
    environment = {**os.environ, "SEGDATA_CACHE_DIR": str(tmp_path / "cache")}
    words = interruptible([*PROGRAM, *COMMANDS[what]])
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(random.uniform(0.5, 3))
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        _, stderr = process.communicate(timeout=120)
    # Before Python itself hears signals the system ends it; before `main` runs, Python says where it was.
    assert process.returncode in (0, 1, CODES[number], -number)
    if process.returncode != -signal.SIGINT or ", in main" in stderr:
        assert "Traceback" not in stderr
        assert len(stderr.strip().splitlines()) <= 1
    after = contents(work)
    if manifest.load(work).revision == "r0001":
        assert {name: data for name, data in after.items() if name in before} == before
        assert codes(work) == {"SEG106"}
    else:
        assert codes(work) == set()
    if number != signal.SIGKILL:
        assert [name for name in after if "partial" in name] == []
        assert set(left_behind(work)) - {"r0002"} == {"dataset.yaml", "r0001", "taxonomy.yaml"}
        assert left_behind(tmp_path) in (["set"], ["new", "set"], ["cache", "set"], ["cache", "new", "set"])
    if what == "fix":
        fix(work)
        assert codes(work) == set()


def test_what_a_killed_fix_left_is_in_nobodys_way(work: Path) -> None:
    (work / "r0002" / "segments").mkdir(parents=True)
    (work / "r0002" / "images.parquet").write_bytes(b"half")
    (work / ".dataset.yaml.1.partial").write_text("half")
    assert codes(work) == {"SEG106"}
    assert fix(work) == "r0003"
    assert codes(work) == set()


def test_safe_fixes_alone_say_what_else_there_is(work: Path) -> None:
    before = contents(work)
    said = said_of("validate", work, "--fix")
    assert (said.code, "--unsafe-fixes fixes 60 findings, changing what annotators drew" in said.err) == (0, True)
    assert contents(work) == before


def test_a_signal_once_all_is_done_takes_nothing_away(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = manifest.commit

    def interrupted(root: Path, made: manifest.Manifest) -> None:
        commit(root, made)
        raise KeyboardInterrupt

    monkeypatch.setattr(manifest, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fix(work)
    assert manifest.load(work).revision == "r0002"
    assert codes(work) == set()


def test_a_signal_before_leaves_nothing(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(work)

    def interrupted(root: Path, made: manifest.Manifest) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(manifest, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fix(work)
    assert contents(work) == before
    assert left_behind(work) == ["dataset.yaml", "r0001", "taxonomy.yaml"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_library_swallows_is_heard_later(number: signal.Signals, code: int) -> None:
    def run() -> int:
        with suppress(BaseException):  # as libraries written in C do when they look for another
            os.kill(os.getpid(), number)
        return 0

    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert process.exit_code(run) == code
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)


def test_a_fix_of_what_has_changed_meanwhile_is_refused(work: Path) -> None:
    data = segdata.read(work)
    findings = segdata.validate(data, select="speck", jobs=1).single
    assert fix(work) == "r0002"
    before = contents(work)
    with pytest.raises(SegdataError, match="revision r0002 has been made since r0001 was read; nothing is changed"):
        fixes.write_fixes(data, findings, unsafe=True)
    assert contents(work) == before


def test_a_fix_while_another_is_made_is_refused(work: Path) -> None:
    before = contents(work)

    def log() -> Iterator[dict[str, str]]:
        inside = contents(work)
        with pytest.raises(SegdataError, match="another program is changing it"):
            fix(work)
        assert contents(work) == inside
        yield {"what": "nothing"}

    rows: dict[str, pa.Table] = {}
    assert revisions.revise(work, rows, "nothing", log()) == "r0002"
    assert {name: data for name, data in contents(work).items() if name.startswith("r0001")} == {
        name: data for name, data in before.items() if name.startswith("r0001")
    }


def test_two_programs_fix_at_the_same_time(work: Path, tmp_path: Path) -> None:
    """They share a cache, too."""
    environment = {**os.environ, "SEGDATA_CACHE_DIR": str(tmp_path / "cache")}
    words = [*PROGRAM, "validate", str(work), "--unsafe-fixes", "--select", "speck"]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(2) as pool:
        done = [each.result() for each in [pool.submit(run), pool.submit(run)]]
    assert all(each.returncode in (0, 2) and "Traceback" not in each.stderr for each in done)
    assert sum("is current" in each.stderr for each in done) == 1
    assert codes(work) == set()
    assert left_behind(work) == ["dataset.yaml", "r0001", "r0002", "taxonomy.yaml"]


@pytest.mark.parametrize("kind", ["a file", "below a file", "a loop"])
def test_a_cache_that_cannot_be(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("segdata.measure.source_cache.MIN_SECONDS", 0.0)
    root, place = make("colour-masks"), tmp_path / "cache"
    expected = said_of("validate", root, "--no-cache").out
    if kind == "a loop":
        place.symlink_to(place)
    else:
        place.write_text("mine")
    monkeypatch.setenv("SEGDATA_CACHE_DIR", str(place / "x" if kind == "below a file" else place))
    for _ in range(2):
        said = said_of("validate", root)
        assert (said.code, said.out, said.err) == (0, expected, "")
    assert kind == "a loop" or place.read_text() == "mine"


def test_folders_that_go_in_a_circle(make: Make) -> None:
    root = make("colour-masks")
    before = said_of("validate", root)
    (root / "again").symlink_to(root)
    (root / "masks" / "up").symlink_to(root / "masks")
    (root / "itself").symlink_to("itself")
    said = said_of("validate", root)
    assert said.code in (0, 1)
    assert "checked 3 images" in said.out
    assert "checked 3 images" in before.out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_dataset_that_may_only_be_read(work: Path) -> None:
    before = contents(work)
    work.chmod(0o500)
    with pytest.raises(SegdataError, match="cannot be written: Permission denied; the dataset is as it was"):
        fix(work)
    work.chmod(0o700)
    assert contents(work) == before


def test_a_clock_that_goes_backwards(work: Path) -> None:
    """Nothing is decided by which of two times is the later."""
    for path in work.rglob("*"):
        os.utime(path, (4e9, 4e9))
    assert fix(work) == "r0002"
    for path in work.rglob("*"):
        os.utime(path, (1, 1))
    assert codes(work) == set()
