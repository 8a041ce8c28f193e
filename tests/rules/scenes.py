"""Small scenes in which rules of sequences and whole datasets find something: what makes their tables, by name."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.rule import Tables, find_rule
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.measure.placements import ELSEWHERE, SCALED, SHIFTED
from segdata.testing.pictures import draw_picture
from tests.generators.sequences import sequence_dataset
from tests.rules.campaigns import Habit, tables_of, with_tables
from tests.rules.test_annotator_drift import drifting
from tests.rules.test_copied_and_cut import recategorised, walk
from tests.rules.test_dataset_statistics import counts, with_splits
from tests.rules.test_misplaced_category import exchange, images
from tests.rules.test_occlusion_treatment import scenes as borders
from tests.rules.test_outlier_rules import film, moved
from tests.rules.test_sequence_rules import square
from tests.rules.test_successions import organ
from tests.rules.test_systematic_rules import CHANGES, boxes, declared, scattered, street

Labels = NDArray[np.int64]  # (frames, height, width)
SCENES: dict[str, tuple[str, Callable[[], Tables], dict[str, Any]]] = {}  # Any: options of all types


def scene(code: str, **options: Any) -> Callable[[Callable[[], Tables]], Callable[[], Tables]]:  # Any: as above
    """Add what makes the tables for a rule, and its options."""

    def add(make: Callable[[], Tables]) -> Callable[[], Tables]:
        SCENES[make.__name__.replace("_", " ")] = (code, make, options)
        return make

    return add


def measured(code: str, labels: Labels, **how: Any) -> Tables:  # Any: arguments of `sequence_dataset`
    """The tables of a sequence."""
    return measure_source(sequence_dataset(labels, **how), find_rule(code).needs, jobs=1)


@scene("SEG351")
def another_category_in_two_stretches() -> Tables:
    labels = square(9, {})
    labels[3:5] *= 2
    labels[7] *= 2
    return measured("SEG351", labels, tracks=(7, 7))


@scene("SEG353")
def a_track_that_is_gone_for_two_frames() -> Tables:
    return measured("SEG353", square(10, dict.fromkeys([4, 5])), tracked=True)


@scene("SEG353")
def a_track_that_is_gone_and_comes_back_moved_and_larger() -> Tables:
    labels = square(12, {frame: (10, 8 + frame) for frame in range(12)})
    labels[5:8] = 0
    labels[8:, 18:20, 14:20] = 1
    return measured("SEG353", labels, tracked=True)


@scene("SEG354")
def a_square_elsewhere_for_one_frame() -> Tables:
    return measured("SEG354", square(7, {3: (10, 22)}), tracked=True)


@scene("SEG354")
def a_track_that_jumps_and_stays() -> Tables:
    labels = film(speed=1.0)
    labels[8:] = moved(labels[8:], 2, 0, 40)
    return measured("SEG354", labels, tracked=True)


@scene("SEG355")
def two_tracks_exchanged_for_one_frame() -> Tables:
    labels = square(6, {})
    labels[:, 25:33, 25:34] = 2
    one, other = labels[3] == 1, labels[3] == 2
    labels[3][one], labels[3][other] = 2, 1
    return measured("SEG355", labels, tracked=True)


@scene("SEG356")
def two_numbers_left_out() -> Tables:
    labels = np.stack([np.eye(6, k=k, dtype=np.int64) for k in range(6)])
    return measured("SEG356", labels, frames=[0, 1, 2, 5, 6, 7])


@scene("SEG356")
def every_fifth_number_and_one_left_out_and_one_twice() -> Tables:
    labels = np.stack([np.eye(9, k=k, dtype=np.int64) for k in range(9)])
    return measured("SEG356", labels, frames=[0, 5, 10, 20, 25, 30, 35, 35, 40])


@scene("SEG356")
def a_mask_of_the_frame_before() -> Tables:
    return measured("SEG356", np.stack([np.eye(12, k=min(k, 8), dtype=np.int64) for k in range(-6, 10)]))


@scene("SEG356")
def one_frame_of_another_size() -> Tables:
    dataset = sequence_dataset(np.ones((8, 10, 10), np.int64))
    batch = dataset.batch
    sizes = batch.images.set_column(batch.images.column_names.index("width"), "width", [[10] * 5 + [5] + [10] * 2])
    changed = Batch(sizes.cast(batch.images.schema), batch.annotations, batch.segments, batch.runs)
    return measure_source(replace(dataset, batch=changed), find_rule("SEG356").needs, jobs=1)


@scene("SEG359")
def an_id_in_the_place_of_another_for_one_frame() -> Tables:
    labels = film()
    labels[7][labels[7] == 3] = 4
    return measured("SEG359", labels, tracks=(1, 2, 3, 44))


@scene("SEG359")
def an_object_of_one_frame_in_the_middle() -> Tables:
    labels = film()
    labels[9, 4:10, 100:112] = 4
    return measured("SEG359", labels, tracked=True)


@scene("SEG359")
def ids_of_detections() -> Tables:
    labels = film(n=8, speed=1.0)
    ids = np.where(labels > 0, 3 * np.arange(8)[:, None, None] + labels, 0)
    return measure_source(recategorised(ids), find_rule("SEG359").needs, jobs=1)


@scene("SEG360")
def neighbours_exchanged() -> Tables:
    labels = film(speed=6.0, side=8, size=(90, 200))
    labels[[6, 7]] = labels[[7, 6]]
    return measured("SEG360", labels, tracked=True)


@scene("SEG360")
def frames_far_apart_exchanged() -> Tables:
    labels = film(speed=4.0, seed=1)
    labels[[4, 11]] = labels[[11, 4]]
    return measured("SEG360", labels, tracked=True)


@scene("SEG360")
def the_last_frames_in_reverse() -> Tables:
    labels = np.zeros((18, 60, 160), np.int64)
    for frame in range(18):
        labels[frame, 20:40, 5 + 7 * frame : 25 + 7 * frame] = 1
    labels[9:] = labels[9:][::-1]
    return measured("SEG360", labels, tracked=True)


@scene("SEG361")
def two_tracks_with_new_ids() -> Tables:
    labels = walk()
    labels[5:][labels[5:] > 0] += 2
    return measure_source(recategorised(labels), find_rule("SEG361").needs, jobs=1)


@scene("SEG361")
def a_track_that_is_another_for_four_frames() -> Tables:
    labels = walk()
    labels[3:7][labels[3:7] == 2] = 5
    return measure_source(recategorised(labels), find_rule("SEG361").needs, jobs=1)


@scene("SEG361")
def two_ids_that_take_turns() -> Tables:
    labels = walk()
    labels[1::2][labels[1::2] == 2] = 4
    return measure_source(recategorised(labels), find_rule("SEG361").needs, jobs=1)


@scene("SEG361")
def a_track_that_takes_over_another() -> Tables:
    labels = walk()
    labels[6:][labels[6:] == 2] = 1
    return measure_source(recategorised(labels), find_rule("SEG361").needs, jobs=1)


@scene("SEG361")
def ids_that_move_up() -> Tables:
    labels = np.zeros((10, 60, 100), np.int64)
    for frame in range(10):
        for label, (top, left) in enumerate(((5, 5), (40, 10), (5, 60), (40, 65)), start=1):
            labels[frame, top : top + 14, left + frame : left + frame + 14] = label
    labels[6:] = np.maximum(labels[6:] - 1, 0)
    return measure_source(recategorised(labels), find_rule("SEG361").needs, jobs=1)


@scene("SEG362")
def one_slice_mirrored() -> Tables:
    labels = organ()
    labels[7] = labels[7, :, ::-1].copy()
    return measured("SEG362", labels, kind="volume")


@scene("SEG362")
def every_other_slice_mirrored() -> Tables:
    labels = organ(14)
    labels[::2] = labels[::2, :, ::-1]
    return measured("SEG362", labels, kind="volume")


@scene("SEG363")
def labels_held_for_five_slices() -> Tables:
    labels = organ(20)
    labels[4:9] = labels[3]
    return measured("SEG363", labels, kind="volume")


@scene("SEG363")
def labels_at_a_third_of_the_rate() -> Tables:
    return measured("SEG363", organ(18)[np.arange(18) // 3 * 3], kind="volume")


@scene("SEG312")
def slices_without_segments_at_the_ends() -> Tables:
    labels = organ(40)
    labels[labels == 2] = 0
    labels[[0, 20, -1]] = 0
    return measured("SEG312", labels, kind="volume")


@scene("SEG313")
def slices_with_many_specks() -> Tables:
    rng = np.random.default_rng(3)
    labels = np.zeros((20, 50, 50), np.int64)
    labels[:, 15:30, 15:30] = 1
    for image in labels:
        for y, x in rng.integers(0, 50, (int(rng.integers(3, 9)), 2)):
            image[y, x] = 1
    for row in (6, 13):
        labels[row][rng.random((50, 50)) < 0.08] = 1
    return measured("SEG313", labels, kind="volume")


def complete(tables: Tables) -> Tables:
    """With columns for findings about segments."""
    nothing = np.full(len(tables.segments), None, object)
    own = {"segment_id": np.arange(len(tables.segments)), "file": nothing, "place": nothing, "source_id": nothing}
    box = {name: np.full(len(tables.segments), 10) for name in ("x", "y", "width", "height")}
    files = np.full(len(tables.annotations), None, object)
    annotations = tables.annotations.beside(file=files, place=files)
    return replace(tables, annotations=annotations, segments=tables.segments.beside(**{**box, **own}))


def by_camera(tables: Tables) -> Tables:
    """The strata are the cameras."""
    return replace(tables, profile=replace(tables.profile, by="camera"))


def _declared(words: str, part: int = 0) -> Tables:
    tables = measured("SEG030", scattered())
    own = boxes(tables)
    values = own.copy()
    values[part:] = CHANGES[words](own)[part:]
    return declared(tables, values)


@scene("SEG030")
def boxes_shifted() -> Tables:
    return _declared("shifted by +0 px across and +7 px down")


@scene("SEG030")
def boxes_shifted_by_a_pixel() -> Tables:
    return _declared("shifted by -1 px across and -1 px down")


@scene("SEG030")
def boxes_mirrored_in_a_part_of_the_file() -> Tables:
    return _declared("mirrored top to bottom", 24)


@scene("SEG030")
def boxes_mirrored_left_to_right() -> Tables:
    return _declared("mirrored left to right")


@scene("SEG030")
def boxes_turned() -> Tables:
    return _declared("turned by 180 degrees")


@scene("SEG030")
def boxes_that_are_corners() -> Tables:
    return _declared("read as two corners")


@scene("SEG030")
def boxes_that_are_centres() -> Tables:
    return _declared("read as centre and size")


@scene("SEG030")
def boxes_scaled() -> Tables:
    return _declared("scaled by 2 and 2")


@scene("SEG130")
def bands_at_two_sides_of_some_images() -> Tables:
    labels = street(12, {3: (4, 0, 4, 0), 7: (4, 0, 4, 0), 9: (0, 5, 0, 2)}, 9)
    return measured("SEG130", labels, void=(9,))


@scene("SEG130")
def the_same_band_in_all_images() -> Tables:
    return measured("SEG130", street(6, dict.fromkeys(range(6), (0, 8, 0, 0))))


@scene("SEG212")
def cars_drawn_whole_by_some() -> Tables:
    return borders([[0.2, 0.3, 0.1, 0.2], [0.0, 0.01, 0.0, 0.0], [0.2, 0.0, 0.3, 0.1]] * 4)


@scene("SEG212")
def cars_drawn_whole_by_one_annotator() -> Tables:
    whole, seen = [0.2, 0.3, 0.1, 0.0] * 2, [0.0, 0.01, 0.0, 0.1] * 2
    return borders([whole, seen, seen] * 6, ["anna", "ben", "cleo"] * 6)


@scene("SEG303")
def a_category_that_val_lacks() -> Tables:
    return with_splits(counts([[1, 1, 0, 0]] * 8 + [[1, 0, 0, 0]] * 4), ["train"] * 8 + ["val"] * 4)


@scene("SEG302")
def a_camera_without_a_category() -> Tables:
    rows = [[1, int(image < 9), int(image in (0, 1)), int(image % 2)] for image in range(24)]
    splits = ["train"] * 16 + ["val"] * 8
    return by_camera(with_splits(counts(rows), splits, camera=["left"] * 12 + ["right"] * 12))


@scene("SEG302")
def splits_with_few_images_of_a_category() -> Tables:
    rows = [[1, int(image < 17), int(image in (0, 1)), int(image % 2)] for image in range(24)]
    return with_splits(counts(rows, areas=3), ["train"] * 16 + ["val"] * 8)


@scene("SEG301")
def strata_of_few_images() -> Tables:
    tables = counts([[200, 1, 0, 0], [5, 5, 0, 0], [5, 5, 0, 0]])
    return by_camera(with_splits(tables, ["train", "val", "val"], camera=["left", "right", "right"]))


@scene("SEG306")
def splits_of_other_mixes() -> Tables:
    rows = [[1, int(image < 12), int(image % 7 == 0), 0] for image in range(24)]
    return with_splits(counts(rows), ["train"] * 16 + ["val"] * 8)


@scene("SEG303")
def a_split_without_a_category() -> Tables:
    rows = [[1, int(image < 12), 0, 0] for image in range(24)]
    return with_splits(counts(rows), ["train"] * 16 + ["val"] * 8)


@scene("SEG309")
def a_companion_that_is_missing() -> Tables:
    return complete(counts([[1, 1, 0, 0]] * 60 + [[1, 0, 0, 0]]))


@scene("SEG308")
def images_of_crumbs_and_of_too_few() -> Tables:
    usual = [[n, 0, 0, 0] for n in (38, 40, 41, 42, 44, 39, 37, 45, 40, 41, 43, 40)]
    return complete(counts([*usual, [400, 0, 0, 0], [2, 0, 0, 0]]))


@scene("SEG307")
def a_giant_and_a_dwarf() -> Tables:
    rows = [(image, 1, area) for image in range(12) for area in (40, 50, 60, 55)] + [(12, 1, 4000), (13, 1, 2)]
    return complete(tables_of(list(range(14)), ["anna"] * 14, rows, np.zeros(14, bool)))


@scene("SEG316")
def never_more_than_seven_objects() -> Tables:
    n = np.minimum(np.maximum(np.random.default_rng(3).poisson(9, 40), 1), 7)
    tables = complete(counts([[int(each), 0, 0, 0] for each in n]))
    return replace(tables, segments=tables.segments.beside(parts=np.ones(len(tables.segments), np.int64)))


@scene("SEG317")
def everything_in_a_corner() -> Tables:
    rng = np.random.default_rng(5)
    labels = np.zeros((10, 60, 60), np.int64)
    for image in labels:
        for label, (y, x) in enumerate(rng.integers(1, 22, (4, 2)), start=1):
            image[y : y + 5, x : x + 6] = label
    return measure_source(sequence_dataset(labels, task="instance"), find_rule("SEG317").needs, jobs=1)


@scene("SEG131")
def a_rim_that_is_not_filled() -> Tables:
    labels = np.zeros((5, 200, 200), np.int64)
    for k in range(8):
        y, x = 10 + 50 * (k // 4), 5 + 48 * (k % 4)
        labels[:, y : y + 40, x : x + 40] = 1 + k
    labels[2, 13:47, 8:42] = 0
    dataset = recategorised_all(labels)
    return measure_source(dataset, find_rule("SEG131").needs, jobs=1)


def recategorised_all(labels: Labels) -> Any:  # Any: a source
    """All of one category, and no video."""
    dataset = sequence_dataset(labels, task="instance")
    batch = dataset.batch
    ones = pa.array(np.ones(batch.segments.num_rows, np.int64))
    segments = batch.segments.set_column(batch.segments.column_names.index("category_id"), "category_id", ones)
    nowhere = pa.nulls(batch.images.num_rows, batch.images.schema.field("sequence").type)
    images = batch.images.set_column(batch.images.column_names.index("sequence"), "sequence", nowhere)
    profile = replace(dataset.profile, sequences=())
    return replace(dataset, profile=profile, batch=replace(batch, images=images, segments=segments))


def picture(code: str, text: str) -> Tables:
    """The tables of a picture."""
    return measure_source(draw_picture(text), find_rule(code).needs, jobs=1)


@scene("SEG102")
def two_pairs_that_share_pixels() -> Tables:
    text = "aaxxbbb\naaxabbb\n.......\nccyyydd\n\nx = a + b\ny = c + d\na, b, c, d: car\noverlap: forbid"
    return picture("SEG102", text)


@scene("SEG116")
def rectangles_and_others_end_on_one_line() -> Tables:
    rows = ["." * 84] * 3
    ends = "." + ".".join([letter * (12 + (letter in "ef")) for letter in "abcdef"]) + "...."
    inner = "." + ".".join([f"..{letter * 8}.." if letter in "abcd" else letter * 13 for letter in "abcdef"]) + "...."
    return picture("SEG116", "\n".join([*rows, inner, inner, ends]) + "\n" + "." * 84)


@scene("SEG215")
def names_that_differ_by_a_letter() -> Tables:
    pairs = {"a": "trafficlight", "b": "rafficlight", "c": "pedestrian", "d": "pedestrians", "e": "bicycle",
             "f": "bicylce", "g": "motorcycle", "h": "motorcyclo", "i": "crossing", "j": "crossxing"}  # fmt: skip
    often = "\n\n".join("a.c.e.g.i." for _ in range(120))
    legend = "\n".join(f"{letter}: {name}" for letter, name in pairs.items())
    return picture("SEG215", f"{often}\n\nb.d.f.h.j.\n\n{legend}")


def alike_images(n: int) -> Tables:
    """Images of two splits in turn."""
    tables = complete(counts([[1, 0, 0, 0]] * n))
    parts = np.array([["train", "val"][image % 2] for image in range(n)], object)
    columns = {"part": parts, "split": parts, "content": np.full(n, None, object)}
    return replace(tables, images=tables.images.beside(**columns))


@scene("SEG304")
def images_of_other_splits_again() -> Tables:
    """The same file and a nearer one, two that are as near, one of the own split, and a mirror image."""
    rows = [(1, 0, 0, 3), (1, 2, 1, 0), (3, 0, 0, 9), (3, 4, 0, 5), (3, 6, 0, 5), (5, 3, 0, 1), (7, 4, 0, 17)]
    alike = dict(zip(("image", "of", "same", "bits"), np.array(rows).T, strict=True))
    changed = [(3, 8, 2, 0.5, 0.99), (9, 8, 1, 1.0, 0.91), (9, 6, 2, 0.4, 0.97), (9, 4, 1, 1.0, 0.93)]
    image, of, how, share, correlation = (np.array(column) for column in zip(*changed, strict=True))
    altered = {"image": image, "of": of, "how": how, "share": share, "correlation": correlation}
    return with_tables(alike_images(10), alike=Table(alike), altered=Table(altered))


@scene("SEG314")
def labels_beside_their_pictures() -> Tables:
    """A group that is shifted, one mirrored, a part of one scaled, and images of their own."""
    names = ("group", "n", "fitting", "own", "score", "change", "x", "y", "is_part")
    groups = [
        (0, 6, 5, 9.0, 10.5, SHIFTED, 6.0, -4.0, 0),
        (1, 5, 5, 5.5, 9.0, 0, 0.0, 0.0, 0),
        (2, 9, 3, 8.0, 20.0, 1, 0.0, 0.0, 0),
        (2, 9, 6, 2.0, 12.0, SCALED, 1.25, 1.1, 1),
        (3, 6, 6, 7.0, 10.0, 0, 0.0, 0.0, 0),
    ]
    single = [
        *((row, 0, -1, 9.0, 30.0, 0, 0.0, 0.0, 0) for row in range(6)),
        *((row, 1, -1, 5.5, 9.0, -1, 0.0, 0.0, 0) for row in range(6, 11)),
        *((row, 2, 2 if row < 17 else -1, 8.0, 30.0, 0, 0.0, 0.0, 0) for row in range(11, 20)),
        (20, 3, -1, 4.0, 12.0, 1, 0.0, 0.0, 0),
        (21, 3, -1, 9.0, 27.0, ELSEWHERE, 0.0, 0.0, 22),
        (22, 3, -1, 9.0, 26.0, ELSEWHERE, 0.0, 0.0, 21),
        (23, 3, -1, 1.0, 11.5, SHIFTED, 7.0, 2.0, 0),
        (24, 3, -1, 10.0, 11.0, -1, 0.0, 0.0, 0),
    ]
    own = ("annotation", "group", "part", "own", "score", "change", "x", "y", "other")
    placements = {name: np.array(column) for name, column in zip(own, zip(*single, strict=True), strict=True)}
    placements |= {name: np.zeros(len(single)) for name in ("alike", "blank", "bare", "padded")}
    placements["rim"] = np.full(len(single), np.nan)
    placements["blank"][7], placements["bare"][8], placements["padded"][9] = 0.45, 0.995, 0.6
    of_groups = {name: np.array(column) for name, column in zip(names, zip(*groups, strict=True), strict=True)}
    tables = complete(counts([[1, 0, 0, 0]] * 25))
    return with_tables(tables, placements=Table(placements), group_placements=Table(of_groups))


@scene("SEG132")
def a_mask_with_foreground_and_background_exchanged() -> Tables:
    masks = np.zeros((12, 60, 80), np.int64)
    for image, mask in enumerate(masks):
        mask[10 + image : 24 + image, 5 * image : 5 * image + 16 + image % 3] = 1
    masks[3] = 1 - masks[3]
    return measured("SEG132", masks)


@scene("SEG132")
def a_background_with_an_id() -> Tables:
    ids = np.ones((8, 60, 80), np.int64)
    for image, labels in enumerate(ids):
        for number in range(2, 6):
            labels[5 + image : 13 + image, 15 * number : 15 * number + 4 + image] = number
    return measure_source(recategorised_all(ids), find_rule("SEG132").needs, jobs=1)


@scene("SEG133")
def an_outline_pasted_four_times() -> Tables:
    labels = np.zeros((8, 120, 160), np.int64)
    y, x = np.mgrid[:30, :30]
    for image in range(8):
        for number in range(4):
            scale = 12 if image == 2 else 6 + number + image / 2
            blob = np.hypot(y - 15, x - 15) < scale * (1 + 0.15 * np.sin(3 * np.arctan2(y - 15, x - 15) + 1))
            labels[image, 5 + 20 * number : 35 + 20 * number, 38 * number : 38 * number + 30][blob] = number + 1
    return measure_source(recategorised_all(labels), find_rule("SEG133").needs, jobs=1)


@scene("SEG310")
def an_annotator_who_draws_larger() -> Tables:
    return drifting(Habit(grows=1.8, misses=0.45), 24)


@scene("SEG359")
def a_track_of_one_frame_in_the_place_of_one_that_is_there_later() -> Tables:
    labels = film(10)
    labels[:5][labels[:5] == 3] = 0
    labels[9][labels[9] == 2] = 4
    labels[0][labels[0] == 1] = 5
    labels[6, 12:22, 20:28][labels[6, 12:22, 20:28] == 1] = 6
    return measure_source(recategorised(labels), find_rule("SEG359").needs, jobs=1)


@scene("SEG356")
def frames_of_unknown_and_of_other_sizes() -> Tables:
    dataset = sequence_dataset(np.ones((9, 10, 10), np.int64))
    batch = dataset.batch
    sizes = batch.images.set_column(batch.images.column_names.index("width"), "width", [[10] * 7 + [1, 0]])
    changed = Batch(sizes.cast(batch.images.schema), batch.annotations, batch.segments, batch.runs)
    return measure_source(replace(dataset, batch=changed), find_rule("SEG356").needs, jobs=1)


@scene("SEG354", max_fit=0.0)
def a_track_that_leaps_and_grows_before_a_camera_that_pans() -> Tables:
    labels = np.zeros((14, 90, 240), np.int64)
    for frame in range(14):
        for label, (top, left, side) in enumerate(((4, 10, 12), (24, 30, 10), (60, 20, 14), (40, 60, 8)), start=1):
            x = left + 3 * frame + (frame % 2) + (60 + 2 * frame if label == 2 and frame >= 8 else 0)
            y = top + (frame * label) % 2
            labels[frame, y : y + side, x : x + side + (2 if label == 2 and frame >= 8 else 0)] = label
    return measured("SEG354", labels, tracked=True)


@scene("SEG354", max_fit=0.0)
def a_track_that_leaps_in_a_film_that_stands_still() -> Tables:
    labels = film(speed=0.0, seed=2)
    labels[9:] = moved(labels[9:], 1, 13, 31)
    labels[4][labels[4] == 2] = 0
    return measured("SEG354", labels, tracked=True)


@scene("SEG358")
def two_solids_of_which_one_is_gone_on_a_slice() -> Tables:
    labels = np.zeros((5, 16, 20), np.int64)
    for frame in range(5):
        labels[frame, 3:8, 5 + frame % 2 : 12] = 1
        labels[frame, 10:15, 3:9] = 2
    labels[2][labels[2] == 1] = 0
    return measured("SEG358", labels, kind="volume")


@scene("SEG317")
def objects_that_begin_at_the_corner() -> Tables:
    labels = np.zeros((5, 60, 80), np.int64)
    for image in range(5):
        labels[image, :9, : 10 + image] = 1
        labels[image, 20:30, 50 + image : 60] = 2
    labels[3:] = np.where(labels[3:] == 2, 0, labels[3:])
    return measure_source(recategorised_all(np.repeat(labels, 2, axis=0)), find_rule("SEG317").needs, jobs=1)


@scene("SEG317")
def images_with_all_labels_in_a_quarter() -> Tables:
    labels = np.zeros((42, 40, 60), np.int64)
    for image, pixels in enumerate(labels):
        inside = image % 3 != 0
        pixels[3 + image % 8 : 12 + image % 8, 4 : 10 + image % 20] = 1
        pixels[2:6, 20:30] = 2
        if not inside:
            pixels[25:36, 31 + image % 10 : 55] = 3
    return measure_source(recategorised_all(labels), find_rule("SEG317").needs, jobs=1)


@scene("SEG318")
def windows_under_each_others_names() -> Tables:
    data = images(lambda k, places: exchange(places, "window_l", "window_r") if k in (5, 11) else places)
    return measure_source(data.source, find_rule("SEG318").needs, profile=data.profile, jobs=1)


@scene("SEG356")
def frames_of_which_most_have_no_known_size() -> Tables:
    dataset = sequence_dataset(np.ones((9, 10, 10), np.int64))
    batch = dataset.batch
    sizes = batch.images.set_column(batch.images.column_names.index("width"), "width", [[0] * 8 + [10]])
    changed = Batch(sizes.cast(batch.images.schema), batch.annotations, batch.segments, batch.runs)
    return measure_source(replace(dataset, batch=changed), find_rule("SEG356").needs, jobs=1)


@scene("SEG310")
def annotators_of_too_few_images() -> Tables:
    return drifting(Habit(grows=1.8, misses=0.45), 4)


@scene("SEG102")
def many_pairs_under_a_habit() -> Tables:
    text = "aaxxbbb\naaxabbb\n.......\nccyyydd\n\nx = a + b\ny = c + d\na, b, c, d: car\noverlap: forbid (habit)"
    return picture("SEG102", text)


@scene("SEG302", min_per_stratum=2)
def seven_cameras_with_an_image_each() -> Tables:
    cameras = [f"c{image}" for image in range(7)] + ["z"] * 9
    return by_camera(with_splits(counts([[1, 1, 0, 0]] * 16), [None] * 16, camera=cameras))


@scene("SEG110")
def segments_in_around_and_beside_holes() -> Tables:
    rows = ["aaaaaaaaaa.bbbbb", "a...aa..aa.b...b", "a.c.aaddaa.b.ebb", "a...aaddaa.bbbbb", "aaaaaaaaaa.fff.g"]
    return picture("SEG110", "\n".join(rows) + "\n\na, b, c, d, e, f, g: cell")


@scene("SEG304")
def frames_of_one_video_in_two_splits() -> Tables:
    tables = alike_images(4)
    images = tables.images.beside(sequence=np.array(["film", "film", "other", None], object))
    alike = {"image": [1, 2, 3], "of": [0, 1, 2], "same": [0, 0, 0], "bits": [4, 5, 6]}
    nothing = {name: np.zeros(0) for name in ("image", "of", "how", "share", "correlation")}
    columns = {name: np.array(values) for name, values in alike.items()}
    return with_tables(replace(tables, images=images), alike=Table(columns), altered=Table(nothing))
