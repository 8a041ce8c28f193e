"""Defects of videos and volumes, planted."""

# ruff: noqa: D103 - the decorator says what each function plants

import numpy as np

from benchmarks.defects.planting import Array, Copy, defect

# What trackers do.


@defect("two tracks exchange their ids for good", "tracker", "files", "osvos", "rvos")
def id_switch(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[12:], lambda v: np.where(v == 1, 2, np.where(v == 2, 1, v)))


@defect("two tracks exchange their ids for 3 frames", "tracker", "files", "osvos", "rvos")
def brief_switch(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[12:15], lambda v: np.where(v == 1, 2, np.where(v == 2, 1, v)))


@defect("all tracks get new ids in the middle", "tracker", "files", "osvos", "rvos")
def restarted(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[12:], lambda v: np.where(v > 0, v + 30, 0))


@defect("one track gets a new id in the middle", "tracker", "files", "osvos", "rvos")
def new_id(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[12:], lambda v: np.where(v == 2, 50, v))


@defect("a track missing in every other frame", "tracker", "files", "osvos")
def alternate(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[1::2], lambda v: np.where(v == 2, 0, v))


@defect("a track missing for 4 frames", "tracker", "files", "osvos")
def missing_4(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[10:14], lambda v: np.where(v == 2, 0, v))


@defect("the labels of a frame repeated on the next", "tracker", "files", "osvos", "rvos", "camseq")
def repeated(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    copy.put(paths[9], copy.array(paths[8]))


@defect("labels frozen for 5 frames", "tracker", "files", "osvos", "camseq")
def frozen(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    for path in paths[9:14]:
        copy.put(path, copy.array(paths[8]))


@defect("one track frozen for 6 frames while others move", "tracker", "files", "osvos")
def frozen_track(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    still = copy.array(paths[8]) == 2
    copy.relabel(paths[9:15], lambda v: np.where(still, 2, np.where(v == 2, 0, v)))


@defect("a track that slides off its object", "tracker", "pictures", "osvos")
def sliding(copy: Copy, rng: np.random.Generator) -> None:
    for k, path in enumerate(copy.frames()[12:]):
        values = copy.array(path)
        moved = np.roll(values == 2, 4 * k, 1)
        copy.put(path, np.where(moved, 2, np.where(values == 2, 0, values)))


@defect("two neighbouring frames exchanged", "tracker", "files", "osvos", "rvos", "camseq")
def neighbours(copy: Copy, rng: np.random.Generator) -> None:
    a, b = copy.frames()[8:10]
    one, other = copy.array(a), copy.array(b)
    copy.put(a, other)
    copy.put(b, one)


@defect("the labels of the second half in reverse", "tracker", "files", "osvos", "camseq")
def reversed_half(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    paths = paths[len(paths) // 2 :]
    arrays = [copy.array(path) for path in paths]
    for path, values in zip(paths, arrays[::-1], strict=True):
        copy.put(path, values)


@defect("a frame's file lost", "tracker", "files", "osvos", "rvos")
def lost_frame(copy: Copy, rng: np.random.Generator) -> None:
    copy.frames()[10].unlink()


@defect("a piece of one track with the id of another", "tracker", "files", "osvos", "rvos")
def swallowed(copy: Copy, rng: np.random.Generator) -> None:
    def change(values: Array) -> Array:
        values = values.copy()
        rows = np.flatnonzero((values == 2).any(1))
        part = np.zeros(values.shape, bool)
        part[rows[: len(rows) // 2]] = True
        values[part & (values == 2)] = 1
        return values

    copy.relabel(copy.frames()[10:11], change)


@defect("a ghost that stays where an object was", "tracker", "files", "osvos")
def ghost(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    where = copy.array(paths[0]) == 1
    copy.relabel(paths, lambda v: np.where(where & (v == 0), 9, v))


# What volumes suffer.


@defect("two slices exchanged", "volume", "files", "tissue", "spleen")
def slices_exchanged(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: v[:, :, [k if k not in (a, b) else a + b - k for k in range(v.shape[2])]]
                  if (a := v.shape[2] // 2) and (b := a + 1) else v)  # fmt: skip


@defect("the slices in reverse", "volume", "pictures", "spleen")
def slices_reversed(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: v[:, :, ::-1])


@defect("one slice mirrored", "volume", "files", "spleen", "tissue")
def slice_mirrored(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        v = v.copy()
        v[:, :, v.shape[2] // 2] = v[:, ::-1, v.shape[2] // 2]
        return v

    copy.change_volume(change)


@defect("one slice blank", "volume", "files", "spleen")
def slice_blank(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        v = v.copy()
        v[:, :, v.shape[2] // 2] = 0
        return v

    copy.change_volume(change)


@defect("every other slice without labels", "volume", "files", "spleen")
def slices_alternate(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        v = v.copy()
        v[:, :, ::2] = 0
        return v

    copy.change_volume(change)


@defect("labels with an identity affine", "volume", "files", "spleen")
def identity(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: v, affine=np.eye(4))


@defect("labels of fractions", "volume", "files", "spleen")
def fractions(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: (v + np.roll(v, 1, 0)) / 2.0)


@defect("a label volume mirrored in its header", "volume", "pictures", "spleen")
def header_mirrored(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: v[::-1])


@defect("a label volume of fewer slices", "volume", "files", "spleen")
def fewer(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: v[:, :, :-1])


@defect("the labels one slice up", "volume", "pictures", "spleen", "tissue")
def slice_offset(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: np.roll(v, 1, 2))


@defect("negative values", "volume", "files", "spleen")
def negative(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: np.where(v > 0, -1, 0).astype(np.int16))


@defect("a stray blob far from the organ", "volume", "files", "spleen")
def blob(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        v = v.copy()
        v[20:26, 20:26, 3:5] = 1
        return v

    copy.change_volume(change)
