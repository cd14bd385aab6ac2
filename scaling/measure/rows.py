"""Rows of a table of costs: one per model, per part of a model, or per way to time it."""

from collections.abc import Sequence
from typing import Any

from scaling.costs.complexity import Audit, audit
from scaling.costs.latency import largest_batch, measure_latency
from scaling.costs.live_tensors import Precision, Step
from scaling.costs.matching import counted, match
from scaling.costs.memory import predict_inference, predict_training
from scaling.devices import kind_of
from scaling.measure.models import Candidate
from scaling.study.errors import CostError
from scaling.study.metrics import COUNTED, counted_costs

Row = dict[str, Any]

MOST_IMAGES = 256  # timed at once


def audited(candidate: Candidate) -> Audit:
    """Count a candidate both ways, on real tensors of the CPU."""
    return audit(candidate.build("cpu"), candidate.image_size, candidate.in_chans)


def measured(candidate: Candidate, step: Step | None) -> Row:
    """Return the costs of a candidate, and with `step` its predicted memory."""
    cost = candidate.cost or audited(candidate).cost
    derived = {name: counted(name, cost) for name in counted_costs() if name not in COUNTED}
    row = {**candidate.labels, **cost.model_dump(exclude_none=True), **derived}
    if step is None or cost.training_memory_bytes is not None:
        return row
    image = (candidate.image_size, candidate.in_chans)
    training = predict_training(candidate.build("meta", checkpointing=step.checkpointing), *image, step)
    inference = predict_inference(candidate.build("meta"), *image, step)
    return {
        **row,
        "batch_size": step.batch_size,
        "training_memory_bytes": training.peak,
        "inference_memory_bytes": inference.peak,
    }


def timed(
    candidate: Candidate,
    precision: Precision,
    device: str,
    kinds: Sequence[bool],
    *,
    seconds: float,
    allow_busy: bool,
) -> list[Row]:
    """Time a candidate with one image and with as many as fit; the rows hold times only, no costs.

    Args:
        kinds: for each timing, whether to compile the model.
    """
    model = candidate.build(device)
    image = (candidate.image_size, candidate.in_chans)
    most = largest_batch(model, *image, precision=precision, most=MOST_IMAGES)
    rows = []
    for batch_size in dict.fromkeys((1, most)):
        for compiled in kinds:
            how = Step(batch_size, precision)
            times = measure_latency(model, *image, step=how, compiled=compiled, seconds=seconds, allow_busy=allow_busy)
            rows.append(
                {
                    "images": batch_size,
                    "mode": "compiled" if compiled else "eager",
                    "latency_ms": 1000 * times.median_seconds,
                    "low_ms": 1000 * times.low_seconds,
                    "high_ms": 1000 * times.high_seconds,
                    "images_per_second": times.images_per_second,
                    "runs": times.runs,
                    "precision": times.precision,
                    "device": f"{times.device}, threads: {times.threads}"
                    if not kind_of(device).is_accelerator
                    else times.device,
                }
            )
    return rows


def breakdown(candidate: Candidate, part: str) -> list[Row]:
    """Split the costs of a candidate.

    Args:
        part: `operator`, or `module`, whose rows include the modules inside.
    """
    model = candidate.build("cpu")
    result = audit(model, candidate.image_size, candidate.in_chans)
    total = max(1, result.traced.macs)
    if part == "operator":
        return [
            {
                "operator": name,
                "kind": cost.kind,
                "calls": cost.calls,
                "macs": cost.macs,
                "share": cost.macs / total,
                "activations": cost.activations,
                "fvcore_flops": cost.macs + cost.charge,
            }
            for name, cost in result.traced.by_operator().items()
        ]
    rows = []
    for name, costs in result.traced.by_module().items():
        macs = sum(cost.macs for cost in costs.values())
        rows.append(
            {
                "module": name or "(all)",
                "type": type(model.get_submodule(name)).__name__,
                "params": sum(parameter.numel() for parameter in model.get_submodule(name).parameters()),
                "macs": macs,
                "share": macs / total,
                "activations": sum(cost.activations for cost in costs.values()),
                "fvcore_flops": macs + sum(cost.charge for cost in costs.values()),
            }
        )
    return rows


def solved(candidate: Candidate, cost: str, target: float, vary: str, step: Step | None) -> Row:
    """Return the value of `vary` at which a candidate has a cost, or nearly."""
    if candidate.family is None:
        raise CostError(f"{candidate.labels['model']} is one network; --match needs a family, such as patchconvnet")
    found = match(candidate.family, candidate.arch, cost=cost, target=target, vary=vary, step=step)
    return {**candidate.labels, vary: found.arch[vary], cost: found.cost, "gap": found.gap}
