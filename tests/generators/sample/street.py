"""What stands and moves in the sample street: sky, ground, houses, trees, fences, vehicles, people and signs."""

import numpy as np

from tests.generators.sample.canvas import Canvas, Colour, Points, StreetObject, View, box, circle, scale_colour
from tests.generators.sample.taxonomy import (
    BUILDING,
    BUS,
    CAR,
    FENCE,
    PERSON,
    POLE,
    ROAD,
    SIDEWALK,
    SIGN,
    SKY,
    VEGETATION,
    VOID,
)

FAR = 150.0
NEAR = 2.2
KERB = 4.2
PAVED = 6.8
_FACADE = 9.0

_PLASTERS: tuple[Colour, ...] = (
    (196, 158, 122),
    (178, 98, 80),
    (214, 198, 160),
    (150, 150, 158),
    (190, 172, 178),
    (138, 112, 92),
)
_GREENS: tuple[Colour, ...] = ((58, 92, 40), (74, 104, 44), (48, 84, 48), (88, 108, 52))


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
    label, colour = canvas.segment(BUILDING), _PLASTERS[rng.integers(len(_PLASTERS))]
    floors = int(rng.integers(2, 5))
    top, wall = 3.1 * floors + 0.6, side * _FACADE
    canvas.fill(
        [view.project([wall, side * 26, side * 26, wall], [0, 0, top, top], near)], scale_colour(colour, 0.74), label,
        surface="plaster", rough=14,
    )  # fmt: skip
    canvas.fill(
        [view.project(wall, [0, 0, top, top], [near, far, far, near])], colour, label, surface="plaster", rough=14
    )
    canvas.fill(
        [view.project(wall, [top - 0.5, top - 0.5, top, top], [near, far, far, near])], scale_colour(colour, 0.55)
    )
    for floor in range(floors):
        for z in np.arange(near + 1.2, far - 1.5, 3.0):
            _window(canvas, view, view.project(wall, *_pane(floor, z)))
        for x in np.arange(_FACADE + 1.4, 22, 3.2):
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
    label, green = canvas.segment(VEGETATION), _GREENS[rng.integers(len(_GREENS))]
    height, spread = rng.uniform(4.5, 6.5), rng.uniform(1.2, 1.9)
    canvas.fill([view.board(x, z, [(-0.16, 0), (0.16, 0), (0.1, height - 1), (-0.1, height - 1)])], (86, 66, 48), label)
    clumps = [
        (rng.normal(0, spread * 0.5), height + rng.normal(0, spread * 0.4), rng.uniform(0.5, 0.8) * spread)
        for _ in range(9)
    ]
    for shift, light in ((0.0, 0.8), (0.28, 1.15)):
        for shift_right, up, radius in clumps:
            ring = circle(shift_right, up + shift, radius * (1 - shift), 18)
            ring *= 1 + 0.03 * np.sin(np.arange(18) * 4.7)[:, None]
            canvas.fill([view.board(x, z, ring)], scale_colour(green, light), label, surface="leaf", rough=26)


def draw_fence(canvas: Canvas, view: View, x: float, near: float, far: float) -> None:
    """Bars and two rails along the street; what is behind shows between them."""
    label, colour = canvas.segment(FENCE), (120, 84, 58)
    for z in np.arange(far, near, -1.1):
        canvas.fill([_at_least(view.board(x, z, box(-0.09, 0, 0.09, 1.25)), 2.4)], colour, label)
    for low in (0.3, 0.95):
        rail = view.project(x, [low, low, low + 0.14, low + 0.14], [near, far, far, near])
        canvas.fill([rail], scale_colour(colour, 1.15), label)


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
    """A mirror image of the sky on wet road, which is void."""
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


_PAINTS: tuple[Colour, ...] = (
    (176, 32, 36), (34, 66, 140), (224, 224, 226), (52, 54, 60),
    (40, 104, 78), (206, 150, 30), (150, 154, 160), (110, 40, 90),
)  # fmt: skip
_GLASS: Colour = (46, 60, 74)
_TYRE: Colour = (26, 26, 28)

