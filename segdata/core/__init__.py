"""The floor of the house: what several packages use. Core imports no other package of segdata.

Pixels: `runs` (vertical strips, the number line), `overlay` (shared pixels, set operations), `polygons`, and `kernels`
(the inner loops, compiled or in numpy).
Data: `schema` (columns, RLE), `batch`, `dataset`, `label_maps`, `torch_dataset`, `profile`, `taxonomy`, `guideline`.
Files: `format` (detection, losses), `paths`, `storage` (URLs), `atomic_files`, `yaml_files`, `config`, `image_files`,
`pixel_limit`, `tiff_files`, `medical_files`.
Rules: `rule`, `rule_settings`, `rule_runner`, `reductions` (of a dataset in parts), `finding`, `finding_location`,
`validation`, `label_hash`, `table`.
Comparison: `strata`, `annotator_pairs`, `candidates`, `split_assignment`, `statistics`, `resampling`. And `errors`,
`safe_text`, `executor`, `cluster`, `lazy_loading`.
"""
