"""A street with depth order, rendered into a picture and its exact label map."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.generators.sample import street
from tests.generators.sample.canvas import OVERSAMPLE, Canvas, Segment, StreetObject, View, surface_textures
from tests.generators.sample.street import draw_bus, draw_car_back, draw_car_side, draw_crowd, draw_person, draw_sign


def remove_small_parts(labels: NDArray[np.int32], min_pixels: int) -> tuple[NDArray[np.int32], list[int]]:
    """Give parts under `min_pixels` to the nearest large part, then number the labels 1, 2, ...

    Takes and returns (height, width) maps, without 0; the list tells which old label each new one was.
    Parts are 4-connected.
    """
    while (loose := small_parts(labels, min_pixels)).any():
        if loose.all():
            raise ValueError(f"no part of the label map has {min_pixels} pixels")
        labels = nearest_label(labels, ~loose)
    old_labels, numbered = np.unique(labels, return_inverse=True)
    return (numbered.reshape(labels.shape) + 1).astype(np.int32), [int(label) for label in old_labels]


def small_parts(labels: NDArray[np.int32], min_pixels: int) -> NDArray[np.bool_]:
    """(height, width) pixels of a label map in 4-connected parts of fewer than `min_pixels` pixels."""
    loose = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        _, parts, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=4)
        small = stats[:, cv2.CC_STAT_AREA] < min_pixels
        small[0] = False
        loose |= small[parts]
    return loose


def nearest_label(labels: NDArray[np.int32], is_kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The map where each pixel outside `is_kept` has the label of the nearest pixel inside."""
    _, nearest = cv2.distanceTransformWithLabels(
        (~is_kept).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    label_of = np.zeros(int(nearest.max()) + 1, np.int32)
    label_of[nearest[is_kept]] = labels[is_kept]
    return np.asarray(label_of[nearest])


_DRAW: dict[str, Callable[[Canvas, View, StreetObject, np.random.Generator], None]] = {
    "car side": draw_car_side, "car back": draw_car_back, "bus": draw_bus,
    "person": draw_person, "crowd": draw_crowd, "sign": draw_sign,
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A camera, the seed of all that stands still, and the moving objects; only `noise_seed` changes between frames."""

    view: View
    seed: int
    actors: tuple[StreetObject, ...]
    noise_seed: int = 0
    lamps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Picture:
    """An image and the segments visible in it.

    `image` is (height, width, 3) uint8; `labels` (height, width) int32, where k > 0 stands for `segments[k - 1]`;
    no pixel is 0, and every segment of the list has pixels.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    segments: tuple[Segment, ...]

    def mask(self, label: int) -> NDArray[np.bool_]:
        """Where a segment is visible, (height, width)."""
        return np.asarray(self.labels == label)


def compose(rng: np.random.Generator, width: int, height: int) -> Scene:
    """A random street of the given size in pixels."""
    view = View(
        width, height, horizon=height * rng.uniform(0.40, 0.47), vanish_x=width * rng.uniform(0.4, 0.6),
        focal=width * rng.uniform(0.8, 0.95), eye=rng.uniform(1.9, 2.5),
    )  # fmt: skip
    actors = [*_traffic(rng), *_people(rng), *_signs(rng)]
    lamps = tuple(
        (float(side * (street.KERB + 0.5)), float(rng.uniform(8, 11)))
        for side in rng.permutation([-1, 1])[: rng.integers(1, 3)]
    )
    tracks = [replace(actor, track=number) for number, actor in enumerate(actors, start=1)]
    return Scene(view, int(rng.integers(2**31)), tuple(tracks), int(rng.integers(2**31)), lamps)


def _street_object(rng: np.random.Generator, kind: str, x: float, z: float) -> StreetObject:
    return StreetObject(kind, x, z, int(rng.integers(2**31)), 0, int(rng.choice([-1, 1])), float(rng.uniform(0.6, 2.4)))


def _traffic(rng: np.random.Generator) -> list[StreetObject]:
    """Cars that cross, cars in lanes, parked cars that touch in the picture, and often a bus."""
    actors = []
    if rng.random() < 0.7:
        x = rng.uniform(-5, 2.0)
        actors += [
            _street_object(rng, "car side", x, 12.5),
            _street_object(rng, "car side", x + rng.uniform(3.2, 4.4), 13.4),
        ]
    for z in np.cumsum(rng.uniform(5.5, 9, 2)) + 10:
        actors.append(_street_object(rng, "car back", float(rng.choice([-1.7, 1.7]) + rng.uniform(-0.3, 0.3)), z))
    actors += [
        _street_object(rng, "car back", float(rng.choice([-1, 1])) * 3.3, z)
        for z in rng.uniform(9, 11) + np.arange(2) * 5.2
    ]
    if rng.random() < 0.55:
        actors.append(_street_object(rng, "bus", rng.uniform(-5, 5), rng.uniform(16, 19)))
    return actors


def _people(rng: np.random.Generator) -> list[StreetObject]:
    """Walkers on both sidewalks, pairs that hide each other, and sometimes a crowd far away."""
    actors = []
    for _ in range(rng.integers(2, 5)):
        x, z = float(rng.choice([-1, 1]) * rng.uniform(4.7, 6.4)), rng.uniform(10, 20)
        actors.append(_street_object(rng, "person", x, z))
        if rng.random() < 0.5:
            actors.append(_street_object(rng, "person", x + rng.uniform(0.25, 0.5), z + 0.4))
    if rng.random() < 0.6:
        actors.append(_street_object(rng, "person", rng.uniform(-3, 3), rng.uniform(7.5, 10)))
    if rng.random() < 0.3:
        actors.append(_street_object(rng, "crowd", float(rng.choice([-5.2, 5.2])), rng.uniform(26, 32)))
    return actors


def _signs(rng: np.random.Generator) -> list[StreetObject]:
    count = rng.integers(1, 4)
    return [
        _street_object(rng, "sign", float(rng.choice([-1, 1]) * rng.uniform(4.5, 5.2)), rng.uniform(7.5, 15))
        for _ in range(count)
    ]


def render(scene: Scene, min_pixels: int = 24) -> Picture:
    """The picture of a scene; visible parts under `min_pixels` are given to what surrounds them."""
    view = scene.view
    height, width = view.height * OVERSAMPLE, view.width * OVERSAMPLE
    rng = np.random.default_rng(scene.seed)
    canvas = Canvas(
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width), np.int32),
        surface_textures(rng, height, width),
    )
    _draw_backdrop(canvas, view, rng)
    standing = [(z, partial(street.draw_lamp, canvas, view, x, z)) for x, z in scene.lamps]
    moving = [(actor.z, partial(_draw_street_object, canvas, view, actor)) for actor in scene.actors]
    for _, draw in sorted(standing + moving, key=lambda item: -item[0]):
        draw()
    labels, old_labels = remove_small_parts(canvas.label[::OVERSAMPLE, ::OVERSAMPLE], min_pixels)
    segments = tuple(canvas.segments[label - 1] for label in old_labels)
    return Picture(_expose(canvas, scene), labels, segments)


