"""Drafting: labels from classical image segmentation, for annotators to correct.

Each method is a function; its keyword arguments are the options of `segdata draft`.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segdata.core.config import Option, did_you_mean
from segdata.core.errors import SegdataError
from segdata.core.image_files import ChannelArray
from segdata.core.runs import Floats
from segdata.core.statistics import linked_groups

Colours = NDArray[np.float32]
BoolMask = NDArray[np.bool_]
RegionMap = NDArray[np.int32]
_DARK, _BRIGHT = 1.0, 99.5  # percentiles that become 0 and 1
_WITH_ALPHA = (2, 4)  # channels


def scale_image(pixels: ChannelArray) -> Colours:
    """(height, width, channels) from 0 to 1 of an image (channels, height, width); alpha is left out."""
    colours = pixels[:-1] if len(pixels) in _WITH_ALPHA else pixels
    values = np.nan_to_num(colours.astype(np.float32).transpose(1, 2, 0), posinf=0, neginf=0)
    low, high = np.percentile(values, [_DARK, _BRIGHT])
    return np.asarray(np.clip((values - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1), np.float32)


def grey(colours: Colours) -> NDArray[np.float32]:
    """(height, width) the mean of the channels."""
    return np.asarray(colours.mean(axis=2), np.float32)


def foreground(colours: Colours, polarity: str = "auto", window: int = 0) -> BoolMask:
    """(height, width) whether a pixel is brighter, or darker, than Otsu's threshold.

    `polarity` is ``bright``, ``dark`` or ``auto``: the side with fewer pixels at the frame, since objects are in the
    picture and the background goes on beyond it. `window`: for uneven light, the side in pixels of a neighbourhood
    whose mean replaces the mean of the image in the threshold; 0: one threshold for all. An image of one value has no
    foreground. Source: Otsu (1979), IEEE Transactions on Systems, Man, and Cybernetics 9(1), 62-66.
    """
    from skimage.filters import threshold_otsu

    values = grey(colours)
    if values.min() == values.max():
        return np.zeros(values.shape, bool)
    limit = float(threshold_otsu(values))  # type: ignore[no-untyped-call]  # scikit-image has no types
    if window:
        from scipy.ndimage import uniform_filter

        bright = values - uniform_filter(values, window) > limit - float(values.mean())
    else:
        bright = values > limit
    if polarity == "auto":
        frame = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
        polarity = "bright" if frame.mean() <= 0.5 else "dark"
    return np.asarray(bright if polarity == "bright" else ~bright, bool)


def _connected_parts(mask: BoolMask) -> RegionMap:
    """The 4-connected parts of a mask, numbered from 1."""
    from scipy.ndimage import label

    return np.asarray(label(mask)[0], np.int32)


def fill_small_holes(mask: BoolMask, max_pixels: int) -> BoolMask:
    """The mask (height, width) with its holes of up to `max_pixels` pixels filled."""
    from scipy.ndimage import label

    holes, n = label(~mask, structure=np.ones((3, 3)))  # holes are 8-connected, the dual of 4-connected parts
    area = np.bincount(holes.ravel(), minlength=n + 1)
    at_frame = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    small = area <= max_pixels
    small[[0, *at_frame]] = False
    return np.asarray(mask | small[holes])


def remove_small_regions(labels: RegionMap, min_pixels: int) -> RegionMap:
    """The labels without those of fewer than `min_pixels` pixels, numbered from 1 again."""
    area = np.bincount(labels.ravel())
    is_kept = area >= min_pixels
    is_kept[0] = False
    number = np.where(is_kept, np.cumsum(is_kept), 0).astype(np.int32)
    return np.asarray(number[labels], np.int32)


def threshold(
    colours: Colours, *, polarity: str = "auto", window: int = 0, min_pixels: int = 30, max_hole: int = 30
) -> RegionMap:
    """(height, width) the parts of the foreground, numbered from 1; see `segdata.noise.drafting.foreground`."""
    return remove_small_regions(
        _connected_parts(fill_small_holes(foreground(colours, polarity, window), max_hole)), min_pixels
    )


def watershed(
    colours: Colours, *, polarity: str = "auto", window: int = 0, min_pixels: int = 30, max_hole: int = 30,
    waist: float = 0.25, smooth: float = 2.0,
) -> RegionMap:  # fmt: skip
    """(height, width) objects, numbered from 1.

    Seeds are the places deepest inside the foreground, those apart by a waist of less than `waist` of their depth; from
    there the foreground is flooded along the distance to its border. `smooth` pixels of Gaussian blur come before the
    threshold. Source: Meyer (1994), Signal Processing 38(1), 113-125; h-maxima: Soille (1999), Morphological Image
    Analysis, section 6.3.4, with h a share of the depth.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed as flooded

    blurred = gaussian_filter(grey(colours), smooth)[:, :, None] if smooth else colours
    inside = fill_small_holes(foreground(blurred, polarity, window), max_hole)
    if not inside.any():
        return np.zeros(inside.shape, np.int32)
    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    lowered = reconstruction(depth * (1 - waist), depth)  # type: ignore[no-untyped-call]  # scikit-image has no types
    seeds, _ = label((depth > lowered) & inside, structure=np.ones((3, 3)))
    regions = flooded(-depth, seeds, mask=inside)  # type: ignore[no-untyped-call]  # as above
    return remove_small_regions(np.asarray(regions, np.int32), min_pixels)


