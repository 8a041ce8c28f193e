"""The floors of the house: imports point down, never up or sideways."""

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

import segdata
from segdata.core.lazy_loading import entry_points

ROOT = Path(segdata.__file__).parent

# Each room and the rooms that it may import, beside itself. `api` puts the rooms together; `cli` only calls it.
FLOORS = {
    "core": set(),
    "formats": {"core"},
    "store": {"core", "formats"},
    "measure": {"core", "store"},
    "rules": {"core", "measure"},
    "sample": {"core"},
    "review": {"core", "store"},
    "testing": {"core"},
    "agreement": {"core", "store", "measure"},
    "campaign": {"core", "measure", "agreement"},
    "noise": {"core", "store", "measure"},
    "report": {"core", "store", "measure", "agreement", "campaign", "noise", "review"},
    "api": {
        "core",
        "formats",
        "store",
        "measure",
        "rules",
        "agreement",
        "campaign",
        "noise",
        "report",
        "sample",
        "review",
    },
    "cli": {
        "core",
        "formats",
        "store",
        "measure",
        "rules",
        "noise",
        "report",
        "sample",
        "review",
        "api",
    },
}
# Pictures and round trips run the real thing: they are tests that others can use.
FLOORS["testing"] |= {"measure", "formats", "noise"}
HEAVY = {"pandas", "pyarrow", "scipy", "torch", "fiftyone", "matplotlib", "dask", "cv2", "PIL", "numpy", "jinja2"}
READERS = {"cv2", "scipy", "pyarrow.parquet", "nibabel", "pydicom", "rasterio", "torch", "pandas"}


def modules() -> list[Path]:
    paths = sorted(ROOT.glob("*/**/*.py"))
    assert len(paths) > 100  # else these tests would look at nothing
    return paths


def module_name(path: Path) -> str:
    return ".".join(("segdata", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def imported_names(node: ast.AST) -> list[str]:
    """The modules that one import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        inside = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if is_module(name) else str(node.module) for name in inside]
    return []


@cache
def is_module(name: str) -> bool:
    path = ROOT.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def imports_of(path: Path) -> list[tuple[str, bool, bool]]:
    """The modules that a module names in imports, whether for the type checker alone, and whether in a function."""
    found: list[tuple[str, bool, bool]] = []

    def visit(node: ast.AST, is_typing: bool, is_late: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):  # there are no imports in these
                continue
            typing = is_typing or (isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING")
            found.extend((name, typing, is_late) for name in imported_names(child))
            visit(child, typing, is_late or isinstance(child, ast.FunctionDef))

    visit(ast.parse(path.read_text(encoding="utf-8")), False, False)
    return found


def imported_rooms(path: Path) -> set[str]:
    names = [name for name, _, _ in imports_of(path) if name.startswith("segdata.")]
    return {name.split(".")[1] for name in names} & set(FLOORS)


def imported_modules(path: Path) -> set[str]:
    """Modules of ours that a module imports when it runs, also those that its functions import."""
    return {name for name, is_typing, _ in imports_of(path) if not is_typing} - {module_name(path)}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other in a circle."""
    names = {name: row for row, name in enumerate(graph)}
    rows, columns = [], []
    for name, imported in graph.items():
        for other in imported & names.keys():
            rows.append(names[name])
            columns.append(names[other])
    edges = csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(names), len(names)))
    n_groups, labels = connected_components(edges, connection="strong")
    members = [[name for name, row in names.items() if labels[row] == number] for number in range(n_groups)]
    return [group for group in members if len(group) > 1]


def test_every_room_is_on_the_plan() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms == set(FLOORS)


def test_imports_point_down() -> None:
    found = {}
    for path in modules():
        room = path.relative_to(ROOT).parts[0]
        above = imported_rooms(path) - FLOORS[room] - {room}
        if above:
            found[path.relative_to(ROOT).as_posix()] = above
    assert found == {}


def test_kernels_stand_alone() -> None:
    # They are imported while `core.runs` is: anything of ours that they took from there would not exist yet.
    found = [
        (path.name, line)
        for path in sorted((ROOT / "core" / "kernels").rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("from segdata", "import segdata")) and "segdata.core.kernels" not in line
    ]
    assert found == []


def test_kernels_do_not_count_from_the_end() -> None:
    """They are compiled with `wraparound=False`: with Python 3.13, `ring[-1]` of an array was an IndexError."""
    kernels = sorted((ROOT / "core" / "kernels" / "_compiled").glob("*.pyx"))
    assert len(kernels) > 10
    lines = [(path.name, line) for path in kernels for line in path.read_text("utf-8").splitlines()]
    assert [(name, line) for name, line in lines if re.search(r"[\w\])]\[(?:[^]]*:)?-\d", line)] == []


