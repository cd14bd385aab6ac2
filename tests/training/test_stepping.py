"""A step that runs out of memory is retried in smaller parts, one that cannot be compiled without compiling."""

import copy
import gc
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import scaling.training.state
from scaling.costs.live_tensors import Step, measured_training_memory
from scaling.costs.memory import predict_training
from scaling.data import Dataset, Split
from scaling.models import build_model
from scaling.study.config import Recipe
from scaling.study.errors import TrainingError
from scaling.study.notes import Notes
from scaling.tasks.classification import evaluate, score
from scaling.training import compiling
from scaling.training.compiling import WORTHWHILE_STEPS, is_worthwhile
from scaling.training.micro_batches import MicroBatches, is_out_of_memory
from scaling.training.precision import float32_products
from scaling.training.train import moving_average
from scaling.training.training_run import TrainingRun
from tests.support.training import CPU, ON_CPU, fit_classifier, timeless

# as the allocators say it
FAILURES: list[Callable[[], Exception]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    lambda: RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    lambda: RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]

# torch 2.11 breaks its graph at a question about autocast, and warns; later versions trace it
TORCH_2_11 = pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace")


@pytest.fixture(autouse=True)
def _quick_collection() -> Iterator[None]:
    """Running out of memory collects garbage; what other tests left behind need not be looked through each time."""
    gc.freeze()
    yield
    gc.unfreeze()


def toy_data(count: int = 64, size: int = 8) -> Dataset:
    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        return Split(rng.integers(0, 255, (n, size, size, 3), dtype=np.uint8), np.arange(n, dtype=np.int64) % 3)

    return Dataset(split(count), split(30), split(31), ("a", "b", "c"), (128.0,) * 3, (70.0,) * 3, True, 1)


class Small(nn.Module):
    """Memory that holds so many images: more raise an error, in the forward or in the backward pass, from a call on."""

    def __init__(self, inner: nn.Module, images: int, *, failure: int = 0, backward: bool = False, since: int = 0):
        super().__init__()
        self.inner, self.images, self.backward = inner, images, backward
        self.failure, self.left = FAILURES[failure], since
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        too_many = len(x) > self.images and self.left < 0
        y = self.inner(x)
        if too_many and not self.backward:
            raise self.failure()
        if too_many and y.requires_grad:
            y.register_hook(self.fail)
        self.sizes.append(len(x))
        return y

    def no_weight_decay(self) -> set[str]:
        named: Callable[[], set[str]] = getattr(self.inner, "no_weight_decay", set)
        return {f"inner.{name}" for name in named()}

    def fail(self, gradient: torch.Tensor) -> None:
        raise self.failure()


def network(norm: bool = False, drop_path: float = 0.0) -> nn.Module:
    if norm:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            stem = (nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1))
            return nn.Sequential(*stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    arch = {"width": 16, "depth": 2, "patch_size": 2, "layer_scale": 0.1, "drop_path": drop_path}
    return build_model("patchconvnet", **arch, pooling="attention", num_classes=3, image_size=(8, 8), seed=0)


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 2, "batch_size": 32, "optimizer": "sgd", "learning_rate": 0.05, **changes})


def train(net: nn.Module, how: Recipe, notes: Notes | None = None, data: Dataset | None = None, **where: Any):
    return list(fit_classifier(net, data or toy_data(), how, seed=3, notes=notes or Notes(), **where))


def weights(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name.removeprefix("inner."): tensor for name, tensor in net.state_dict().items()}


