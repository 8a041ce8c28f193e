"""Probabilities: NumPy archives (.npz) with the probability of every class at every pixel, one for each image.

Read: the array ``probabilities`` (nnU-Net, ``--save_probabilities``) or ``softmax`` (nnU-Net 1), else the only array of
floats, or the one that you name with the option `key`. Its axes are classes, rows and columns, or rows, columns and
classes: the axis of the classes is the one that adds up to 1, or the one that you choose with the option `classes`. An
array with four axes is a volume, whose slices are images ``<stem>/<0000>``. Each class becomes one segment: the pixels
in which it is the likeliest, or, if you set the option `threshold`, in which its probability is above that. Its score
is the mean of its probability there. The names of the classes come from the texts ``class_names`` in the archive, from
nnU-Net's dataset.json beside it, whose background is unlabelled and whose regions have the threshold 0.5, or from the
taxonomy, whose ids are the numbers of the classes. The annotations come from a model, which you name with
`--annotator`. Not written.

Source: nnunetv2/inference/export_prediction.py of MIC-DKFZ/nnUNet.
"""

from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind

ALIASES = ("numpy", "npy", "probabilities", "logits")
LOSSES: frozenset[LossKind] = frozenset()
READ_OPTIONS = {
    "key": "name of the array if it is not probabilities or softmax",
    "classes": "first or last: the axis of the classes; default: the one along which probabilities add up to 1",
    "threshold": "number: each class is the pixels above it, and classes may overlap; default: the likeliest class",
    "unlabelled": "number of the class that is no category (0: the background); default: as in dataset.json",
}
CHECKED = ("nnU-Net's export_prediction.py (what it writes)", "NumPy (argmax and means, pixel by pixel)")
_KEYS = rb"PK\x03\x04.{26}(.{0,40}/)?(probabilities|softmax|probs|scores)\.npy"
_LABELS = r"\.(nii|nii\.gz|mha|nrrd)$"


def detect(files: FileProbe) -> FormatMatch | None:
    """NumPy archives with probabilities; label files beside them go first."""
    named = files.heads(r"\.npz$", b"(?s)" + _KEYS)
    names = named or files.heads(r"\.npz$", rb"\APK\x03\x04")
    if not names:
        return None
    alone = not files.matching(_LABELS)
    return FormatMatch((0.95 if named else 0.5) if alone else 0.3, f"probabilities: {', '.join(names[:3])}")


read = ImportedOnCall("segdata.formats.npz.reader:open_archives")
