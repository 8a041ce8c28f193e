"""nnU-Net reader: the cases of a dataset."""

from collections.abc import Iterator
from pathlib import Path

from segdata.core.errors import UnreadableError
from segdata.core.format import ReadRequest
from segdata.formats.medical.nifti.head import is_volume
from segdata.formats.medical.nifti.index import INDEX, read_index
from segdata.formats.medical.nifti.opened import OpenVolumes
from segdata.formats.medical.nifti.reel import Reel
from segdata.formats.medical.nnunet.cases import cases_of
from segdata.formats.medical.nnunet.datasetjson import NAME, DatasetJson, read_dataset_json
from segdata.formats.medical.nnunet.source import case_reel, nnunet_source
from segdata.formats.shared.per_image import PerImageSource


def open_nnunet(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError without a dataset.json."""
    root = request.root.parent if request.root.name == NAME else request.root
    if not (root / NAME).is_file():
        raise UnreadableError(f"{root}: no {NAME}, which every dataset of nnU-Net has")
    said = read_dataset_json(root / NAME)
    opened = OpenVolumes(root)
    volumes = is_volume(f"x{said.ending}")
    if (root / INDEX).is_file():
        reels, _ = read_index(root, opened.defects)
        for reel in reels if volumes else ():
            opened.take(reel, None)
    else:
        reels = [reel for reel in _reels(root, said, opened, volumes) if reel is not None]
    return nnunet_source(request, said, opened.reels if volumes else reels, opened)


def _reels(root: Path, said: DatasetJson, opened: OpenVolumes, volumes: bool) -> Iterator[Reel | None]:
    """The cases in the folders of a dataset; volumes with their headers."""
    for case in cases_of(root, said, opened.defects):
        if not volumes:
            yield case_reel(root, case, said, None, (0, 0))
            continue
        image = opened.image([path for path in case.images if path is not None and path.is_file()])
        shape = image.shape if image is not None else opened.shape(case.label)
        if shape is not None:
            opened.take(case_reel(root, case, said, shape[2], (shape[1], shape[0])), image)
        yield None