def _draw_street_object(canvas: Canvas, view: View, actor: StreetObject) -> None:
    _DRAW[actor.kind](canvas, view, actor, np.random.default_rng(actor.seed))


def _draw_backdrop(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    street.draw_sky(canvas, view, rng)
    street.draw_ground(canvas, view, rng)
    lots = [(side, near) for side in (-1, 1) for near in (54.0, 40.0, 28.0, 17.0)]
    for side, near in sorted(lots, key=lambda lot: -lot[1]):
        far = near + rng.uniform(7, 10)
        if rng.random() < 0.7:
            street.draw_house(canvas, view, rng, side, near, far)
        else:
            for z in np.linspace(far, near, 3):
                street.draw_tree(canvas, view, rng, side * rng.uniform(8.5, 12), z)
    for z in (34.0, 24.0, 14.0):
        for side in (-1, 1):
            if rng.random() < 0.35:
                street.draw_tree(canvas, view, rng, side * (street.PAVED + 0.5), z)
    fenced = rng.permutation([-1, 1])[: 1 + int(rng.random() < 0.4)]
    for side in fenced:
        street.draw_fence(canvas, view, side * (street.PAVED + 0.3), 7.0, 24.0)
    if rng.random() < 0.5:
        street.draw_wire(canvas, view, int(rng.choice([-1, 1])), 6.2)
    if rng.random() < 0.35:
        street.draw_haze(canvas, view, rng)
    if rng.random() < 0.35:
        street.draw_puddle(canvas, view, rng)


def _expose(canvas: Canvas, scene: Scene) -> NDArray[np.uint8]:
    """Light, lens and sensor: warmth, vignette, a slight blur, noise that grows with brightness."""
    rng = np.random.default_rng([scene.seed, 1])
    warm = np.array([rng.uniform(0.97, 1.06), 1.0, rng.uniform(0.92, 1.04)], np.float32) * np.float32(
        rng.uniform(0.86, 1.06)
    )
    small = cv2.resize(canvas.rgb * warm, (scene.view.width, scene.view.height), interpolation=cv2.INTER_AREA)
    rows, columns = np.linspace(-1, 1, small.shape[0])[:, None], np.linspace(-1, 1, small.shape[1])[None, :]
    vignette = (1 - 0.12 * (rows**2 + columns**2))[..., None]
    light = np.asarray(cv2.GaussianBlur(small, (0, 0), 0.45) * vignette)
    noise = np.random.default_rng([scene.seed, scene.noise_seed, 2]).normal(0, 1, light.shape)
    return np.asarray(np.clip(np.round(light + noise * (1.2 + light / 110)), 0, 255), np.uint8)
