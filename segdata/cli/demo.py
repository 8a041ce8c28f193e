"""`segdata demo`: the full workflow on sample data."""

import io
import json
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from segdata.cli.options import FOLDER, example, option
from segdata.cli.output import emit, make_console
from segdata.cli.process import MISUSE
from segdata.core.atomic_files import lock_target
from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.safe_text import escape_line, shell_word
from segdata.report.console import Console, table
from segdata.sample import MAX_IMAGES, make

REVIEWER = "anna"
_SECONDS_EACH = 20  # seconds from one decision to the next
_COMPARED_SCENES = 16  # scenes by several annotators: with fewer, agreement cannot be told from chance
_MARKER_FILE = ".segdata-demo"  # the demo empties only folders with this file


@click.command(name="demo", epilog=example("segdata demo", "segdata demo /tmp/street"))
@click.argument("folder", metavar="[DIR]", type=FOLDER, default="segdata-demo")
@option(
    "--scenes N",
    f"Number of clean street scenes, at most {MAX_IMAGES}",
    type=click.IntRange(1, MAX_IMAGES),
    default=8,
)
def command(folder: Path, scenes: int) -> None:
    """Make sample data in DIR and run the full workflow on it.

    DIR is segdata-demo by default. The demo shows every command as you would
    type it; datasets, reports and pictures stay in DIR.
    """
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with lock_target(folder):
        _run_demo(folder, scenes)


def _run_demo(folder: Path, scenes: int) -> None:
    prepare_folder(folder)
    _print_heading(f"1. Sample data: {count_noun(scenes, 'street scene')} with labels, and others with known defects")
    make(folder / "data", images=scenes, only=("clean", "defects"))
    clean, defects = folder / "data/clean", folder / "data/defects"

    _print_heading("2. Clean labels, in any format")
    _run("info", clean / "panoptic")
    _run("convert", clean / "panoptic", folder / "street", "--verify")
    _run("convert", folder / "street", folder / "street-masks", "--to", "colour-masks", "--copy-images")
    _run("convert", folder / "street", folder / "street-yolo", "--to", "yolo-seg", "--copy-images", "--verify")
    _run("diff", folder / "street", folder / "street-yolo")
    _run("validate", folder / "street")

    _print_heading("3. The same scenes with defects")
    _run("validate", defects / "mask_shapes", "--overlays", folder / "pictures/mask_shapes")
    _run("validate", defects / "coco_shapes", "--format", "html", "--output", folder / "reports/coco_shapes.html")
    _run("explain", "SEG106")

    _print_heading("4. Fix what can be fixed; only new findings count")
    baseline = folder / "reports/known.json"
    _run("convert", defects / "mask_shapes", folder / "mended")
    _run("validate", folder / "mended", "--write-baseline", baseline, "--statistics")
    _run("validate", folder / "mended", "--unsafe-fixes", "--baseline", baseline)

    _print_heading("5. Four annotators drew the same scenes: one hurries, and one is biased")
    make(folder / "data", images=max(scenes, _COMPARED_SCENES), only=("annotators", "noise"))
    named = [f"{path.name}={path}" for path in sorted((folder / "data/annotators").iterdir()) if path.is_dir()]
    _run("agreement", *named, "--format", "html", "--output", folder / "reports/agreement.html")
    _run("agreement", *named, "--gold", "gold")

    _print_heading("6. Wrong labels that break no rule: ranked, reviewed, corrected")
    _review(folder)

    _print_heading("7. Seeded defects, compared with the findings")
    _count_seeded(defects, folder / "reports")

    _print_heading("Done. Look at:")
    for name, contents in _RESULTS.items():
        click.echo(f"  {escape_line(str(folder / name))}")
        _print_wrapped(contents, "      ", "      ")


