"""docs/ci.md: every command of the examples does on the sample data what the page says."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from segdata.cli.main import main
from segdata.cli.validate import command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
EXAMPLES: list[dict[Any, Any]] = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
GITHUB = next(each for each in EXAMPLES if "jobs" in each)
GITLAB = next(each for each in EXAMPLES if "labels" in each)["labels"]
REPOSITORY, LOCAL = (each["repos"][0] for each in EXAMPLES if "repos" in each)
STEPS = {each["name"]: each["run"] for each in GITHUB["jobs"]["validate"]["steps"] if "run" in each}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the sample data as `labels/`, as they were when the baseline was written."""
    shutil.copytree(ROOT / "sample_data" / "semantic", tmp_path / "labels")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["sh", "-e", "-c", words], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


def segdata(words: str) -> Result:
    """A command of `segdata` alone, run in this process, in the current folder."""
    name, *rest = shlex.split(words)
    assert name == "segdata"
    return CliRunner().invoke(main, rest, catch_exceptions=False)


def adopt(folder: Path) -> None:
    """The commands of the page's chapter on baselines, without git's."""
    chapter = PAGE.partition("## Adopt it")[2]
    commands = re.findall(r"^segdata .*$", chapter.partition("```\n")[2].partition("```")[0], re.MULTILINE)
    assert len(commands) == 2
    for words in commands:
        assert segdata(words).exit_code == 0
    assert (folder / "known.json").is_file()


def spoil(folder: Path) -> None:
    """Unlabelled pixels, where all must be labelled."""
    path = sorted((folder / "labels" / "masks").glob("*.png"))[0]
    with Image.open(path) as image:
        mask = image.convert("RGB")
    mask.paste((0, 0, 0), (100, 50, 110, 60))
    mask.save(path)


def test_the_steps_for_github_run(repository: Path) -> None:
    assert list(STEPS) == ["Install", "Reports", "Validate"]
    adopt(repository)
    assert shell(STEPS["Validate"], repository).returncode == 0
    spoil(repository)
    assert shell(STEPS["Reports"], repository).returncode == 0
    uploaded = [each["with"] for each in GITHUB["jobs"]["validate"]["steps"] if "upload" in each.get("uses", "")]
    files = [each.get("sarif_file") or each.get("path") for each in uploaded]
    assert len(files) == 2
    assert all((repository / file).stat().st_size > 1000 for file in files)
    assert "<title>Found: 1 new error: labels</title>" in (repository / "segdata.html").read_text("utf-8")
    done = shell(STEPS["Validate"], repository)
    assert done.returncode == 1
    assert re.search(r"^::error file=labels[^,]*,title=SEG101 gap::", done.stdout, re.MULTILINE)


def test_the_script_for_gitlab_runs(repository: Path) -> None:
    adopt(repository)
    spoil(repository)
    codes = [segdata(line).exit_code for line in GITLAB["script"]]
    assert codes == [0, 0, 0, 1]
    kept = [*GITLAB["artifacts"]["paths"], *GITLAB["artifacts"]["reports"].values()]
    assert all((repository / file).stat().st_size > 100 for file in kept)


def test_the_hooks_run(repository: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    adopt(repository)
    (used,) = REPOSITORY["hooks"]
    (local,) = LOCAL["hooks"]
    assert used["id"] == hook["id"]
    assert re.search(used["files"], "labels/masks/a.png")
    words = (f"{hook['entry']} {shlex.join(used['args'])}", local["entry"])
    assert [segdata(each).exit_code for each in words] == [0, 0]
    spoil(repository)
    assert [segdata(each).exit_code for each in words] == [1, 1]


def test_exit_codes_are_as_the_table_says(repository: Path) -> None:
    spoil(repository)
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert told == {0, 1, 2, 130}
    assert segdata("segdata validate labels/ --fail-on never").exit_code == 0
    assert segdata("segdata validate labels/").exit_code == 1
    for wrong in ("validate nowhere/", "validate labels/ --select SEG999", "validate labels/ --output /dev/null/x"):
        assert segdata(f"segdata {wrong}").exit_code == 2


def test_every_format_of_a_report_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))))
    (option,) = (each for each in command.params if each.name == "report")
    assert told == set(option.type.choices)  # type: ignore[attr-defined]  # a choice