# Outlines in metres, (right, up), of vehicles that face right.
_HULL = np.array(
    [
        (-2.1, 0.3), (2.1, 0.3), (2.15, 0.72), (1.95, 0.9), (1.1, 0.98), (0.55, 1.42), (-0.85, 1.45), (-1.6, 0.98),
        (-2.1, 0.9),
    ]
)  # fmt: skip
_PANES = (
    np.array([(0.05, 0.98), (0.85, 0.98), (0.42, 1.34), (0.05, 1.35)]),
    np.array([(-0.07, 0.98), (-1.2, 0.98), (-0.8, 1.36), (-0.07, 1.36)]),
)
_BUS_HULL = np.array([(-4, 0.35), (4, 0.35), (4.05, 1.5), (3.85, 2.75), (3.6, 2.9), (-3.9, 2.9), (-4, 2.75)])


def draw_car_side(canvas: Canvas, view: View, actor: StreetObject, rng: np.random.Generator) -> None:
    """A car from its side; two in three have open windows, through which the street is seen."""
    label, paint = canvas.segment(CAR, actor.track), _PAINTS[rng.integers(len(_PAINTS))]
    turn = np.array([actor.facing, 1.0])
    canvas.shade(view.board(actor.x, actor.z, circle(0, 0.06, 0.2, 20, 11)), 0.55, 1.5)
    open_windows = rng.random() < 0.67

    def seen(outline: Points) -> Points:
        return view.board(actor.x, actor.z, outline * turn)

    cut = [seen(pane) for pane in _PANES] if open_windows else []
    canvas.fill([seen(_HULL), *cut], paint, label, fade=0.35)
    for pane in [] if open_windows else _PANES:
        canvas.fill([seen(pane)], _GLASS, fade=-0.4)
    for x in (-1.3, 1.3):
        canvas.fill([seen(circle(x, 0.33, 0.34))], _TYRE, label)
        canvas.fill([seen(circle(x, 0.33, 0.17))], (150, 150, 154))
    canvas.fill([seen(box(1.95, 0.66, 2.13, 0.82))], (250, 240, 200))
    canvas.fill([seen(box(-2.1, 0.7, -1.95, 0.85))], (190, 20, 20))
    canvas.fill([seen(box(-2.1, 0.52, 2.13, 0.56))], scale_colour(paint, 0.6))


def draw_car_back(canvas: Canvas, view: View, actor: StreetObject, rng: np.random.Generator) -> None:
    """A car from behind (or from the front), with the flank that the camera can see."""
    label, paint = canvas.segment(CAR, actor.track), _PAINTS[rng.integers(len(_PAINTS))]
    body = np.array([(-.88, .28), (.88, .28), (.9, .8), (.82, .95), (-.82, .95), (-.9, .8)])  # fmt: skip
    cabin = np.array([(-.8, .9), (.8, .9), (.62, 1.45), (-.62, 1.45)])  # fmt: skip
    near, far = actor.z, actor.z + 3.9
    canvas.shade(view.project(actor.x + np.array([-1, 1, 1, -1]), 0.02, [near, near, far, far]), 0.55, 1.5)
    for z in (far, near):
        for x in (-0.72, 0.72):
            canvas.fill([view.board(actor.x, z, box(x - 0.13, 0, x + 0.13, 0.4))], _TYRE, label)
    flank = np.concatenate([view.board(actor.x, near, body), view.board(actor.x, far, body * (1, 0.92))])
    canvas.fill([_hull(flank)], scale_colour(paint, 0.62), label)
    roof = np.concatenate([view.board(actor.x, near + 0.4, cabin), view.board(actor.x, near + 2.7, cabin)])
    canvas.fill([_hull(roof)], scale_colour(paint, 0.8), label)
    canvas.fill([view.board(actor.x, near + 0.2, cabin)], paint, label)
    canvas.fill([view.board(actor.x, near + 0.15, cabin * (0.86, 0.86) + (0, 0.15))], _GLASS, fade=-0.5)
    canvas.fill([view.board(actor.x, near, body)], paint, label, fade=0.3)
    lamp: Colour = (196, 24, 24) if actor.facing > 0 else (252, 246, 214)
    for x in (-0.72, 0.72):
        canvas.fill([view.board(actor.x, near, box(x - 0.14, 0.66, x + 0.14, 0.82))], lamp)
    canvas.fill([view.board(actor.x, near, box(-0.26, 0.45, 0.26, 0.58))], (232, 230, 214))


