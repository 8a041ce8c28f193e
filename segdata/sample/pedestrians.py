"""People, alone or as a distant crowd."""

import numpy as np

from segdata.sample.actor import Actor
from segdata.sample.canvas import Canvas, Colour, scaled
from segdata.sample.taxonomy import PERSON
from segdata.sample.view import Points, View, box, circle

CLOTHES: tuple[Colour, ...] = (
    (196, 44, 52), (40, 74, 160), (230, 196, 60), (60, 60, 66),
    (220, 220, 216), (64, 132, 92), (150, 84, 150), (226, 122, 44),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = ((44, 54, 84), (60, 56, 54), (112, 98, 80), (34, 34, 38))
SKINS: tuple[Colour, ...] = ((232, 190, 160), (198, 146, 110), (140, 94, 66), (92, 62, 46))

# Outlines in metres, (right, up), of a person of 1.8 m who faces right.
TORSO = [(-0.2, 0.85), (0.2, 0.85), (0.24, 1.4), (0.12, 1.52), (-0.12, 1.52), (-0.24, 1.4)]
HAIR = [(-0.12, 1.6), (-0.1, 1.74), (0, 1.81), (0.1, 1.76), (0.13, 1.68), (-0.02, 1.7)]


def draw_person(canvas: Canvas, view: View, actor: Actor, rng: np.random.Generator) -> None:
    """A person: legs in stride, coat, arms, head with hair, sometimes a bag."""
    label, z = canvas.segment(PERSON, actor.track), actor.z
    tall, coat, legs = (
        rng.uniform(0.92, 1.06),
        CLOTHES[rng.integers(len(CLOTHES))],
        TROUSERS[rng.integers(len(TROUSERS))],
    )
    skin, hair, bag = (
        SKINS[rng.integers(len(SKINS))],
        (50, 36, 26) if rng.random() < 0.7 else (180, 146, 84),
        rng.random() < 0.4,
    )

    def seen(outline: object) -> Points:
        return view.board(actor.x, z, np.asarray(outline, dtype=float) * (actor.facing * tall * 1.15, tall))

    canvas.shade(seen(circle(0.1, 0.03, 0.07, 16, 6)), 0.5, 1.0)
    step = 0.26 * np.sin(actor.stride)
    for foot, tone in ((-step, 0.75), (step, 1.0)):
        leg = [(-0.14, 0.92), (0.14, 0.92), (foot + 0.1, 0.06), (foot - 0.1, 0.06)]
        canvas.fill([seen(leg)], scaled(legs, tone), label)
        canvas.fill([seen(box(foot - 0.1, 0, foot + 0.17, 0.09))], (30, 26, 24), label)
    swing = 0.2 * np.sin(actor.stride)
    far_arm = [(-0.06, 1.45), (0.1, 1.45), (swing + 0.07, 0.84), (swing - 0.07, 0.84)]
    near_arm = [(-0.1, 1.42), (0.06, 1.42), (0.05 - swing, 0.86), (-0.09 - swing, 0.86)]
    canvas.fill([seen(far_arm)], scaled(coat, 0.7), label)
    canvas.fill([seen(TORSO)], coat, label, fade=0.25)
    canvas.fill([seen(near_arm)], scaled(coat, 0.86), label)
    if bag:
        canvas.fill([seen(box(-0.3 - swing, 0.6, 0.02 - swing, 0.9))], (124, 74, 40), label)
    canvas.fill([seen(box(-0.07, 1.45, 0.07, 1.58))], skin, label)
    canvas.fill([seen(circle(0.02, 1.64, 0.15, 16, 0.8))], skin, label)
    canvas.fill([seen(HAIR)], hair, label)


def draw_crowd(canvas: Canvas, view: View, actor: Actor, rng: np.random.Generator) -> None:
    """A distant group whose people cannot be told apart: one crowd segment."""
    label = canvas.segment(PERSON, actor.track, crowd=True)
    for x in np.sort(rng.uniform(-2.4, 2.4, 26)):
        coat, tall = scaled(CLOTHES[rng.integers(len(CLOTHES))], 0.8), rng.uniform(1.45, 1.85)
        canvas.fill([view.board(actor.x + x, actor.z, box(-0.3, 0, 0.3, tall * 0.5))], (58, 54, 56), label)
        canvas.fill([view.board(actor.x + x, actor.z, box(-0.3, tall * 0.45, 0.3, tall * 0.86))], coat, label)
        canvas.fill([view.board(actor.x + x, actor.z, circle(0, tall * 0.92, 0.19, 12))], (204, 160, 130), label)
