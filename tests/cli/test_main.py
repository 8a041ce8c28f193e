"""The group of commands: help, version, and what it imports."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from segdata.cli.main import NAMES, SECTIONS, main

Run = Callable[..., Result]


def test_every_help_page_has_an_example_and_fits(run: Run) -> None:
    pages = [(), *((name,) for name in NAMES), ("taxonomy", "init"), ("taxonomy", "check")]
    for words in pages:
        text = run(*words, "--help").stdout
        assert re.search(r"  (Example|Examples):\n    segdata", text), words
        assert max(map(len, text.splitlines())) <= 80, words
        assert not re.search(r"(INTEGER|FLOAT|TEXT)( RANGE)?  ", text), words  # values are named by what they mean


def test_help_lists_every_command_in_its_section(run: Run) -> None:
    text = run("--help").stdout
    for heading, names in SECTIONS.items():
        section = re.search(rf"^{heading}:\n((?:  .*\n)+)", text, re.MULTILINE)
        assert section is not None
        assert [line.split()[0] for line in section[1].splitlines() if line[2] != " "] == list(names)
    assert not any(line.endswith("...") for line in text.splitlines()[1:])  # no summary is cut


def test_earlier_names_of_options_work_and_are_hidden(run: Run, masks: Path) -> None:
    """`--group-by` was `--by`, `--work-dir` was `--work`, and `--include-reviewed` was `--no-review`."""
    renamed = [("validate", "--by"), ("info", "--by"), ("agreement", "--by"), ("flag", "--work"), ("draft", "--work")]
    renamed += [(name, "--no-review") for name in ("validate", "agreement", "flag")]
    for name, earlier in renamed:
        assert f"{earlier} " not in run(name, "--help").stdout
        assert "no such option" not in run(name, earlier, "x", "nowhere", "nowhere").stderr.lower()
    texts = [run("info", masks, option, "size", "--format", "json").stdout for option in ("--group-by", "--by")]
    assert texts[0] == texts[1] != run("info", masks, "--format", "json").stdout
    reports = [run("validate", masks, "--format", "json", *more).stdout for more in ((), ("--no-review",))]
    assert reports[0] == reports[1]  # nothing has been reviewed


def test_version_names_the_kernels(run: Run) -> None:
    assert re.match(r"segdata \d+\.\d+\.\d+, (compiled|numpy) kernels", run("--version").stdout)


@pytest.mark.parametrize("words", [["--help"], ["validate", "--help"], ["demo", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom segdata.cli.main import main\ntry: main.main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'scipy', 'torch', 'fiftyone', 'matplotlib', 'dask', 'PIL', 'rich'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("validate . --selct x", "no such option '--selct'; did you mean '--select'? see segdata validate --help"),
        ("validte .", "there is no command 'validte'; did you mean 'validate'? see segdata --help"),
        ("validate . --jobs x", "invalid value for '--jobs': 'x' is not a whole number; see segdata validate --help"),
        ("explain SEG999", "no rule 'SEG999'; `segdata rules` lists all rules"),
        ("explain specks", "no rule 'specks'; did you mean 'speck'?"),
    ],
)
def test_misuse_reads_as_a_sentence(
    words: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main.main(words.split())
    assert (ended.value.code, capsys.readouterr().err) == (2, f"segdata: error: {message}\n")
