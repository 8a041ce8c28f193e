# The compiled kernels have the signatures of their plain twins; a test compares the two.
from segdata.core.kernels._plain import cover as cover
from segdata.core.kernels._plain import crossings as crossings
from segdata.core.kernels._plain import decode_counts as decode_counts
from segdata.core.kernels._plain import encode_counts as encode_counts
from segdata.core.kernels._plain import extents as extents
from segdata.core.kernels._plain import join_counts as join_counts
from segdata.core.kernels._plain import label_runs as label_runs
from segdata.core.kernels._plain import order_by as order_by
from segdata.core.kernels._plain import pack_rgb as pack_rgb
from segdata.core.kernels._plain import parse_rings as parse_rings
from segdata.core.kernels._plain import parts as parts
from segdata.core.kernels._plain import rasterise as rasterise
from segdata.core.kernels._plain import split_counts as split_counts
from segdata.core.kernels._plain import strips as strips
from segdata.core.kernels._plain import strips_within as strips_within
from segdata.core.kernels._plain import tally as tally