def draw_bus(canvas: Canvas, view: View, actor: StreetObject, rng: np.random.Generator) -> None:
    """A bus from its side, with a row of tinted windows."""
    label, paint = canvas.segment(BUS, actor.track), ((214, 170, 34), (190, 44, 40), (56, 120, 168))[rng.integers(3)]
    canvas.shade(view.board(actor.x, actor.z, circle(0, 0.08, 0.25, 20, 17)), 0.55, 2)

    def seen(outline: Points) -> Points:
        return view.board(actor.x, actor.z, outline * (actor.facing, 1))

    canvas.fill([seen(_BUS_HULL)], paint, label, fade=0.3)
    for x in np.arange(-3.7, 2.4, 1.05):
        canvas.fill([seen(box(x, 1.45, x + 0.92, 2.4))], (40, 52, 66), fade=-0.6)
    canvas.fill([seen(box(2.75, 0.5, 3.5, 2.4))], (58, 70, 82), fade=-0.4)
    canvas.fill([seen(box(-4, 0.95, 2.7, 1.12))], (236, 236, 230))
    for x in (-2.5, 2.1):
        canvas.fill([seen(circle(x, 0.45, 0.46))], _TYRE, label)
        canvas.fill([seen(circle(x, 0.45, 0.2))], (140, 140, 144))


def _hull(points: Points) -> Points:
    order = np.lexsort((points[:, 1], points[:, 0]))
    lower, upper = _chain(points[order]), _chain(points[order[::-1]])
    return np.array(lower[:-1] + upper[:-1])


def _chain(points: Points) -> list[Points]:
    chain: list[Points] = []
    for point in points:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: Points, b: Points, c: Points) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


