"""Statistics of a study: fronts, paired comparisons, trends, the runs still needed, and the verdict.

Everything here maps tables and arrays to results. Accuracies are in percent, differences in percentage points.
"""

MARGIN = 0.2  # percentage points; a difference whose whole interval lies within ± this counts as none
LEVEL = 0.95  # of all intervals of a question together
