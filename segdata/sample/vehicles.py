"""Cars and buses."""

import numpy as np

from segdata.sample.actor import Actor
from segdata.sample.canvas import Canvas, Colour, scaled
from segdata.sample.taxonomy import BUS, CAR
from segdata.sample.view import Points, View, box, circle

PAINTS: tuple[Colour, ...] = (
    (176, 32, 36), (34, 66, 140), (224, 224, 226), (52, 54, 60),
    (40, 104, 78), (206, 150, 30), (150, 154, 160), (110, 40, 90),
)  # fmt: skip
GLASS: Colour = (46, 60, 74)
TYRE: Colour = (26, 26, 28)

# Outlines in metres, (right, up), of vehicles that face right.
HULL = np.array(
    [
        (-2.1, 0.3), (2.1, 0.3), (2.15, 0.72), (1.95, 0.9), (1.1, 0.98), (0.55, 1.42), (-0.85, 1.45), (-1.6, 0.98),
        (-2.1, 0.9),
    ]
)  # fmt: skip
PANES = (
    np.array([(0.05, 0.98), (0.85, 0.98), (0.42, 1.34), (0.05, 1.35)]),
    np.array([(-0.07, 0.98), (-1.2, 0.98), (-0.8, 1.36), (-0.07, 1.36)]),
)
BUS_HULL = np.array([(-4, 0.35), (4, 0.35), (4.05, 1.5), (3.85, 2.75), (3.6, 2.9), (-3.9, 2.9), (-4, 2.75)])


def draw_car_side(canvas: Canvas, view: View, actor: Actor, rng: np.random.Generator) -> None:
    """A car from its side; two in three have open windows, through which the street is seen."""
    label, paint = canvas.segment(CAR, actor.track), PAINTS[rng.integers(len(PAINTS))]
    turn = np.array([actor.facing, 1.0])
    canvas.shade(view.board(actor.x, actor.z, circle(0, 0.06, 0.2, 20, 11)), 0.55, 1.5)
    open_windows = rng.random() < 0.67

    def seen(outline: Points) -> Points:
        return view.board(actor.x, actor.z, outline * turn)

    cut = [seen(pane) for pane in PANES] if open_windows else []
    canvas.fill([seen(HULL), *cut], paint, label, fade=0.35)
    for pane in [] if open_windows else PANES:
        canvas.fill([seen(pane)], GLASS, fade=-0.4)
    for x in (-1.3, 1.3):
        canvas.fill([seen(circle(x, 0.33, 0.34))], TYRE, label)
        canvas.fill([seen(circle(x, 0.33, 0.17))], (150, 150, 154))
    canvas.fill([seen(box(1.95, 0.66, 2.13, 0.82))], (250, 240, 200))
    canvas.fill([seen(box(-2.1, 0.7, -1.95, 0.85))], (190, 20, 20))
    canvas.fill([seen(box(-2.1, 0.52, 2.13, 0.56))], scaled(paint, 0.6))


def draw_car_back(canvas: Canvas, view: View, actor: Actor, rng: np.random.Generator) -> None:
    """A car from behind (or from the front), with the flank that the camera can see."""
    label, paint = canvas.segment(CAR, actor.track), PAINTS[rng.integers(len(PAINTS))]
    body = np.array([(-.88, .28), (.88, .28), (.9, .8), (.82, .95), (-.82, .95), (-.9, .8)])  # fmt: skip
    cabin = np.array([(-.8, .9), (.8, .9), (.62, 1.45), (-.62, 1.45)])  # fmt: skip
    near, far = actor.z, actor.z + 3.9
    canvas.shade(view.project(actor.x + np.array([-1, 1, 1, -1]), 0.02, [near, near, far, far]), 0.55, 1.5)
    for z in (far, near):
        for x in (-0.72, 0.72):
            canvas.fill([view.board(actor.x, z, box(x - 0.13, 0, x + 0.13, 0.4))], TYRE, label)
    flank = np.concatenate([view.board(actor.x, near, body), view.board(actor.x, far, body * (1, 0.92))])
    canvas.fill([_hull(flank)], scaled(paint, 0.62), label)
    roof = np.concatenate([view.board(actor.x, near + 0.4, cabin), view.board(actor.x, near + 2.7, cabin)])
    canvas.fill([_hull(roof)], scaled(paint, 0.8), label)
    canvas.fill([view.board(actor.x, near + 0.2, cabin)], paint, label)
    canvas.fill([view.board(actor.x, near + 0.15, cabin * (0.86, 0.86) + (0, 0.15))], GLASS, fade=-0.5)
    canvas.fill([view.board(actor.x, near, body)], paint, label, fade=0.3)
    lamp: Colour = (196, 24, 24) if actor.facing > 0 else (252, 246, 214)
    for x in (-0.72, 0.72):
        canvas.fill([view.board(actor.x, near, box(x - 0.14, 0.66, x + 0.14, 0.82))], lamp)
    canvas.fill([view.board(actor.x, near, box(-0.26, 0.45, 0.26, 0.58))], (232, 230, 214))


def draw_bus(canvas: Canvas, view: View, actor: Actor, rng: np.random.Generator) -> None:
    """A bus from its side, with a row of tinted windows."""
    label, paint = canvas.segment(BUS, actor.track), ((214, 170, 34), (190, 44, 40), (56, 120, 168))[rng.integers(3)]
    canvas.shade(view.board(actor.x, actor.z, circle(0, 0.08, 0.25, 20, 17)), 0.55, 2)

    def seen(outline: Points) -> Points:
        return view.board(actor.x, actor.z, outline * (actor.facing, 1))

    canvas.fill([seen(BUS_HULL)], paint, label, fade=0.3)
    for x in np.arange(-3.7, 2.4, 1.05):
        canvas.fill([seen(box(x, 1.45, x + 0.92, 2.4))], (40, 52, 66), fade=-0.6)
    canvas.fill([seen(box(2.75, 0.5, 3.5, 2.4))], (58, 70, 82), fade=-0.4)
    canvas.fill([seen(box(-4, 0.95, 2.7, 1.12))], (236, 236, 230))
    for x in (-2.5, 2.1):
        canvas.fill([seen(circle(x, 0.45, 0.46))], TYRE, label)
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
