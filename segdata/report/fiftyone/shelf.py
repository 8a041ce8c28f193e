"""Shelf: the files that FiftyOne reads beside its database, masks and pictures, called by what is in them."""

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from PIL import Image

from segdata.report.fiftyone.masks import Map, Mask
from segdata.report.fiftyone.pictures import shown


@dataclass(frozen=True)
class Shelf:
    """A folder of mask files and of copies of pictures.

    Attributes
    ----------
    folder : where they are
    used : the files that are needed now; `sweep` removes all others
    """

    folder: Path
    used: set[Path] = field(default_factory=set)

    def mask(self, pixels: Map | Mask) -> str:
        """The file of a mask as FiftyOne reads it, written where it is not there yet; a boolean one as 0 and 255."""
        values = pixels.astype("uint8") * 255 if pixels.dtype == bool else pixels
        name = blake2b(f"{values.shape}{values.dtype}".encode() + values.tobytes(), digest_size=16).hexdigest()
        path = (self.folder / "masks" / name[:2] / f"{name}.png").absolute()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{name}.{os.getpid()}.{id(pixels)}.partial")
            try:
                Image.fromarray(values).save(partial, format="PNG", compress_level=1)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        self.used.add(path)
        return str(path)

    def picture(self, uri: str | None, width: int, height: int) -> tuple[str, str | None]:
        """The file to show for an image, and where it is not the image's own, why not."""
        path, note = shown(uri, width, height, self.folder)
        if note is not None:
            self.used.add(path)
        return str(path), note

    def sweep(self) -> None:
        """Remove what nothing shows any more."""
        for path in [*self.folder.glob("masks/*/*.png"), *self.folder.glob("copies/*.png")]:
            if path.absolute() not in self.used:
                path.unlink(missing_ok=True)
