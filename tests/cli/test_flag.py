"""`segdata flag`: exit codes, forms of the report, and every way in which it cannot run."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from segdata.api.decisions import label_hashes
from segdata.api.flag import flag
from segdata.api.read import read
from segdata.api.review import decide
from segdata.cli.flag import TrainingOptions, training_options
from segdata.cli.process import print_plan
from segdata.core.finding import Decision
from segdata.noise.networks.plan import DataFacts, Settings, plan_for
from segdata.report.flag import FlagReport
from tests.generators.schemas import json_schemas

Run = Callable[..., Result]
TAXONOMY = "categories:\n  - {id: 1, name: cell, kind: thing}\n"
CONFIG = "instance_ids: {category: cell}\n"


def spot(y: int, x: int, radius: int = 6) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    rows, columns = np.mgrid[:90, :90]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 < radius**2)


def ids(n: int, *, without: tuple[int, ...] = (), more: tuple[tuple[int, int], ...] = ()) -> np.ndarray:  # type: ignore[type-arg]  # ids
    """A map of cells in a grid that is moved a little from image to image."""
    rng, found = np.random.default_rng(n), np.zeros((90, 90), np.uint16)
    places = [(y + int(rng.integers(-2, 3)), x + int(rng.integers(-2, 3))) for y in (15, 45, 75) for x in (15, 45, 75)]
    for at, place in enumerate([*places, *more], 1):
        if at not in without:
            found[spot(*place)] = at
    return found


def saved(folder: Path, maps: list[np.ndarray], true: list[np.ndarray] | None = None) -> Path:  # type: ignore[type-arg]  # ids
    """Masks of instance ids, with images that show the `true` ones; by default the same."""
    for at, (each, shown) in enumerate(zip(maps, true or maps, strict=True)):
        for name, pixels in (("masks", each), ("images", np.where(shown > 0, 200, 60).astype(np.uint8))):
            path = folder / name / f"{at}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    (folder / "taxonomy.yaml").write_text(TAXONOMY)
    (folder / "segdata.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def cells(tmp_path: Path) -> tuple[Path, Path]:
    """Labels in which a cell is missing and one too many, and clean ones."""
    clean = [ids(at) for at in range(6)]
    noisy = [ids(0, without=(5,)), ids(1, more=((30, 60),)), *clean[2:]]
    return saved(tmp_path / "noisy", noisy, clean), saved(tmp_path / "clean", clean)


def test_the_contract(run: Run, cells: tuple[Path, Path]) -> None:
    data, clean = cells
    result = run("flag", data, "--predictions", clean, "--evaluate", clean, "--format", "json", "--jobs", "1")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    jsonschema.validate(found, json_schemas()["flag"])
    assert list(FlagReport.__struct_fields__)[:5] == list(found)[:5]
    assert found["summary"]["warnings"] == len(found["findings"])
    first = {(each["code"], each["image"]): each for each in found["findings"][:2]}
    assert set(first) == {("SEG501", "0.png"), ("SEG502", "1.png")}
    assert first["SEG501", "0.png"]["correction"]["action"] == "add"
    assert first["SEG502", "1.png"]["correction"]["action"] == "delete"
    assert all(0 <= each["score"] <= 1 for each in found["findings"])
    flag = found["flag"]
    assert [each["category"] for each in flag["trust"]] == ["cell"]
    assert len(flag["images"]) == 6
    assert {each["type"] for each in flag["evaluation"]} == {"all", "extra", "missing"}
    assert flag["evaluation"][0]["errors"] == 2
    assert flag["plan"] == []


@pytest.mark.usefixtures("cells")
def test_the_text_says_what_to_look_at_and_what_to_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("flag", "noisy", "--predictions", "clean", "--evaluate", "clean", "--jobs", "1")
    assert result.exit_code == 0
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    for said in ("review ", "of 54 labels (", "SEG501 suspected-missing", "how reliable it is", "worst images"):
        assert said in result.stdout
    assert "segdata browse" in result.stdout
    assert "AUROC" in result.stdout


def test_the_worst_images_say_where_the_model_knows_nothing(run: Run, tmp_path: Path) -> None:
    clean = [ids(at) for at in range(6)]
    seen = saved(tmp_path / "seen", [*clean[:5], np.roll(clean[5], 15, axis=0)])
    joined = clean[5].copy()
    joined[joined > 7] = 7  # three cells under one id, which is odd without any model
    data = saved(tmp_path / "data", [*clean[:5], joined], clean)
    result = run("flag", data, "--predictions", seen, "--jobs", "1")
    worst = result.stdout[result.stdout.index("worst images") :].splitlines()
    assert [line.split()[0] for line in worst if "not known" in line] == ["5.png"]
    text = " ".join(result.stdout.split())
    assert "does not know 1 of 6 images (5.png)" in text
    assert "nothing found among the 45 of 52 labels that the model can judge; it says nothing about the others" in text
    assert "nothing to review" not in text


def test_images_that_nobody_annotated_come_in_an_order(run: Run, cells: tuple[Path, Path]) -> None:
    data, clean = cells
    saved(clean, [ids(at) for at in range(8)])
    for name in ("6.png", "7.png"):
        shutil.copy(clean / "images" / name, data / "images" / name)
    words = ("flag", data, "--predictions", clean, "--jobs", "1")
    told = json.loads(run(*words, "--format", "json").stdout)
    jsonschema.validate(told, json_schemas()["flag"])
    assert sorted(told["flag"]["annotate_next"]) == ["6.png", "7.png"]
    assert len(told["flag"]["images"]) == 6
    assert f"annotate next: {', '.join(told['flag']['annotate_next'])}" in run(*words).stdout


def test_what_reviewers_decided_is_counted_and_not_told(run: Run, cells: tuple[Path, Path]) -> None:
    data, clean = cells
    seen = read(data)
    told = flag(seen, predictions=clean, settings=Settings(jobs=1)).validation.findings
    imprint = label_hashes(seen, told, 1)
    decide(seen, [
        Decision(verdict="reject", reviewer="anna", time="2026-01-01T00:00:00Z", via="python", image=each.image,
                 segment=next(iter(each.segments), None), finding=each, imprint=imprint[each])
        for each in told[:1]
    ])  # fmt: skip
    result = run("flag", data, "--predictions", clean, "--jobs", "1")
    assert "1 finding that reviewers have decided" in result.stdout
    assert f"review {len(told) - 1} " in result.stdout


def test_options_of_the_training_reach_it_and_are_typed_again() -> None:
    @click.command()
    @training_options
    def told(training: TrainingOptions) -> int:
        settings = training.settings(1)
        click.echo(f"{settings.group} {settings.members} {settings.loss} {settings.dropout} {settings.weight_decay}")
        click.echo(" ".join(training.words))
        return 0

    words = ["--group", "patient", "--group", "site", "--members", "2", "--loss", "focal", "--dropout", "0.1"]
    result = CliRunner().invoke(told, [*words, "--weight-decay", "0"])
    assert result.output.splitlines() == [
        "('patient', 'site') 2 focal 0.1 0.0",
        "--members 2 --loss focal --dropout 0.1 --weight-decay 0.0 --group patient --group site",
    ]


def test_every_choice_of_the_training_is_explained_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = DataFacts(8, 8, 90, 90, (90, 90), 3, 2, True, None, 20, "cpu", 2**32)
    plan = plan_for(facts, Settings(), 2**28)
    print_plan(plan)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    print_plan(plan)
    assert capsys.readouterr().err.splitlines() == str(plan).splitlines()


def test_every_form_and_exit_code(run: Run, cells: tuple[Path, Path], tmp_path: Path) -> None:
    data, clean = cells
    words = ("flag", data, "--predictions", clean, "--jobs", "1")
    strict = run(*words, "--format", "jsonl", "--fail-on", "warning")
    assert strict.exit_code == 1
    assert json.loads(strict.stdout.splitlines()[0])["code"] in ("SEG501", "SEG502")
    sarif = run(*words, "--format", "sarif", "--budget", "2")
    assert json.loads(sarif.stdout)["version"] == "2.1.0"
    html = run(*words, "--format", "html", "-o", tmp_path / "flag.html", "--overlays", tmp_path / "drawn")
    assert html.exit_code == 0
    page = (tmp_path / "flag.html").read_text("utf-8")
    assert "SEG501" in page
    assert "of 54 labels (" in page
    assert (tmp_path / "drawn").is_dir()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--budget", "much"), "write 200, 5%"),
        (("--budget", "200%"), "budget '200%': it must be at most 100%"),
        (("--budget", "0min"), "budget '0min': it must be more than 0"),
        (("--dropout", "2"), "dropout is 2; it must be at least 0 and below 1"),
        (("--predictions", "nothing"), "nothing: does not exist"),
        (("--evaluate", "nothing"), "nothing: does not exist"),
        (("--max-memory", "lots"), "4GiB"),
        (("--model", "net.py"), "FILE.py:FUNCTION"),
        (("--model", "nowhere:net"), "cannot be imported"),
        (("--select", "SEG101"), "not of `segdata flag`"),
        (("--folds", "1"), "--folds"),
    ],
)
def test_what_cannot_work_is_one_line(run: Run, cells: tuple[Path, Path], words: tuple[str, ...], said: str) -> None:
    result = run("flag", cells[0], *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_image_files_it_says_what_to_do(run: Run, cells: tuple[Path, Path], tmp_path: Path) -> None:
    for path in (cells[0] / "images").iterdir():
        path.unlink()
    result = run("flag", cells[0], "--work-dir", tmp_path / "work")
    assert result.exit_code == 2
    assert "none of the 6 images can be read" in result.stderr
    assert "--images DIR" in result.stderr


def test_without_torch_the_extra_is_named(cells: tuple[Path, Path]) -> None:
    code = (
        f"import sys\nsys.modules['torch'] = None\nfrom segdata.cli.main import main\nmain(['flag', {str(cells[0])!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'segdata[torch]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_predictions_need_no_torch(cells: tuple[Path, Path]) -> None:
    data, clean = cells
    words = ["flag", str(data), "--predictions", str(clean), "--format", "jsonl", "--jobs", "1"]
    code = f"import sys\nsys.modules['torch'] = None\nfrom segdata.cli.main import main\nmain({words!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('{"code"')
