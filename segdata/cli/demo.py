"""`segdata demo`: the whole story on sample data."""

import io
import json
import shlex
import shutil
from contextlib import nullcontext, redirect_stderr
from pathlib import Path

import click

from segdata.cli.options import example
from segdata.core.errors import SegdataError

_COMPARED = 16  # scenes that annotators drew: of fewer nothing can be told from chance
_MARK = ".segdata-demo"  # only a folder that has this file is ever emptied


@click.command(name="demo", epilog=example("segdata demo", "segdata demo /tmp/street"))
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default="segdata-demo")
@click.option(
    "--scenes", metavar="N", type=click.IntRange(min=1), default=8, help="Draw so many clean street scenes; default: 8."
)
def command(folder: Path, scenes: int) -> None:
    """Make sample data in DIR and run the whole story on it.

    DIR is segdata-demo by default. Every command is shown as you could type
    it; datasets, reports and pictures stay in DIR.
    """
    from segdata.sample import make

    prepare(folder)
    _say(f"1. Sample data: {scenes} street scenes with their labels, and others with known defects")
    make(folder / "data", seed=0, images=scenes, only=("clean", "defects"))
    clean, defects = folder / "data/clean", folder / "data/defects"

    _say("2. Clean labels, whatever the format")
    _run("info", clean / "panoptic")
    _run("convert", clean / "panoptic", folder / "street", "--verify")
    _run("convert", folder / "street", folder / "street-masks", "--to", "colour-masks", "--copy-images")
    _run("convert", folder / "street", folder / "street-yolo", "--to", "yolo-seg", "--copy-images", "--verify")
    _run("diff", folder / "street", folder / "street-yolo")
    _run("validate", folder / "street")

    _say("3. The same scenes, spoiled")
    _run("validate", defects / "mask_shapes", "--overlays", folder / "pictures/mask_shapes")
    _run("validate", defects / "coco_shapes", "--format", "html", "--output", folder / "reports/coco_shapes.html")
    _run("explain", "SEG106")

    _say("4. What can be mended is mended, and only what is new counts")
    known = folder / "reports/known.json"
    _run("convert", defects / "mask_shapes", folder / "mended")
    _run("validate", folder / "mended", "--write-baseline", known, "--statistics")
    _run("validate", folder / "mended", "--unsafe-fixes", "--baseline", known)

    _say("5. Four annotators drew the same scenes: one is hurried, and one has habits")
    make(folder / "data", seed=0, images=max(scenes, _COMPARED), only=("annotators", "noise"))
    named = [f"{each.name}={each}" for each in sorted((folder / "data/annotators").iterdir()) if each.is_dir()]
    _run("agreement", *named, "--format", "html", "--output", folder / "reports/agreement.html")
    _run("agreement", *named, "--gold", "gold")

    _say("6. Labels that are wrong though no rule is broken: ranked, reviewed, corrected")
    _review(folder)

    _say("7. Every seeded defect, against what was found")
    _tally(defects, folder / "reports")

    _say("Done. Look at")
    for name, what in _LEFT.items():
        click.echo(f"  {folder / name}")
        _tell(what, "      ", "      ")


def _review(folder: Path) -> None:
    """Suspect labels by a second opinion, decide on what is suspected, and carry that out."""
    from segdata.cli.rehearsal import rehearse

    noisy, noise, flagged = folder / "noisy", folder / "data/noise", folder / "reports/flag.json"
    decisions = folder / "reports/decisions.json"
    _tell(
        "The networks that segdata flag trains by itself take minutes. Here what a careful annotator drew stands in "
        "for the results of a model; --predictions takes those of any."
    )
    _run("convert", noise, noisy)
    opinion = ("--predictions", folder / "data/annotators/careful")
    _run("flag", noisy, *opinion, "--budget", "12", "--format", "json", "--output", flagged, "--fail-on", "never")
    click.echo()
    _tell(
        "Reviewers decide in a browser (segdata browse, or validate --format html). Here a script does, by the truth:"
    )
    for each in rehearse(noisy, flagged, noise / "truth.json", decisions):
        assert each.finding is not None
        what, _, rest = each.finding.message.partition(": P ")
        _tell(f"{each.image}: {what}; {rest.rpartition('; ')[2]}", f"  {each.verdict:7}", " " * 9)
    _run("review", "pull", noisy, decisions)
    _run("review", "apply", noisy)
    _run("review", "report", noisy, "--findings", flagged)
    _run("history", noisy)
    _run("report", noisy, "--flagged", flagged, "--format", "html", "--output", folder / "reports/noisy.html")


def _tell(text: str, first: str = "", rest: str = "") -> None:
    """Say it in lines of at most 80 columns."""
    from segdata.cli.output import paper

    for line in paper().wrap(text, first, rest):
        click.echo(line)


_LEFT = {
    "pictures": "findings drawn on their images: begin with mask_shapes",
    "reports": "every finding of every spoiled dataset as JSON, and three for the browser: coco_shapes.html, "
    "agreement.html, noisy.html (all that is known of a dataset on one page)",
    "mended": "the spoiled masks after fixes; r0002/changes.jsonl says what was done",
    "noisy": "the labels with errors, reviewed; review.jsonl says who decided what",
    "street": "a canonical dataset: Parquet tables that pandas and DuckDB read",
    "street-masks": "the same as colour masks, with the images",
    "street-yolo": "and as YOLO polygons, with losses.json, which says what they cannot hold",
    "data": "the sample data; data/defects/truth.json lists what was seeded",
}


def prepare(folder: Path) -> None:
    """Empty the folder of an earlier demo; refuse any other that has something in it."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).is_file():
            raise SegdataError(f"{folder}: is not empty, and no earlier demo; name another folder")
        for name in _LEFT:
            shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()


def _run(*words: str | Path, quietly: bool = False) -> None:
    """Show a command, and run it; raises SegdataError where it could not do its work."""
    from segdata.cli.exits import MISUSE
    from segdata.cli.main import main

    arguments = [str(word) for word in words]
    if not quietly:
        click.echo(click.style(f"\n$ segdata {shlex.join(arguments)}", bold=True))
    try:
        with redirect_stderr(io.StringIO()) if quietly else nullcontext():
            main.main(arguments)
    except SystemExit as ended:
        if ended.code == MISUSE:
            raise SegdataError(f"the demo ends here: segdata {shlex.join(arguments)} failed") from None


def _say(heading: str) -> None:
    click.echo(click.style(f"\n{heading}", fg="green", bold=True))


def _tally(defects: Path, reports: Path) -> None:
    """Validate every spoiled dataset that holds something a rule speaks of, and count what was found."""
    from segdata.cli.output import emit, paper
    from segdata.core.rule import rules
    from segdata.report.tally import Seeded, tally

    seeded = [Seeded.of(entry) for entry in json.loads((defects / "truth.json").read_text(encoding="utf-8"))]
    names = sorted({each.dataset for each in seeded if each.code in rules()})
    found = {}
    for name in names:
        report = reports / f"{name}.json"
        _run("validate", defects / name, "--format", "json", "--output", report, quietly=name != names[0])
        found[name] = json.loads(report.read_text(encoding="utf-8"))["findings"]
    click.echo(f"… and the same for {len(names) - 1} more\n")
    emit(tally(seeded, found, rules().keys(), paper()))
