"""What all tests share: the real datasets, and hypothesis' profile."""

import os
import pickle
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from segdata.core.finding import Finding
    from segdata.testing.pictures import PictureDataset
    from tests.generators.sample.dataset import Truth

# Linear algebra has one thread: several are no faster on small matrices, and beside other tests they wait for each
# other, which cost seven times the processor time.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

_MEMORY_FOLDER, _ROOM = Path("/dev/shm"), 6 * 2**30  # bytes: ten times what all tests write, with what they compute


def pytest_configure() -> None:
    """Temporary folders lie in memory where it is ample: tests wait for a disk twice as long as they compute."""
    if sys.platform != "linux" or not os.access(_MEMORY_FOLDER, os.W_OK):
        return
    if os.statvfs(_MEMORY_FOLDER).f_flag & os.ST_NOEXEC:  # some tests write programs
        return
    facts = Path("/proc/meminfo").read_text("ascii").split()
    free = 1024 * int(facts[facts.index("MemAvailable:") + 1])
    if min(free, shutil.disk_usage(_MEMORY_FOLDER).free) >= _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY_FOLDER))


# Laws are tried on half as many examples as is usual: there are a thousand of them, and each run draws others.
settings.register_profile(
    "tests", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# In continuous integration the examples of a test change with the test alone: a red run is the change's own doing.
# They are the same in every run, so half as many do; new ones are drawn wherever else the tests run.
settings.register_profile("ci", parent=settings.get_profile("tests"), derandomize=True, max_examples=25)
if os.environ.get("SEGDATA_KERNELS") == "reference":  # a second run, slower, of laws that the first has tried in full
    settings.register_profile("tests", parent=settings.get_profile("tests"), max_examples=25)
    settings.register_profile("ci", parent=settings.get_profile("tests"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "tests")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real datasets, named by SEGDATA_REAL_DATA; skipped without it."""
    folder = os.environ.get("SEGDATA_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SEGDATA_REAL_DATA names no folder with the real datasets")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests keep what they measure to themselves."""
    os.environ["SEGDATA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def seeded_data(tmp_path_factory: pytest.TempPathFactory) -> "Truth":
    """The sample datasets with seeded defects, made once for all workers; nothing may be written into them."""
    from tests.generators.sample.dataset import make

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made = shared / "seeded_data.pickle"
    with (shared / "seeded_data.lock").open("w") as lock:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        elif shared != base:
            made = base / made.name
        if not made.exists():
            truth = make(made.with_suffix(""), seed=0, only=("defects",))
            made.write_bytes(pickle.dumps(truth))
            return truth
    return pickle.loads(made.read_bytes())  # type: ignore[no-any-return]  # our own file


_HEARS_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
)


@pytest.fixture(scope="session")
def interruptible() -> Callable[[Sequence[str]], list[str]]:
    """Makes of a Python command one that Ctrl-C ends, even where the tests run in the background and ignore it."""
    return lambda words: [sys.executable, "-c", _HEARS_SIGINT, *words]


@pytest.fixture
def findings_in() -> "Callable[[PictureDataset, str], list[Finding]]":
    """What the rules with these codes find in a drawing."""
    from segdata.core.config import Config
    from segdata.core.rule_runner import needed_families, run_rules, select_rules
    from segdata.measure.measure import measure_source

    def find(drawing: "PictureDataset", codes: str) -> "list[Finding]":
        chosen = select_rules(Config(), codes.split(","))
        return list(
            run_rules(measure_source(drawing, needed_families(chosen, drawing.profile)), chosen, Config()).findings
        )

    return find
