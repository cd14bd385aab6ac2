"""Rows of a table of costs: one for a model, or one for each part of it, or for each way to time it."""

from collections.abc import Sequence
from typing import Any

from scaling.costs.complexity import Audit, audit
from scaling.costs.latency import largest_batch, measure_latency
from scaling.costs.live_tensors import Precision, Step
from scaling.costs.matching import match
from scaling.costs.memory import predict_inference, predict_training
from scaling.measure.models import Candidate
from scaling.study.errors import CostError

Row = dict[str, Any]

MOST_IMAGES = 256  # timed at once


def audited(candidate: Candidate) -> Audit:
    """Count a candidate both ways, on real tensors of the CPU."""
    return audit(candidate.build("cpu"), candidate.image_size, candidate.in_chans)


def measured(candidate: Candidate, step: Step | None) -> Row:
    """What a candidate costs, and with `step` the memory that it is predicted to occupy."""
    cost = candidate.cost or audited(candidate).cost
    row = {**candidate.labels, **cost.model_dump(exclude_none=True)}
    if step is None or cost.training_memory_bytes is not None:
        return row
    place = (candidate.image_size, candidate.in_chans)
    training = predict_training(candidate.build("meta", checkpointing=step.checkpointing), *place, step)
    inference = predict_inference(candidate.build("meta"), *place, step)
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
    """How long a candidate takes for one image and for as many as fit: times alone, without its costs.

    Args:
        kinds: of each, whether to compile the model.
    """
    model = candidate.build(device)
    place = (candidate.image_size, candidate.in_chans)
    most = largest_batch(model, *place, precision=precision, most=MOST_IMAGES)
    rows = []
    for batch_size in dict.fromkeys((1, most)):
        for compiled in kinds:
            how = Step(batch_size, precision)
            times = measure_latency(model, *place, step=how, compiled=compiled, seconds=seconds, allow_busy=allow_busy)
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
                    "device": f"{times.device}, threads: {times.threads}" if device == "cpu" else times.device,
                }
            )
    return rows


def breakdown(candidate: Candidate, part: str) -> list[Row]:
    """Where the costs of a candidate come from.

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
                "kind": price.kind,
                "calls": price.calls,
                "macs": price.macs,
                "share": price.macs / total,
                "activations": price.activations,
                "fvcore_flops": price.macs + price.charge,
            }
            for name, price in result.traced.by_operator().items()
        ]
    rows = []
    for name, cost_table in result.traced.by_module().items():
        macs = sum(price.macs for price in cost_table.values())
        rows.append(
            {
                "module": name or "(all)",
                "type": type(model.get_submodule(name)).__name__,
                "params": sum(parameter.numel() for parameter in model.get_submodule(name).parameters()),
                "macs": macs,
                "share": macs / total,
                "activations": sum(price.activations for price in cost_table.values()),
                "fvcore_flops": macs + sum(price.charge for price in cost_table.values()),
            }
        )
    return rows


def solved(candidate: Candidate, cost: str, target: float, vary: str, step: Step | None) -> Row:
    """The value of `vary` at which a candidate has a cost, or nearly."""
    if candidate.family is None:
        raise CostError(f"{candidate.labels['model']} is one network; --match needs a family, such as patchconvnet")
    found = match(candidate.family, candidate.arch, cost=cost, target=target, vary=vary, step=step)
    return {**candidate.labels, vary: found.arch[vary], cost: found.cost, "gap": found.gap}
