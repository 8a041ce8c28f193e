"""Merge: several datasets as one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np

from segdata.api.converting import Conversion
from segdata.api.deriving import altered, derive
from segdata.api.opening import Data, Progress, ReadOptions, read, silent
from segdata.api.taxonomies import with_taxonomy_map
from segdata.core.config import Overlap
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError
from segdata.core.losslist import losses_of
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.core.sequence import ImageSequence
from segdata.edit.clash import Names, renamed
from segdata.edit.join import JoinedSource, Joining
from segdata.edit.reconcile import Reconciled, reconciled
from segdata.edit.remap import Remap
from segdata.edit.taxonomy_map import TaxonomyMap
from segdata.formats.images import image_limits
