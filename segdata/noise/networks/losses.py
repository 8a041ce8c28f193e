"""Losses: what training makes small. Pixels whose target is -1 (void, outside of the image) count for nothing."""

import torch
from torch import Tensor
from torch.nn import functional

from segdata.noise.networks.plan import Plan


def segmentation_loss(said: Tensor, target: Tensor, weights: Tensor, plan: Plan) -> Tensor:
    """Cross-entropy, or focal loss, plus `plan.dice` times the soft Dice loss.

    Parameters
    ----------
    said : (B, K, H, W) logits
    target : (B, H, W) int64; -1: does not count
    weights : (K,) of the categories

    Source: Lin et al. (2017), ICCV, 2980-2988 (focal, gamma 2); Milletari et al. (2016), 3DV, 565-571 (Dice).
    """
    known = target >= 0
    n_categories = said.shape[1]
    # One-hot products and no gather: their gradients are the same in every run on CUDA, too.
    one = functional.one_hot(target.clamp(min=0), n_categories).movedim(-1, 1).to(said.dtype)  # (B, K, H, W)
    one = one * known[:, None]
    log_p = functional.log_softmax(said, dim=1)
    wanted = one * (1 - plan.smoothing) + known[:, None] * (plan.smoothing / n_categories)
    if plan.loss == "focal":
        log_p = log_p * (1 - log_p.exp()) ** 2
    weight = (one * weights[None, :, None, None]).sum(1)  # (B, H, W)
    entropy = -(wanted * log_p).sum(1) * weight
    pixels = entropy.sum() / weight.sum().clamp(min=1)
    return pixels + plan.dice * _dice(said.softmax(1) * known[:, None], one)


def _dice(p: Tensor, one: Tensor) -> Tensor:
    """1 - soft Dice, mean over the categories that occur in the batch."""
    shared, total, n = ((each).sum((0, 2, 3)) for each in (p * one, p + one, one))
    occurs = n > 0
    lost = 1 - (2 * shared + 1) / (total + 1)
    return torch.where(occurs, lost, 0).sum() / occurs.sum().clamp(min=1)


def doubt(said: Tensor, target: Tensor) -> Tensor:
    """(B, K) mean of 1 - p(label) over the pixels of each category; NaN where there are none that count.

    What training is judged by. Unlike cross-entropy it is bounded, so a wrong label that the network contradicts
    firmly costs no more than one that it doubts; under symmetric noise the network that is best by it on noisy labels
    is best by it on clean ones.
    Source: Ghosh, Kumar and Sastry (2017), "Robust Loss Functions under Label Noise", AAAI, 1919-1925.
    """
    one = functional.one_hot(target.clamp(min=0), said.shape[1]).movedim(-1, 1) * (target >= 0)[:, None]
    n = one.sum((2, 3))  # (B, K)
    lost = (one * (1 - said.softmax(1))).sum((2, 3)) / n.clamp(min=1)
    return torch.where(n > 0, lost, torch.nan)


def usual(doubts: Tensor) -> float:
    """How bad a network is by `doubt` (B, K): the median over images, of each category, and their mean; NaN of none.

    The median keeps single wrong masks out. It is taken of each category by itself, as most crops may show nothing of
    those that are rare, and a network that has not begun to see these would be the best.
    """
    return doubts.nanmedian(0).values.nanmean().item()
