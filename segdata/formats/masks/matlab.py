"""MATLAB: label matrices in .mat files, as of BSDS500, SBD, CrackForest and Clothing Co-Parsing.

Specification: MAT-File Format (MathWorks, level 5); the datasets' own readers (seism of BSDS, SBD's README).

Read: of each file the field ``Segmentation`` of a struct, else its only matrix, or the one that the option `variable`
names. A cell array of such structs (``groundTruth`` of BSDS) has an annotator each, "1", "2" and so on, whose values
are regions without a class: each is a segment of the category ``region``. ``GTinst`` of SBD has instances with their
``Categories``, ``GTcls`` has VOC's classes. Values of other matrices are category ids; their names come from a cell
array of names in another .mat file (``label_list.mat``: the first name is that of value 0 if it is called null or
background, else of value 1), or from taxonomy.yaml, and SEG219 says what is guessed. An image is found by its name
without extension. ``Boundaries`` are not read, nor are complex and sparse matrices. Files of MATLAB 4 and of 7.3, which
are HDF5, are refused: save them with ``-v7``.
Not written.
"""

from segdata.core.errors import list_names
from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind

LOSSES: frozenset[LossKind] = frozenset()
CHECKED = ("SciPy and NumPy (each value's pixels)", "the files of BSDS500, CrackForest and Clothing Co-Parsing")
READ_OPTIONS = {"variable": "name of the matrix with the labels, if a file has several"}


def detect(files: FileProbe) -> FormatMatch | None:
    """MAT files by their headers; other label formats beside them take precedence."""
    names = files.heads(r"\.mat$", rb"\AMATLAB (5\.0|7\.3) MAT-file")
    return FormatMatch(0.3, list_names(names)) if names else None


read = ImportedOnCall("segdata.formats.masks.matlab_files:open_matlab")
