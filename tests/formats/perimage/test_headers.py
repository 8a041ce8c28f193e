from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.defect import Defect
from segdata.formats.perimage.entry import Entry
from segdata.formats.perimage.headers import header_of


def test_a_header_has_the_size_of_the_image_file(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.png")
    defects: list[Defect] = []
    head = header_of(tmp_path, Entry("a.png", tmp_path / "a.png"), defects)
    assert head is not None
    assert (head.height, head.width, defects) == (2, 3, [])


def test_no_image_file_is_no_defect(tmp_path: Path) -> None:
    defects: list[Defect] = []
    assert header_of(tmp_path, Entry("a.png"), defects) is None
    assert not defects


def test_a_broken_image_file_is_named_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.png").write_bytes(b"no image")
    defects: list[Defect] = []
    assert header_of(tmp_path, Entry("x.png", tmp_path / "deep" / "a.png"), defects) is None
    assert [(each.code, each.file, each.image) for each in defects] == [("SEG001", "deep/a.png", "x.png")]