def superpixels(
    colours: Colours, *, pieces: int = 300, compactness: float = 0.1, likeness: float = 0.06, min_pixels: int = 100
) -> RegionMap:
    """(height, width) regions, numbered from 1.

    SLIC cuts the image into about `pieces`; neighbours whose mean colours are nearer than `likeness` (of a scale from 0
    to 1) become one; regions of fewer than `min_pixels` are left out. Source: Achanta et al. (2012), IEEE TPAMI 34(11),
    2274-2282.
    """
    from skimage.segmentation import slic

    # Distances are sums over channels, and weighed against those in the plane: so the weight is for one channel.
    weight = compactness * np.sqrt(colours.shape[2])
    cut = slic(colours, n_segments=pieces, compactness=weight, start_label=0, channel_axis=2, convert2lab=False)
    labels = np.asarray(cut, np.int64)
    return remove_small_regions(_merge_similar(labels, colours, likeness)[labels], min_pixels)


def _merge_similar(
    labels: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]", colours: Colours, likeness: float
) -> RegionMap:
    """(n,) the number, from 1, of the merged region of each superpixel."""
    n = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=n)
    sums = [np.bincount(labels.ravel(), colours[:, :, channel].ravel(), n) for channel in range(colours.shape[2])]
    mean = np.stack(sums, axis=1) / np.maximum(area, 1)[:, None]
    a = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()])
    b = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()])
    a, b = np.unique(np.stack([a, b])[:, a != b], axis=1)
    is_similar = np.sqrt(((mean[a] - mean[b]) ** 2).mean(axis=1)) < likeness
    return np.asarray(linked_groups(n, a[is_similar], b[is_similar]) + 1, np.int32)


_SAMPLED_PIXELS = 4000  # pixels of an image that are learnt from


def kmeans(
    images: Iterable[Colours], *, regions: int = 4, smooth: float = 2.0, min_pixels: int = 100, seed: int = 0
) -> Callable[[Colours], RegionMap]:
    """A function that gives each pixel (height, width) the number of its region, 1 the darkest.

    The middles are learnt from some pixels of all images together, so that a region is the same everywhere. `smooth`:
    pixels of Gaussian blur. Patches of fewer than `min_pixels` are left unlabelled.
    Source: Lloyd (1982), IEEE Transactions on Information Theory 28(2), 129-137, begun as by Arthur and Vassilvitskii
    (2007), SODA, 1027-1035.
    """
    from scipy.cluster.vq import kmeans2

    rng = np.random.default_rng(seed)
    samples = [_sample_pixels(_blur(image, smooth), rng) for image in images]
    n_channels = max((image.shape[1] for image in samples), default=1)
    fitting = np.concatenate([image for image in samples if image.shape[1] == n_channels])
    regions = min(regions, len(np.unique(fitting, axis=0)))
    middle, _ = kmeans2(fitting.astype(np.float64), regions, iter=30, minit="++", seed=seed)
    middle = middle[np.argsort(middle.sum(axis=1), kind="stable")]

    def draw(colours: Colours) -> RegionMap:
        blurred = _blur(colours, smooth)
        if blurred.shape[2] != n_channels:
            blurred = np.repeat(blurred.mean(axis=2, keepdims=True), n_channels, axis=2)
        labels = _nearest(blurred.reshape(-1, n_channels), middle).reshape(blurred.shape[:2]) + 1
        is_kept = np.zeros(labels.shape, bool)
        for number in np.unique(labels).tolist():
            is_kept |= remove_small_regions(_connected_parts(labels == number), min_pixels) > 0
        return np.where(is_kept, labels, 0).astype(np.int32)

    return draw


