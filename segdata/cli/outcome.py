"""Outcome: what a command says of the dataset that it wrote."""

from pathlib import Path
from typing import TYPE_CHECKING

from segdata.cli.exits import FOUND
from segdata.cli.options import Opening

if TYPE_CHECKING:
    from segdata.api.convert import Conversion


def tell(done: "Conversion", data: Path, opening: Opening) -> int:
    """Say what was written, and what could not be read on the way; returns the exit code."""
    from segdata.cli.output import emit, paper
    from segdata.report.losses import written

    emit(written(done, opening.typed(data), paper()))
    for remark in done.not_copied:
        emit(remark)
    return FOUND if done.n_errors else 0
