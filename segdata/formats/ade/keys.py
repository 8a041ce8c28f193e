"""Keys: which keys of an object in ADE20K's JSON are attributes here, and how their values change on the way.

Everything that an object says and that has no place of its own here is an attribute under the same name. Source: the
sample images of CSAILVision/ADE20K, whose empty values are empty lists.
"""

# Keys with a meaning of their own. `hypernym` follows from the name and is kept with the category.
STRUCTURE = frozenset({"id", "name", "name_ndx", "hypernym", "parts", "instance_mask"})
COLUMNS: dict[str, type] = {"score": float, "source": str, "track_id": int, "iscrowd": bool}
DERIVED = frozenset({"part_of", "part_level", "amodal"})  # attributes that come from elsewhere
_READ = {
    "occluded": {'"yes"': "true", '"no"': "false"},
    "crop": {'"1"': "true", '"0"': "false", "1": "true", "0": "false"},
}
_WRITTEN = {"occluded": {"true": '"yes"', "false": '"no"'}, "crop": {"true": '"1"', "false": '"0"'}}
_NOTHING = {"attributes": ("[]", '""'), "occluded": ("[]",), "crop": ("[]",)}
_NO_POLYGON = '{"x":[],"y":[]}'


def attribute(key: str, json: str) -> str | None:
    """The value of a key as an attribute; None where it says nothing.

    >>> attribute("occluded", '"yes"'), attribute("attributes", "[]"), attribute("raw_name", '"auto"')
    ('true', None, '"auto"')
    """
    if json in _NOTHING.get(key, ()) or (key == "polygon" and "".join(json.split()) == _NO_POLYGON):
        return None
    return _READ.get(key, {}).get(json, json)


def value(name: str, json: str) -> str | None:
    """An attribute as the value of a key; None where it would not be read back as the same."""
    if name in STRUCTURE or name in COLUMNS or name in DERIVED:
        return None
    written = _WRITTEN.get(name, {}).get(json, json)
    return written if attribute(name, written) == json else None
