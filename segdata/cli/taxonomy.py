"""`segdata taxonomy`: draft a taxonomy from data, check one, compare two, and print the guideline."""

from pathlib import Path

import click

from segdata.cli.options import DATA, FORCE, DataOptions, data_options, example, report_options
from segdata.cli.process import FOUND, say

_FILE = click.Path(path_type=Path)


@click.group(name="taxonomy", epilog=example("segdata taxonomy init masks/", "segdata taxonomy check taxonomy.yaml"))
def command() -> None:
    """Draft a taxonomy.yaml from data; check, compare and print it."""


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
def init(data: Path, output: Path | None, force: bool, opening: DataOptions) -> None:
    """Draft a taxonomy from masks or a COCO file.

    The categories that DATA names; where it names none every colour or id
    becomes one, and its definition says how often it occurs. Give names and
    kinds, and save it as taxonomy.yaml beside DATA (--output).
    """
    from segdata.api.taxonomy import draft_taxonomy_of, draft_taxonomy_text
    from segdata.cli.output import emit, require_free

    text = draft_taxonomy_text(draft_taxonomy_of(data, **opening.given)[0])
    if output is not None:
        require_free(output, force)
    emit(text, output)
    if output is not None:
        say(f"draft written to {output}; correct names and kinds, then: segdata taxonomy check {output}")


@command.command(name="check", epilog=example("segdata taxonomy check street/taxonomy.yaml"))
@click.argument("file", type=_FILE)
@click.option("--quiet", is_flag=True, help="No advice, only what is wrong.")
def check(file: Path, quiet: bool) -> int:
    """Check a taxonomy file: errors with their line, rule SEG208, advice.

    FILE is a taxonomy.yaml, or a folder that has one. Advice names what
    annotators are likely to stumble over: missing definitions, names and
    colours that are easily mistaken. Exits with 1 when rule SEG208 finds
    something, with 2 when the file cannot be read.
    """
    from segdata.api.taxonomy import taxonomy_dataset, taxonomy_file
    from segdata.api.validate import validate
    from segdata.cli.output import emit, make_console
    from segdata.core.errors import count_noun
    from segdata.core.guideline import taxonomy_advice
    from segdata.core.taxonomy import load_taxonomy

    path = taxonomy_file(file)
    taxonomy = load_taxonomy(path)
    findings = validate(taxonomy_dataset(taxonomy), select=["SEG208"]).findings
    on = make_console()
    lines = []
    for finding in findings:
        head = on.paint(f"{finding.severity} {finding.code}", finding.severity)
        about = f"{finding.category}: " if finding.category else ""
        first, *rest = on.wrap(about + finding.message, " " * 13, " " * 4) or [""]
        lines += [f"{head} {first.lstrip()}", *rest]
    for said in () if quiet else taxonomy_advice(taxonomy):
        first, *rest = on.wrap(said, " " * 7, " " * 4) or [""]
        lines += [f"{on.paint('advice', 'info')} {first.lstrip()}", *rest]
    met = count_noun(len(findings), "finding") if findings else "nothing found"
    lines.append(f"{path}: {count_noun(len(taxonomy.categories), 'category')}, {met}")
    emit("\n".join(lines))
    return FOUND if any(finding.severity == "error" for finding in findings) else 0


@command.command(
    name="diff",
    epilog=example(
        "segdata taxonomy diff v1/taxonomy.yaml v2/taxonomy.yaml",
        "segdata taxonomy diff v1.yaml v2.yaml --output map.yaml",
        "segdata convert labels_v1 labels_v2 --taxonomy-map map.yaml",
    ),
)
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("--format", "report", type=click.Choice(("text", "json")), default="text", help="Default: text.")
@click.option(
    "--output",
    "-o",
    metavar="MAP",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the migration to this file, for segdata convert --taxonomy-map.",
)
@FORCE
def diff(old: Path, new: Path, report: str, output: Path | None, force: bool) -> int:
    """Say what became of each category, and where its labels belong.

    OLD and NEW are taxonomy files, or folders that have one. A category that
    was renamed is known by its alias, its id or its colour. What is divided,
    or cannot be told, a person decides: such a category is a list in MAP, and
    convert refuses it until one name is left.

    Exits with 1 when the two differ.
    """
    from os.path import relpath

    from segdata.api.taxonomy import diff_taxonomies, taxonomy_file
    from segdata.cli.output import emit, make_console, require_free
    from segdata.report.diff import taxonomy_diff_json, taxonomy_diff_text
    from segdata.store.remap import dump_map

    found = diff_taxonomies(old, new)
    if output is not None:
        require_free(output, force)
        beside = Path(relpath(taxonomy_file(new).absolute(), output.absolute().parent)).as_posix()
        emit(dump_map(found.migration, beside), output)
        say(f"map written to {output}")
    if report == "json":
        emit(taxonomy_diff_json(found, str(old), str(new)))
    else:
        emit(taxonomy_diff_text(found, str(old), str(new), None if output is None else str(output), make_console()))
    return FOUND if found.changes else 0


@command.command(
    name="doc",
    epilog=example(
        "segdata taxonomy doc street/taxonomy.yaml", "segdata taxonomy doc street --format html --output guideline.html"
    ),
)
@click.argument("file", type=_FILE)
@report_options("markdown", "html")
@FORCE
def doc(file: Path, report: str, output: Path | None, force: bool) -> None:
    """Print the guideline for annotators that a taxonomy holds.

    FILE is a taxonomy.yaml, or a folder that has one. Each category with its
    colour, place in the hierarchy, definition, rules for borders and for what
    is hidden, attributes and examples. Examples that name picture files are
    shown; an HTML page has them within.
    """
    from segdata.api.taxonomy import taxonomy_file
    from segdata.cli.output import emit, require_free
    from segdata.core.taxonomy import load_taxonomy
    from segdata.report.guideline import guideline_html, guideline_markdown

    path = taxonomy_file(file)
    taxonomy = load_taxonomy(path)
    title = f"{taxonomy.name or path.absolute().parent.name}: how to annotate"
    if output is not None:
        require_free(output, force)
    text = guideline_html(taxonomy, title, path.parent) if report == "html" else guideline_markdown(taxonomy, title)
    emit(text, output)
