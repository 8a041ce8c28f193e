"""Panoptic quality: how many segments two annotators both found, and how well these fit."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.plugin import metric
from segdata.core.runs import Floats

_TAKES = ("tp", "fp", "fn", "iou_sum")
_SOURCE = "Kirillov, He, Girshick, Rother, Dollár (2019), Panoptic Segmentation, CVPR"


class PanopticQuality(NamedTuple):
    """PQ = SQ x RQ, each (...) in [0, 1]."""

    pq: Floats
    sq: Floats
    rq: Floats


def panoptic_quality(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, iou_sum: ArrayLike) -> PanopticQuality:
    """PQ, SQ (segmentation quality: the mean IoU of matches) and RQ (recognition quality: F1 of the segments).

    PQ = sum of IoU / (TP + FP / 2 + FN / 2). Takes numbers of matches, of segments that only B and only A has, and the
    sum of the matches' IoU, (...) each, whole or weighted. Swapping A and B swaps FP and FN and changes nothing. All
    three are NaN where nobody has a segment (panopticapi says 0 and leaves it out of averages). If there are segments
    but no match, all are 0, SQ too, as in panopticapi, so that averages over categories are the same.

    >>> [float(score) for score in panoptic_quality(tp=2, fp=1, fn=1, iou_sum=1.75)]
    [0.5833333333333334, 0.875, 0.6666666666666666]
    """
    true, total_iou = np.asarray(tp, float), np.asarray(iou_sum, float)
    size = true + np.asarray(fp, float) / 2 + np.asarray(fn, float) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        pq, rq = total_iou / size, true / size
        sq = np.where(true, total_iou / true, pq)
    return PanopticQuality(pq, sq, rq)


@metric("pq", takes=_TAKES, higher_is_better=True, source=_SOURCE)
def _pq(tp: Floats, fp: Floats, fn: Floats, iou_sum: Floats) -> Floats:
    return panoptic_quality(tp, fp, fn, iou_sum).pq


@metric("sq", takes=_TAKES, higher_is_better=True, source=_SOURCE)
def _sq(tp: Floats, fp: Floats, fn: Floats, iou_sum: Floats) -> Floats:
    return panoptic_quality(tp, fp, fn, iou_sum).sq


@metric("rq", takes=_TAKES, higher_is_better=True, source=_SOURCE)
def _rq(tp: Floats, fp: Floats, fn: Floats, iou_sum: Floats) -> Floats:
    return panoptic_quality(tp, fp, fn, iou_sum).rq
