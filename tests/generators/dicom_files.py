"""DICOM files for tests, made with pydicom: a small CT series, and segmentations and structure sets on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.profile import Policy, Profile
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import runs_of_masks
from segdata.testing.strategies import masks

CT, SEG, STRUCTURES = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.3"
_ROOT = "1.2.826.0.1.3680043.8.498"
_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
Item = Any  # pydicom's dataset has every attribute
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class CtSeries:
    """The slices of a series.

    Attributes
    ----------
    paths : from the lowest to the highest
    uids : of the images
    size : height and width
    origin, spacing : where the first pixel of the lowest slice lies, and millimetres to the next column, row and slice
    """

    paths: list[Path]
    uids: list[str]
    size: tuple[int, int]
    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    number: int = 1
    headers: list[Item] = field(default_factory=list, repr=False)

    def position(self, k: int) -> list[float]:
        """Where the first pixel of slice k lies, in millimetres."""
        return [self.origin[0], self.origin[1], self.origin[2] + k * self.spacing[2]]

    def millimetres(self, points: Points, k: int) -> list[float]:
        """Pixels (x, y) of slice k as x, y, z, x, y, z, …; (0, 0) is the upper left corner of the slice."""
        x0, y0, z = self.position(k)
        coordinates = []
        for x, y in points:
            coordinates += [x0 + (x - 0.5) * self.spacing[0], y0 + (y - 0.5) * self.spacing[1], z]
        return coordinates


def item(**values: Any) -> Item:  # Any: values of all types
    """A dataset with these values."""
    dataset = import_module("pydicom").Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def uid(*numbers: int) -> str:
    """A UID made of numbers."""
    return ".".join([_ROOT, *map(str, numbers)])


def save(dataset: Item, path: Path, syntax: str = _EXPLICIT) -> Path:
    """Write a dataset as a file; returns its path."""
    meta = import_module("pydicom.dataset").FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    dataset.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_ct(
    folder: Path,
    n_slices: int = 3,
    size: tuple[int, int] = (5, 6),
    *,
    origin: tuple[float, float, float] = (-20.0, -30.0, 40.0),
    spacing: tuple[float, float, float] = (0.5, 0.5, 2.0),
    number: int = 1,
) -> CtSeries:
    """Write a series `001.dcm`, `002.dcm` …, the lowest slice first."""
    series = CtSeries([], [], size, origin, spacing, number)
    for k in range(n_slices):
        dataset = item(
            SOPClassUID=CT,
            SOPInstanceUID=uid(number, 3, k + 1),
            **_study(number),
            Modality="CT",
            SeriesInstanceUID=uid(number, 2),
            SeriesNumber=1,
            InstanceNumber=k + 1,
            ImagePositionPatient=series.position(k),
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[spacing[1], spacing[0]],
            SliceThickness=spacing[2],
            Rows=size[0],
            Columns=size[1],
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            BitsAllocated=16,
            BitsStored=16,
            HighBit=15,
            PixelRepresentation=0,
            PixelData=np.zeros(size, np.uint16).tobytes(),
        )
        series.paths.append(save(dataset, folder / f"{k + 1:03d}.dcm"))
        series.uids.append(str(dataset.SOPInstanceUID))
        series.headers.append(dataset)
    return series


def _study(number: int) -> dict[str, Any]:  # Any: values of all types
    return {
        "PatientName": "Doe^Jane",
        "PatientID": f"patient-{number}",
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyDate": "20260101",
        "StudyTime": "120000",
        "StudyID": "1",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyInstanceUID": uid(number, 1),
        "FrameOfReferenceUID": uid(number, 9),
        "PositionReferenceIndicator": "",
    }


def segment(number: int, label: str, **values: Any) -> Item:  # Any: values of all types
    """An item of a segmentation's SegmentSequence."""
    return item(SegmentNumber=number, SegmentLabel=label, **{"SegmentAlgorithmType": "MANUAL", **values})


def write_seg(
    path: Path,
    series: CtSeries,
    segments: Sequence[Item],
    frames: Sequence[tuple[int | None, int, NDArray[Any]]],
    *,
    kind: str = "BINARY",
    refers: Sequence[int] | None = None,
    **values: Any,
) -> Path:  # Any: of any type
    """Write a segmentation of frames (segment, slice, pixels), in this order.

    `kind` is BINARY, FRACTIONAL (pixels 0 to 255) or LABELMAP (no segment: the pixels are numbers). `refers`: of each
    frame the slice that it says it was drawn on, where that is another one.
    """
    groups = []
    for row, (segment_number, k, _) in enumerate(frames):
        referenced_slice = k if refers is None else refers[row]
        group = item(
            PlanePositionSequence=[item(ImagePositionPatient=series.position(k))],
            DerivationImageSequence=[
                item(
                    SourceImageSequence=[
                        item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=series.uids[referenced_slice])
                    ]
                )
            ],
        )
        if segment_number is not None:
            group.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=segment_number)]
        groups.append(group)
    pixels = np.stack([frame_pixels for _, _, frame_pixels in frames])
    bits = 1 if kind == "BINARY" else 8
    data = np.packbits(pixels.ravel() > 0, bitorder="little") if bits == 1 else pixels.astype(np.uint8)
    raw = data.tobytes()
    dataset = item(
        SOPClassUID=SEG if kind != "LABELMAP" else f"{SEG[:-1]}7",
        SOPInstanceUID=uid(series.number, 4, 1),
        **_study(series.number),
        Modality="SEG",
        SeriesInstanceUID=uid(series.number, 5),
        SegmentationType=kind,
        MaximumFractionalValue=255,
        Rows=series.size[0],
        Columns=series.size[1],
        NumberOfFrames=len(frames),
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=bits,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=0,
        SegmentSequence=list(segments),
        ReferencedSeriesSequence=[
            item(
                SeriesInstanceUID=uid(series.number, 2),
                ReferencedInstanceSequence=[
                    item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=image_uid) for image_uid in series.uids
                ],
            )
        ],
        SharedFunctionalGroupsSequence=[
            item(
                PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
                PixelMeasuresSequence=[item(PixelSpacing=[series.spacing[1], series.spacing[0]])],
            )
        ],
        PerFrameFunctionalGroupsSequence=groups,
        PixelData=raw + b"\0" * (len(raw) % 2),
    )
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return save(dataset, path)