def test_no_two_modules_import_each_other() -> None:
    """Not even inside functions, where an import is only because it is expensive, or for types.

    `segdata.dataset` is left out: its methods are the commands, so it imports all of `api`, which returns it.
    """
    graph = {module_name(path): {name for name, _, _ in imports_of(path)} - {module_name(path)} for path in modules()}
    assert circles(graph) == []


def loaded_with(name: str, early: Mapping[str, set[str]]) -> set[str]:
    """The modules that are loaded when a module is, by those that each imports at once."""
    loaded, waiting = set[str](), [name]
    while waiting:
        loaded.add(current := waiting.pop())
        waiting += early.get(current, set()) - loaded
    return loaded - {name}


def test_imports_in_functions_delay_something() -> None:
    early, late = dict[str, set[str]](), dict[str, set[str]]()
    for path in modules():
        name = module_name(path)
        early[name] = {own for own, is_typing, is_late in imports_of(path) if not is_typing and not is_late}
        early[name] |= {name.rpartition(".")[0]}
        late[name] = {own for own, is_typing, is_late in imports_of(path) if is_typing or is_late}
    useless = {name: late[name] & early.keys() & loaded_with(name, early) for name in late}
    assert {name: imported for name, imported in useless.items() if imported} == {}


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(graph) == [["b", "c"]]


def test_modules_stay_under_700_lines() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in modules()}
    assert {path: length for path, length in lengths.items() if length > 700} == {}


@pytest.mark.parametrize("command", ["import segdata", "import sys; sys.argv = ['segdata', '--help']; HELP"])
def test_start_up_imports_nothing_heavy(command: str) -> None:
    ran = command.replace("HELP", "from segdata.cli.main import main\ntry: main()\nexcept SystemExit: pass")
    code = f"{ran}\nimport sys\nprint('\\nHEAVY', *sorted(set(sys.modules) & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == "HEAVY"


FOUND = ("segdata.rules.", "segdata.core.kernels")  # rules and kernels are as many as there are


def test_validate_loads_only_what_it_uses() -> None:
    """Rules of other commands and what joins splits are imported where they are needed: start-up is felt each time."""
    code = (
        "import sys\nfrom segdata.cli.main import main\n"
        "try: main(['validate', sys.argv[1]])\nexcept SystemExit: pass\n"
        "print('importlib.metadata' in sys.modules)\n"  # with what it imports, a twentieth of the start
        "print(*sorted(name for name in sys.modules if name.startswith('segdata')))"
    )
    sample = ROOT.parent / "sample_data" / "semantic"
    done = subprocess.run([sys.executable, "-c", code, sample], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2] == "False"
    loaded = done.stdout.splitlines()[-1].split()
    others = (
        "segdata.rules.flag",
        "segdata.rules.agreement",
        "segdata.store.merge",
        "segdata.noise",
        "segdata.agreement",
    )
    assert [name for name in loaded if name.startswith(others)] == []
    unused = {
        "segdata.core.storage",
        "segdata.core.medical_files",
        "segdata.store.revision_reader",
        "segdata.formats.masks.ome_zarr_files",
        "segdata.formats.masks.provisional",
        "segdata.formats.shared.instance_id_rules",
    }
    assert unused & set(loaded) == set()  # each for URLs, DICOM, revisions, Zarr, masks without a taxonomy, ids
    formats = {point.module for point in entry_points("segdata.formats")}  # with the rules, the only ones that may grow
    others = [name for name in loaded if name not in formats and not name.startswith(FOUND)]
    assert len(others) <= 97, f"let `ImportedOnCall` name readers and writers: {', '.join(others)}"
    assert len(loaded) < 250, "put what a new rule needs into modules that are loaded anyway, or join two of them"


def test_telling_a_format_loads_no_readers() -> None:
    """What a format reads and writes with is imported when that format is chosen, not to ask which one it is."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom segdata.core.format import detect, formats\n"
        f"formats()\nprint(*sorted(set(sys.modules) & {HEAVY!r}))\n"
        "print(detect(Path(sys.argv[1])))\n"
        f"print(*sorted(set(sys.modules) & {READERS!r}))\n"
        "print(sum(name.startswith('segdata') for name in sys.modules))"
    )
    sample = ROOT.parent / "sample_data" / "panoptic"
    done = subprocess.run([sys.executable, "-c", code, sample], capture_output=True, text=True, check=True)
    before, name, after, n_modules = done.stdout.split("\n")[:4]
    assert (before, name, after) == ("", "coco-panoptic", ""), (
        "a format's module imports these at its top, not in `read`"
    )
    assert int(n_modules) < 120
