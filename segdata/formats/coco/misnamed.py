"""Misnamed images: what Cityscapes' createPanopticImgs.py calls them, and no file is called.

It makes `x_gtFine_leftImg8bit.png` of `x_gtFine_instanceIds.png`; the image is `x_leftImg8bit.png`.
Source: mcordts/cityscapesScripts cityscapesscripts/preparation/createPanopticImgs.py.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from segdata.core.counted import counted
from segdata.core.defect import Defect
from segdata.formats.shared.images import ImageFolder

_FOLDER = "leftImg8bit"
_WRONG, _RIGHT = f"_gtFine_{_FOLDER}.png", f"_{_FOLDER}.png"


def misnamed_images(
    document: Path, called: str, names: Sequence[str], given: Path | None
) -> tuple[ImageFolder, list[Defect]] | None:
    """The images behind such names: in the `given` folder, or in `leftImg8bit` near the document; None without any.

    `called` is how defects name the document.
    """
    right = {name: PurePosixPath(name).name.removesuffix(_WRONG) + _RIGHT for name in names if name.endswith(_WRONG)}
    here = document.absolute().parent
    for place in [given] if given is not None else [here / _FOLDER, here.parent / _FOLDER]:
        if not right:
            break
        files = {path.name: path for path in ImageFolder.below(place).paths.values()}
        found = {name: files[file] for name, file in right.items() if file in files}
        if found:
            message = (
                f"{counted(len(found), 'image name')} as {next(iter(found))!r}, which createPanopticImgs.py writes and "
                f"no file bears; read are the files ending in {_RIGHT!r}"
            )
            return ImageFolder(place, found), [Defect("SEG002", message, called, severity="info")]
    return None
