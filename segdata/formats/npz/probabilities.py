"""Probabilities: NumPy archives (.npz) with the probability of every class at every pixel, one for each image.

Read: the array ``probabilities`` (nnU-Net, ``--save_probabilities``) or ``softmax`` (nnU-Net 1), or the only one of
floats, or what the option `key` names: classes, rows and columns, or rows, columns and classes (told apart by which of
them adds up to 1, or by the option `axes`); with four axes a volume, whose slices are images ``<stem>/<0000>``. Each
class becomes one segment: the pixels where it is the likeliest, or with the option `threshold`, where it is above that;
its score is the mean of its probability there. Names of classes: the texts ``class_names`` in the archive, nnU-Net's
dataset.json beside it, whose background is unlabelled and whose regions have the threshold 0.5, or the taxonomy, whose
ids are the numbers of the classes. The annotations are from a model; `--annotator` gives its name. Not written.

Source: nnunetv2/inference/export_prediction.py of MIC-DKFZ/nnUNet.
"""

from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossKind, ReadRequest

if TYPE_CHECKING:
    from segdata.formats.shared.per_image import PerImageSource

LOSSES: frozenset[LossKind] = frozenset()
READ_OPTIONS = {
    "key": "the name of the array, where it is not probabilities or softmax",
    "classes": "first or last: the axis of the classes; default: the one along which probabilities add up to 1",
    "threshold": "a number: every class is the pixels above it, so that classes may overlap; default: the likeliest",
    "unlabelled": "the number of the class that is no category (0: the background); default: as dataset.json says",
}
CHECKED = ("nnU-Net's export_prediction.py (what it writes)", "NumPy (argmax and means, pixel by pixel)")
_KEYS = rb"PK\x03\x04.{26}(.{0,40}/)?(probabilities|softmax|probs|scores)\.npy"
_LABELS = r"\.(nii|nii\.gz|mha|nrrd)$"


def detect(seen: FileProbe) -> FormatMatch | None:
    """NumPy archives with probabilities; where label files are beside them those are meant."""
    named = seen.heads(r"\.npz$", b"(?s)" + _KEYS)
    every = named or seen.heads(r"\.npz$", rb"\APK\x03\x04")
    if not every:
        return None
    alone = not seen.matching(_LABELS)
    return FormatMatch((0.95 if named else 0.5) if alone else 0.3, f"probabilities: {', '.join(every[:3])}")


def read(request: ReadRequest) -> "PerImageSource":
    """Open a folder of archives, or one; raises UnreadableError where nothing tells which array or axis is meant."""
    from segdata.formats.npz.reader import open_archives

    return open_archives(request)
