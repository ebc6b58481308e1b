"""Splitting: who may learn from whom. Folds that prove themselves, and the splitters that make them."""

from stackml.splitting.base import Fold as Fold
from stackml.splitting.base import Folds as Folds
from stackml.splitting.base import Splitter as Splitter
from stackml.splitting.catalog import SPLITTERS as SPLITTERS
from stackml.splitting.catalog import SplitterEntry as SplitterEntry
from stackml.splitting.catalog import choose_splitter as choose_splitter
from stackml.splitting.catalog import get_splitter as get_splitter
from stackml.splitting.grouped import GroupedSplitter as GroupedSplitter
from stackml.splitting.holdout import holdout_split as holdout_split
from stackml.splitting.stratified import StratifiedSplitter as StratifiedSplitter
from stackml.splitting.temporal import GroupedTemporalSplitter as GroupedTemporalSplitter
from stackml.splitting.temporal import TemporalSplitter as TemporalSplitter