def _blur(colours: Colours, smooth: float) -> Colours:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(colours, (smooth, smooth, 0)), np.float32) if smooth else colours


def _sample_pixels(colours: Colours, rng: np.random.Generator) -> Colours:
    flat = colours.reshape(-1, colours.shape[2])
    return flat[rng.choice(len(flat), min(_SAMPLED_PIXELS, len(flat)), replace=False)]


def _nearest(values: Colours, middle: Floats) -> NDArray[np.int32]:
    """(n,) the nearest of the middles (k, channels), for each."""
    best = np.zeros(len(values), np.int32)
    smallest = np.full(len(values), np.inf, np.float32)
    for number, centre in enumerate(middle.astype(np.float32)):
        distance = ((values - centre) ** 2).sum(axis=1)
        nearer = distance < smallest
        best[nearer], smallest[nearer] = number, distance[nearer]
    return best


SegmentImage = Callable[[Colours], RegionMap]
_PER_IMAGE: Mapping[str, Callable[..., RegionMap]] = {
    "threshold": threshold, "watershed": watershed, "superpixels": superpixels
}  # fmt: skip
METHODS = (*_PER_IMAGE, "kmeans")
_POLARITIES = ("auto", "bright", "dark")
_LIMITS = {"waist": (0.0, 1.0), "regions": (2, 255), "pieces": (1, 100_000), "likeness": (0.0, 1.0), "smooth": (0, 100)}
_MOST = 2**31


def options_of(method: str) -> dict[str, Option]:
    """The options of a method with their defaults; raises SegdataError where there is no such method."""
    if method not in METHODS:
        raise SegdataError(
            f"no method {method!r}{did_you_mean(method, list(METHODS)) or '; there are ' + ', '.join(METHODS)}"
        )
    function = _PER_IMAGE.get(method, kmeans)
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def check_options(method: str, given: Mapping[str, Option]) -> dict[str, Option]:
    """All options of a method, each in the type of its default; raises SegdataError for invalid values."""
    defaults = options_of(method)
    options = dict(defaults)
    for name, value in given.items():
        if name not in defaults:
            hint = did_you_mean(name, list(defaults)) or "; it has " + ", ".join(defaults)
            raise SegdataError(f"{method} has no option {name!r}{hint}")
        options[name] = _parse_option(name, value, defaults[name])
    return options


def _parse_option(name: str, value: Option, default: Option) -> Option:
    if isinstance(default, str):
        if value not in _POLARITIES:
            raise SegdataError(f"{name} is {value!r}, it must be one of {', '.join(_POLARITIES)}")
        return value
    try:
        number = type(default)(value)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise SegdataError(f"{name} is {value!r}, it must be {kind}, as {default}") from None
    low, high = _LIMITS.get(name, (0, _MOST))
    if not low <= number <= high:
        raise SegdataError(f"{name} is {value}, it must be from {low} to {high}")
    return number


def segmentation_method(
    method: str, options: Mapping[str, Option], images: Callable[[], Iterable[Colours]]
) -> SegmentImage:
    """The function that drafts the labels of one image; `images` yields those to learn from, if a method does.

    `options` are all of the method's, as `check_options` returns them.
    """
    if method in _PER_IMAGE:
        return partial(_PER_IMAGE[method], **options)
    return kmeans(images(), **options)  # type: ignore[arg-type]  # checked by the defaults' types