_CLOTHES: tuple[Colour, ...] = (
    (196, 44, 52), (40, 74, 160), (230, 196, 60), (60, 60, 66),
    (220, 220, 216), (64, 132, 92), (150, 84, 150), (226, 122, 44),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = ((44, 54, 84), (60, 56, 54), (112, 98, 80), (34, 34, 38))
_SKINS: tuple[Colour, ...] = ((232, 190, 160), (198, 146, 110), (140, 94, 66), (92, 62, 46))

# Outlines in metres, (right, up), of a person of 1.8 m who faces right.
_TORSO = [(-0.2, 0.85), (0.2, 0.85), (0.24, 1.4), (0.12, 1.52), (-0.12, 1.52), (-0.24, 1.4)]
_HAIR = [(-0.12, 1.6), (-0.1, 1.74), (0, 1.81), (0.1, 1.76), (0.13, 1.68), (-0.02, 1.7)]


def draw_person(canvas: Canvas, view: View, actor: StreetObject, rng: np.random.Generator) -> None:
    """A person: legs in stride, coat, arms, head with hair, sometimes a bag."""
    label, z = canvas.segment(PERSON, actor.track), actor.z
    tall, coat, legs = (
        rng.uniform(0.92, 1.06),
        _CLOTHES[rng.integers(len(_CLOTHES))],
        _TROUSERS[rng.integers(len(_TROUSERS))],
    )
    skin, hair, bag = (
        _SKINS[rng.integers(len(_SKINS))],
        (50, 36, 26) if rng.random() < 0.7 else (180, 146, 84),
        rng.random() < 0.4,
    )

    def seen(outline: object) -> Points:
        return view.board(actor.x, z, np.asarray(outline, dtype=float) * (actor.facing * tall * 1.15, tall))

    canvas.shade(seen(circle(0.1, 0.03, 0.07, 16, 6)), 0.5, 1.0)
    step = 0.26 * np.sin(actor.stride)
    for foot, tone in ((-step, 0.75), (step, 1.0)):
        leg = [(-0.14, 0.92), (0.14, 0.92), (foot + 0.1, 0.06), (foot - 0.1, 0.06)]
        canvas.fill([seen(leg)], scale_colour(legs, tone), label)
        canvas.fill([seen(box(foot - 0.1, 0, foot + 0.17, 0.09))], (30, 26, 24), label)
    swing = 0.2 * np.sin(actor.stride)
    far_arm = [(-0.06, 1.45), (0.1, 1.45), (swing + 0.07, 0.84), (swing - 0.07, 0.84)]
    near_arm = [(-0.1, 1.42), (0.06, 1.42), (0.05 - swing, 0.86), (-0.09 - swing, 0.86)]
    canvas.fill([seen(far_arm)], scale_colour(coat, 0.7), label)
    canvas.fill([seen(_TORSO)], coat, label, fade=0.25)
    canvas.fill([seen(near_arm)], scale_colour(coat, 0.86), label)
    if bag:
        canvas.fill([seen(box(-0.3 - swing, 0.6, 0.02 - swing, 0.9))], (124, 74, 40), label)
    canvas.fill([seen(box(-0.07, 1.45, 0.07, 1.58))], skin, label)
    canvas.fill([seen(circle(0.02, 1.64, 0.15, 16, 0.8))], skin, label)
    canvas.fill([seen(_HAIR)], hair, label)


def draw_crowd(canvas: Canvas, view: View, actor: StreetObject, rng: np.random.Generator) -> None:
    """A distant group whose people cannot be told apart: one crowd segment."""
    label = canvas.segment(PERSON, actor.track, crowd=True)
    for x in np.sort(rng.uniform(-2.4, 2.4, 26)):
        coat, tall = scale_colour(_CLOTHES[rng.integers(len(_CLOTHES))], 0.8), rng.uniform(1.45, 1.85)
        canvas.fill([view.board(actor.x + x, actor.z, box(-0.3, 0, 0.3, tall * 0.5))], (58, 54, 56), label)
        canvas.fill([view.board(actor.x + x, actor.z, box(-0.3, tall * 0.45, 0.3, tall * 0.86))], coat, label)
        canvas.fill([view.board(actor.x + x, actor.z, circle(0, tall * 0.92, 0.19, 12))], (204, 160, 130), label)


def draw_sign(canvas: Canvas, view: View, actor: StreetObject, rng: np.random.Generator) -> None:
    """A sign on a post: a red-rimmed disc, a warning triangle, a tilted square, or a ring that one sees through."""
    label, z = canvas.segment(SIGN, actor.track), actor.z
    half, up, radius = max(0.05, 1.4 * z / view.focal), 2.5, 0.48

    def seen(outline: Points) -> Points:
        return view.board(actor.x, z, outline + np.array([0, up]))

    canvas.fill([view.board(actor.x, z, box(-half, 0, half, up))], (128, 130, 132), canvas.segment(POLE))
    shape = ("disc", "triangle", "square", "ring")[rng.integers(4)]
    if shape == "ring":
        canvas.fill([seen(circle(0, 0.2, radius * 1.2)), seen(circle(0, 0.2, radius * 0.72))], (206, 30, 34), label)
        return
    ring = {
        "disc": circle(0, 0, radius),
        "triangle": circle(0, 0, radius * 1.25, 3),
        "square": circle(0, 0, radius * 1.2, 4),
    }[shape]
    if shape == "triangle":
        ring = ring[:, ::-1]
    field: Colour = (250, 196, 36) if shape == "square" else (240, 240, 236)
    canvas.fill([seen(ring)], (204, 26, 32) if shape != "square" else (240, 240, 236), label)
    canvas.fill([seen(ring * 0.68)], field)
    canvas.fill(
        [seen(box(-0.22, -0.07, 0.22, 0.07) if shape == "disc" else box(-0.05, -0.15, 0.05, 0.2))], (36, 36, 40)
    )
