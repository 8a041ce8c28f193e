from pathlib import Path

from segdata.formats.shared.per_image import ImageEntry
from segdata.formats.tools.pictures import first_picture, near, picture_folders, unlisted


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_pictures_are_beside_the_files_or_in_a_folder_of_images(tmp_path: Path) -> None:
    inside, next_to = _touch(tmp_path / "here/images/a.png"), _touch(tmp_path / "images/b.png")
    folders = picture_folders(tmp_path / "here", None)
    assert first_picture(folders, ["none.png", "a.png"]) == inside
    assert first_picture(folders, ["b.png"]) == next_to
    assert near(folders, "A.jpg") == "a.png"
    assert near(folders, "c.png") is None


def test_where_the_user_says_is_the_only_place(tmp_path: Path) -> None:
    _touch(tmp_path / "a.png")
    other = _touch(tmp_path / "other/b.png")
    folders = picture_folders(tmp_path, tmp_path / "other")
    assert first_picture(folders, ["a.png"]) is None
    assert first_picture(folders, ["b.png"]) == other


def test_only_neighbours_of_listed_pictures_are_missed(tmp_path: Path) -> None:
    """A picture in a folder of which nothing is listed may belong to anything."""
    listed = _touch(tmp_path / "batch/a.png")
    _touch(tmp_path / "batch/b.png")
    _touch(tmp_path / "logos/c.png")
    found = unlisted(picture_folders(tmp_path, None), [ImageEntry("a.png", listed)], "VIA")
    assert [(each.code, each.image, each.message) for each in found] == [
        ("SEG011", "batch/b.png", "an image that no VIA file lists")
    ]
