"""Change the code in one place at a time, and count the changes that no test notices.

    python -m benchmarks.robustness.mutants segdata/rules --tests tests/rules tests/measure \
        --number 200 --seed 1 --minutes 30

The changes are those of cosmic-ray (`pip install cosmic-ray`): another operator, another comparison, a number more or
less, `not`, `and` for `or`, no turn of a loop. Types of arguments are left alone. A change inside of a function is
put into the functions that are loaded, in a forked process, which runs the tests that call the function, the fastest
first; tests that start other processes do not count. For a change elsewhere (a constant, a default) a forked process
imports the changed module and runs the tests that name the module, its rule's code or its functions, and if they all
pass the other ones. A survivor is printed with its line; it is a missing test, or a change that means the same.
"""

import argparse
import ast
import builtins
import functools
import gc
import os
import random
import re
import resource
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType

import numpy as np
import pytest
from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

SECONDS = 300  # of processor time; a mutant that takes longer is noticed
SLOWER = 10  # times as long as its tests take, and no more: a loop that never ends
SKIPPED = ("VariableInserter", "VariableReplacer", "RemoveDecorator", "ExceptionReplacer")
Function = tuple[str, int]  # path and first line


@dataclass(frozen=True)
class Mutant:
    """One change of one module: `line` is where, `occurrence` counts the places of this operator in the module."""

    path: Path
    operator: str
    occurrence: int
    line: int

    def source(self) -> str:
        """The changed module."""
        return str(mutate_code(self.path.read_text(), get_operator(self.operator)(), self.occurrence))


def main() -> None:
    """Count the survivors, print each, and end with their share."""
    given = _parse_arguments()
    modules = [path for root in given.modules for path in ([root] if root.is_file() else sorted(root.rglob("*.py")))]
    every, draw = [list_mutants(path) for path in modules], random.Random(given.seed)
    groups = every if given.of_each else [[mutant for mutants in every for mutant in mutants]]
    chosen = [mutant for mutants in groups for mutant in draw.sample(mutants, min(given.number, len(mutants)))]
    draw.shuffle(chosen)  # what no time is left for is not of the last modules
    n = sum(map(len, every))
    print(f"{len(chosen):,} of {n:,} mutants of {len(modules):,} modules, seed {given.seed}", flush=True)
    end = time.monotonic() + given.minutes * 60
    tried = survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        tests = given.tests + given.modules
        functions = Functions(chosen, Path(scratch, "elsewhere"), end)
        code = _in_fork(lambda: pytest.main(_options(tests, Path(scratch)), plugins=[functions]), Path(scratch, "log"))
        if code:
            shown = Path(scratch, "log").read_text() + functions.log.read_text()
            sys.exit(f"{shown[-6000:]}\nthe tests do not pass on the code as it is")
        outcomes = [line.split() for line in functions.log.read_text().splitlines()]
        for number, outcome in ((int(number), outcome) for number, outcome in outcomes):
            mutant = chosen[number]
            if outcome == "invalid":
                continue
            if outcome == "elsewhere":
                if time.monotonic() > end + given.minutes * 30:
                    continue
                outcome = "survives" if _survives_import(mutant, given.tests, Path(scratch)) else "noticed"
            tried += 1
            if outcome != "noticed":
                survivors += 1
                print(f"{outcome}: {mutant.path}:{mutant.line} {mutant.operator} {mutant.occurrence}", flush=True)
    from segdata.agreement.inference import wilson_interval  # late: changed modules are imported by forked processes

    low, high = wilson_interval(np.array(float(survivors)), np.array(float(tried)))
    print(f"{survivors:,} of {tried:,} survive ({survivors / max(tried, 1):.1%}, {low:.1%} to {high:.1%})")


