"""CIELAB: how far apart two colours look."""

import numpy as np

from segdata.core.runs import Floats

_XYZ_OF_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65


def rgb_to_cielab(rgb: Floats) -> Floats:
    """CIELAB coordinates (n, 3) of sRGB colours (n, 3) from 0 to 255, under illuminant D65.

    Source: IEC 61966-2-1 (sRGB) and CIE 15:2004 (CIELAB). The Euclidean distance of two results is CIE76's Delta E;
    2.3 is just noticeable (Mahy, Van Eycken, Oosterlinck, 1994, Color Research & Application 19(2), 105-121).

    >>> rgb_to_cielab(np.array([[255.0, 0, 0]])).round(1).tolist()
    [[53.2, 80.1, 67.2]]
    """
    value = rgb / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ_OF_RGB.T / _WHITE
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
