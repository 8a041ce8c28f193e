"""The kernels in numpy: the reference implementation, and the fallback if nothing is compiled."""

# ruff: noqa: F403 - `segdata.core.kernels` lists the functions, once for both kinds
from segdata.core.kernels._reference.counts import *
from segdata.core.kernels._reference.groups import *
from segdata.core.kernels._reference.labels import *
from segdata.core.kernels._reference.outlines import *
from segdata.core.kernels._reference.overlay import *
from segdata.core.kernels._reference.polygons import *
from segdata.core.kernels._reference.sweep import *