class Functions:
    """A plugin of pytest that changes functions instead of running the tests once; outcomes go to `log`."""

    def __init__(self, mutants: list[Mutant], log: Path, end: float) -> None:
        self.mutants, self.log, self.end, self.progress = mutants, log, end, os.dup(2)
        self.loaded = defaultdict[tuple[str, str, int], list[FunctionType]](list)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests once to see which functions they call, then those of each mutant's function."""
        paths = {str(mutant.path.resolve()) for mutant in self.mutants}
        for path in {mutant.path for mutant in self.mutants}:
            import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename in paths:
                self.loaded[_key(each.__code__)].append(each)
        calls = self.log.with_suffix(".calls")
        if _in_fork(lambda: _record_calls(session, self.loaded, paths, calls), self.log):
            session.testsfailed = 1
            return True
        seconds, tests_of = _read_calls(calls)
        with self.log.open("w") as log:
            for number, mutant in enumerate(self.mutants):
                if time.monotonic() > self.end:
                    break
                outcome = self.outcome(session, mutant, seconds, tests_of)
                print(number, outcome, file=log, flush=True)
                os.write(self.progress, f"{number} {outcome} {mutant.path}:{mutant.line} {mutant.operator}\n".encode())
        return True

    def outcome(
        self, session: pytest.Session, mutant: Mutant, seconds: list[float], tests_of: dict[Function, set[int]]
    ) -> str:
        """`noticed`, `survives`, `uncalled`, `invalid`, or `elsewhere` if the change is outside of functions."""
        try:
            changed = changed_functions(mutant)
        except SyntaxError:  # cosmic-ray takes the * of keyword-only arguments for an operator
            return "invalid"
        targets = [(function, code) for key, code in changed.items() for function in self.loaded[key]]
        if not targets:
            return "elsewhere"
        path = str(mutant.path.resolve())
        wanted = {number for code in changed.values() for line in _lines(code) for number in tests_of[path, line]}
        if not wanted:
            return "uncalled"

        limit = min(SECONDS, 10 + int(SLOWER * sum(seconds[number] for number in wanted)))

        def run() -> int:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            for function, code in targets:
                function.__code__ = code
            return _run(session, sorted(wanted, key=seconds.__getitem__))

        return "noticed" if _in_fork(run, None) else "survives"


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def changed_functions(mutant: Mutant) -> dict[tuple[str, str, int], CodeType]:
    """The changed code of the outermost functions that hold the change, by `_key`; none if it is elsewhere."""
    path = str(mutant.path.resolve())
    before = compile(mutant.path.read_text(), path, "exec", dont_inherit=True)
    after = compile(mutant.source(), path, "exec", dont_inherit=True)
    found: dict[tuple[str, str, int], CodeType] = {}

    def differ(one: CodeType, other: CodeType) -> bool:
        """Whether a module or class itself differs; functions in it that do are put into `found`."""
        inner = [
            (a, b)
            for a, b in zip(one.co_consts, other.co_consts, strict=False)
            if isinstance(a, CodeType) and isinstance(b, CodeType) and a != b
        ]
        plain = [tuple(each for each in code.co_consts if not isinstance(each, CodeType)) for code in (one, other)]
        if one.co_code != other.co_code or repr(plain[0]) != repr(plain[1]):
            return True
        for a, b in inner:
            if a.co_flags & 0x2:  # it has its own locals: a function
                found[_key(a)] = b
            elif differ(a, b):
                return True
        return False

    return {} if differ(before, after) else found


def _lines(code: CodeType) -> Iterator[int]:
    """The first lines of a function and of those in it."""
    yield code.co_firstlineno
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _lines(const)


def _record_calls(
    session: pytest.Session, loaded: dict[tuple[str, str, int], list[FunctionType]], paths: set[str], target: Path
) -> int:
    """Run all tests, and write for each how long it took and which functions it called; returns 1 if one fails.

    Functions of `paths` get a first statement that says that they are called; a trace of all calls takes three times
    as long. What functions have cached is forgotten before each test.
    """
    called: set[str] = set()
    wrappers = [each for each in gc.get_objects() if isinstance(each, functools._lru_cache_wrapper)]
    codes = [getattr(each.__wrapped__, "__code__", None) for each in wrappers]
    caches = [each for each, code in zip(wrappers, codes, strict=True) if code and code.co_filename in paths]
    builtins.__dict__[_CALLED] = called.add
    for path in paths:
        for key, code in _outer_functions(compile(_with_calls(Path(path)), path, "exec", dont_inherit=True)):
            for function in loaded[key]:
                function.__code__ = code
    with target.open("w") as file:
        for item, after in zip(session.items, [*session.items[1:], None], strict=True):
            called.clear()
            for cache in caches:
                cache.cache_clear()
            began = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if session.testsfailed:
                return 1
            print(time.process_time() - began, *called, file=file, sep="\t", flush=True)
    return 0


