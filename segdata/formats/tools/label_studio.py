"""Label Studio tasks: JSON exports, and files of tasks to import, with annotations of people and predictions.

Specification: https://labelstud.io/guide/task_format, https://labelstud.io/guide/export, and of HumanSignal/label-
studio-sdk on GitHub src/label_studio_sdk/converter/{brush,converter}.py.

Read: a list of tasks, a file of one task, or a folder of such files; label_config.xml beside them gives colours and the
order of labels. Polygons, rectangles turned about their upper left corner, ellipses about their centre, and brush
strokes (the alpha channel, anything above 0). Label Studio itself has no pixels for the first three: its COCO export
hands the unrounded points to COCO, so polygons and rectangles are drawn by COCO's rule; an ellipse has the pixels whose
centres lie inside. Each annotation is one annotator's (completed_by: address, else number); cancelled ones are left out
and reported. Predictions are of source model, with model_version as annotator and their score. ground_truth is the
stage accepted, reviews the stage reviewed, lead_time the seconds. Choices, texts, ratings and numbers are attributes of
their region, or of the annotation; so is `meta` of a region. Further labels of a region are secondary categories. These
files do not tie regions of one object to each other, so each stays a segment. Regions drawn on an image turned by
image_rotation are left out and reported.

The image is the task's `image`, or the key that you name in the configuration: uploads by their name, `?d=` of local
files by the path, URLs by the path in them; other keys of `data` are metadata. You cannot read JSON-MIN: it does not
say which annotations were cancelled.

Written: a folder of tasks.json and label_config.xml, or tasks alone if the target ends in .json. A segment is a polygon
if a single one draws its pixels by COCO's rule, else a brush stroke. `iscrowd` and `track_id` go to the region's
`meta`. Sizes, splits and metadata of images go to the task's `data`. Not verified with a running Label Studio: that
free keys of `meta` survive an edit there.
"""

import re

from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import TOOL_LOSSES

ALIASES = ("labelstudio-json", "ls")
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = TOOL_LOSSES | {"category-details", "source"}
CHECKED = (
    "label-studio-sdk (its brush encoder, byte for byte)",
    "pycocotools (polygons and rectangles)",
    "exports in the repository of label-studio-sdk",
)
FILE_SUFFIXES = (".json",)
WRITE_OPTIONS = {"prefix": "goes before the path of each image: /data/local-files/?d= for storage of local files"}
TASKS_HEAD = rb"\A\s*(\[\s*)?\{"
_DATA_KEY = rb'"data"\s*:\s*\{'
_MIN_JSON = rb'"annotation_id"\s*:'  # together with one of the annotation keys
_ANNOTATION_KEYS = rb'"(annotator|lead_time|created_at|updated_at)"\s*:'
_TASK_KEYS = (
    rb'"(completed_by|was_cancelled|from_name|total_annotations|model_version|cancelled_annotations)"\s*:'
    rb'|"(annotations|predictions|completions)"\s*:\s*\[|"(brush|polygon|rectangle|ellipse|keypoint)labels"'
)


def detect(probe: FileProbe) -> FormatMatch | None:
    """JSON with data and annotations of tasks."""
    names = [name for name in probe.heads(r"\.json$", TASKS_HEAD, most=32) if is_tasks(probe.head(name))]
    return FormatMatch(1.0, f"{names[0]} has tasks of Label Studio") if names else None


def is_tasks(head: bytes) -> bool:
    """Whether a file with this beginning holds tasks."""
    is_minimal = re.search(_MIN_JSON, head) and re.search(_ANNOTATION_KEYS, head)
    return bool((re.search(_DATA_KEY, head) and re.search(_TASK_KEYS, head)) or is_minimal)


read = ImportedOnCall("segdata.formats.tools.label_studio_reader:open_tasks")


write = ImportedOnCall("segdata.formats.tools.label_studio_writer:write_tasks")
