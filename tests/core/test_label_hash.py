"""The content hash: changes with every fact that it covers, and with nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.finding_location import Annotation
from segdata.core.label_hash import content_hash, hash_each_segment, hash_segments
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import draw_picture, runs_of_masks
from segdata.testing.strategies import datasets


@dataclass(frozen=True)
class Said:
    """A small dataset: two images of 3 x 4, two annotators of the first, three segments."""

    batch: Batch
    taxonomy: Taxonomy

    def hash(self) -> str:
        return content_hash([self.batch], self.taxonomy)

    def other(self, name: str, column: str, row: int, value: object) -> "Said":
        """The same with one other cell; `name` is that of the table."""
        rows = getattr(self.batch, name)
        values = rows[column].to_pylist()
        assert values[row] != value
        values[row] = value
        return Said(replace(self.batch, **{name: replace_column(rows, column, values)}), self.taxonomy)

    def with_masks(self, change: Callable[[np.ndarray], object]) -> "Said":
        return Said(replace(self.batch, runs=runs_of_masks(masks(change))), self.taxonomy)


def masks(change: Callable[[np.ndarray], object] = lambda drawn: None) -> list[np.ndarray]:
    drawn = np.zeros((3, 3, 4), bool)
    drawn[0, :2, 1] = drawn[1, 0, :3] = drawn[2, 1:, 2:] = True
    change(drawn)
    return list(drawn)


def shifted(drawn: np.ndarray) -> None:
    """The same number of pixels, one further."""
    drawn[0] = np.roll(drawn[0], 1, axis=1)


def swapped(drawn: np.ndarray) -> None:
    """The same pixels, of another segment."""
    drawn[[0, 1]] = drawn[[1, 0]]


SAID = Said(
    Batch(
        make_table(BATCH_IMAGES, 2, image_id=["a.png", "b.png"], width=[4, 4], height=[3, 3], split=["train", None]),
        make_table(BATCH_ANNOTATIONS, 3, image=[0, 0, 1], annotator=["anna", "bob", None]),
        make_table(
            BATCH_SEGMENTS, 3, annotation=[0, 0, 2], segment_id=[1, 2, 1], category_id=[1, 2, 1],
            iscrowd=[False, False, True], track_id=[None, 0, 7], score=[0.5, None, None],
        ),
        runs_of_masks(masks()),
    ),
    Taxonomy(categories=(Category(id=1, name="road"), Category(id=2, name="car"))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "column", "row", "value"),
    [
        ("images", "image_id", 1, "c.png"),
        ("images", "width", 1, 5),
        ("images", "height", 1, 4),
        ("annotations", "image", 1, 1),
        ("annotations", "annotator", 0, "anne"),
        ("annotations", "annotator", 1, None),
        ("annotations", "annotator", 2, ""),
        ("segments", "annotation", 1, 1),
        ("segments", "segment_id", 1, 3),
        ("segments", "category_id", 0, 2),
        ("segments", "category_id", 0, 3),
        ("segments", "iscrowd", 0, True),
        ("segments", "iscrowd", 2, False),
        ("segments", "track_id", 0, 0),
        ("segments", "track_id", 1, None),
        ("segments", "track_id", 2, 8),
    ],
)
def test_the_hash_covers(name: str, column: str, row: int, value: object) -> None:
    assert SAID.other(name, column, row, value).hash() != SAID.hash()


@pytest.mark.parametrize("name", ["images", "annotations", "segments"])
def test_the_hash_covers_how_much_there_is(name: str) -> None:
    few = {
        "images": SAID.batch.take_images(np.array([0])),
        "annotations": replace(SAID.batch, annotations=SAID.batch.annotations.take([0, 2])),
        "segments": SAID.batch.take_segments(np.array([0, 2])),
    }[name]
    if name == "annotations":  # bob drew nothing, so that no segment loses its own
        few = replace(few, segments=replace_column(few.segments, "annotation", [0, 0, 1]))
    assert content_hash([few], SAID.taxonomy) != SAID.hash()


@pytest.mark.parametrize("change", [shifted, swapped])
def test_the_hash_covers_pixels(change: Callable[[np.ndarray], object]) -> None:
    assert SAID.with_masks(change).hash() != SAID.hash()


def test_the_hash_covers_names_of_categories_and_not_their_ids() -> None:
    renamed = Taxonomy(categories=(Category(id=1, name="street"), Category(id=2, name="car")))
    assert Said(SAID.batch, renamed).hash() != SAID.hash()
    renumbered = Taxonomy(categories=(Category(id=2, name="road"), Category(id=1, name="car")))
    segments = replace_column(SAID.batch.segments, "category_id", [2, 1, 2])
    assert Said(replace(SAID.batch, segments=segments), renumbered).hash() == SAID.hash()


@pytest.mark.parametrize(
    ("name", "column", "row", "value"),
    [
        ("images", "uri", 0, "/elsewhere/a.png"),
        ("images", "split", 0, "val"),
        ("annotations", "stage", 0, "reviewed"),
        ("annotations", "encoding", 0, "palette 8 bit"),
        ("segments", "score", 0, 0.25),
        ("segments", "source_id", 0, "x"),
        ("segments", "place", 0, "/annotations/0"),
    ],
)
def test_the_hash_does_not_cover(name: str, column: str, row: int, value: object) -> None:
    assert SAID.other(name, column, row, value).hash() == SAID.hash()


@given(datasets())
def test_the_hash_does_not_depend_on_how_batches_are_cut(dataset: tuple[Profile, list[Batch]]) -> None:
    profile, batches = dataset
    whole = concatenate_batches(batches)
    single = [whole.take_images(np.array([row])) for row in range(whole.images.num_rows)]
    assert len({content_hash(cut, profile.taxonomy) for cut in (batches, [whole], single)}) == 1


NONE = np.empty(0, np.int64)


def _of(picture: str, rows: list[int], box: tuple[int, int, int, int] | None = None) -> str:
    drawing = draw_picture(picture)
    annotation = Annotation.split_batch(drawing.load(np.array([0])))[0]
    return hash_segments(annotation, drawing.profile, np.array(rows, np.int64), box)


def test_other_ids_and_another_order_change_nothing() -> None:
    assert _of("aab.\n.bb.\na: car\nb: tree", []) == _of("bba.\n.aa.\nb: car\na: tree", [])


def test_of_a_segment_the_others_do_not_matter() -> None:
    assert _of("aab.", [0]) == _of("aa.b", [0])
    assert _of("aab.", []) != _of("aa.b", [])


def test_another_category_and_another_pixel_are_seen() -> None:
    told = {_of("aa.", [0]), _of("aaa", [0]), _of("aa.\na: b", [0])}
    assert len(told) == 3


def test_of_a_box_what_is_outside_does_not_matter() -> None:
    box = (0, 0, 2, 2)
    assert _of("aa.b\na...", [], box) == _of("aab.\na..b", [], box) == _of("aaaa\na.aa", [], box)
    assert _of("aa.b\na...", [], box) != _of("aa.b\naa..", [], box)


def test_of_each_segment_alone_at_once() -> None:
    """The same as one by one, also of a segment without pixels."""
    drawing = draw_picture("aab.\n.bbc")
    annotation = Annotation.split_batch(drawing.load(np.array([0])))[0]
    batch = annotation.batch
    names = [drawing.profile.name_of(id_) for id_ in batch.segments["category_id"].to_pylist()]
    expected = [hash_segments(annotation, drawing.profile, np.array([row])) for row in range(batch.n_segments)]
    assert hash_each_segment(batch.runs, names) == expected
    assert hash_each_segment(Runs.empty(), names[:1]) == hash_each_segment(Runs.empty(), [names[0], "x"])[:1]
