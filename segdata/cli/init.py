"""`segdata init`: a commented segdata.yaml and a draft taxonomy.yaml beside the data."""

from pathlib import Path

import click

from segdata.cli.options import DATA, FOLDER, FORCE, DataOptions, data_options, example, option_text


@click.command(name="init", epilog=example("segdata init masks/", "segdata init /read/only/masks --output my_project"))
@DATA
@click.option(
    "--output",
    "-o",
    type=FOLDER,
    help="Folder for the two files; default: beside DATA.",
)
@FORCE
@data_options
def command(data: Path, output: Path | None, force: bool, options: DataOptions) -> None:
    """Write a commented segdata.yaml and a draft taxonomy.yaml.

    All settings in segdata.yaml are commented out. The taxonomy holds the
    categories of DATA, or a draft made from its values. If DATA cannot be
    read, the command explains why and writes nothing.
    """
    from segdata.api.read import CONFIG, TAXONOMY, dataset_folder
    from segdata.api.taxonomy import draft_config_text, draft_project, draft_taxonomy_text
    from segdata.cli.output import emit, make_console, require_free
    from segdata.report.findings import command_lines

    folder = output or dataset_folder(data)
    taxonomy, profile = draft_project(data, **options.given)
    texts = {folder / CONFIG: draft_config_text(profile), folder / TAXONOMY: draft_taxonomy_text(taxonomy)}
    for target in texts:
        require_free(target, force)
    for target, text in texts.items():
        emit(text, target)
    written = [f"written {target}" for target in texts]
    words = options.typed(data)
    if output is not None:
        replaced = ("--config ", "--taxonomy ")
        words = [text for text in words if not text.startswith(replaced)]
        words += [option_text("--config", folder / CONFIG), option_text("--taxonomy", folder / TAXONOMY)]
    lines = [
        *written,
        "review both files, then:",
        *command_lines(["segdata", "validate", *words], make_console()),
    ]
    emit("\n".join(lines))
