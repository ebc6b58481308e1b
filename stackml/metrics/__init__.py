"""Metrics: what a good prediction is, how sure its score is, and what decisions cost."""

from stackml.metrics.catalog import METRICS as METRICS
from stackml.metrics.catalog import PROBLEMS as PROBLEMS
from stackml.metrics.catalog import Metric as Metric
from stackml.metrics.catalog import default_metric as default_metric
from stackml.metrics.catalog import get_metric as get_metric
from stackml.metrics.catalog import metric_names as metric_names
from stackml.metrics.catalog import per_row_loss as per_row_loss
from stackml.metrics.cost import CostMatrix as CostMatrix
from stackml.metrics.cost import cost_rows as cost_rows
from stackml.metrics.cost import expected_cost as expected_cost
from stackml.metrics.intervals import Difference as Difference
from stackml.metrics.intervals import Interval as Interval
from stackml.metrics.intervals import Together as Together
from stackml.metrics.intervals import bootstrap_interval as bootstrap_interval
from stackml.metrics.intervals import paired_difference as paired_difference
from stackml.metrics.intervals import score_together as score_together
