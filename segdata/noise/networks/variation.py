"""Variation: augmentations that are only made when asked for: bent, blurred, noisy, tinted and inverted crops.

What is drawn comes from numpy, and noise from a generator of its own, so a seed gives the same crops in every run.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segdata.core.config import Augmentation

_KNOTS = 6  # on each side of a crop, of the grid that is bent
_BENT, _BENT_SHARE = 0.03, 0.5  # standard deviation in sides of the crop, and the share of crops
_MOST_BLUR, _BLUR_SHARE = 1.5, 0.3  # px, standard deviation
_MOST_NOISE, _NOISE_SHARE = 0.08, 0.3  # of the range from 0 to 1, standard deviation
_MOST_HUE = 0.1  # of a full turn, to either side
_INVERTED_SHARE = 0.5
_COLOURS = 3
# Luma and two colour differences (NTSC), in which a change of hue is a rotation.
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True, slots=True)
class ImageVariation:
    """How the crops of a batch are varied beyond the usual; 0 and False change nothing."""

    bent: NDArray[np.float32]  # (B, 2, k, k) shifts to the right and down at the knots, in sides of the crop
    blur: NDArray[np.float32]  # (B,) standard deviation in pixels
    noise: NDArray[np.float32]  # (B,) standard deviation
    hue: NDArray[np.float32]  # (B,) angle in radians; of images with three channels only
    inverted: NDArray[np.bool_]  # (B,)
    seed: int  # of the noise


def draw_variation(rng: np.random.Generator, n: int, chosen: Collection[Augmentation]) -> ImageVariation | None:
    """The variation of `n` crops; None, and nothing drawn, where none of these kinds is chosen."""
    if not {"elastic", "blur", "noise", "hue", "invert"} & set(chosen):
        return None

    def draw_some(share: float, kind: Augmentation) -> NDArray[np.bool_]:
        return (rng.random(n) < share) & (kind in chosen)

    bent = rng.normal(0, _BENT, (n, 2, _KNOTS, _KNOTS)) * draw_some(_BENT_SHARE, "elastic")[:, None, None, None]
    blur = rng.uniform(0.3, _MOST_BLUR, n) * draw_some(_BLUR_SHARE, "blur")
    noise = rng.uniform(0, _MOST_NOISE, n) * draw_some(_NOISE_SHARE, "noise")
    hue = 2 * np.pi * rng.uniform(-_MOST_HUE, _MOST_HUE, n) * ("hue" in chosen)
    inverted = draw_some(_INVERTED_SHARE, "invert")
    drawn = [values.astype(np.float32) for values in (bent, blur, noise, hue)]
    return ImageVariation(drawn[0], drawn[1], drawn[2], drawn[3], inverted, int(rng.integers(2**31)))


def bent_places(variation: ImageVariation, crop: int, window: int, device: torch.device) -> Tensor:
    """(B, crop, crop, 2) what is added to the places of pixels in their window, from -1 to 1: a smooth field."""
    knots = torch.from_numpy(variation.bent).to(device)
    smooth = functional.interpolate(knots, size=(crop, crop), mode="bicubic", align_corners=True)
    return (smooth * (2 * crop / window)).permute(0, 2, 3, 1)


def vary_pixels(images: Tensor, variation: ImageVariation) -> Tensor:
    """(B, C, H, W) images, mostly from 0 to 1, tinted, inverted, blurred and noisy as drawn."""
    device = images.device
    if images.shape[1] == _COLOURS and variation.hue.any():
        images = torch.einsum("bij,bjhw->bihw", _hue_matrices(variation.hue).to(device), images)
    if variation.inverted.any():
        inverted = torch.from_numpy(variation.inverted).to(device)[:, None, None, None]
        images = torch.where(inverted, 1 - images, images)
    if variation.blur.any():
        images = _blur(images, torch.from_numpy(variation.blur).to(device))
    if variation.noise.any():
        generator = torch.Generator(device).manual_seed(variation.seed)
        strength = torch.from_numpy(variation.noise).to(device)[:, None, None, None]
        images = images + strength * torch.randn(images.shape, generator=generator, device=device)
    return images


def _hue_matrices(angle: NDArray[np.float32]) -> Tensor:
    """(B, 3, 3) that turn the colours of a pixel about the axis of greys."""
    there = np.array(_YIQ)
    cos, sin, turn = np.cos(angle), np.sin(angle), np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = cos
    turn[:, 1, 2], turn[:, 2, 1] = -sin, sin
    return torch.from_numpy((np.linalg.inv(there) @ turn @ there).astype(np.float32))


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Each image convolved with a Gaussian of its own; those of 0 stay as they are."""
    n, channels, height, width = images.shape
    radius = int(np.ceil(3 * _MOST_BLUR))
    position = torch.arange(-radius, radius + 1, device=images.device)
    weight = torch.exp(-0.5 * (position / sigma.clamp(min=1e-3)[:, None]) ** 2)
    weight = (weight / weight.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]  # (B * C, 1, taps)
    flat = functional.pad(images.reshape(1, n * channels, height, width), [radius] * 4, mode="replicate")
    across = functional.conv2d(flat, weight[:, :, None, :], groups=n * channels)
    return functional.conv2d(across, weight[:, :, :, None], groups=n * channels).reshape(images.shape)