def _review(folder: Path) -> None:
    """Flag labels with a second opinion, decide on the findings, and apply the decisions."""
    noisy, noise, flagged = folder / "noisy", folder / "data/noise", folder / "reports/flag.json"
    decisions = folder / "reports/decisions.json"
    _print_wrapped(
        "Training the networks of segdata flag takes minutes. Here the labels of a careful annotator stand in for the "
        "predictions of a model; --predictions takes those of any model."
    )
    _run("convert", noise, noisy)
    predictions = ("--predictions", folder / "data/annotators/careful")
    _run("flag", noisy, *predictions, "--budget", "12", "--format", "json", "--output", flagged, "--fail-on", "never")
    click.echo()
    _print_wrapped(
        "Reviewers decide in a browser (segdata browse, or validate --format html). Here a script decides by the truth:"
    )
    for decision in decide_by_truth(noisy, flagged, noise / "truth.json", decisions):
        assert decision.finding is not None
        line = f"{decision.image}: {re.sub(': (P|rank) .*; ', '; ', decision.finding.message)}"
        _print_wrapped(line, f"  {decision.verdict:7}", " " * 9)
    _run("review", "pull", noisy, decisions)
    _run("review", "apply", noisy)
    _run("review", "report", noisy, "--findings", flagged)
    _run("history", noisy)
    _run("report", noisy, "--flagged", flagged, "--format", "html", "--output", folder / "reports/noisy.html")


def _print_wrapped(text: str, first: str = "", rest: str = "") -> None:
    """Print a text in lines of at most 80 columns."""
    for line in make_console().wrap(text, first, rest):
        click.echo(line)


_RESULTS = {
    "pictures": "findings drawn on their images; start with mask_shapes",
    "reports": "the findings of every dataset with defects as JSON, and three pages for the browser: coco_shapes.html, "
    "agreement.html, noisy.html (everything known about a dataset on one page)",
    "mended": "the masks after fixes; r0002/changes.jsonl lists the changes",
    "noisy": "the labels with errors, reviewed; review.jsonl has the decisions",
    "street": "a canonical dataset: Parquet tables that pandas and DuckDB read",
    "street-masks": "the same as colour masks, with the images",
    "street-yolo": "the same as YOLO polygons, with losses.json, which lists what they cannot hold",
    "data": "the sample data; data/defects/truth.json lists the seeded defects",
}


