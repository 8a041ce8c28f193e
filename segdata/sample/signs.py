"""Traffic signs on their posts."""

import numpy as np

from segdata.sample.actor import Actor
from segdata.sample.canvas import Canvas, Colour
from segdata.sample.taxonomy import POLE, SIGN
from segdata.sample.view import Points, View, box, circle


def draw_sign(canvas: Canvas, view: View, actor: Actor, rng: np.random.Generator) -> None:
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
