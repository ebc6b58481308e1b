"""Weights of several models made into those of one: arrays in, arrays out."""

from stackml.merging.alignment import Aligned as Aligned
from stackml.merging.alignment import align as align
from stackml.merging.base import Context as Context
from stackml.merging.base import Merge as Merge
from stackml.merging.base import Merged as Merged
from stackml.merging.base import check_alike as check_alike
from stackml.merging.catalog import MERGES as MERGES
from stackml.merging.catalog import make_merge as make_merge
