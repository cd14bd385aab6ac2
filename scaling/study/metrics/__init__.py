"""Metrics: every number that can be an axis, with its label, unit, direction and role.

A metric is a function with `@metric` in a file of this folder, or in a plugin. `metric.py` describes what it must do
and derives every list of costs from the metrics that exist.
"""

from scaling.study.metrics.metric import COUNTED as COUNTED
from scaling.study.metrics.metric import METRICS as METRICS
from scaling.study.metrics.metric import PREDICTED as PREDICTED
from scaling.study.metrics.metric import TRAINING_MEMORY as TRAINING_MEMORY
from scaling.study.metrics.metric import Columns as Columns
from scaling.study.metrics.metric import Metric as Metric
from scaling.study.metrics.metric import Role as Role
from scaling.study.metrics.metric import Use as Use
from scaling.study.metrics.metric import analysed_costs as analysed_costs
from scaling.study.metrics.metric import column_costs as column_costs
from scaling.study.metrics.metric import column_scores as column_scores
from scaling.study.metrics.metric import costs as costs
from scaling.study.metrics.metric import counted_costs as counted_costs
from scaling.study.metrics.metric import get_metric as get_metric
from scaling.study.metrics.metric import limited_costs as limited_costs
from scaling.study.metrics.metric import main_cost as main_cost
from scaling.study.metrics.metric import metric as metric
from scaling.study.metrics.metric import predicted_costs as predicted_costs
from scaling.study.metrics.metric import si as si
