"""`segdata init`: a commented segdata.yaml and a draft taxonomy.yaml beside the data."""

from pathlib import Path

import click

from segdata.cli.options import DATA, FORCE, DataOptions, data_options, example, option_text


@click.command(name="init", epilog=example("segdata init masks/", "segdata init /read/only/masks --output my_project"))
@DATA
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the two files to this folder; default: beside DATA.",
)
@FORCE
@data_options
def command(data: Path, output: Path | None, force: bool, opening: DataOptions) -> None:
    """Write a commented segdata.yaml and a draft taxonomy.yaml.

    Nothing in segdata.yaml is switched on yet; the taxonomy holds the
    categories that the data brings, or a draft made from its values. Where
    DATA cannot be read even so nothing is written, and the reason is said.
    """
    from segdata.api.read import CONFIG, TAXONOMY, dataset_folder
    from segdata.api.taxonomy import draft_config_text, draft_project, draft_taxonomy_text
    from segdata.cli.output import emit, make_console, require_free
    from segdata.report.findings_text import command_lines

    folder = output or dataset_folder(data)
    taxonomy, profile = draft_project(data, **opening.given)
    texts = {folder / CONFIG: draft_config_text(profile), folder / TAXONOMY: draft_taxonomy_text(taxonomy)}
    for target in texts:
        require_free(target, force)
    for target, text in texts.items():
        emit(text, target)
    written = [f"written {target}" for target in texts]
    words = opening.typed(data)
    if output is not None:
        replaced = ("--config ", "--taxonomy ")
        words = [each for each in words if not each.startswith(replaced)]
        words += [option_text("--config", folder / CONFIG), option_text("--taxonomy", folder / TAXONOMY)]
    lines = [
        *written,
        "look through what is written, then:",
        *command_lines(["segdata", "validate", *words], make_console()),
    ]
    emit("\n".join(lines))
