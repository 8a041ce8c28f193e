"""Heads: how files of annotation tools begin."""

CVAT = rb"<annotations\s*>(?s:.*)<(meta|image|track)[\s>]"
VIA_JSON = rb'"_via_img_metadata"\s*:|"shape_attributes"\s*:'
VIA_CSV = rb"\A(\xef\xbb\xbf)?#?filename,file_size,file_attributes,region_count,region_id,region_shape_attributes"
