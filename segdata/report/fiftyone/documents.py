"""Documents: labels as the database keeps them, without the classes that check each attribute of each on its way.

Datasets have a hundred labels for each thing that these classes would make sure of.
"""

from typing import Any


def document(fo: Any, kind: str, id_: str, **values: Any) -> dict[str, Any]:  # Any: FiftyOne has no types
    """A ``Detection`` or ``Polyline`` with these attributes; those that are None are left out, a mask is packed."""
    from bson import ObjectId  # of FiftyOne's database

    told = {name: value for name, value in values.items() if value is not None}
    if "mask" in told:
        told["mask"] = fo.core.utils.serialize_numpy_array(told["mask"])
    return {"_id": ObjectId(id_), "_cls": kind, "attributes": {}, "tags": [], **told}


def documents(kind: str, labels: list[dict[str, Any]]) -> dict[str, Any]:  # Any: as above
    """The ``Detections`` or ``Polylines`` of an image."""
    return {"_cls": kind, kind.lower(): labels}
