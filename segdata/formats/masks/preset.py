"""Presets: classes that everybody knows and that masks come without. A preset is a taxonomy, a file in `presets/`."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from segdata.core.config import nearest
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Taxonomy, load_taxonomy

_FOLDER = Path(__file__).parent / "presets"
_CAMVID = re.compile(r"(?:0001TP_\d{6}|0006R0_f\d{5}|0016E5_\d{5}|Seq05VD_f\d{5})(?:_L)?")
_SCENEPARSE = re.compile(r"ADE_(?:train|val|test)_\d{8}")


def preset_names() -> list[str]:
    """What can be asked for."""
    return sorted([*(path.stem for path in _FOLDER.glob("*.yaml")), "sceneparse150-reduced", "voc"])


@cache
def preset(name: str) -> Taxonomy:
    """The taxonomy of this name; raises SegdataError that lists the known ones.

    `sceneparse150-reduced` is for masks from whose values 1 was taken, so that 0, the other objects, became 255 (what
    mmsegmentation calls `reduce_zero_label`).
    """
    if name not in preset_names():
        known = preset_names()
        raise SegdataError(f"no preset is called {name!r}{nearest(name, known)}; known: {', '.join(known)}")
    if name == "voc":
        from segdata.formats.voc.classes import VOC

        return VOC
    if name == "sceneparse150-reduced":
        whole = preset("sceneparse150")
        categories = [msgspec.structs.replace(each, id=(each.id - 1) % 256) for each in whole.categories]
        return msgspec.structs.replace(whole, name="SceneParse150, reduced", categories=tuple(categories))
    return load_taxonomy(_FOLDER / f"{name}.yaml")


def implied(masks: Sequence[Path], coloured: bool) -> str | None:
    """The preset that files tell by their names, as those of CamVid and SceneParse do; None where they do not.

    `coloured`: the masks are RGB; else they are grey.
    """
    if not masks:
        return None

    def all_called(pattern: re.Pattern[str]) -> bool:
        return all(pattern.fullmatch(path.stem) for path in masks)

    if all_called(_CAMVID):
        if coloured:
            return "camvid32"
        return "camvid11" if all(path.parent.name.endswith("annot") for path in masks) else None
    return "sceneparse150" if not coloured and all_called(_SCENEPARSE) else None
