"""`segdata taxonomy`: draft a taxonomy from data, and check one."""

from pathlib import Path

import click

from segdata.cli.exits import FOUND, say
from segdata.cli.options import DATA, FORCE, Opening, data_options, example
from segdata.core.errors import SegdataError


@click.group(name="taxonomy", epilog=example("segdata taxonomy init masks/", "segdata taxonomy check taxonomy.yaml"))
def command() -> None:
    """Draft a taxonomy.yaml from data, and check one."""


@command.command(
    name="init",
    epilog=example("segdata taxonomy init masks/", "segdata taxonomy init masks/ --output masks/taxonomy.yaml"),
)
@DATA
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to this file; default: to stdout.",
)
@FORCE
@data_options
def init(data: Path, output: Path | None, force: bool, opening: Opening) -> None:
    """Draft a taxonomy from masks or a COCO file.

    The categories that DATA names; where it names none every colour or id
    becomes one, and its definition says how often it occurs. Give names and
    kinds, and save it as taxonomy.yaml beside DATA (--output).
    """
    from segdata.api.drafting import drafted, taxonomy_text
    from segdata.cli.output import emit, free

    text = taxonomy_text(drafted(data, **opening.given)[0])
    if output is not None:
        free(output, force)
    emit(text, output)
    if output is not None:
        say(f"draft written to {output}; correct names and kinds, then: segdata taxonomy check {output}")


@command.command(name="check", epilog=example("segdata taxonomy check street/taxonomy.yaml"))
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> int:
    """Check a taxonomy file: errors with their line, then rule SEG208.

    FILE is a taxonomy.yaml, or a folder that has one. Exits with 1 when rule
    SEG208 finds something, with 2 when the file cannot be read.
    """
    from segdata.api import validate
    from segdata.api.imageless import dataset_of
    from segdata.cli.output import emit, paper
    from segdata.core.counted import counted
    from segdata.core.taxonomy import load_taxonomy

    path = file / "taxonomy.yaml" if file.is_dir() else file
    if not path.exists():
        raise SegdataError(f"{path}: does not exist; draft one with: segdata taxonomy init DATA --output {path}")
    taxonomy = load_taxonomy(path)
    findings = validate(dataset_of(taxonomy), select=["SEG208"]).findings
    on = paper()
    lines = []
    for finding in findings:
        head = on.paint(f"{finding.severity} {finding.code}", finding.severity)
        about = f"{finding.category}: " if finding.category else ""
        first, *rest = on.wrap(about + finding.message, " " * 13, " " * 4) or [""]
        lines += [f"{head} {first.lstrip()}", *rest]
    met = counted(len(findings), "finding") if findings else "nothing found"
    lines.append(f"{path}: {counted(len(taxonomy.categories), 'category')}, {met}")
    emit("\n".join(lines))
    return FOUND if any(finding.severity == "error" for finding in findings) else 0