def contour(series: CtSeries, k: int, points: Points, kind: str = "CLOSED_PLANAR", **values: Any) -> Item:
    """A contour on slice k of points (x, y) in pixels."""  # Any: values of all types
    dataset = item(
        ContourGeometricType=kind,
        NumberOfContourPoints=len(points),
        ContourImageSequence=[item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=series.uids[k])],
        ContourData=[round(number, 6) for number in series.millimetres(points, k)],
    )
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def write_structures(path: Path, series: CtSeries, regions: Sequence[tuple[int, str, Sequence[Item]]]) -> Path:
    """Write a structure set of regions (number, name, contours)."""
    dataset = item(
        SOPClassUID=STRUCTURES,
        SOPInstanceUID=uid(series.number, 6, 1),
        **_study(series.number),
        Modality="RTSTRUCT",
        SeriesInstanceUID=uid(series.number, 7),
        StructureSetLabel="test",
        ReferencedFrameOfReferenceSequence=[
            item(
                FrameOfReferenceUID=uid(series.number, 9),
                RTReferencedStudySequence=[
                    item(
                        RTReferencedSeriesSequence=[
                            item(
                                SeriesInstanceUID=uid(series.number, 2),
                                ContourImageSequence=[
                                    item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=image_uid)
                                    for image_uid in series.uids
                                ],
                            )
                        ]
                    )
                ],
            )
        ],
        StructureSetROISequence=[
            item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=uid(series.number, 9))
            for number, name, _ in regions
        ],
        ROIContourSequence=[
            item(ReferencedROINumber=number, ROIDisplayColor=[255, 0, number], ContourSequence=list(contours))
            for number, _, contours in regions
        ],
    )
    return save(dataset, path, _IMPLICIT)


Mask = NDArray[np.bool_]
Scene = list[list[tuple[int, int | None, Mask]]]  # of each slice its segments: category, track, mask
_TAXONOMY = Taxonomy(categories=(Category(id=1, name="Lebér \\ 水"), Category(id=2, name="b", color=(1, 2, 250))))


@st.composite
def dicom_scenes(draw: Any, n_slices: int, size: tuple[int, int]) -> Scene:  # Any: Hypothesis' function
    """Up to two segments on each slice; they may overlap, and be one with others."""
    return [
        [
            (draw(st.integers(1, 2)), draw(st.sampled_from([None, 5, 6])), draw(masks(*size)))
            for _ in range(draw(st.integers(0, 2)))
        ]
        for _ in range(n_slices)
    ]


def dicom_dataset(series: CtSeries, scene: Scene) -> tuple[Profile, Batch]:
    """A scene on the slices of a series, drawn by the model Ann; a third slice is not annotated where it is empty."""
    n = len(scene)
    annotated = [k for k, each in enumerate(scene) if each or k < 2]
    rows = [(annotated.index(k), *each, id_) for k, some in enumerate(scene) for id_, each in enumerate(some, 1)]
    height, width = series.size
    batch = Batch(
        make_table(
            BATCH_IMAGES,
            n,
            image_id=[f"a/{k}.dcm" for k in range(n)],
            uri=[path.as_uri() for path in series.paths],
            height=[height] * n,
            width=[width] * n,
            sequence=["a"] * n,
            frame=list(range(10, 10 + n)),
        ),
        make_table(
            BATCH_ANNOTATIONS,
            len(annotated),
            image=annotated,
            annotator=["Ann"] * len(annotated),
            source=["model"] * len(annotated),
        ),
        make_table(
            BATCH_SEGMENTS,
            len(rows),
            annotation=[row[0] for row in rows],
            category_id=[row[1] for row in rows],
            track_id=[row[2] for row in rows],
            segment_id=[row[4] for row in rows],
            iscrowd=[False] * len(rows),
        ),
        runs_of_masks([row[3] for row in rows]),
    )
    return Profile("x", "x", "instance", _TAXONOMY, True, Policy("sparse"), Policy("allow")), batch
