"""SEG pixels: the frames of a DICOM segmentation as runs, one frame in memory at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Runs
from segdata.formats.medical.dicom.files import telling
from segdata.formats.medical.dicom.segobject import SegObject
from segdata.formats.medical.extra import package
from segdata.formats.shared.mask_files import ValueRuns

Frame = NDArray[np.uint8 | np.uint16 | np.uint32]


@dataclass
class SegPixels:
    """The pixels of a segmentation.

    Attributes
    ----------
    runs : frame -> segment -> runs of one owner; a frame without pixels of a segment does not have it
    n_soft : segment -> pixels between nothing and everything, of a fractional segmentation
    unknown : frame -> values of a label map that are no segments, and how many pixels have them
    remarks : of pydicom
    """

    runs: dict[int, dict[int, Runs]] = field(default_factory=dict)
    n_soft: dict[int, int] = field(default_factory=dict)
    unknown: dict[int, dict[int, int]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def decode_seg(found: SegObject, threshold: float) -> SegPixels:
    """All pixels, of a fractional one those of at least `threshold`, 0 to 1; raises OSError with the reason."""
    pixels = SegPixels()
    wanted = {frame.index: frame for frame in found.frames}
    with telling("its pixels cannot be decoded") as pixels.remarks:  # also where a decoder is not installed
        for index, frame in enumerate(_frames(found)):
            if index not in wanted:
                continue
            if frame.shape != found.size:
                raise OSError(f"frame {index + 1} has shape {frame.shape}")
            _add(pixels, found, index, wanted[index].segment, np.ascontiguousarray(frame), threshold)
    return pixels


def _frames(found: SegObject) -> Iterator[Frame]:
    """The frames as the file stores them."""
    pydicom = package("pydicom")
    if found.kind != "BINARY":
        yield from package("pydicom.pixels").iter_pixels(found.path)
        return
    said = pydicom.dcmread(found.path)
    if said.file_meta.TransferSyntaxUID.is_compressed:
        yield from package("pydicom.pixels").iter_pixels(found.path)
        return
    # Frames of bits follow each other without a gap, so that one may begin in the middle of a byte.
    packed = np.frombuffer(said.PixelData, np.uint8)
    size = found.size[0] * found.size[1]
    for index in range(int(said.get("NumberOfFrames") or 1)):
        first = index * size
        bits = np.unpackbits(packed[first // 8 : (first + size + 7) // 8], bitorder="little")
        yield bits[first % 8 : first % 8 + size].reshape(found.size)


def _add(
    pixels: SegPixels,
    found: SegObject,
    index: int,
    segment: int | None,
    frame: NDArray[np.unsignedinteger],
    threshold: float,
) -> None:
    """The pixels of one frame."""
    values = ValueRuns.of(frame)
    if segment is None:
        _add_label_map(pixels, found.segments, index, values)
        return
    least = 1
    if found.kind == "FRACTIONAL":
        least = max(int(np.ceil(threshold * found.most)), 1)
        soft = int(values.area[(values.value > 0) & (values.value < found.most)].sum())
        pixels.n_soft[segment] = pixels.n_soft.get(segment, 0) + soft
    inside = values.value >= least
    if inside.any():
        runs = values.owned(np.where(inside, 0, -1).astype(np.int32), 1)
        pixels.runs.setdefault(index, {})[segment] = runs


def _add_label_map(pixels: SegPixels, segments: Mapping[int, object], index: int, values: ValueRuns) -> None:
    """The segments of one frame, whose numbers are its values; 0 is background unless it is described."""
    for row, value in enumerate(values.value.tolist()):
        if value in segments:
            owner = np.full(len(values.value), -1, np.int32)
            owner[row] = 0
            pixels.runs.setdefault(index, {})[value] = values.owned(owner, 1)
        elif value != 0:
            pixels.unknown.setdefault(index, {})[value] = int(values.area[row])
