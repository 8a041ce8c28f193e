"""Names on the command line: commands of other programs, groups of rules, completion, and flags of the whole run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from segdata.cli.main import _MEANT, NAMES
from segdata.core.rule import rules

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("lint", "validate"), ("check", "validate"), ("stats", "info"), ("Validate", "validate"), ("statss", "info"),
     ("valdate", "validate"), ("help", "--help")],
)  # fmt: skip
def test_an_unknown_command_names_the_one_that_is_meant(run: Run, typed: str, meant: str) -> None:
    result = run(typed, "data")
    assert (result.exit_code, f"did you mean {meant!r}?" in result.stderr) == (2, True), result.stderr


def test_every_suggested_command_exists() -> None:
    assert {meant.split()[0] for meant in _MEANT.values()} <= {*NAMES, "--help", "--version"}
    assert not set(_MEANT) & set(NAMES)


@pytest.mark.parametrize("group", ["SEG1", "seg2", "SEG", "SEG30"])
def test_explain_lists_a_group(run: Run, group: str) -> None:
    listed = [line.split()[0] for line in run("explain", group).stdout.splitlines() if line.startswith("SEG")]
    assert listed == [code for code in rules() if code.startswith(group.upper())]


def test_explain_knows_no_empty_group(run: Run) -> None:
    result = run("explain", "SEG999")
    assert (result.exit_code, "no rule 'SEG999'" in result.stderr) == (2, True)


def _completed(words: str, cwd: Path) -> list[str]:
    """What the shell offers for the last of these words."""
    variables = {
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "_SEGDATA_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [sys.executable, "-m", "segdata.cli"], env={**os.environ, **variables}, capture_output=True, text=True, cwd=cwd
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_the_shell_completes_names(tmp_path: Path) -> None:
    assert _completed("segdata val", tmp_path) == ["validate"]
    assert _completed("segdata validate x --from coco-", tmp_path) == [
        "coco-instances",
        "coco-panoptic",
        "coco-results",
    ]
    assert "yolov8" in _completed("segdata convert a b --to yolov", tmp_path)
    assert _completed("segdata explain SEG10", tmp_path) == [code for code in rules() if code.startswith("SEG10")]
    assert _completed("segdata validate x --select SEG1,spec", tmp_path) == ["SEG1,speck"]
    assert _completed("segdata formats lab", tmp_path) == ["label-studio", "labelme"]


@pytest.mark.parametrize("before", [True, False])
def test_quiet_prints_results_and_errors_only(run: Run, masks: Path, tmp_path: Path, before: bool) -> None:
    def quiet(*words: str | Path) -> Result:
        return run("--quiet", *words) if before else run(*words, "--quiet")

    loud, soft = run("validate", masks), quiet("validate", masks)
    assert "\nnext\n" in loud.stdout
    assert loud.stdout.startswith(soft.stdout.rstrip())
    assert "next" not in soft.stdout.split()
    report = tmp_path / "report.json"
    assert "see" in run("validate", masks, "--format", "json", "-o", report).stderr
    assert quiet("validate", masks, "--format", "json", "-o", report).stderr == ""
    assert "does not exist" in quiet("validate", tmp_path / "none").stderr


_ONE_BY_ONE = """
import os, sys
from segdata.cli.main import main
for words in sys.argv[1:]:
    pid = os.fork()
    if pid == 0:
        main(words.split())
    os.waitpid(pid, 0)
    print("END OF IT", flush=True)
"""


def test_no_color() -> None:
    """On a terminal reports are in colour; `--no-color` takes it away, wherever it stands."""
    pty = pytest.importorskip("pty")
    commands = (
        "explain speck",
        "--no-color explain speck",
        "explain speck --no-color",
        "explain speck --no-colour",
    )
    output: list[bytes] = []
    pid, descriptor = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-c", _ONE_BY_ONE, *commands])
    try:
        while output[-1:] != [b""]:
            output.append(os.read(descriptor, 1 << 16))
    except OSError:  # the end of a terminal
        pass
    os.waitpid(pid, 0)
    *shown, rest = b"".join(output).decode().split("END OF IT")
    assert rest.strip() == ""
    assert all("speck" in text for text in shown)
    assert ["\x1b[" in text for text in shown] == [True, False, False, False]


def test_the_flags_are_on_the_help_page_once(run: Run) -> None:
    text = run("--help").stdout
    assert "--quiet" in text
    assert "--no-color " in text
    assert "--quiet" not in run("validate", "--help").stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("split = 'train'", "split == 'train'"),
        ("area > 5 AND category = 'car = bus'", "area > 5 and category == 'car = bus'"),
        ("area>=5 && width<>3", "area>=5 and width!=3"),
    ],
)
def test_an_expression_of_another_language_says_what_to_write(
    run: Run, masks: Path, tmp_path: Path, typed: str, meant: str
) -> None:
    result = run("filter", masks, tmp_path / "out", "--where", typed)
    assert result.exit_code == 2
    assert f"as in: {meant}" in " ".join(result.stderr.split())
