"""hotcoco: load, and its health check (ids, boxes; no pixels)."""

import sys

from hotcoco import COCO

coco = COCO(sys.argv[1])
report = coco.healthcheck()
print(len(coco.imgs), "images,", len(report["errors"]) + len(report["warnings"]), "reports")
