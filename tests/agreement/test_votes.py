"""Votes against pixels that are looked at one by one."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.agreement import votes
from segdata.agreement.contingency import overlapping_layers, pixel_tables
from segdata.agreement.paired_segments import pair_annotators
from segdata.agreement.votes import ABSENT, UNDECIDED, UNLABELLED, PixelVotes, collect_votes, majority, plurality
from segdata.testing.pictures import masks_of_runs
from tests.agreement.pattern_maps import pattern_maps
from tests.generators.panels import Panel, panel, panel_of_masks, panels


def votes_of(given_: Panel) -> PixelVotes:
    return collect_votes(given_)


def said(given_: Panel) -> list[np.ndarray]:
    """(R, H, W) what every annotator said, image by image."""
    batch = given_.batch
    height, width = batch.segment_size
    masks = masks_of_runs(batch.runs, height, width)
    names = batch.annotations["annotator"].to_pylist()
    maps = []
    for image, size in enumerate(zip(*(side.tolist() for side in batch.image_size), strict=True)):
        flat = np.full((len(given_.annotators), *size), ABSENT)
        for annotation in np.flatnonzero(batch.annotation_image == image):
            own = flat[given_.annotators.index(names[annotation])]
            own[:] = UNLABELLED
            rows = np.flatnonzero(batch.segment_annotation == annotation)
            code = np.array(batch.segments["category_id"].to_pylist())[rows] - 1
            void = np.array([given_.categories[each].kind == "void" for each in code], bool)
            for row in np.argsort(void, kind="stable"):
                own[masks[rows[row]]] = code[row]
        maps.append(flat)
    return maps


def counted(given_: Panel) -> Counter[tuple[int, ...]]:
    """Pixels of each image with each votes."""
    found: Counter[tuple[int, ...]] = Counter()
    for image, flat in enumerate(said(given_)):
        if (flat != ABSENT).any():
            found.update((image, *vote) for vote in flat.reshape(len(flat), -1).T.tolist())
    return found


@settings(max_examples=50)
@given(panels(annotators=3))
def test_votes_are_counted_pixels(drawn: Panel) -> None:
    found, expected = votes_of(drawn), counted(drawn)
    patterns_are(found, expected)
    pieces_lie_where_the_votes_are(found, said(drawn))
    tables_have_a_row_for_every_vote(found, expected)
    with pytest.MonkeyPatch.context() as patch:  # many annotators and categories take several numbers
        patch.setattr(votes, "_BITS", 3)
        parts = votes_of(drawn)
    one, other = (sorted(np.column_stack([each.case, each.vote, each.pixels]).tolist()) for each in (found, parts))
    assert one == other


def patterns_are(votes: PixelVotes, expected: Counter[tuple[int, ...]]) -> None:
    keys = np.column_stack([votes.case, votes.vote]).tolist()
    assert len({tuple(key) for key in keys}) == len(keys)
    assert dict(zip(map(tuple, keys), votes.pixels.tolist(), strict=True)) == expected


def pieces_lie_where_the_votes_are(votes: PixelVotes, maps: list[np.ndarray]) -> None:
    assert (votes.pieces.start[1:] >= votes.pieces.end[:-1]).all()
    frame, x, y = votes.line.lower(votes.pieces.start)
    for i, (image, length) in enumerate(zip(frame, votes.pieces.end - votes.pieces.start, strict=True)):
        own = maps[image][:, y[i] : y[i] + length, x[i]]
        assert (own == votes.vote[votes.pieces.owner[i]][:, None]).all()
        maps[image][:, y[i] : y[i] + length, x[i]] = UNLABELLED
    assert all((flat < 0).all() for flat in maps)


def tables_have_a_row_for_every_vote(votes: PixelVotes, expected: Counter[tuple[int, ...]]) -> None:
    """Void is left out, absent annotators have no vote."""
    tables = votes.tables()
    said_ = np.full((len(tables["patterns"]["case"]), 3), ABSENT)
    said_[tables["votes"]["pattern"], tables["votes"]["annotator"]] = tables["votes"]["category"]
    keys = map(tuple, np.column_stack([tables["patterns"]["case"], said_]).tolist())
    found = dict(zip(keys, tables["patterns"]["pixels"].tolist(), strict=True))
    assert found == {key: n for key, n in expected.items() if 3 not in key[1:]}
    assert (tables["votes"]["category"] != ABSENT).all()


@settings(max_examples=30)
@given(panels(annotators=3, void=False), st.lists(st.booleans(), min_size=12, max_size=12))
def test_who_was_not_asked_has_no_vote(drawn: Panel, flags: list[bool]) -> None:
    """On pixels to which another gives a category that one was not asked for."""
    asked = np.array(flags).reshape(3, 4)
    by = [drawn.annotators.index(name) for name in drawn.batch.annotations["annotator"].to_pylist()]
    votes = collect_votes(replace(drawn, asked=asked[by]))
    wanted: Counter[tuple[int, ...]] = Counter()
    for (image, *vote), n in counted(drawn).items():
        kept = [v if all(asked[r, o] for o in vote if o >= 0) else ABSENT for r, v in enumerate(vote)]
        wanted[(image, *kept)] += n
    found: Counter[tuple[int, ...]] = Counter()
    for (image, *vote), n in zip(np.column_stack([votes.case, votes.vote]).tolist(), votes.pixels, strict=True):
        found[(image, *vote)] += int(n)
    assert found == wanted


@settings(max_examples=30)
@given(panels(annotators=2, void=False))
def test_two_annotators_are_a_pair(drawn: Panel) -> None:
    """Where both annotated, the patterns are the cells."""
    votes = votes_of(drawn)
    for opposite in pair_annotators(drawn):
        pair, first, second, n = pixel_tables(opposite)["cells"].values()
        cells = set(zip(opposite.case[pair].tolist(), first.tolist(), second.tolist(), n.tolist(), strict=True))
        there = (votes.vote != ABSENT).all(axis=1)
        rows = np.column_stack([votes.case, votes.vote, votes.pixels])[there]
        assert cells == {tuple(row) for row in rows.tolist()}


def test_slices_of_a_volume_are_one_case() -> None:
    """An annotator who did one slice only has no vote on the other."""
    drawn = panel("aa..\n\naab.\nsequence: volume", "aaa.\n\na...\nsequence: volume", absent=[("b", 1)])
    votes = collect_votes(replace(drawn, cases=np.zeros(2, np.int64)))
    assert set(votes.case) == {0}
    rows = sorted(np.column_stack([votes.vote, votes.pixels]).tolist())
    assert rows == [[-1, -2, 1], [-1, -1, 1], [-1, 0, 1], [0, -2, 2], [0, 0, 2], [1, -2, 1]]


ballots = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.lists(st.integers(-2, 2), min_size=n, max_size=n), min_size=1, max_size=8)
)


@given(ballots)
def test_votes_are_counted(rows: list[list[int]]) -> None:
    most, more = plurality(np.array(rows)), majority(np.array(rows))
    for k, row in enumerate(rows):
        count = Counter(vote for vote in row if vote != ABSENT).most_common()
        if not count:
            assert most.category[k] == UNDECIDED
            assert np.isnan(most.support[k])
            continue
        tie = len(count) > 1 and count[1][1] == count[0][1]
        assert most.category[k] == (UNDECIDED if tie else count[0][0])
        np.testing.assert_allclose(most.support[k], count[0][1] / sum(n for _, n in count))
        half = 2 * count[0][1] > sum(n for _, n in count)
        assert more.category[k] == (count[0][0] if half else UNDECIDED)


@given(ballots, st.integers(0, 99))
def test_order_of_annotators_does_not_matter(rows: list[list[int]], seed: int) -> None:
    votes = np.array(rows)
    order = np.random.default_rng(seed).permutation(votes.shape[1])
    np.testing.assert_array_equal(plurality(votes).category, plurality(votes[:, order]).category)


@pytest.mark.parametrize("seed", range(3))
def test_as_label_voting(seed: int) -> None:
    sitk = pytest.importorskip("SimpleITK")
    votes = np.random.default_rng(seed).integers(0, 4, (200, 4))
    images = [sitk.GetImageFromArray(row.reshape(10, 20).astype(np.uint8)) for row in votes.T]
    wanted = sitk.GetArrayFromImage(sitk.LabelVoting(images, 9)).ravel().astype(int)
    found = plurality(votes).category
    np.testing.assert_array_equal(np.where(found == UNDECIDED, 9, found), wanted)


def test_a_known_vote() -> None:
    votes = np.array([list("0112"), list("0121"), list("0220")], int).T
    assert plurality(votes).category.tolist() == [0, 1, 2, UNDECIDED]


def test_three_annotators_of_one_picture() -> None:
    drawn = panel("aab\n.bb", "aaa\n.bb", "abb\n..b")
    votes = collect_votes(drawn)
    (patterns,) = pattern_maps(drawn, votes)
    category = plurality(votes.vote).category[patterns]
    assert category.tolist() == [[0, 0, 1], [UNLABELLED, 1, 1]]


def layered(panel_: Panel) -> dict[str, dict[str, np.ndarray]]:
    return {name: dict(columns) for name, columns in votes.vote_tables(panel_, overlapping_layers(panel_)).items()}


def square(top: int, left: int, size: int = 4) -> np.ndarray:
    mask = np.zeros((12, 12), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def rows_of(tables: dict[str, dict[str, np.ndarray]], n: int) -> Counter[tuple[int, ...]]:
    """Pixels by case and what each of n annotators voted."""
    said_ = np.full((len(tables["patterns"]["case"]), n), ABSENT)
    said_[tables["votes"]["pattern"], tables["votes"]["annotator"]] = tables["votes"]["category"]
    found: Counter[tuple[int, ...]] = Counter()
    for case, pixels, row in zip(tables["patterns"]["case"], tables["patterns"]["pixels"], said_, strict=True):
        found[(int(case), *row.tolist())] += int(pixels)
    return found


def test_a_layer_below_another_is_not_missed() -> None:
    """All draw a membrane, and two of three a synapse upon it: the third misses the synapse, and renames nothing."""
    membrane, synapse = square(1, 1, 6), square(2, 2, 3)
    both, one = [(0, membrane), (1, synapse)], [(0, membrane)]
    plain = [[both, one], [both, one], [one, one]]
    tables = layered(panel_of_masks([(12, 12)] * 2, plain, ["stuff", "stuff"]))
    assert rows_of(tables, 3) == {
        (0, 0, 0, 0): 36,  # layer of membranes
        (0, -1, -1, -1): 108 + 135,
        (0, 1, 1, -1): 9,  # of synapses
        (1, 0, 0, 0): 36,  # nobody draws one above the other there: once
        (1, -1, -1, -1): 108,
    }


def columns(first: int, stop: int) -> np.ndarray:
    mask = np.zeros((12, 30), bool)
    mask[:, first:stop] = True
    return mask


@pytest.mark.parametrize(
    ("drawn", "kinds", "is_layered", "in_class_masks"),
    [
        ([(0, columns(0, 20)), (1, columns(10, 30))], ("stuff", "stuff"), True, True),
        ([(0, columns(0, 16)), (1, columns(15, 30))], ("stuff", "stuff"), False, False),  # a seam, 7 % of the smaller
        ([(0, columns(0, 30)), (1, columns(3, 9))], ("stuff", "thing"), False, True),  # a thing hides what is below
        ([(0, columns(0, 20)), (0, columns(10, 30))], ("stuff",), False, False),
        ([(0, columns(0, 9)), (1, columns(9, 30))], ("stuff", "stuff"), False, False),
        ([(0, columns(0, 30)), (1, columns(3, 9))], ("stuff", "void"), False, False),
    ],
)
def test_which_categories_are_layers(drawn: Any, kinds: Any, is_layered: bool, in_class_masks: bool) -> None:
    given_ = panel_of_masks([(12, 30)], [[drawn], [[(0, columns(0, 9))]]], kinds)
    assert bool(overlapping_layers(given_).any()) == is_layered
    assert bool(overlapping_layers(replace(given_, is_semantic=True)).any()) == in_class_masks


@settings(max_examples=30)
@given(panels(annotators=3, void=False))
def test_layers_of_a_batch_are_those_of_its_images(drawn: Panel) -> None:
    """What is compared together changes nothing."""
    together = rows_of(layered(drawn), 3)
    apart: Counter[tuple[int, ...]] = Counter()
    for image in range(drawn.batch.images.num_rows):
        single = replace(drawn, batch=drawn.batch.take_images(np.array([image])))
        apart.update({(image, *key[1:]): pixels for key, pixels in rows_of(layered(single), 3).items()})
    assert +together == +apart


@settings(max_examples=15)
@given(panels(annotators=2, overlapping=False))
def test_without_layers_votes_are_as_before(drawn: Panel) -> None:
    wanted, found = votes_of(drawn).tables(), layered(drawn)
    for name, columns in wanted.items():
        for column, values in columns.items():
            assert found[name][column].tolist() == values.tolist()
