"""Mended: what fixes change in an image."""

from dataclasses import dataclass

from segdata.core.batch import Batch
from segdata.core.finding import Finding


@dataclass(frozen=True, slots=True)
class Mended:
    """One finding that a fix has mended, and how many pixels it concerned."""

    finding: Finding
    pixels: int


@dataclass(frozen=True, slots=True)
class MendedImage:
    """An image before and after, and what was mended in it."""

    image_id: str
    before: Batch
    after: Batch
    mended: tuple[Mended, ...]
