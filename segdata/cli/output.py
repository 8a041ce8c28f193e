"""Output: reports go to stdout or whole into a file, and everything else to stderr."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.cli.options import DataOptions
from segdata.cli.process import FOUND, say
from segdata.core.errors import SegdataError
from segdata.core.validation import Validation
from segdata.report.console import Console

if TYPE_CHECKING:
    from segdata.api.convert import Conversion
    from segdata.core.dataset import OpenDataset
    from segdata.report.findings_text import ReportContext


# How the reports begin that --output writes; the name of the program alone is also how dataset.yaml begins.
_REPORT_BEGINNINGS = re.compile(
    rb"""\s*$ | segdata\ \w | segdata:\ (nothing|[\d,]+\ (error|warning|info)) | ::(error|warning|notice)\ file=
    | \{\s*"version":\s*1,\s*"(dataset|same|annotators)" | \{"code":\ "SEG | \[\s*\{"description": | \[\]\s*$
    | \{\s*"\$schema":\ "[^"]*sarif | <\?xml[^>]*>\s*<testsuites\ name="segdata" | <!doctype\ html>
    | findings\ +severity | nothing\ (found|to\ fix)\s*$ | id,name,kind,images, | scope,annotator_a,
    | \x89PNG.{1,80}Software\0segdata""",
    re.DOTALL | re.VERBOSE,
)
_HEAD_BYTES = 4096  # bytes in which a report is known


def make_console(output: Path | None = None) -> Console:
    """What a text report is written on: at most 80 columns, in colour where a person sees it."""
    if output is not None:
        return Console()
    seen = sys.stdout.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    width = min(80, max(40, shutil.get_terminal_size((80, 24)).columns))
    return Console(width, colour=seen and not plain)


def emit(text: str, output: Path | None = None) -> None:
    """Write a report to stdout, or to a file that is there whole or not at all.

    Always UTF-8; what UTF-8 cannot hold (file names that are not text) as the escapes that JSON has too. A reader of
    stdout that has gone away is no error.
    """
    data = (text.rstrip("\n") + "\n").encode("utf-8", "backslashreplace")
    if output is not None:
        _write_whole(output, data)
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Python would try to flush once more when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def require_free(path: Path, force: bool) -> None:
    """Raise SegdataError where a file is there already and may not be overwritten."""
    if path.exists() and not force:
        raise SegdataError(f"{path}: exists already; --force overwrites it, --output writes elsewhere")


def protect_inputs(path: Path | None, inputs: Iterable[object]) -> None:
    """Raise SegdataError where a report at `path` would take the place of data: of a file that is no report of ours.

    `inputs` are the files and folders that the command reads; of what lies beside them nothing is overwritten either,
    since a document's images may be there. Devices and pipes take whatever they are given.
    """
    if path is None:
        return
    if not path.name:
        raise SegdataError("an output needs the name of a file, this is ''")
    if not path.is_file():
        return
    target = path.resolve()
    for given in inputs:
        there = Path(str(given)).resolve()
        if target == there or (
            target.is_relative_to(there if there.is_dir() else there.parent) and not _is_our_report(path)
        ):
            raise SegdataError(f"{path}: is part of the data, or no report of segdata; write to another file")


def protect_folder(folder: Path | None, inputs: Iterable[object]) -> None:
    """Raise SegdataError where pictures would come among images or masks: there they are some more of these."""
    if folder is not None and any(Path(str(given)).resolve() == folder.resolve() for given in inputs):
        raise SegdataError(f"{folder}: is a folder of the data; name another for the pictures")


def _is_our_report(path: Path) -> bool:
    with path.open("rb") as file:
        return _REPORT_BEGINNINGS.match(file.read(_HEAD_BYTES)) is not None


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all; links stay links, and devices and pipes what they are."""
    if path.exists() and not path.is_file():
        _write_through(path, data)
        return
    path = path.resolve() if path.is_symlink() and path.exists() else path
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _write_through(path: Path, data: bytes) -> None:
    """Write to a device or a pipe."""
    try:
        path.write_bytes(data)
    except BrokenPipeError:
        return  # as for stdout
    except OSError as error:
        raise SegdataError(f"{path}: cannot be written: {error.strerror}") from error


def format_findings(form: str, result: Validation, asked: "ReportContext", data: Path, output: Path | None) -> str:
    """The report in one of the forms of `--format` but html, or as statistics."""
    from segdata.report import ci, findings_json, findings_text
    from segdata.report.ci import DatasetFiles

    site = DatasetFiles(data, data.is_dir(), Path.cwd(), result.image_files)
    if form == "statistics":
        return findings_text.statistics_text(result, make_console(output))
    if form in ("json", "jsonl"):
        return (findings_json.to_json if form == "json" else findings_json.to_jsonl)(result, asked.max_findings)
    if form == "sarif":
        return ci.to_sarif(result, asked.rules, site)
    if form == "junit":
        return ci.to_junit(result, asked.rules, asked.fail_on)
    if form in ("github", "gitlab"):
        return ci.to_github(result, site) if form == "github" else ci.to_gitlab(result, site)
    return findings_text.findings_text(result, asked, make_console(output))


def format_findings_html(
    dataset: "OpenDataset", result: Validation, asked: "ReportContext", most: int, jobs: int, said: Sequence[str] = ()
) -> str:
    """The report as one HTML file, with pictures of the worst of each rule; `said`: of the dataset as a whole."""
    from segdata.api.decisions import label_hashes
    from segdata.cli.process import progress_bar
    from segdata.formats.shared.images import image_limits
    from segdata.report.html.findings import to_html
    from segdata.report.pictures.thumbnails import choose_findings, draw_thumbnails

    known = () if result.baseline is None else result.baseline.known
    listed = [each for some in (result.findings, known) for each in some[: asked.max_findings]]
    seen = label_hashes(dataset, listed, jobs)
    chosen = choose_findings(dataset, result, most, asked.max_findings)
    with progress_bar("draw", len({each.image for each in chosen})) as done, image_limits():
        return to_html(result, asked, draw_thumbnails(dataset, chosen, jobs, done), seen, said)


def draw_overlays(dataset: "OpenDataset", result: Validation, folder: Path) -> None:
    """Draw the images with findings into a folder, and say so."""
    from segdata.cli.process import progress_bar
    from segdata.formats.shared.images import image_limits
    from segdata.report.pictures.overlays import MOST, draw_findings

    concerned = {finding.image for finding in result.findings if finding.image is not None}
    with progress_bar("draw", min(MOST, len(concerned))) as done, image_limits():
        said = draw_findings(dataset, result.findings, folder, done)
    say(said)


def report_written(done: "Conversion", data: Path, opening: DataOptions) -> int:
    """Say what was written, and what could not be read on the way; returns the exit code."""
    from segdata.report.conversion import conversion_text

    emit(conversion_text(done, opening.typed(data), make_console()))
    for remark in done.not_copied:
        emit(remark)
    return FOUND if done.n_errors else 0
