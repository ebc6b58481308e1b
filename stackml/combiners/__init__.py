"""Combiners: from out-of-fold predictions of several learners to one prediction."""

from stackml.combiners.auto import DEFAULT_CANDIDATES as DEFAULT_CANDIDATES
from stackml.combiners.auto import AutoCombiner as AutoCombiner
from stackml.combiners.auto import Choice as Choice
from stackml.combiners.auto import ChoiceRow as ChoiceRow
from stackml.combiners.auto import choose_combiner as choose_combiner
from stackml.combiners.base import Combiner as Combiner
from stackml.combiners.base import Context as Context
from stackml.combiners.base import FittedCombiner as FittedCombiner
from stackml.combiners.base import MetaFeatures as MetaFeatures
from stackml.combiners.boosted import BoostedCombiner as BoostedCombiner
from stackml.combiners.catalog import COMBINERS as COMBINERS
from stackml.combiners.catalog import FITTED as FITTED
from stackml.combiners.catalog import make_combiner as make_combiner
from stackml.combiners.catalog import restore_combiner as restore_combiner
from stackml.combiners.greedy import GreedyCombiner as GreedyCombiner
from stackml.combiners.logistic import LogisticCombiner as LogisticCombiner
from stackml.combiners.mean import MeanCombiner as MeanCombiner
from stackml.combiners.nested import nested_predictions as nested_predictions
from stackml.combiners.simplex import SimplexCombiner as SimplexCombiner
from stackml.combiners.single import SingleCombiner as SingleCombiner
from stackml.combiners.weighted import FittedWeights as FittedWeights
