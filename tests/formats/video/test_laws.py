"""The law of every format, for those of videos; and tracks that survive every way from one to another."""

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from segdata import convert, read
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.format import Format, find_format
from segdata.core.losses import LossCounter
from segdata.core.profile import ImageSequence, Policy, Profile
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.store.canonical import write as write_canonical
from segdata.testing.pictures import masks_of_runs, runs_of_masks
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import VIDEO_TAXONOMY, datasets, videos

Film = tuple[Profile, list[Batch]]
FORMATS = {
    "cvat video": ("cvat", {"layout": "video"}),
    "davis": ("davis", {}),
    "kitti-step": ("kitti-step", {}),
    "mots": ("mots", {}),
    "mots txt": ("mots", {"layout": "txt"}),
    "youtube-vis": ("youtube-vis", {}),
}
each_format = pytest.mark.parametrize("name", FORMATS)


def format_of(name: str) -> Format:
    """A format whose writer has the options."""
    of, options = FORMATS[name]
    found = find_format(of)
    assert found.write is not None
    return replace(found, write=partial(found.write, **options))


def one_void(dataset: Film) -> bool:
    """Masks have one value for void, whatever its categories are called."""
    return len(dataset[0].taxonomy.void_ids) <= 1


@each_format
@settings(max_examples=15)
@given(dataset=datasets().filter(one_void))
def test_only_what_was_counted_is_lost(tmp_path_factory: pytest.TempPathFactory, name: str, dataset: Film) -> None:
    assert_round_trip(format_of(name), *dataset, tmp_path_factory.mktemp("law"))


@each_format
@settings(max_examples=15)
@given(film=videos())
def test_of_videos_too(tmp_path_factory: pytest.TempPathFactory, name: str, film: Film) -> None:
    losses = assert_round_trip(format_of(name), *film, tmp_path_factory.mktemp("law"))
    assert "image-details" not in {loss.kind for loss in losses.listed()}, "sequence, frame and split are held"


@settings(max_examples=15)
@given(film=videos(tracked=True))
def test_youtube_vis_keeps_the_very_tracks(tmp_path_factory: pytest.TempPathFactory, film: Film) -> None:
    losses = assert_round_trip(format_of("youtube-vis"), *film, tmp_path_factory.mktemp("law"))
    assert {loss.kind for loss in losses.listed()} <= {"segment-id", "void"}


def test_tracks_survive_every_way_from_format_to_format(tmp_path: Path) -> None:
    """Numbers may change, which segments are one track may not."""
    write_canonical(*film(), tmp_path / "canonical", LossCounter())
    expected = tracks(tmp_path / "canonical")
    assert len(expected) == 6
    for name, (format, options) in FORMATS.items():
        convert(tmp_path / "canonical", tmp_path / name, to=format, write_options=options)
        convert(tmp_path / name, tmp_path / f"{name} back")
    for a, b in product(FORMATS, FORMATS):
        format, options = FORMATS[b]
        convert(tmp_path / f"{a} back", tmp_path / f"{a} to {b}", to=format, write_options=options)
        found = tracks(tmp_path / f"{a} to {b}")
        # KITTI-STEP's void has no track; CVAT gives it one for each frame.
        assert {track for track in found if len(track) > 1} == expected, f"{a} to {b}"


def test_tracks_of_a_real_video(real_data: Path, tmp_path: Path) -> None:
    """Proposals in the first frames of two videos: from DAVIS to all others, and back."""
    root = real_data / "davis2017_results/rvos"
    few = read(
        root, only=[f"{sequence}/{frame:05d}.png" for sequence in ("dogs-jump", "drift-chicane") for frame in range(3)]
    )
    expected = tracks_of(list(few))
    assert len(expected) == 36
    for name, (format, options) in FORMATS.items():
        convert(few, tmp_path / name, to=format, write_options=options)
        convert(tmp_path / name, tmp_path / f"{name} to davis", to="davis")
        assert tracks(tmp_path / name) == tracks(tmp_path / f"{name} to davis") == expected, name


def film() -> Film:
    """Two videos of the same three track ids; tracks move, leave and return."""
    where = {  # sequence -> track -> the column that it is in, frame by frame
        "0002": {5: [0, 1, 1], 2001: [4, None, 3], 70_000: [None, 5, 5]},
        "b": {5: [3, 3, None], 2001: [None, 0, 1], 70_000: [5, 5, 5]},
    }
    names = [(sequence, frame) for sequence in where for frame in range(3)]
    rows = [
        (image, track, 1 if track == 2001 else 2, columns[frame])
        for image, (sequence, frame) in enumerate(names)
        for track, columns in where[sequence].items()
        if columns[frame] is not None
    ]
    masks = [np.tile(np.arange(6) == column, (4, 1)) for *_, column in rows]
    images = {
        "image_id": [f"{sequence}/{frame:06d}.png" for sequence, frame in names],
        "sequence": [sequence for sequence, _ in names],
        "frame": [frame for _, frame in names],
    }
    size = {"height": [4] * len(names), "width": [6] * len(names)}
    segments = {
        "annotation": [row[0] for row in rows],
        "segment_id": list(range(1, len(rows) + 1)),
        "track_id": [row[1] for row in rows],
        "category_id": [row[2] for row in rows],
    }
    batch = Batch(
        make_table(BATCH_IMAGES, len(names), **images, **size),
        make_table(BATCH_ANNOTATIONS, len(names), image=list(range(len(names)))),
        make_table(BATCH_SEGMENTS, len(rows), iscrowd=[False] * len(rows), **segments),
        runs_of_masks(masks),
    )
    profile = Profile("film", "random", "instance", VIDEO_TAXONOMY, True, Policy("sparse"), Policy("allow"))
    return replace(profile, sequences=(ImageSequence("0002"), ImageSequence("b"))), [batch]


def tracks(root: Path) -> set[frozenset[tuple[str, bytes]]]:
    return tracks_of(list(read(root)))


def tracks_of(batches: list[Batch]) -> set[frozenset[tuple[str, bytes]]]:
    """Every track as the images and pixels of its segments."""
    batch = concatenate_batches(batches)
    found: dict[tuple[str | None, int], set[tuple[str, bytes]]] = {}
    columns = (batch.images[name].to_pylist() for name in ("image_id", "sequence"))
    ids, sequences = columns
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    for row, track in enumerate(batch.segments["track_id"].to_pylist()):
        if track is not None:
            image = int(batch.segment_image[row])
            found.setdefault((sequences[image], track), set()).add((ids[image], np.packbits(masks[row]).tobytes()))
    return set(map(frozenset, found.values()))
