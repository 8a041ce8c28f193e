"""`segdata demo`: the whole story on sample data."""

import io
import json
import shlex
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segdata.cli.options import example
from segdata.core.errors import SegdataError
from segdata.report.console import Console, table

if TYPE_CHECKING:
    from segdata.core.finding import Decision, Finding, Verdict


REVIEWER = "anna"
_SECONDS_EACH = 20  # seconds from one decision to the next


def decide_by_truth(data: Path, flagged: Path, truth: Path, target: Path) -> "list[Decision]":
    """Write decisions on all findings of a report, as the HTML report exports them, and return them.

    `truth` lists the seeded errors. What lies on one is accepted (a label that is shifted as a whole is to be drawn
    anew), all else is rejected.
    """
    import msgspec

    from segdata.api.decisions import label_hashes
    from segdata.api.read import read
    from segdata.core.finding import Decision
    from segdata.report.findings_json import load_findings
    from segdata.review.decision_log import DecisionExport

    findings, dataset = load_findings(flagged), read(data)
    seeded = {each["image"]: each for each in json.loads(truth.read_text(encoding="utf-8"))}
    seen = label_hashes(dataset, findings)
    decisions = [
        Decision(
            verdict=_true_verdict(each, seeded.get(each.image or "")),
            reviewer=REVIEWER,
            time=f"2026-01-05T09:{at * _SECONDS_EACH // 60:02d}:{at * _SECONDS_EACH % 60:02d}Z",
            via="html",
            image=each.image,
            finding=each,
            imprint=seen[each],
        )
        for at, each in enumerate(findings)
    ]
    export = DecisionExport(version=1, kind="segdata decisions", dataset=str(data), decisions=tuple(decisions))
    target.write_bytes(msgspec.json.format(msgspec.json.encode(export), indent=1))
    return decisions


def _true_verdict(finding: "Finding", seeded: dict[str, Any] | None) -> "Verdict":  # Any: JSON
    if seeded is None or finding.bbox is None:
        return "reject"
    if seeded["code"] == "SEG507":
        return "fix"
    here = (
        {*finding.segments} & {*seeded["segments"]}
        if finding.segments
        else _boxes_overlap(finding.bbox, seeded["bbox"])
    )
    return "accept" if here else "reject"


