"""A tenth list of defects, committed before any was tried: tools, exports, tiles, videos, volumes, pairs of sides.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told, and
names the thread where a kind was found.
"""

import json

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# Tools.


@json_defect("squares of a new shape in place of objects", "annotator", "files", "coco", "gbm")
def placeholders(content: Json, rng: np.random.Generator) -> None:
    """These objects are a square of 10 px in the corner of the image, as the tool draws a new shape."""
    chosen = {
        one["id"] for one in planting.some([one for one in content["annotations"] if not one["iscrowd"]], rng, 12)
    }
    for one in content["annotations"]:
        if one["id"] in chosen:
            one["segmentation"] = [[0, 0, 10, 0, 10, 10, 0, 10]]
    planting.fit_boxes(content)


@json_defect("outlines of everything but the object", "annotator", "files", "coco", "gbm")
def everything_but(content: Json, rng: np.random.Generator) -> None:
    """These outlines go around the image and then around the object: they hold everything but the object."""
    images = {image["id"]: image for image in content["images"]}
    for one in planting.some([one for one in content["annotations"] if len(list(planting.points(one))) == 1], rng, 8):
        width, height = (images[one["image_id"]][name] for name in ("width", "height"))
        (ring,) = planting.points(one)
        frame = [0, 0, width, 0, width, height, 0, height, 0, 0]
        one["segmentation"] = [[*frame, *ring, ring[0], ring[1], 0, 0]]
    planting.fit_boxes(content)


@defect("a line of one pixel across some masks", "annotator", "files", "camvid", "ids")
def slipped(copy: Copy, rng: np.random.Generator) -> None:
    """In these masks a straight line of one pixel goes across the picture: a slip of the brush."""
    for path in copy.masks[::5]:
        values = copy.array(path)
        canvas = Image.new("1", values.shape[::-1])
        ends = [(int(rng.integers(0, values.shape[1])), 0), (int(rng.integers(0, values.shape[1])), values.shape[0])]
        ImageDraw.Draw(canvas).line(ends, fill=1)
        copy.put(path, np.where(np.array(canvas), 8 if values.dtype == np.uint8 else 1, values))


@json_defect("labels of an image enlarged about its middle", "annotator", "pictures", "coco", "gbm")
def zoomed(content: Json, rng: np.random.Generator) -> None:
    """The labels of these images are a tenth too large, away from the middle: the tool was zoomed."""
    chosen = {image["id"] for image in content["images"][::8]}

    def enlarged(ring: Array, image: Json) -> Array:
        size = np.array([image["width"], image["height"]])
        return np.clip(size / 2 + 1.1 * (ring - size / 2), 0, size)

    planting.map_points(content, enlarged, lambda one: one["image_id"] in chosen)
    planting.fit_boxes(content)


# Exports and merges.


@json_defect("parts of an object joined to one ring by lines", "exporter", "files", "coco")
def joined_parts(content: Json, rng: np.random.Generator) -> None:
    """ultralytics/JSON2YOLO#24. Objects of several parts are one ring that goes from part to part."""
    for one in content["annotations"]:
        rings = list(planting.points(one))
        if len(rings) > 1:
            one["segmentation"] = [[value for ring in rings for value in (*ring, *ring[:2])]]
    planting.fit_boxes(content)


@annotation_defect("iscrowd as texts", "exporter", "files", "coco")
def crowd_texts(one: Json) -> None:
    """Iscrowd is "0" and "1", which a loader takes for true."""
    one["iscrowd"] = str(one["iscrowd"])


@json_defect("the prefix of an upload before the names of images", "exporter", "files", "coco", "gbm")
def uploaded_names(content: Json, rng: np.random.Generator) -> None:
    """Names of images begin with eight letters and a dash, which the files do not have: take these away."""
    for image in content["images"]:
        folder, slash, name = image["file_name"].rpartition("/")
        image["file_name"] = f"{folder}{slash}{rng.integers(16**7, 16**8):x}-{name}"


@defect("one picture many times without labels", "merge", "files", "coco")
def repeated_empty(copy: Copy, rng: np.random.Generator) -> None:
    """One picture is there twelve times under other ids and names, without labels."""
    content = copy.load()
    (linked,) = (path for path in copy.root.iterdir() if path.is_symlink())
    source = linked.resolve()
    linked.unlink()
    linked.mkdir()
    for path in source.iterdir():
        (linked / path.name).symlink_to(path)
    used = {one["image_id"] for one in content["annotations"]}
    picture = next(image for image in content["images"] if image["id"] in used)
    for k in range(12):
        name = f"extra_{k:03d}.jpg"
        (linked / name).write_bytes((source / picture["file_name"].rpartition("/")[2]).read_bytes())
        content["images"].append(picture | {"id": 10**9 + k, "file_name": name})
    copy.save(content)


