"""Show: draw images with their segments, and with findings."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Unpack

from segdata.api.read import Data, ReadOptions, read
from segdata.core.finding import Finding
from segdata.formats.shared.images import image_limits
from segdata.report.pictures.overlays import draw_image, find_image


def show(
    data: Data,
    names: str | Iterable[str],
    folder: str | Path,
    *,
    findings: Sequence[Finding] = (),
    **opening: Unpack[ReadOptions],
) -> list[Path]:
    """Draw images with their segments as PNG files: `segdata.Dataset.show` of ``read(data, **opening)``."""
    dataset = read(data, **opening)
    chosen = [find_image(dataset, name) for name in ([names] if isinstance(names, str) else names)]
    with image_limits():
        return [path for name in chosen for path in draw_image(dataset, name, findings, Path(folder))]
