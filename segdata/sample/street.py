"""What stands still: sky, ground, houses, trees, hedges, fences, posts and wires."""

import numpy as np

from segdata.sample.canvas import Canvas, Colour, scaled
from segdata.sample.taxonomy import BUILDING, FENCE, POLE, ROAD, SIDEWALK, SKY, VEGETATION, VOID
from segdata.sample.view import View, box, circle

FAR = 150.0
NEAR = 2.2
KERB = 4.2
PAVED = 6.8
FACADE = 9.0

PLASTERS: tuple[Colour, ...] = (
    (196, 158, 122),
    (178, 98, 80),
    (214, 198, 160),
    (150, 150, 158),
    (190, 172, 178),
    (138, 112, 92),
)
GREENS: tuple[Colour, ...] = ((58, 92, 40), (74, 104, 44), (48, 84, 48), (88, 108, 52))


def draw_sky(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    """A gradient from deep to pale with clouds, over the whole frame."""
    height = canvas.label.shape[0]
    deep, pale = np.array([(86, 132, 196), (206, 222, 236)], np.float32) * np.float32(rng.uniform(0.92, 1.05))
    ramp = np.clip(np.linspace(0, height / (view.horizon * 2), height, dtype=np.float32), 0, 1)[:, None, None]
    cloud = np.clip(canvas.surfaces["cloud"] * np.float32(0.9) + np.float32(rng.uniform(-0.3, 0.4)), 0, 1)[..., None]
    canvas.rgb[:] = (deep * (1 - ramp) + pale * ramp) * (1 - cloud * np.float32(0.7)) + cloud * np.float32(0.7 * 238)
    canvas.label[:] = canvas.segment(SKY)


def draw_ground(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    """Hills at the horizon, grass, sidewalks with kerbs, and a marked road."""
    green = canvas.segment(VEGETATION)
    across = np.linspace(0, view.width, 40)
    crest = view.horizon - 8 - 7 * np.sin(across / view.width * 7 + rng.uniform(0, 6)) - rng.uniform(0, 4, 40)
    hills = np.stack([np.r_[across, view.width, 0], np.r_[crest, view.height, view.height]], axis=-1)
    canvas.fill([hills], (92, 116, 84), green, surface="leaf", rough=12)
    canvas.fill(
        [view.project([-90, 90, 90, -90], 0, [FAR, FAR, NEAR, NEAR])], (104, 128, 62), green, surface="leaf", rough=20
    )
    for side in (-1, 1):
        strip = view.project([side * KERB, side * PAVED, side * PAVED, side * KERB], 0, [FAR, FAR, NEAR, NEAR])
        canvas.fill([strip], (168, 160, 152), canvas.segment(SIDEWALK), surface="slab", rough=13)
    lane = [view.project([-KERB, KERB, KERB, -KERB], 0, [FAR, FAR, NEAR, NEAR])]
    canvas.fill(lane, (92, 92, 98), canvas.segment(ROAD), surface="asphalt", rough=14)
    for side in (-1, 1):
        edge = view.project(side * np.array([KERB, KERB + 0.25, KERB + 0.25, KERB]), 0, [FAR, FAR, NEAR, NEAR])
        canvas.fill([edge], (196, 192, 184), canvas.segment(SIDEWALK))
    for z in np.arange(3, 70, 6) + rng.uniform(0, 3):
        dash = view.project([-0.09, 0.09, 0.09, -0.09], 0, [z + 2.6, z + 2.6, z, z])
        canvas.fill([dash], (226, 224, 210))
    if rng.random() < 0.4:
        for x in np.arange(-3.7, 3.7, 1.0):
            canvas.fill([view.project([x, x + 0.5, x + 0.5, x], 0, [9.5, 9.5, 7.2, 7.2])], (222, 222, 214), rough=16)


def draw_house(canvas: Canvas, view: View, rng: np.random.Generator, side: int, near: float, far: float) -> None:
    """A house along the street from `near` to `far` metres: one wall along the street, one facing the camera."""
    label, colour = canvas.segment(BUILDING), PLASTERS[rng.integers(len(PLASTERS))]
    floors = int(rng.integers(2, 5))
    top, wall = 3.1 * floors + 0.6, side * FACADE
    canvas.fill(
        [view.project([wall, side * 26, side * 26, wall], [0, 0, top, top], near)], scaled(colour, 0.74), label,
        surface="plaster", rough=14,
    )  # fmt: skip
    canvas.fill(
        [view.project(wall, [0, 0, top, top], [near, far, far, near])], colour, label, surface="plaster", rough=14
    )
    canvas.fill([view.project(wall, [top - 0.5, top - 0.5, top, top], [near, far, far, near])], scaled(colour, 0.55))
    for floor in range(floors):
        for z in np.arange(near + 1.2, far - 1.5, 3.0):
            _window(canvas, view, view.project(wall, *_pane(floor, z)))
        for x in np.arange(FACADE + 1.4, 22, 3.2):
            span, up = side * np.array([x, x + 1.3, x + 1.3, x]), 3.1 * floor + np.array([1.0, 1.0, 2.5, 2.5])
            _window(canvas, view, view.project(span, up, near))


def _pane(floor: int, z: float) -> tuple[list[float], list[float]]:
    low, high = 3.1 * floor + 1.0, 3.1 * floor + 2.5
    return [low, low, high, high], [z, z + 1.3, z + 1.3, z]


def _window(canvas: Canvas, view: View, pane: np.ndarray) -> None:
    middle = pane.mean(axis=0)
    if np.ptp(pane[:, 0]) < 1.5 or not (-20 < middle[0] < view.width + 20 and middle[1] > -20):
        return
    canvas.fill([middle + (pane - middle) * 1.22], (222, 214, 200))
    canvas.fill([pane], (58, 72, 88), fade=-0.5)


def draw_tree(canvas: Canvas, view: View, rng: np.random.Generator, x: float, z: float) -> None:
    """A trunk and a crown of overlapping clumps, lit from above."""
    label, green = canvas.segment(VEGETATION), GREENS[rng.integers(len(GREENS))]
    height, spread = rng.uniform(4.5, 6.5), rng.uniform(1.2, 1.9)
    canvas.fill([view.board(x, z, [(-0.16, 0), (0.16, 0), (0.1, height - 1), (-0.1, height - 1)])], (86, 66, 48), label)
    clumps = [
        (rng.normal(0, spread * 0.5), height + rng.normal(0, spread * 0.4), rng.uniform(0.5, 0.8) * spread)
        for _ in range(9)
    ]
    for shift, light in ((0.0, 0.8), (0.28, 1.15)):
        for right, up, radius in clumps:
            ring = circle(right, up + shift, radius * (1 - shift), 18)
            ring *= 1 + 0.03 * np.sin(np.arange(18) * 4.7)[:, None]
            canvas.fill([view.board(x, z, ring)], scaled(green, light), label, surface="leaf", rough=26)


def draw_fence(canvas: Canvas, view: View, x: float, near: float, far: float) -> None:
    """Bars and two rails along the street; what is behind shows between them."""
    label, colour = canvas.segment(FENCE), (120, 84, 58)
    for z in np.arange(far, near, -1.1):
        canvas.fill([_at_least(view.board(x, z, box(-0.09, 0, 0.09, 1.25)), 2.4)], colour, label)
    for low in (0.3, 0.95):
        rail = view.project(x, [low, low, low + 0.14, low + 0.14], [near, far, far, near])
        canvas.fill([rail], scaled(colour, 1.15), label)


def draw_lamp(canvas: Canvas, view: View, x: float, z: float, height: float = 6.0) -> None:
    """A post with an arm and a lamp, never thinner than three pixels."""
    label, side = canvas.segment(POLE), -np.sign(x) if x else 1.0
    half = max(0.08, 1.5 * z / view.focal)
    canvas.fill([view.board(x, z, box(-half, 0, half, height))], (112, 116, 118), label, fade=0.15)
    left, right = sorted((0.0, 0.9 * float(side)))
    canvas.fill([view.board(x, z, box(left, height - half, right, height + half))], (104, 108, 112), label)
    canvas.fill(
        [view.board(x + 0.9 * side, z, circle(0, height, max(0.22, 2 * half), 12, 1.6))], (208, 206, 188), label
    )
    canvas.shade(view.board(x, z, circle(0.25, 0.03, 0.12, 12, 4.0)), 0.3, 1.0)


def draw_wire(canvas: Canvas, view: View, side: int, up: float) -> None:
    """A sagging wire along the street, about two pixels thick."""
    z = np.linspace(3.2, 34, 40)
    sag = up - 0.5 * np.sin(np.pi * ((z - 3.2) % 12) / 12)
    line = view.project(side * (PAVED + 0.2), sag, z)
    half = np.array([0, 1.1])
    canvas.fill([np.concatenate([line - half, line[::-1] + half])], (52, 52, 58), canvas.segment(POLE))


def draw_puddle(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    """A mirror of the sky on wet road: nobody can say what it shows, so it is void."""
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    reach = 1 + 0.16 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.12 * np.sin(3 * angle + rng.uniform(0, 6))
    x, z = rng.uniform(-1.5, 1.5), rng.uniform(6.5, 9)
    ring = view.project(x + 1.3 * reach * np.cos(angle), 0, z + 1.1 * reach * np.sin(angle))
    canvas.fill([ring], (150, 166, 186), canvas.segment(VOID), surface="cloud", rough=20, fade=0.35)


def draw_haze(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    """A bright veil over the end of the street, where things melt into each other: void."""
    ring = circle(view.vanish_x, view.horizon - 2, rng.uniform(9, 13), 28, 1.7)
    canvas.veil(ring, (222, 220, 212), 0.95, 3.0)
    canvas.assign(ring, canvas.segment(VOID))


def _at_least(ring: np.ndarray, pixels: float) -> np.ndarray:
    """The ring, widened about its middle where it is narrower than some pixels."""
    wide = np.ptp(ring[:, 0])
    middle = ring[:, 0].mean()
    return np.stack([middle + (ring[:, 0] - middle) * max(1.0, pixels / max(wide, 1e-6)), ring[:, 1]], axis=-1)