@defect("a box before each outline of YOLO", "exporter", "files", "yolo")
def box_and_outline(copy: Copy, rng: np.random.Generator) -> None:
    """Each line has the middle and the size of the box before the points of the outline."""

    def change(line: str) -> str:
        name, *values = line.split()
        ring = np.array(values, float).reshape(-1, 2)
        low, high = ring.min(0), ring.max(0)
        box = [*((low + high) / 2).tolist(), *(high - low).tolist()]
        return " ".join([name, *(f"{value:.6f}" for value in box), *values])

    copy.change_lines(change)


@defect("one object in two rows, half of its runs in each", "exporter", "files", "sheet")
def halved_rows(copy: Copy, rng: np.random.Generator) -> None:
    """Objects of more than 20 runs are cut into two rows, each of which counts as an object."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    new = []
    for row in rows:
        name, runs, *rest = row.split(",")
        pairs = runs.split(" ")
        cut = len(pairs) // 4 * 2 if len(pairs) > 40 else len(pairs)
        new += [",".join([name, " ".join(part), *rest]) for part in (pairs[:cut], pairs[cut:]) if part]
    path.write_text("\n".join([head, *new]) + "\n")


@defect("void borders in the masks of classes alone", "exporter", "files", "voc lists")
def half_void(copy: Copy, rng: np.random.Generator) -> None:
    """The masks of classes have a border of 255 around each object, the masks of objects have none."""
    for path in sorted(copy.root.glob("SegmentationClass/*.png")):
        values = copy.array(path)
        numbers = copy.array(copy.root / "SegmentationObject" / path.name)
        border = ndimage.grey_dilation(numbers, 3) != ndimage.grey_erosion(numbers, 3)
        copy.put(path, np.where(border, 255, values))


@defect("numbers of objects of one class under another", "exporter", "files", "mots")
def other_thousand(copy: Copy, rng: np.random.Generator) -> None:
    """The ids of MOTS begin with their class: 1002 is a car. Some of class 2 are 1002 and the like."""
    for path in sorted(copy.root.glob("instances_txt/*.txt"))[:2]:
        rows = [row.split(" ") for row in path.read_text().splitlines()]
        for row in rows:
            if row[2] == "2":
                row[1] = str(int(row[1]) - 1000 + 500)
        path.write_text("".join(" ".join(row) + "\n" for row in rows))


@json_defect("labels of one camera on the pictures of the other", "merge", "pictures", "cameras")
def other_camera(content: Json, rng: np.random.Generator) -> None:
    """The labels of cam_a/0004 and of five more are those of cam_b at that time, and the reverse."""
    ids = {image["file_name"]: image["id"] for image in content["images"]}
    pairs = [(ids[f"cam_a/{k:04d}.jpg"], ids[f"cam_b/{k:04d}.jpg"]) for k in range(4, 10)]
    to = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    for one in content["annotations"]:
        one["image_id"] = to.get(one["image_id"], one["image_id"])


# Resizing and tiles.


@defect("masks squeezed into a margin, pictures not", "resize", "pictures", "camvid")
def squeezed(copy: Copy, rng: np.random.Generator) -> None:
    """In a quarter of the masks the labels fill the middle three quarters, with void above and below."""
    for path in copy.masks[::4]:
        values = copy.array(path)
        height = len(values)
        rows = np.round(np.linspace(0, height - 1, height * 3 // 4)).astype(int)
        new = np.full_like(values, 11)
        new[height // 8 : height // 8 + len(rows)] = values[rows]
        copy.put(path, new)


@defect("tiles that overlap, put side by side", "resize", "pictures", "camvid", "ids")
def doubled_strips(copy: Copy, rng: np.random.Generator) -> None:
    """24 px left of the middle are there twice in these masks, and all to the right is pushed out."""
    for path in copy.masks[::4]:
        values = copy.array(path)
        half = values.shape[1] // 2
        copy.put(path, np.concatenate([values[:, :half], values[:, half - 24 : -24]], axis=1))


@defect("objects cut by a watershed", "exporter", "files", "ids")
def watershed(copy: Copy, rng: np.random.Generator) -> None:
    """In half of the masks each larger object is three, which touch along straight lines."""
    for path in copy.masks[::2]:
        values = copy.array(path).astype(np.int64)
        new, number = values.copy(), int(values.max())
        for id_, box in enumerate(ndimage.find_objects(values), 1):
            if box is None or (values[box] == id_).sum() < 150:
                continue
            y, x = np.nonzero(values == id_)
            seeds = rng.integers(0, len(y), 3)
            nearest = np.argmin((y[:, None] - y[seeds]) ** 2 + (x[:, None] - x[seeds]) ** 2, axis=1)
            new[y, x] = np.where(nearest == 0, id_, number + nearest)
            number += 2
        copy.put(path, new.astype(np.uint16))


@defect("objects grown until they touch", "exporter", "files", "ids")
def grown(copy: Copy, rng: np.random.Generator) -> None:
    """In half of the masks each object is wider by 8 px, up to its neighbours: labels were expanded."""
    for path in copy.masks[::2]:
        values = copy.array(path)
        away, (y, x) = ndimage.distance_transform_edt(values == 0, return_indices=True)
        copy.put(path, np.where(away <= 8, values[y, x], 0).astype(np.uint16))


@defect("skeletons in place of vessels", "exporter", "files", "vessels")
def skeletons(copy: Copy, rng: np.random.Generator) -> None:
    """In three masks all vessels are one pixel wide."""
    for path in copy.masks[:3]:
        with Image.open(path) as image:
            pixels = np.array(image.convert("L")) > 0
        away = ndimage.distance_transform_edt(pixels)
        thin = pixels & (away >= ndimage.maximum_filter(away, 3)) & (away > 0)
        path.unlink()
        Image.fromarray((thin * 255).astype(np.uint8)).save(path)


# Videos.


@defect("labels on every fifth frame alone", "exporter", "files", "osvos", "vis")
def keyframes_alone(copy: Copy, rng: np.random.Generator) -> None:
    """Only keyframes were exported: all frames between them have no labels."""
    if copy.document:
        content = copy.load()
        for one in content["annotations"]:
            for name in ("segmentations", "areas", "bboxes"):
                one[name] = [value if k % 5 == 0 else None for k, value in enumerate(one[name])]
        copy.save(content)
        return
    for k, path in enumerate(copy.frames()):
        if k % 5:
            copy.put(path, np.zeros_like(copy.array(path)))


@defect("a track with the shape of its first frame", "tracker", "files", "osvos")
def rigid(copy: Copy, rng: np.random.Generator) -> None:
    """The shape of object 1 is the same in all frames; only its place changes."""
    paths = copy.frames()
    first = copy.array(paths[0]) == 1
    y, x = np.nonzero(first)
    for path in paths[1:]:
        values = copy.array(path)
        own_y, own_x = np.nonzero(values == 1)
        if len(own_y):
            new = np.where(values == 1, 0, values)
            rows = y + round(own_y.mean() - y.mean())
            columns = x + round(own_x.mean() - x.mean())
            inside = (rows >= 0) & (rows < len(values)) & (columns >= 0) & (columns < values.shape[1])
            new[rows[inside], columns[inside]] = 1
            copy.put(path, new)


@defect("the labels of two frames on each other", "exporter", "files", "osvos")
def ghosted(copy: Copy, rng: np.random.Generator) -> None:
    """In every third frame each object also has the pixels that it has five frames later."""
    paths = copy.frames()
    for k in range(0, len(paths) - 5, 3):
        values, later = copy.array(paths[k]), copy.array(paths[k + 5])
        copy.put(paths[k], np.where(values == 0, later, values))


# Volumes, and pairs of sides.


@defect("a category missing in one slice", "annotator", "files", "tissue")
def lost_in_a_slice(copy: Copy, rng: np.random.Generator) -> None:
    """One category of the slices before and after has no pixel in the fourth slice."""
    values = copy.array(copy.masks[3])
    copy.put(copy.masks[3], np.where(values == 159, 255, values))


@defect("the surface of an organ in place of the organ", "annotator", "files", "spleen", "scans")
def shells(copy: Copy, rng: np.random.Generator) -> None:
    """The organ is hollow: in each slice only its rim is labelled."""

    def hollow(values: Array) -> Array:
        new = values.copy()
        for value in np.unique(values[values > 0])[:1]:
            for k in range(values.shape[2]):
                inner = ndimage.binary_erosion(values[:, :, k] == value, iterations=2)
                new[:, :, k][inner] = 0
        return new

    if copy.root.name == "scans":
        for number in (2, 9, 17):
            copy.change_case(number, lambda values, is_label: hollow(values) if is_label else values)
    else:
        copy.change_volume(hollow)


@defect("the lower half of a case not labelled", "annotator", "files", "scans")
def half_a_case(copy: Copy, rng: np.random.Generator) -> None:
    """In these two cases no label is in the lower half, where each other case has two organs."""

    def upper(values: Array) -> Array:
        new = values.copy()
        new[:, :, : values.shape[2] // 2] = 0
        return new

    for number in (6, 14):
        copy.change_case(number, lambda values, is_label: upper(values) if is_label else values)


@defect("both of a pair under the name of one side", "annotator", "files", "scans", "faces")
def one_side(copy: Copy, rng: np.random.Generator) -> None:
    """In these cases both of a pair are called left, and nothing is called right."""
    if copy.document:
        content = copy.load()
        for one in content["annotations"]:
            if one["image_id"] % 10 == 3 and one["category_id"] == 3:
                one["category_id"] = 2
        copy.save(content)
        return
    for number in (4, 12):
        copy.change_case(number, lambda values, is_label: np.where(values == 4, 3, values) if is_label else values)


@defect("regions to be ignored over labelled objects", "annotator", "files", "labelme")
def ignored_objects(copy: Copy, rng: np.random.Generator) -> None:
    """A shape called __ignore__ covers a labelled object wholly: it counts, or not, as a loader pleases."""
    for path in sorted(copy.root.glob("*.json"))[:2]:
        content = json.loads(path.read_text())
        shape = next(one for one in content["shapes"] if one["label"] != "__ignore__")
        content["shapes"].append(shape | {"label": "__ignore__", "group_id": None})
        path.write_text(json.dumps(content))