_CALLED = "__segdata_called__"


def _with_calls(path: Path) -> ast.Module:
    """A module whose functions begin with a call that names them, by path and first line."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min(part.lineno for part in (node, *node.decorator_list))
            call = ast.Expr(_call(f"{path}:{first}"))
            node.body.insert(int(ast.get_docstring(node, clean=False) is not None), call)
        elif isinstance(node, ast.Lambda):
            both = ast.Tuple([_call(f"{path}:{node.lineno}"), node.body], ast.Load())
            node.body = ast.Subscript(both, ast.Constant(1), ast.Load())
    return ast.fix_missing_locations(tree)


def _call(name: str) -> ast.expr:
    return ast.parse(f"{_CALLED}({name!r})", mode="eval").body


def _outer_functions(code: CodeType) -> Iterator[tuple[tuple[str, str, int], CodeType]]:
    """The functions of a module and its classes, by `_key`."""
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_flags & 0x2:  # it has its own locals: a function
                yield _key(const), const
            else:
                yield from _outer_functions(const)


def _read_calls(file: Path) -> tuple[list[float], dict[Function, set[int]]]:
    """The seconds of each test, and the numbers of the tests that call each function."""
    seconds, tests_of = [], defaultdict[Function, set[int]](set)
    for number, line in enumerate(file.read_text().splitlines()):
        took, *functions = line.split("\t")
        seconds.append(float(took))
        for path, _, first in (function.rpartition(":") for function in functions):
            tests_of[path, int(first)].add(number)
    return seconds, tests_of


def _run(session: pytest.Session, numbers: list[int]) -> int:
    """Run tests until one fails; returns 1 if so."""
    items = [session.items[number] for number in numbers]
    for item, after in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return 1
    return 0


def _survives_import(mutant: Mutant, tests: list[Path], scratch: Path) -> bool:
    """Whether all the tests pass in a process that imports the changed module."""
    files = sorted({path for root in tests for path in ([root] if root.is_file() else root.rglob("test_*.py"))})
    near = _near_tests(mutant.path, files)

    def run(chosen: list[Path]) -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        _change_module(mutant)
        return int(pytest.main(_options(chosen, scratch)))

    rest = [path for path in files if path not in near]
    return all(not chosen or not _in_fork(functools.partial(run, chosen), None) for chosen in (near, rest))


def _options(tests: list[Path], scratch: Path) -> list[str]:
    return ["-x", "-q", "-p", "no:cacheprovider", "--timeout=0", f"--basetemp={scratch / 'tests'}", *map(str, tests)]


def _in_fork(run: Callable[[], int], log: Path | None) -> int:
    """The exit code of `run` in a forked process, whose output goes to `log`."""
    child = os.fork()
    if child == 0:
        output = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        try:
            os._exit(int(run()))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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


def _change_module(mutant: Mutant) -> None:
    """Let the import of the module, later, find the changed source."""
    changed, target, get_code = mutant.source(), mutant.path.resolve(), SourceFileLoader.get_code

    def changed_code(loader: SourceFileLoader, name: str) -> object:
        if Path(loader.path).resolve() == target:
            return compile(changed, str(target), "exec", dont_inherit=True)
        return get_code(loader, name)

    SourceFileLoader.get_code = changed_code  # type: ignore[assignment, method-assign]  # its one caller takes code


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="+", type=Path, help="modules or folders to change")
    parser.add_argument("--tests", nargs="+", type=Path, required=True, help="test files or folders")
    parser.add_argument("--number", type=int, default=200, help="of mutants, drawn at random")
    parser.add_argument("--of-each", action="store_true", help="so many of each module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600, help="begin nothing in functions after this long")
    return parser.parse_args()


if __name__ == "__main__":
    # What most tests import, once.
    for package in ("PIL.Image", "pyarrow.compute", "pyarrow.parquet", "scipy.ndimage", "click"):
        __import__(package)
    sys.setrecursionlimit(5000)
    os.environ["PYTEST_XDIST_WORKER"] = "main"  # forked processes share the sample data
    main()
