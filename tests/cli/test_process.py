"""Exit codes and what stderr says, of the program as it is installed."""

import fcntl
import math
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from segdata.cli import process
from segdata.cli.output import make_console
from segdata.cli.process import _StageLines, exit_code, explain_error, stage_bars
from segdata.core.errors import SegdataError
from segdata.core.lazy_loading import EntryPoint
from segdata.noise.networks.plan import StageProgress
from segdata.report.console import Console

Run = Callable[..., Result]

PROGRAM = [sys.executable, "-m", "segdata.cli"]


def test_errors_are_one_line_and_exit_2(run: Run, tmp_path: Path) -> None:
    result = run("validate", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert result.stderr.startswith("segdata: error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("valdate",), "did you mean 'validate'"),
        (("taxonomy", "chek"), "see segdata taxonomy --help"),
        (("validate",), "missing argument 'DATA'; see segdata validate --help"),
        (("validate", ".", "--taxonmy", "x"), "did you mean '--taxonomy'"),
        (("validate", ".", "--jobs", "-1"), "invalid value for '--jobs'"),
        (("validate", ".", "--fail-on", "all"), "'never'"),
    ],
)
def test_misuse_is_one_line_and_exits_2(run: Run, words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("segdata: error: ")
    assert said in result.stderr


def test_without_a_command_help_is_shown(run: Run) -> None:
    result = run()
    assert (result.exit_code, "Usage: " in result.output) == (2, True)


def test_a_mistake_in_a_plugin_is_for_its_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(group: str) -> list[EntryPoint]:
        return [EntryPoint(group, "acme", "acme_rules.thin", "acme-rules")] if group == "segdata.rules" else []

    monkeypatch.setattr("segdata.cli.process.entry_points", installed)
    code = compile("def check():\n    return {}['x']", "thin.py", "exec")
    module: dict[str, Any] = {"__name__": "acme_rules.thin"}
    exec(code, module)
    with pytest.raises(KeyError) as raised:
        module["check"]()
    assert "please report it to the authors of acme-rules, with" in explain_error(raised.value)


def test_an_unexpected_exception_asks_to_be_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise KeyError("x")

    monkeypatch.delenv("SEGDATA_DEBUG", raising=False)
    assert exit_code(broken) == 2
    assert (
        explain_error(KeyError("x"))
        == "unexpected KeyError: 'x'; please report it to the authors of segdata, with the traceback that "
        "SEGDATA_DEBUG=1 shows"
    )
    monkeypatch.setenv("SEGDATA_DEBUG", "1")
    with pytest.raises(KeyError) as raised:
        exit_code(broken)
    raised.value.add_note("while reading a.json")
    assert re.match(
        r"unexpected KeyError: 'x' \(while reading a.json, test_process.py, line \d+\); ", explain_error(raised.value)
    )


def test_explanations_are_one_line() -> None:
    assert explain_error(SegdataError("a\n  b")) == "a b"
    assert explain_error(PermissionError(13, "Permission denied", "x.json")) == "x.json: Permission denied"


def test_a_traceback_is_shown_on_demand_only(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGDATA_DEBUG", raising=False)
    assert "Traceback" not in run("validate", tmp_path / "nowhere").stderr
    monkeypatch.setenv("SEGDATA_DEBUG", "1")
    with pytest.raises(SegdataError):
        run("validate", tmp_path / "nowhere")


def test_the_reader_of_a_pipe_may_leave(masks: Path) -> None:
    """Quietly, and with the exit code that the findings give."""
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [*PROGRAM, "validate", str(masks)], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def test_help_survives_a_closed_pipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run([*PROGRAM, "--help"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, "")


def test_ctrl_c_exits_130(tmp_path: Path, interruptible: Callable[[Sequence[str]], list[str]]) -> None:
    """A list that never ends keeps the program waiting until it is interrupted."""
    names = tmp_path / "names"
    os.mkfifo(names)
    words = interruptible([*PROGRAM, "validate", str(tmp_path), "--list", str(names)])
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        writing = os.open(names, os.O_WRONLY)  # returns when the program has opened the other end
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        os.close(writing)
    assert (process.returncode, "Traceback" in stderr) == (130, False)


def on_a_terminal(columns: int, *words: str, **environment: str) -> str:
    """What the program writes to a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [*PROGRAM, *words], stdout=slave, stderr=slave, env={**kept, "TERM": "xterm", **environment}
    )
    os.close(slave)
    written = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux says so where the other side has gone
            break
        if not piece:
            break
        written += piece
    process.wait(timeout=20)
    os.close(master)
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colour_and_its_own_width() -> None:
    coloured = on_a_terminal(60, "rules")
    assert "\x1b[1;31merror\x1b[0m" in coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert 40 < max(map(len, plain.splitlines())) <= 60


def test_an_error_is_folded_on_a_terminal_and_one_line_in_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    words = ["validate", str(tmp_path)]
    piped = subprocess.run([*PROGRAM, *words], capture_output=True, text=True).stderr
    folded = on_a_terminal(70, *words)
    assert len(piped.splitlines()) == 1
    assert len(folded.splitlines()) > 2
    assert folded.split() == piped.split(), "no word is lost, no path is cut"
    assert all(len(line) <= 70 or " " not in line.strip() for line in folded.splitlines())


def test_who_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    assert make_console() == Console(80, colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert make_console() == Console(80, colour=False)
    assert make_console(Path("report.txt")) == Console()


def test_a_log_gets_a_line_a_minute_and_short_runs_none(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _StageLines()
    lines(StageProgress("train 1 of 2", 1, 1200, 99.0))
    assert capsys.readouterr().err == ""
    for done in (2, 4):
        lines(StageProgress("train 1 of 2", done, 1200, 100.0 - done))
        lines.print_line()
    assert capsys.readouterr().err.splitlines() == [
        "segdata: train 1 of 2: 2 of 1,200, 1 min 38 s left",
        "segdata: train 1 of 2: 4 of 1,200, 1 min 36 s left",
    ]


def test_a_log_shows_that_a_stage_goes_on_that_reports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    moment = 0.0
    lines = _StageLines(lambda: moment)
    moment = 60.0
    lines.print_line()
    lines(StageProgress("look", 500, 500, 0.0))
    moment = 120.0
    lines.print_line()
    moment = 180.0
    lines.print_line()
    lines(StageProgress("rank", 0, 0, math.nan))
    lines.print_line()
    moment = 245.0
    lines.print_line()
    assert capsys.readouterr().err.splitlines() == [
        "segdata: begin: for 1 min 0 s",
        "segdata: look: 500 of 500, 0 s left",
        "segdata: look: 500 of 500, the same for 2 min 0 s",
        "segdata: rank: begun",
        "segdata: rank: for 1 min 5 s",
    ]


def test_a_line_comes_while_the_run_is_in_one_long_call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_LINE_SECONDS", 0.01)
    with stage_bars() as progress:
        progress(StageProgress("rank", 0, 0, math.nan))
        deadline, told = time.monotonic() + 30, ""
        while told.count("rank: ") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
            told += capsys.readouterr().err
    assert told.startswith("segdata: rank: begun\nsegdata: rank: for 0 s\n")
    capsys.readouterr()
    time.sleep(0.05)
    assert capsys.readouterr().err == "", "nothing comes after the end"