def prepare_folder(folder: Path) -> None:
    """Empty the folder of an earlier demo; raises SegdataError for any other folder that is not empty."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARKER_FILE).is_file():
            raise SegdataError(f"{folder}: is not empty, and not an earlier demo; choose another folder")
        for name in _RESULTS:
            shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER_FILE).touch()


def _run(*words: str | Path, quietly: bool = False) -> None:
    """Print a command and run it; raises SegdataError if it fails."""
    from segdata.cli.main import main

    arguments = [str(word) for word in words]
    if not quietly:
        click.echo(click.style(f"\n$ segdata {' '.join(map(shell_word, arguments))}", bold=True))
    try:
        with redirect_stderr(io.StringIO()) if quietly else nullcontext():
            main.main(arguments)
    except SystemExit as exit_:
        if exit_.code == MISUSE:
            raise SegdataError(f"the demo stops here: segdata {' '.join(map(shell_word, arguments))} failed") from None


def _print_heading(heading: str) -> None:
    click.echo(click.style(f"\n{heading}", fg="green", bold=True))


def _count_seeded(defects: Path, reports: Path) -> None:
    """Validate every dataset with a seeded defect that has a rule, and count the defects found."""
    from segdata.core.rule import rules

    seeded = [
        SeededDefect.from_entry(entry) for entry in json.loads((defects / "truth.json").read_text(encoding="utf-8"))
    ]
    names = sorted({defect.dataset for defect in seeded if defect.code in rules()})
    findings = {}
    for name in names:
        report = reports / f"{name}.json"
        _run(
            "validate",
            defects / name,
            "--select",
            "SEG",
            "--format",
            "json",
            "--output",
            report,
            quietly=name != names[0],
        )
        findings[name] = json.loads(report.read_text(encoding="utf-8"))["findings"]
    click.echo(f"… and the same for {len(names) - 1} more\n")
    emit(seeded_table(seeded, findings, rules().keys(), make_console()))


def decide_by_truth(data: Path, flagged: Path, truth: Path, target: Path) -> list[Decision]:
    """Write decisions on all findings of a report, as the HTML report exports them, and return them.

    `truth` lists the seeded errors. A finding on one is accepted (or gets the verdict fix, for a label that is shifted
    as a whole); all others are rejected.
    """
    import msgspec

    from segdata.api.decisions import label_hashes
    from segdata.api.read import read
    from segdata.report.findings import load_findings
    from segdata.review.decision_log import DecisionExport

    findings, dataset = load_findings(flagged), read(data)
    seeded = {error["image"]: error for error in json.loads(truth.read_text(encoding="utf-8"))}
    hashes = label_hashes(dataset, findings)
    decisions = [
        Decision(
            verdict=_true_verdict(finding, seeded.get(finding.image or "")),
            reviewer=REVIEWER,
            time=f"2026-01-05T09:{number * _SECONDS_EACH // 60:02d}:{number * _SECONDS_EACH % 60:02d}Z",
            via="html",
            image=finding.image,
            finding=finding,
            imprint=hashes[finding],
        )
        for number, finding in enumerate(findings)
    ]
    export = DecisionExport(version=1, kind="segdata decisions", dataset=str(data), decisions=tuple(decisions))
    target.write_bytes(msgspec.json.format(msgspec.json.encode(export), indent=1))
    return decisions


def _true_verdict(finding: Finding, seeded: dict[str, Any] | None) -> Verdict:  # Any: JSON
    if seeded is None or finding.bbox is None:
        return "reject"
    if seeded["code"] == "SEG507":
        return "fix"
    overlap = (
        {*finding.segments} & {*seeded["segments"]}
        if finding.segments
        else _boxes_overlap(finding.bbox, seeded["bbox"])
    )
    return "accept" if overlap else "reject"


def _boxes_overlap(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether two boxes share a pixel."""
    return all(a[k] < b[k] + b[k + 2] and b[k] < a[k] + a[k + 2] for k in (0, 1))


@dataclass(frozen=True, slots=True)
class SeededDefect:
    """A defect that was seeded into a dataset: its code, the name of the dataset, the image or None, and what it is."""

    code: str
    dataset: str
    image: str | None
    what: str

    @staticmethod
    def from_entry(entry: Mapping[str, Any]) -> "SeededDefect":  # Any: JSON
        """An entry of truth.json."""
        return SeededDefect(entry["code"], entry["dataset"], entry["image"], entry["what"])

    def is_found(self, findings: Sequence[Mapping[str, Any]]) -> bool:  # Any: JSON
        """Whether one of the findings in the JSON report of its dataset is this defect."""
        return any(
            finding["code"] == self.code and (self.image is None or finding["image"] in (None, self.image))
            for finding in findings
        )


def seeded_table(
    seeded: Sequence[SeededDefect],
    findings: Mapping[str, Sequence[Mapping[str, Any]]],
    known: Collection[str],
    console: Console,
) -> str:
    """A table of how many seeded defects were found in each dataset, then the defects that were missed.

    `findings` are those of each dataset (Any: JSON), `known` the codes that have a rule; others do not count.
    """
    expected = [defect for defect in seeded if defect.code in known and defect.dataset in findings]
    rows = []
    for name, listed in findings.items():
        own = [defect for defect in expected if defect.dataset == name]
        hits = sum(defect.is_found(listed) for defect in own)
        rows.append([name, str(len(own)), str(hits), str(len(listed))])
    missed = [defect for defect in expected if not defect.is_found(findings[defect.dataset])]
    totals = [len(expected), len(expected) - len(missed), sum(map(len, findings.values()))]
    rows.append(["all", *map(str, totals)])
    lines = table(("dataset", "seeded", "found", "findings"), rows)
    lines[0] = console.paint(lines[0], "bold")
    for defect in missed:
        lines += console.wrap(f"not found: {defect.code} in {defect.dataset}: {defect.what}", "", "  ", "warning")
    return "\n".join(lines) + "\n"
