"""Output: reports go to stdout or to a file, complete or not at all; everything else goes to stderr."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.cli.options import DataOptions
from segdata.cli.process import FOUND, NO_COLOR, QUIET, has_flag, progress_bar, say
from segdata.core.atomic_files import write_whole
from segdata.core.errors import SegdataError
from segdata.core.paths import as_url
from segdata.core.safe_text import escape_controls
from segdata.core.validation import Validation
from segdata.report.console import Console

if TYPE_CHECKING:
    from segdata.api.convert import Conversion
    from segdata.core.dataset import OpenDataset
    from segdata.report.findings import ReportContext


# How the reports begin that --output writes; the name of the program alone is also how dataset.yaml begins.
_REPORT_BEGINNINGS = re.compile(
    rb"""\s*$ | segdata\ \w | segdata:\ (nothing|[\d,]+\ (error|warning|info)) | ::(error|warning|notice)\ file=
    | \{\s*"version":\s*1,\s*"(dataset|same|annotators)" | \{"code":\ "SEG | \[\s*\{"description": | \[\]\s*$
    | \{\s*"\$schema":\ "[^"]*sarif | <\?xml[^>]*>\s*<testsuites\ name="segdata" | <!doctype\ html>
    | findings\ +severity | nothing\ (found|to\ fix)\s*$ | id,name,kind,images, | scope,annotator_a,
    | image,annotator_a,annotator_b,iou, | annotator,category,kind,value,
    | \x89PNG.{1,80}Software\0segdata""",
    re.DOTALL | re.VERBOSE,
)
_HEAD_BYTES = 4096  # bytes in which a report is known


def make_console(output: Path | None = None) -> Console:
    """The console for a text report: at most 80 columns, in colour on a terminal."""
    if output is not None:
        return Console(quiet=has_flag(QUIET))
    is_terminal = sys.stdout.isatty()
    plain = has_flag(NO_COLOR) or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    width = min(80, max(40, shutil.get_terminal_size((80, 24)).columns))
    return Console(width, colour=is_terminal and not plain, quiet=has_flag(QUIET))


def emit(text: str, output: Path | None = None, summary: str = "") -> None:
    """Write a report to stdout, or to a file, completely or not at all; then say the `summary`, and where the file is.

    The encoding is always UTF-8; names that UTF-8 cannot hold are escaped as in JSON, and so are control characters,
    which could steer a terminal. A closed pipe is not an error; other failures raise SegdataError.
    """
    text = escape_controls(text.rstrip("\n") + "\n", colours=output is None and make_console().colour)
    data = text.encode("utf-8")
    if output is not None:
        _write_file(output, data)
        if summary:
            say(f"{summary}, see {place_name(output)}")
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Python would try to flush once more when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SegdataError(f"the report cannot be written to stdout: {error.strerror}") from error


def require_free(path: Path, force: bool) -> None:
    """Raise SegdataError if a file exists and may not be overwritten."""
    if path.exists() and not force:
        raise SegdataError(f"{path}: already exists; use --force to overwrite it, or --output to write elsewhere")


def protect_inputs(path: Path | None, inputs: Iterable[object]) -> None:
    """Raise SegdataError if a report at `path` would overwrite data: a file that is not one of our reports.

    `inputs` are the files and folders that the command reads; files beside them are protected as well, since the images
    of a document may be there. Devices and pipes can always be written to.
    """
    if path is None:
        return
    if not path.name:
        raise SegdataError("the output needs a file name, got ''")
    if not path.is_file():
        return
    target = path.resolve()
    for given in inputs:
        source = Path(str(given)).resolve()
        if target == source or (
            target.is_relative_to(source if source.is_dir() else source.parent) and not _is_our_report(path)
        ):
            raise SegdataError(f"{path}: is part of the data, or not a report of segdata; write to another file")


def protect_folder(folder: Path | None, inputs: Iterable[object]) -> None:
    """Raise SegdataError if pictures would be written among images or masks, to be read as data, or under a URL."""
    if folder is not None and as_url(folder) is not None:
        raise SegdataError(f"{as_url(folder)}: pictures need a folder on a disk")
    if folder is not None and any(Path(str(given)).resolve() == folder.resolve() for given in inputs):
        raise SegdataError(f"{folder}: is a folder of the data; choose another folder for the pictures")


def _is_our_report(path: Path) -> bool:
    with path.open("rb") as file:
        return _REPORT_BEGINNINGS.match(file.read(_HEAD_BYTES)) is not None


def _write_file(path: Path, data: bytes) -> None:
    """Write a complete file or none; links stay links, and devices and pipes stay what they are."""
    url = as_url(path)
    if url is not None:
        _upload(url, data)
    elif path.exists() and not path.is_file():
        _write_through(path, data)
    else:
        write_whole(path, data)


def _upload(url: str, data: bytes) -> None:
    from tempfile import TemporaryDirectory  # seldom needed, as is the next

    from segdata.core.storage import upload_file

    with TemporaryDirectory(prefix="segdata-") as scratch:
        report = Path(scratch) / "report"
        report.write_bytes(data)
        upload_file(report, url)


def place_name(path: Path) -> str:
    """A path as one types it; a `Path` makes one slash of the two of a URL."""
    return as_url(path) or str(path)


def _write_through(path: Path, data: bytes) -> None:
    """Write to a device or a pipe."""
    try:
        path.write_bytes(data)
    except BrokenPipeError:
        return  # as for stdout
    except OSError as error:
        raise SegdataError(f"{path}: cannot be written: {error.strerror}") from error


def format_findings(form: str, result: Validation, context: "ReportContext", data: Path, output: Path | None) -> str:
    """The report in one of the formats of `--format` except html, or as statistics."""
    from segdata.report import findings

    if form == "statistics":
        return findings.statistics_text(result, make_console(output))
    if form in ("json", "jsonl"):
        return (findings.findings_json if form == "json" else findings.findings_jsonl)(result, context.max_findings)
    if form == "text":
        return findings.findings_text(result, context, make_console(output))
    from segdata.report import ci

    if form == "junit":
        return ci.to_junit(result, context.rules, context.fail_on)
    site = ci.DatasetFiles(data, data.is_dir(), Path.cwd(), result.image_files)
    if form == "sarif":
        return ci.to_sarif(result, context.rules, site)
    return ci.to_github(result, site) if form == "github" else ci.to_gitlab(result, site)


def draw_findings_page(
    dataset: "OpenDataset",
    result: Validation,
    context: "ReportContext",
    most: int,
    jobs: int,
    statements: Sequence[str] = (),
) -> str:
    """The report as one HTML file with pictures of the worst findings; `statements` are about the whole dataset."""
    from segdata.api.validate import findings_page

    bar = partial(progress_bar, "draw")
    return findings_page(dataset, result, context, pictures=most, statements=statements, jobs=jobs, progress=bar)


def draw_overlays(dataset: "OpenDataset", result: Validation, folder: Path) -> None:
    """Draw the images with findings into a folder, and print how many."""
    from segdata.formats.shared.images import image_limits
    from segdata.report.pictures.overlays import MOST, draw_findings

    concerned = {finding.image for finding in result.unfolded if finding.image is not None}
    with progress_bar("draw", min(MOST, len(concerned))) as advance, image_limits():
        summary = draw_findings(dataset, result.unfolded, folder, advance)
    say(summary)


def report_written(result: "Conversion", data: Path, options: DataOptions, *others: Path) -> int:
    """Print what was written, and what could not be read of DATA and `others`; returns the exit code."""
    from segdata.report.edits import conversion_text

    more = [options.command_words(other) for other in others]
    emit(conversion_text(result, options.command_words(data), make_console(), more))
    for remark in result.not_copied:
        emit(remark)
    return FOUND if result.n_errors else 0