def _boxes_overlap(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether two boxes share a pixel."""
    return all(a[k] < b[k] + b[k + 2] and b[k] < a[k] + a[k + 2] for k in (0, 1))


@dataclass(frozen=True, slots=True)
class SeededDefect:
    """A defect that was put into a dataset on purpose: its code, the dataset's name, the image or None, and what."""

    code: str
    dataset: str
    image: str | None
    what: str

    @staticmethod
    def of(entry: Mapping[str, Any]) -> "SeededDefect":  # Any: JSON
        """An entry of truth.json."""
        return SeededDefect(entry["code"], entry["dataset"], entry["image"], entry["what"])

    def is_found(self, findings: Sequence[Mapping[str, Any]]) -> bool:  # Any: JSON
        """Whether one of the findings of its dataset, as the JSON report has them, is this one."""
        return any(
            each["code"] == self.code and (self.image is None or each["image"] in (None, self.image))
            for each in findings
        )


def seeded_table(
    seeded: Sequence[SeededDefect],
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    known: Collection[str],
    paper: Console,
) -> str:
    """A table, a line per dataset, of how many seeded defects were found, then those that were not.

    `found` are the findings of each dataset (Any: JSON), `known` the codes that have a rule; others do not count.
    """
    counted = [each for each in seeded if each.code in known and each.dataset in found]
    rows = []
    for name, findings in found.items():
        mine = [each for each in counted if each.dataset == name]
        hits = sum(each.is_found(findings) for each in mine)
        rows.append([name, str(len(mine)), str(hits), str(len(findings))])
    missed = [each for each in counted if not each.is_found(found[each.dataset])]
    totals = [len(counted), len(counted) - len(missed), sum(map(len, found.values()))]
    rows.append(["all", *map(str, totals)])
    lines = table(("dataset", "seeded", "found", "findings"), rows)
    lines[0] = paper.paint(lines[0], "bold")
    for each in missed:
        lines += paper.wrap(f"not found: {each.code} in {each.dataset}: {each.what}", "", "  ", "warning")
    return "\n".join(lines) + "\n"


_COMPARED_SCENES = 16  # scenes that annotators drew: of fewer nothing can be told from chance
_MARKER_FILE = ".segdata-demo"  # only a folder that has this file is ever emptied


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

    prepare_folder(folder)
    _print_heading(f"1. Sample data: {scenes} street scenes with their labels, and others with known defects")
    make(folder / "data", seed=0, images=scenes, only=("clean", "defects"))
    clean, defects = folder / "data/clean", folder / "data/defects"

    _print_heading("2. Clean labels, whatever the format")
    _run("info", clean / "panoptic")
    _run("convert", clean / "panoptic", folder / "street", "--verify")
    _run("convert", folder / "street", folder / "street-masks", "--to", "colour-masks", "--copy-images")
    _run("convert", folder / "street", folder / "street-yolo", "--to", "yolo-seg", "--copy-images", "--verify")
    _run("diff", folder / "street", folder / "street-yolo")
    _run("validate", folder / "street")

    _print_heading("3. The same scenes, spoiled")
    _run("validate", defects / "mask_shapes", "--overlays", folder / "pictures/mask_shapes")
    _run("validate", defects / "coco_shapes", "--format", "html", "--output", folder / "reports/coco_shapes.html")
    _run("explain", "SEG106")

    _print_heading("4. What can be mended is mended, and only what is new counts")
    known = folder / "reports/known.json"
    _run("convert", defects / "mask_shapes", folder / "mended")
    _run("validate", folder / "mended", "--write-baseline", known, "--statistics")
    _run("validate", folder / "mended", "--unsafe-fixes", "--baseline", known)

    _print_heading("5. Four annotators drew the same scenes: one is hurried, and one has habits")
    make(folder / "data", seed=0, images=max(scenes, _COMPARED_SCENES), only=("annotators", "noise"))
    named = [f"{each.name}={each}" for each in sorted((folder / "data/annotators").iterdir()) if each.is_dir()]
    _run("agreement", *named, "--format", "html", "--output", folder / "reports/agreement.html")
    _run("agreement", *named, "--gold", "gold")

    _print_heading("6. Labels that are wrong though no rule is broken: ranked, reviewed, corrected")
    _review(folder)

    _print_heading("7. Every seeded defect, against what was found")
    _count_seeded(defects, folder / "reports")

    _print_heading("Done. Look at")
    for name, what in _RESULTS.items():
        click.echo(f"  {folder / name}")
        _print_wrapped(what, "      ", "      ")


def _review(folder: Path) -> None:
    """Suspect labels by a second opinion, decide on what is suspected, and carry that out."""
    noisy, noise, flagged = folder / "noisy", folder / "data/noise", folder / "reports/flag.json"
    decisions = folder / "reports/decisions.json"
    _print_wrapped(
        "The networks that segdata flag trains by itself take minutes. Here what a careful annotator drew stands in "
        "for the results of a model; --predictions takes those of any."
    )
    _run("convert", noise, noisy)
    opinion = ("--predictions", folder / "data/annotators/careful")
    _run("flag", noisy, *opinion, "--budget", "12", "--format", "json", "--output", flagged, "--fail-on", "never")
    click.echo()
    _print_wrapped(
        "Reviewers decide in a browser (segdata browse, or validate --format html). Here a script does, by the truth:"
    )
    for each in decide_by_truth(noisy, flagged, noise / "truth.json", decisions):
        assert each.finding is not None
        what, _, rest = each.finding.message.partition(": P ")
        _print_wrapped(f"{each.image}: {what}; {rest.rpartition('; ')[2]}", f"  {each.verdict:7}", " " * 9)
    _run("review", "pull", noisy, decisions)
    _run("review", "apply", noisy)
    _run("review", "report", noisy, "--findings", flagged)
    _run("history", noisy)
    _run("report", noisy, "--flagged", flagged, "--format", "html", "--output", folder / "reports/noisy.html")


def _print_wrapped(text: str, first: str = "", rest: str = "") -> None:
    """Say it in lines of at most 80 columns."""
    from segdata.cli.output import make_console

    for line in make_console().wrap(text, first, rest):
        click.echo(line)


_RESULTS = {
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


def prepare_folder(folder: Path) -> None:
    """Empty the folder of an earlier demo; refuse any other that has something in it."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARKER_FILE).is_file():
            raise SegdataError(f"{folder}: is not empty, and no earlier demo; name another folder")
        for name in _RESULTS:
            shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER_FILE).touch()


def _run(*words: str | Path, quietly: bool = False) -> None:
    """Show a command, and run it; raises SegdataError where it could not do its work."""
    from segdata.cli.main import main
    from segdata.cli.process import MISUSE

    arguments = [str(word) for word in words]
    if not quietly:
        click.echo(click.style(f"\n$ segdata {shlex.join(arguments)}", bold=True))
    try:
        with redirect_stderr(io.StringIO()) if quietly else nullcontext():
            main.main(arguments)
    except SystemExit as ended:
        if ended.code == MISUSE:
            raise SegdataError(f"the demo ends here: segdata {shlex.join(arguments)} failed") from None


def _print_heading(heading: str) -> None:
    click.echo(click.style(f"\n{heading}", fg="green", bold=True))


def _count_seeded(defects: Path, reports: Path) -> None:
    """Validate every spoiled dataset that holds something a rule speaks of, and count what was found."""
    from segdata.cli.output import emit, make_console
    from segdata.core.rule import rules

    seeded = [SeededDefect.of(entry) for entry in json.loads((defects / "truth.json").read_text(encoding="utf-8"))]
    names = sorted({each.dataset for each in seeded if each.code in rules()})
    found = {}
    for name in names:
        report = reports / f"{name}.json"
        _run("validate", defects / name, "--format", "json", "--output", report, quietly=name != names[0])
        found[name] = json.loads(report.read_text(encoding="utf-8"))["findings"]
    click.echo(f"… and the same for {len(names) - 1} more\n")
    emit(seeded_table(seeded, found, rules().keys(), make_console()))