@given(st.integers(1, 600), st.one_of(st.none(), st.integers(1, 600)))
def test_parts_cover_a_batch_once_in_nearly_equal_sizes(images: int, size: int | None) -> None:
    parts = MicroBatches(size).parts(images)

    assert [i for part in parts for i in range(images)[part]] == list(range(images))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= (size or images)
    assert size is None or len(parts) == -(-images // size)


@given(st.integers(1, 600))
def test_halving_ends_at_single_images(images: int) -> None:
    micro, sizes = MicroBatches(), [images]

    while micro.halve(images):
        sizes.append(max(part.stop - part.start for part in micro.parts(images)))

    assert sizes[-1] == 1
    assert all(b == (a + 1) // 2 for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize("failure", range(len(FAILURES)))
def test_weights_after_running_out_of_memory_equal_full_batch_weights(failure: int) -> None:
    backward, loss = bool(failure % 2), ("cross_entropy", "bce")[failure // 2]
    how = recipe(loss=loss, mixup=0.2, clip_grad_norm=1.0, ema_decay=0.9)
    whole = network(drop_path=0.3)
    small = Small(network(drop_path=0.3), 10, failure=failure, backward=backward, since=1)
    averages = [moving_average(net, how) for net in (whole, small)]
    notes = Notes()

    expected = train(whole, how, average=averages[0])
    curve = train(small, how, notes, average=averages[1])

    for name, tensor in weights(small).items():
        torch.testing.assert_close(tensor, weights(whole)[name], rtol=1e-4, atol=1e-6)
    assert averages[0]
    assert averages[1]
    for name, tensor in weights(averages[1].module).items():
        torch.testing.assert_close(tensor, weights(averages[0].module)[name], rtol=1e-4, atol=1e-6)
    assert [e.train_loss for e in curve] == pytest.approx([e.train_loss for e in expected], rel=1e-5)
    assert [line for line in notes.lines if "evaluation" not in line] == [
        "out of memory: the batch of 32 was taken in micro-batches of 8 from step 2",
    ]


def test_a_step_is_retried_from_the_state_before_it() -> None:
    """What ran before memory ran out leaves no trace in running statistics and random numbers."""
    fails, split = Small(network(norm=True), 16, backward=True), network(norm=True)

    train(fails, recipe())
    train(split, recipe(micro_batch=16))

    for name, tensor in weights(fails).items():
        assert torch.equal(tensor, split.state_dict()[name]), name


def test_batch_norm_is_named_where_it_sees_micro_batches() -> None:
    notes = Notes()

    train(Small(network(norm=True), 16), recipe(), notes)

    assert notes.lines[0] == (
        "out of memory: the batch of 32 was taken in micro-batches of 16 from step 1, which are what batch norm sees"
    )


@pytest.mark.slow
def test_stochastic_depth_drops_the_same_blocks_after_repeated_failures() -> None:
    fails, split = Small(network(drop_path=0.5), 9), network(drop_path=0.5)

    train(fails, recipe())
    train(split, recipe(micro_batch=8))

    assert all(torch.equal(tensor, split.state_dict()[name]) for name, tensor in weights(fails).items())


def test_dropout_draws_for_the_whole_batch() -> None:
    def dropping() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 3))

    whole, split = dropping(), dropping()

    expected = train(whole, recipe())
    curve = train(split, recipe(micro_batch=5))

    assert [e.train_loss for e in curve] == pytest.approx([e.train_loss for e in expected], rel=1e-5)
    for name, tensor in split.state_dict().items():
        torch.testing.assert_close(tensor, whole.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_the_network_sees_at_most_the_recipe_s_micro_batch() -> None:
    net, whole = Small(network(), 1000), network()

    train(net, recipe(micro_batch=12))
    train(whole, recipe())

    assert set(net.sizes) == {11, 10, 30}  # 32 images in three parts; 30 are evaluated
    for name, tensor in weights(net).items():
        torch.testing.assert_close(tensor, weights(whole)[name], rtol=1e-4, atol=1e-6)


def test_a_single_image_too_large_fails_with_one_line() -> None:
    with pytest.raises(TrainingError) as caught:
        train(Small(network(), 0), recipe())

    assert str(caught.value).startswith("out of memory at step 1 with a micro-batch of one image of 8×8; ")
    assert "Tried to allocate 2.00 GiB" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_running_out_of_memory_in_updates_does_not_halve_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.optim.SGD, "step", fail)

    with pytest.raises(TrainingError, match="out of memory at step 1, outside the network's forward and backward pass"):
        train(network(), recipe())


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    class Wrong(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("mat1 and mat2 shapes cannot be multiplied")

    class Mistaken(Small):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.sizes.append(len(x))
            return Wrong()(x)

    net = Mistaken(network(), 1)
    with pytest.raises(ValueError, match="cannot be multiplied"):
        train(net, recipe())
    assert net.sizes == [32]
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_the_checkpoint_keeps_the_micro_batch_and_the_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling.training.state, "WRITING_SHARE", 1e9)  # keep the state of every epoch
    how, notes, again = recipe(epochs=4), Notes(), Notes()
    whole, first, resumed = Small(network(), 10), Small(network(), 10), Small(network(), 32)
    expected = train(whole, how)

    running = fit_classifier(first, toy_data(), how, seed=3, checkpoints=tmp_path, notes=notes)
    list(itertools.islice(running, 2))
    curve = train(resumed, how, again, checkpoints=tmp_path)

    # What is evaluated whole and in parts differs by rounding; what is trained does not.
    assert [epoch.val_loss for epoch in curve] == pytest.approx([epoch.val_loss for epoch in expected], rel=1e-6)
    trained, wanted = ([epoch.model_copy(update={"val_loss": 0.0}) for epoch in of] for of in (curve, expected))
    assert timeless(trained) == timeless(wanted)
    assert max(size for size in resumed.sizes if size != 30) == 8  # it never meets the whole batch; 30 are evaluated
    assert all(torch.equal(tensor, weights(whole)[name]) for name, tensor in weights(resumed).items())
    assert again.lines == notes.lines
    assert len(notes.lines) >= 2


def test_evaluation_continues_in_smaller_parts() -> None:
    data, net, notes = toy_data(), network(), Notes()

    expected = evaluate(net, data.test, data, ON_CPU)
    found = evaluate(Small(net, 4), data.test, data, TrainingRun(CPU, notes=notes))

    assert found.accuracy == expected.accuracy
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert notes.lines[-1] == "out of memory: evaluation took fewer than 256 images at a time"
    with pytest.raises(TrainingError, match="out of memory in the evaluation of one image"):
        score(Small(net, 0), data, ON_CPU)


@pytest.mark.slow
def test_memory_is_measured_in_fitting_parts_or_not_at_all() -> None:
    notes, step = Notes(), Step(32, optimizer="sgd")

    small = measured_training_memory(Small(network(), 8), 8, 3, step, notes)
    whole = measured_training_memory(network(), 8, 3, step)
    none = measured_training_memory(Small(network(), 0), 8, 3, step, notes)

    assert small
    assert whole
    assert small < whole
    assert none is None
    assert "out of memory: the memory of a training step was measured in micro-batches of 8" in notes.lines
    assert notes.lines[-1] == "out of memory: the memory of a training step was not measured"


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_predicted_memory_follows_the_micro_batch(optimizer: str) -> None:
    net = build_model("patchconvnet", width=32, depth=3, patch_size=2, num_classes=3, image_size=(16, 16), seed=0)
    steps = [Step(32, optimizer=optimizer, micro_batch=size) for size in (None, 16, 4)]

    predicted = [predict_training(net, (16, 16), 3, step).peak for step in steps]
    measured = [measured_training_memory(copy.deepcopy(net), 16, 3, step) for step in steps]

    assert predicted == sorted(predicted, reverse=True)
    assert predicted == pytest.approx(measured, rel=0.05)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """One entry for each graph that the compiler was given, which here runs them as they are."""
    made: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        made.append(len(list(graph.graph.nodes)))
        return graph.forward

    monkeypatch.setattr(compiling, "OPTIONS", {"backend": backend})
    yield made
    torch.compiler.reset()


@TORCH_2_11
def test_compiled_steps_train_equally_under_the_same_names(graphs: list[int], tmp_path: Path) -> None:
    plain, net = network(drop_path=0.3), network(drop_path=0.3)
    names = list(net.state_dict())
    how = recipe(ema_decay=0.9)
    average = moving_average(net, how)

    expected = train(plain, how)
    curve = train(net, how, average=average, compiles=True, checkpoints=tmp_path)

    assert graphs
    assert list(net.state_dict()) == names
    assert [epoch.train_loss for epoch in curve] == pytest.approx([epoch.train_loss for epoch in expected], rel=1e-5)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, plain.state_dict()[name], rtol=1e-4, atol=1e-6)
    assert timeless(train(network(drop_path=0.3), how, average=average, checkpoints=tmp_path)) == timeless(curve)


