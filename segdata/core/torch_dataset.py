"""Torch dataset: a PyTorch dataset of images, the class of each pixel, and segments."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from segdata.core.errors import SegdataError
from segdata.core.image_files import read_channels
from segdata.core.label_maps import IGNORE, LabelMaps

Sample = dict[str, Any]  # Any: tensors, an id


class TrainingData(Dataset[Sample]):
    """Images with their labels; each item is a dict.

    Its keys:

    - ``image_id``: its name
    - ``image``: (channels, height, width) with the dtype of the file, uint8 or uint16, all bands of a GeoTIFF; only
      if `images`
    - ``semantic``: (height, width) int64, the class of each pixel; `ignore` where nobody labelled it, or it is void
    - ``instances``: (height, width) int32, 0 for none, else the number of the segment from 1
    - ``classes``: (n,) int64, the class of segments 1, 2, …; ``crowd``: (n,) bool
    - ``masks``: (n, height, width) bool, overlaps included; only if `masks`

    `categories` are the names of the classes. The dataset can be pickled for the workers of a DataLoader; labels are
    decoded from runs for each item.

    Parameters
    ----------
    maps : the labels
    images : whether to read the image files, which must exist
    masks : whether to return a mask of each segment
    ignore : the value in ``semantic`` of pixels that a loss must ignore
    transform : called with each item; what it returns becomes the item
    """

    def __init__(
        self,
        maps: LabelMaps,
        *,
        images: bool = True,
        masks: bool = False,
        ignore: int = IGNORE,
        transform: Callable[[Sample], Any] | None = None,  # Any: whatever the user makes of it
    ) -> None:
        self.maps, self.categories = maps, maps.names
        self._images, self._masks, self._ignore, self._transform = images, masks, ignore, transform
        if ignore in range(len(maps.classes)):
            raise SegdataError(f"ignore is {ignore}, which is the class {maps.names[ignore]!r}; choose another number")

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, row: int) -> Any:  # Any: a Sample, or what the transform makes of it
        if row < 0:
            row += len(self)
        if not 0 <= row < len(self):
            raise IndexError(row)
        segments = self.maps.instances(row)
        sample: Sample = {
            "image_id": self.maps.image_ids[row],
            "semantic": torch.from_numpy(self.maps.semantic(row, self._ignore, self._ignore)),
            "instances": torch.from_numpy(segments.map),
            "classes": torch.from_numpy(segments.classes),
            "crowd": torch.from_numpy(segments.crowd),
        }
        if self._masks:
            sample["masks"] = torch.from_numpy(np.ascontiguousarray(segments.masks()))
        if self._images:
            sample["image"] = torch.from_numpy(self._image(row))
        return sample if self._transform is None else self._transform(sample)

    def _image(self, row: int) -> NDArray[np.generic]:
        """(channels, height, width) the pixels of an image, from its file, or from all its files in order."""
        name, uri = self.maps.image_ids[row], self.maps.uris[row]
        files = self.maps.channels[row] or (() if uri is None else (uri,))
        if not files:
            raise SegdataError(f"image {name!r}: its file is not known; give images=FOLDER when reading")
        size = int(self.maps.height[row]), int(self.maps.width[row])
        return np.concatenate([_decode_image(name, file, size) for file in files])


def _decode_image(name: str, uri: str, size: tuple[int, int]) -> NDArray[np.generic]:
    """(channels, height, width) the pixels of a file, which must have the size of the labels."""
    try:
        pixels = read_channels(uri, size)
    except OSError as error:
        raise SegdataError(f"image {name!r}: {uri} cannot be read: {error.strerror or error}") from error
    if pixels.shape[1:] != size:
        sizes = f"{pixels.shape[2]}x{pixels.shape[1]}, but its labels are {size[1]}x{size[0]}"
        raise SegdataError(f"image {name!r}: the file is {sizes}; run `segdata validate`")
    return pixels
