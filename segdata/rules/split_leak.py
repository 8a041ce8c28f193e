"""SEG304 split-leak: one image in two splits."""

from collections.abc import Iterator

from segdata.core.finding import Found
from segdata.core.rule import Tables, rule


@rule("SEG304", "split-leak", severity="error", needs=("copies",))
def split_leak(tables: Tables) -> Iterator[Found]:
    """The same image file in two splits.

    Example:
        train/a.jpg and val/b.jpg are the same file, byte by byte

    One finding for each image that is a copy of one of another split. Left alone: copies within a split, and images
    that were saved anew or only look alike.

    Why: what is trained on and tested on at once makes the test worthless, and where the labels of the two differ, one
    of them is wrong.

    Remedy: take the image out of one of the splits; split again by scene or patient, not by file.
    """
    images = tables.images
    first: dict[str, dict[str, int]] = {}
    for row, (content, split) in enumerate(zip(images["content"], images["part"], strict=True)):
        if content is None or split is None:
            continue
        of_split = first.setdefault(content, {})
        for other, twin in of_split.items():
            if other != split:
                twin_id, own_id = images["image_id"][twin], images["image_id"][row]
                message = f"the same file as {twin_id}, byte by byte: one is in {other}, this in {split}"
                yield Found(message if twin_id != own_id else f"it is in {other} and in {split}", image=row)
                break
        of_split.setdefault(split, row)
