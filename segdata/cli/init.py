"""`segdata init`: a commented segdata.yaml and a draft taxonomy.yaml beside the data."""

from pathlib import Path

import click

from segdata.cli.options import DATA, FOLDER, FORCE, DataOptions, data_options, example, option_text


@click.command(name="init", epilog=example("segdata init masks/", "segdata init /read/only/masks --output my_project"))
@DATA
@click.option("--output", "-o", type=FOLDER, help="Folder for the two files; default: beside DATA.")
@FORCE
@data_options
def command(data: Path, output: Path | None, force: bool, options: DataOptions) -> None:
    """Write a commented segdata.yaml and a draft taxonomy.yaml.

    Settings in segdata.yaml are commented out, but for those that DATA
    needs, such as instance_ids. The taxonomy holds the categories of DATA,
    or a draft made from its values. If DATA cannot be read, the command
    explains why and writes nothing.
    """
    from segdata.api.taxonomy import init
    from segdata.cli.output import emit, make_console
    from segdata.report.findings import command_lines

    files = init(data, output, force=force, **options.given)
    words = options.typed(data)
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
