"""`segdata init`: a commented segdata.yaml and a draft taxonomy.yaml beside the data."""

import shlex
from pathlib import Path

import click

from segdata.cli.exits import say
from segdata.cli.options import DATA, FORCE, example
from segdata.core.errors import SegdataError


@click.command(name="init", epilog=example("segdata init masks/", "segdata init /read/only/masks --output my_project"))
@DATA
@click.option("--images", type=click.Path(path_type=Path), help="The folder of the image files.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the two files to this folder; default: beside DATA.",
)
@FORCE
def command(data: Path, images: Path | None, output: Path | None, force: bool) -> None:
    """Write a commented segdata.yaml and a draft taxonomy.yaml.

    Nothing in segdata.yaml is switched on yet; the taxonomy holds the
    categories that the data brings, or a draft made from its values. Where
    DATA cannot be read yet, segdata.yaml says what is missing.
    """
    from segdata.api.opening import CONFIG, TAXONOMY, folder_of
    from segdata.cli.output import emit, paper
    from segdata.cli.starter import begun, config_text, free, taxonomy_text
    from segdata.report.text import typeable

    folder = output or folder_of(data)
    if not data.exists():
        raise SegdataError(f"{data}: does not exist")
    try:
        taxonomy, profile = begun(data, images)
        texts = {folder / CONFIG: config_text(profile), folder / TAXONOMY: taxonomy_text(taxonomy)}
    except SegdataError as error:
        say(f"it cannot be read yet: {error}")
        texts = {folder / CONFIG: config_text(str(error))}
    for target in texts:
        free(target, force)
    for target, text in texts.items():
        emit(text, target)
    written = [f"written {target}" for target in texts]
    words = [shlex.quote(str(data))]
    if output is not None:
        words += [f"--{target.stem.replace('segdata', 'config')} {shlex.quote(str(target))}" for target in texts]
    lines = [*written, "look through what is written, then:", *typeable(["segdata", "validate", *words], paper())]
    emit("\n".join(lines))
