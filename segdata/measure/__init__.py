"""Measurements: the only pass over pixels, from runs to the tables that rules filter.

`measure` loads a source in chunks and measures each; `registry` holds the measurements, which register themselves in
`tables`; `sequences` loads neighbouring frames again; `cache` keeps tables between runs. `summary` and
`region_properties` serve `segdata info` and its exports.
"""