@pytest.mark.slow
def test_compiling_ends_however_many_sizes_a_run_sees(graphs: list[int]) -> None:
    one_size = recipe(epochs=2)
    train(network(), one_size, compiles=True)
    first = len(graphs)

    train(network(), recipe(epochs=9, train_resolution=(2, 16)), compiles=True, data=toy_data(size=16))

    assert len(graphs) - first <= 3 * first


@TORCH_2_11
@pytest.mark.parametrize("parts", [4, 16])
def test_one_graph_serves_all_parts_of_a_batch(graphs: list[int], parts: int) -> None:
    how = recipe(epochs=2)
    net = network(drop_path=0.3)

    train(net, how.model_copy(update={"micro_batch": how.batch_size // parts}), compiles=True)

    assert len(graphs) <= 2  # a second one for parts of another size


@pytest.mark.slow
def test_every_model_that_a_worker_trains_is_compiled(graphs: list[int]) -> None:
    for number in range(10):  # the compiler would give up after eight
        before = len(graphs)
        train(network(norm=True), recipe(epochs=1), compiles=True)
        assert len(graphs) > before, number


@TORCH_2_11
def test_a_failing_compiler_gives_a_note_and_training_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(compiling, "OPTIONS", {"backend": broken})
    plain, net, notes = network(drop_path=0.3), network(drop_path=0.3), Notes()

    expected, curve = train(plain, recipe()), train(net, recipe(), notes, compiles=True)

    assert timeless(curve) == timeless(expected)
    assert all(torch.equal(tensor, plain.state_dict()[name]) for name, tensor in net.state_dict().items())
    (note,) = notes.lines
    assert note.startswith("torch.compile failed at step 1; trained without it from there on (")
    assert "no C++ compiler" in note
    assert "\n" not in note


def test_only_long_runs_on_a_gpu_compile_by_default() -> None:
    cuda = torch.device("cuda")
    assert is_worthwhile(None, cuda, WORTHWHILE_STEPS)
    assert not is_worthwhile(None, cuda, WORTHWHILE_STEPS - 1)
    assert not is_worthwhile(None, CPU, 10 * WORTHWHILE_STEPS)
    assert is_worthwhile(True, CPU, 1)
    assert not is_worthwhile(False, cuda, 10 * WORTHWHILE_STEPS)


def test_only_tf32_rounds_factors_and_settings_are_restored() -> None:
    def set_now() -> tuple[str, bool]:
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    before, seen = set_now(), {}
    for precision in ("float32", "tf32", "bfloat16"):
        with float32_products(precision, torch.device("cuda")):
            seen[precision] = set_now()
            with float32_products("float32", torch.device("cuda")):  # an evaluation
                assert set_now() == ("highest", False)
            assert set_now() == seen[precision]
        assert set_now() == before

    assert seen == {"float32": ("highest", False), "tf32": ("high", True), "bfloat16": ("highest", False)}
    with float32_products("tf32", CPU):
        assert set_now() == before


@pytest.mark.slow
def test_torch_s_own_compiler_draws_the_same_random_numbers() -> None:
    plain, net, notes = network(norm=True), network(norm=True), Notes()

    expected = train(plain, recipe(epochs=1))
    curve = train(net, recipe(epochs=1), notes, compiles=True)

    if notes.lines:
        pytest.skip(f"no compiler here: {notes.lines[0]}")
    assert [epoch.train_loss for epoch in curve] == pytest.approx([epoch.train_loss for epoch in expected], rel=1e-4)


def test_newer_settings_of_a_process_are_used_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch refuses its earlier settings in a process that has used the newer ones."""

    def refused() -> str:
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", refused)
    before = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision  # pyright: ignore
    for precision, expected in (("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "ieee")):
        with float32_products(precision, torch.device("cuda")) as remark:  # pyright: ignore[reportArgumentType]
            assert remark is not None
            assert "fp32_precision" in remark
            assert torch.backends.cuda.matmul.fp32_precision == expected
            assert torch.backends.cudnn.conv.fp32_precision == expected  # pyright: ignore
    assert (torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision) == before  # pyright: ignore
    with float32_products("tf32", CPU) as remark:
        assert remark is None


@pytest.mark.parametrize(
    "said",
    ["CUDA out of memory. Tried to allocate", "GET was unable to find an engine to execute this computation"],
)
def test_libraries_that_run_out_of_memory_are_understood(said: str) -> None:
    assert is_out_of_memory(RuntimeError(said))
    assert not is_out_of_memory(RuntimeError("no kernel image is available for execution on the device"))
