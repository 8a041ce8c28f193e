"""`segdata taxonomy`: draft, check and compare taxonomies, and print the guideline."""

from pathlib import Path

import click

from segdata.cli.options import (
    DATA,
    FILE,
    FOLDER,
    FORCE,
    PATH,
    DataOptions,
    data_options,
    example,
    flag,
    option,
    option_text,
    report_options,
)
from segdata.cli.output import emit, make_console, require_free
from segdata.cli.process import FOUND, say
from segdata.core.errors import count_noun
from segdata.core.safe_text import shell_word


@click.group(name="taxonomy", epilog=example("segdata taxonomy init masks/", "segdata taxonomy check taxonomy.yaml"))
def taxonomy_command() -> None:
    """Draft a taxonomy.yaml from data; check, compare and print it."""


@taxonomy_command.command(
    name="init",
    epilog=example("segdata taxonomy init masks/", "segdata taxonomy init masks/ --output masks/taxonomy.yaml"),
)
@DATA
@option("--output -o", "Write the taxonomy to this file; default: stdout.", type=FILE)
@FORCE
@data_options
def init(data: Path, output: Path | None, force: bool, options: DataOptions) -> None:
    """Draft a taxonomy from masks or a COCO file.

    The draft has the categories that DATA names. If it names none, every
    colour or id becomes a category, whose definition says how often it
    occurs. Add names and kinds, and save it as taxonomy.yaml beside DATA
    (--output).
    """
    from segdata.api.taxonomy import draft_taxonomy_of, draft_taxonomy_text

    text = draft_taxonomy_text(draft_taxonomy_of(data, **options.given)[0])
    if output is not None:
        require_free(output, force)
    emit(text, output)
    if output is not None:
        say(
            f"draft written to {output}; correct the names and kinds, then: segdata taxonomy check {shell_word(output)}"
        )


@taxonomy_command.command(name="check", epilog=example("segdata taxonomy check street/taxonomy.yaml"))
@click.argument("file", type=PATH)
@flag("--quiet", "Show errors only, no advice.")
def check(file: Path, quiet: bool) -> int:
    """Check a taxonomy file: errors with their line, rule SEG208, advice.

    FILE is a taxonomy.yaml, or a folder that has one. The advice names likely
    sources of annotation errors: missing definitions, and names or colours
    that are easily confused. Exits with 1 if rule SEG208 has a finding, and
    with 2 if the file cannot be read.
    """
    from segdata.api.taxonomy import check_taxonomy, taxonomy_file

    path = taxonomy_file(file)
    result = check_taxonomy(path)
    console = make_console()
    lines = []
    for finding in result.findings:
        head = console.paint(f"{finding.severity} {finding.code}", finding.severity)
        prefix = f"{finding.category}: " if finding.category else ""
        first, *rest = console.wrap(prefix + finding.message, " " * 13, " " * 4) or [""]
        lines += [f"{head} {first.lstrip()}", *rest]
    for text in () if quiet else result.advice:
        first, *rest = console.wrap(text, " " * 7, " " * 4) or [""]
        lines += [f"{console.paint('advice', 'info')} {first.lstrip()}", *rest]
    summary = count_noun(len(result.findings), "finding") if result.findings else "nothing found"
    lines.append(f"{path}: {count_noun(len(result.taxonomy.categories), 'category')}, {summary}")
    emit("\n".join(lines))
    return FOUND if any(finding.severity == "error" for finding in result.findings) else 0


@taxonomy_command.command(
    name="diff",
    epilog=example(
        "segdata taxonomy diff v1/taxonomy.yaml v2/taxonomy.yaml",
        "segdata taxonomy diff v1.yaml v2.yaml --output map.yaml",
        "segdata convert labels_v1 labels_v2 --taxonomy-map map.yaml",
    ),
)
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@option("--format", "Format of the report", "report", type=click.Choice(("text", "json")), default="text")
@option("--output -o MAP", "Write the category map to this file, for segdata convert --taxonomy-map.", type=FILE)
@FORCE
def diff(old: Path, new: Path, report: str, output: Path | None, force: bool) -> int:
    """Compare two taxonomies, and map old categories to new ones.

    OLD and NEW are taxonomy files, or folders that have one. The command
    recognises a renamed category by its alias, id or colour. If a category
    was split or is ambiguous, you decide: MAP lists the candidates, and
    `segdata convert` refuses it until one name is left.

    Exits with 1 if the taxonomies differ.
    """
    from os.path import relpath

    from segdata.api.taxonomy import diff_taxonomies, taxonomy_file
    from segdata.report.diff import taxonomy_diff_json, taxonomy_diff_text
    from segdata.store.remap import dump_map

    result = diff_taxonomies(old, new)
    if output is not None:
        require_free(output, force)
        beside = Path(relpath(taxonomy_file(new).absolute(), output.absolute().parent)).as_posix()
        emit(dump_map(result.migration, beside), output)
        say(f"map written to {output}")
    if report == "json":
        emit(taxonomy_diff_json(result, str(old), str(new)))
    else:
        emit(taxonomy_diff_text(result, str(old), str(new), None if output is None else str(output), make_console()))
    return FOUND if result.changes else 0


@taxonomy_command.command(
    name="doc",
    epilog=example(
        "segdata taxonomy doc street/taxonomy.yaml", "segdata taxonomy doc street --format html --output guideline.html"
    ),
)
@click.argument("file", type=PATH)
@report_options("markdown", "html")
@FORCE
def doc(file: Path, report: str, output: Path | None, force: bool) -> None:
    """Print a taxonomy as a guideline for annotators.

    FILE is a taxonomy.yaml, or a folder that has one. The guideline shows
    each category with its colour, parents, definition, rules for boundaries
    and occlusion, attributes and examples. Example images are shown; an HTML
    page contains them.
    """
    from segdata.api.taxonomy import taxonomy_guideline

    text = taxonomy_guideline(file, html=report == "html")
    if output is not None:
        require_free(output, force)
    emit(text, output)


@click.command(name="init", epilog=example("segdata init masks/", "segdata init /read/only/masks --output my_project"))
@DATA
@option("--output -o", "Folder for the two files; default: beside DATA.", type=FOLDER)
@FORCE
@data_options
def init_command(data: Path, output: Path | None, force: bool, options: DataOptions) -> None:
    """Write a commented segdata.yaml and a draft taxonomy.yaml.

    Settings in segdata.yaml are commented out, but for those that DATA
    needs, such as instance_ids. The taxonomy holds the categories of DATA,
    or a draft made from its values. If DATA cannot be read, the command
    explains why and writes nothing.
    """
    from segdata.api.taxonomy import init
    from segdata.report.findings import command_lines

    files = init(data, output, force=force, **options.given)
    words = options.command_words(data)
    if output is not None:
        replaced = ("--config ", "--taxonomy ")
        words = [text for text in words if not text.startswith(replaced)]
        words += [option_text("--config", files[0]), option_text("--taxonomy", files[1])]
    lines = [
        *(f"written {file}" for file in files),
        "review both files, then:",
        *command_lines(["segdata", "validate", *words], make_console()),
    ]
    emit("\n".join(lines))
