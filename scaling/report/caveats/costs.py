"""Caveats about costs: arms of a cell that cost different amounts, and times that concurrent trials disturbed."""

import numpy as np

from scaling.report.analysis.analysis import Analysis, overheads
from scaling.report.analysis.arm_names import arm_name
from scaling.report.caveats.caveat import WORTH_SAYING, caveat
from scaling.study.metrics import METRICS, Role
from scaling.wording import listing, points


@caveat(order=60, heading="Arms of a cell differ in cost")
def unequal_cost(analysis: Analysis) -> str | None:
    """The arms of a cell differ in cost."""
    texts = []
    for verdict in analysis.verdicts:
        more = [
            one
            for one in overheads(analysis, verdict)
            if abs(one.mean) >= WORTH_SAYING and METRICS[one.cost].role is not Role.TIME
        ]
        if more:
            costs = listing([f"{points(o.mean, signed=True, decimals=1)} % {METRICS[o.cost].title}" for o in more])
            texts.append(f"{arm_name(analysis.study.factor, verdict.arm)} has {costs}")
    if not texts:
        return None
    equal = [
        f"at equal {METRICS[cost].title} {arm_name(analysis.study.factor, answer.arm)} has"
        f" {points(answer.others[other], signed=True, decimals=1)} % {METRICS[other].title}"
        for cost, other in (("macs", "params"), ("params", "macs"))
        for answer in analysis.equal_cost
        if answer.cost == cost and abs(answer.others.get(other, 0.0)) >= WORTH_SAYING
    ]
    still = f" No single cost equalises all others: {'; '.join(equal)}." if equal else ""
    return (
        f"Arms are compared in the same cell, not at the same cost: {'; '.join(texts)} on average. See the difference"
        f" at equal cost for what remains of it.{still}"
    )


@caveat(order=120, heading="Times were measured beside other trials")
def shared_device(analysis: Analysis) -> str | None:
    """Latency was measured while other trials ran on the same machine."""
    if not analysis.trials_overlap or not np.isfinite(analysis.cells["latency"].to_numpy(dtype=float)).any():
        return None
    return (
        "Trials ran concurrently on one machine while latency and training time were measured, so comparisons at equal"
        " latency or equal training time include interference between trials. Measure again with"
        " `python -m scaling.measure` on an idle machine."
    )
