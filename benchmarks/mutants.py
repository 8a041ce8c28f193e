"""Change the code in one place at a time, and count the changes that no test notices.

    python -m benchmarks.mutants segdata/rules --tests tests/rules tests/measure --share 0.1 --seed 1 --minutes 30

The changes are those of cosmic-ray (`pip install cosmic-ray`): another operator, another comparison, a number more or
less, `not`, `and` for `or`, no turn of a loop. For each one a forked process imports the changed module and runs the
tests that name the module, its rule's code or its functions, and if they all pass the other ones. Types of arguments
are left alone. A survivor is printed with its line; it is a missing test, or a change that means the same.
"""

import argparse
import ast
import os
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

SECONDS = 300  # of processor time; a mutant that takes longer is noticed
SKIPPED = ("VariableInserter", "VariableReplacer", "RemoveDecorator", "ExceptionReplacer")


@dataclass(frozen=True)
class Mutant:
    """One change of one module: `line` is where, `occurrence` counts the places of this operator in the module."""

    path: Path
    operator: str
    occurrence: int
    line: int


def main() -> None:
    """Count the survivors, print each, and end with their share."""
    arguments = _parse_arguments()
    modules = [
        path for root in arguments.modules for path in ([root] if root.is_file() else sorted(root.rglob("*.py")))
    ]
    every = [mutant for path in modules for mutant in list_mutants(path)]
    chosen = random.Random(arguments.seed).sample(every, round(len(every) * arguments.share))
    tests = sorted(
        {path for root in arguments.tests for path in ([root] if root.is_file() else root.rglob("test_*.py"))}
    )
    print(f"{len(chosen):,} of {len(every):,} mutants of {len(modules):,} modules, seed {arguments.seed}", flush=True)
    began, survivors, tried = time.monotonic(), 0, 0
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        if not _passes(None, tests, log.name):
            shown = "".join(log.readlines()[-40:])
            sys.exit(f"{shown}\nthe tests do not pass on the code as it is: mend them, or give others with --tests")
    for mutant in chosen:
        if time.monotonic() - began > arguments.minutes * 60:
            break
        near = _near_tests(mutant.path, tests)
        tried += 1
        if _passes(mutant, near) and _passes(mutant, [path for path in tests if path not in near]):
            survivors += 1
            print(f"survives: {mutant.path}:{mutant.line} {mutant.operator} {mutant.occurrence}", flush=True)
    print(f"{survivors:,} of {tried:,} survive ({survivors / max(tried, 1):.1%})")


def list_mutants(path: Path) -> list[Mutant]:
    """The changes of a module that are no changes of types, messages or documentation."""
    source = path.read_text()
    types = list(_annotation_spans(ast.parse(source)))
    nodes = list(_walk(get_ast(source)))
    mutants = []
    for name in operator_names():
        if any(word in name for word in SKIPPED):
            continue
        operator = get_operator(name)()
        places = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(places):
            if not any(first <= start < last for first, last in types):
                mutants.append(Mutant(path, name, occurrence, start[0]))
    return mutants


def _walk(node: object) -> Iterator[object]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child)


def _annotation_spans(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a module's types are: (line, column) of begin and end."""
    for node in ast.walk(tree):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(part, ast.expr):
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


def _near_tests(path: Path, tests: list[Path]) -> list[Path]:
    """The tests that name the module, the code of its rule, or one of its functions and classes."""
    source = path.read_text()
    words = {path.stem, path.stem.replace("_", "-"), *re.findall(r"SEG\d{3}", source.partition("\n")[0])}
    words |= {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, sorted(words)))})\b")
    return [test for test in tests if pattern.search(test.read_text())]


def _passes(mutant: Mutant | None, tests: list[Path], log: str = os.devnull) -> bool:
    """Whether all the tests pass, in a process of its own, with the changed module, or with none."""
    if not tests:
        return True
    child = os.fork()
    if child == 0:
        os._exit(_run_tests(mutant, tests, log))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _run_tests(mutant: Mutant | None, tests: list[Path], log: str) -> int:
    """The exit code of pytest, whose output goes to `log`."""
    if mutant is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        _change_module(mutant)
    output = os.open(log, os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *map(str, tests)]))


def _change_module(mutant: Mutant) -> None:
    """Let the import of the module, later, find the changed source."""
    changed = mutate_code(mutant.path.read_text(), get_operator(mutant.operator)(), mutant.occurrence)
    target, get_code = mutant.path.resolve(), SourceFileLoader.get_code

    def changed_code(loader: SourceFileLoader, name: str) -> object:
        if Path(loader.path).resolve() == target:
            return compile(changed, str(target), "exec", dont_inherit=True)
        return get_code(loader, name)

    SourceFileLoader.get_code = changed_code  # type: ignore[assignment, method-assign]  # its one caller takes code


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="+", type=Path, help="modules or folders to change")
    parser.add_argument("--tests", nargs="+", type=Path, required=True, help="test files or folders")
    parser.add_argument("--share", type=float, default=1.0, help="of the mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600, help="begin nothing after this long")
    return parser.parse_args()


if __name__ == "__main__":
    # What most tests import, once; nothing of segdata itself, which each mutant imports anew.
    for package in ("numpy", "PIL.Image", "pyarrow.compute", "pyarrow.parquet", "scipy.ndimage", "click"):
        __import__(package)
    sys.setrecursionlimit(5000)
    main()
