"""Mask clue: what names and headers of a folder tell about its masks, for the formats that masks may be in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.config import Config
from segdata.formats.shared.file_names import has_images, is_image_name

if TYPE_CHECKING:
    from segdata.formats.shared.mask_files import MaskHeader


@dataclass(frozen=True, slots=True)
class MaskClue:
    """What is seen at first sight.

    Attributes
    ----------
    config : segdata.yaml
    heads : headers of some masks
    evidence : the layout, in words
    named : folders, an index or a taxonomy say that these are masks; else they are just image files
    """

    config: Config
    heads: "Sequence[MaskHeader]"
    evidence: str
    named: bool


def look(root: Path) -> MaskClue | None:
    """The masks below `root`, at first sight; None where there are none, or only photographs."""
    named = is_image_name(root.name) if root.is_file() else has_images(root) or (root / "images.csv").is_file()
    if not named:
        return None  # most datasets are something else, and need not wait for what opens images
    from segdata.formats.masks.sighted import sighted

    return sighted(root)


def stored(heads: "Sequence[MaskHeader]") -> str:
    """How masks are stored, in words."""
    return heads[0].encoding if heads else "unreadable"
