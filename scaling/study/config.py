"""The settings of one trial, typed and frozen, and the content key that identifies them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from scaling.study.aliases import EARLIER_NAMES
from scaling.study.data_fingerprint import UsedData
from scaling.study.flat_pooling import flat_pooling

# Part of every content key. Raise it when a default below changes or a setting changes its meaning.
# Keys leave defaults out, so that a new setting does not orphan the records made before it existed.
KEY_VERSION = 1

# Larger numbers are slips of the pen; they would exhaust memory or overflow before anything could report them.
MOST_PIXELS = 65_536  # of a side
MOST_EPOCHS = 1_000_000
MOST_IMAGES = 1_000_000  # of a batch
MOST_DEVICES = 100_000
Side = Annotated[int, Field(gt=0, le=MOST_PIXELS)]


class Settings(BaseModel):
    """Base of all settings: immutable; an undeclared name is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def in_current_words(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return `content` with the present name of every setting that was renamed (`scaling.study.aliases`)."""
        renamed = [name for name in EARLIER_NAMES if name in cls.model_fields and name not in content]
        new = {earlier: name for name in renamed for earlier in EARLIER_NAMES[name]}
        return {new.get(name, name): value for name, value in content.items()}

    @classmethod
    def written_name(cls, name: str, content: Mapping[str, Any]) -> str:
        """Return the name under which `content` gives the setting `name`: an earlier one where it has that."""
        return next((one for one in (name, *EARLIER_NAMES.get(name, ())) if one in content), name)

    @classmethod
    def given_twice(cls, content: Mapping[str, Any]) -> dict[str, str]:
        """Return a message for each earlier name of a setting that `content` also gives by its present name."""
        return {
            earlier: f"'{earlier}' is the earlier name of '{name}'; keep one"
            for name in EARLIER_NAMES
            if name in cls.model_fields and name in content
            for earlier in EARLIER_NAMES[name]
            if earlier in content
        }

    @classmethod
    def misread(cls, content: Mapping[str, Any]) -> str | None:
        """Return a message if `content` is meant to be something other than these settings."""
        return None

    @model_validator(mode="before")
    @classmethod
    def _reads_old_words(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        if twice := cls.given_twice(content):
            raise ValueError("; ".join(twice.values()))
        return cls.in_current_words(content)


NO_IDENTITY = {"allow_duplicates"}  # settings of data that change no result


class DataConfig(Settings):
    """Where the images come from and how they are split."""

    source: str = Field(
        default="digits", description="a registered data source, such as digits, cifar10 or folder:PATH"
    )
    image_size: PositiveInt | None = Field(
        default=None, le=MOST_PIXELS, description="side in pixels to resize to; none keeps the source's"
    )
    validation_fraction: float = Field(
        default=0.1, gt=0, lt=1, description="fraction of train held out where the source has no validation set"
    )
    test_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="fraction of all images held out where the source has no test set"
    )
    split_seed: int = Field(
        default=0, ge=0, description="seed of the held-out part, the same for all trials of a study"
    )
    split: Literal["fixed", "per_repetition"] = Field(
        default="fixed",
        description="per_repetition: draw the held-out validation part anew for every cell and repetition, the same for"
        " its arms",
    )
    train_limit: PositiveInt | None = Field(
        default=None, description="use only this many training images (a seeded subset)"
    )
    image_column: str | None = Field(default=None, description="for parquet and hf; none finds image or img")
    label_column: str | None = Field(default=None, description="for parquet and hf; none finds label or fine_label")
    memory_gib: PositiveFloat = Field(
        default=4.0, description="images that take more than this when decoded are read from their files every epoch"
    )
    most_unreadable: NonNegativeInt = Field(
        default=10, description="of the images read every epoch, how many may be unreadable, each with a warning"
    )
    most_megapixels: PositiveFloat = Field(
        default=180.0, description="an image of more than this many million pixels is refused"
    )
    pixel_range: tuple[float, float] | None = Field(
        default=None,
        description="values of black and white in images of more than 8 bits a pixel; none: the range of the whole set",
    )

    allow_duplicates: bool = Field(
        default=False,
        description="accept images that are in two of train, validation and test; otherwise they are refused. Not part"
        " of a trial's identity",
    )

    @field_validator("pixel_range")
    @classmethod
    def _rises(cls, span: tuple[float, float] | None) -> tuple[float, float] | None:
        if span is not None and not span[0] < span[1]:
            raise ValueError(f"the value of black, {span[0]:g}, must be below that of white, {span[1]:g}")
        return span


class WidthRule(Settings):
    """How the learning rate follows width; docs/training.md has the rules and their sources."""

    name: str = Field(description="a learning-rate rule, such as mup")
    reference_width: PositiveFloat = Field(
        description="width at which the recipe's learning rate holds, in the family's own terms"
    )


class Recipe(Settings):
    """Everything about training that is not the architecture.

    The names of losses, augmentations and learning-rate rules are checked with the space, not here, so that the records
    of a plugin that is absent still read.
    """

    epochs: PositiveInt = Field(default=10, le=MOST_EPOCHS, description="passes over the training set")
    batch_size: PositiveInt = Field(default=128, le=MOST_IMAGES, description="images per optimiser step")
    optimizer: Literal["adamw", "lamb", "sgd"] = Field(default="adamw", description="sgd has Nesterov's momentum")
    learning_rate: PositiveFloat = Field(default=2e-3, description="peak learning rate")
    learning_rate_rule: WidthRule | None = Field(
        default=None, description="how the learning rate follows width; none: the same at every width"
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of sgd")
    weight_decay: float = Field(
        default=0.05, ge=0, description="not applied to norms, biases, tokens, LayerScale; decoupled, except in sgd"
    )
    warmup_epochs: float = Field(
        default=1.0, ge=0, description="linear warm-up to the peak learning rate; at most a fifth of all epochs"
    )
    schedule: Literal["cosine", "constant_then_decay"] = Field(
        default="cosine",
        description="learning rate after the warm-up: half a cosine, or constant and then linear, both to zero",
    )
    decay_fraction: float = Field(
        default=0.2, gt=0, le=1, description="last part of all steps, in which constant_then_decay falls"
    )
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    clip_grad_norm: PositiveFloat | None = Field(default=None, description="largest global gradient norm")
    flip: bool | None = Field(default=None, description="random horizontal flips; none: as the data source recommends")
    crop_padding: int | None = Field(
        default=None,
        ge=0,
        le=MOST_PIXELS,
        description="zero padding before random crops, in pixels; none: as the data source recommends",
    )
    rand_augment: float = Field(default=0, ge=0, le=10, description="magnitude of two random operations; 0: none")
    random_erasing: float = Field(default=0, ge=0, le=1, description="fraction of the images that lose a rectangle")
    mixup: float = Field(default=0, ge=0, description="α of the Beta from which mixing weights are drawn; 0: none")
    cutmix: float = Field(
        default=0, ge=0, description="the same for pasted rectangles; with both, each batch gets one of the two"
    )
    augmentation: tuple[str, ...] = Field(
        default=(), description="registered augmentations of whole training batches, applied in order after the above"
    )
    repeats: PositiveInt = Field(
        default=1,
        le=MOST_IMAGES,
        description="consecutive copies of an image, each augmented anew; epochs keep their length",
    )
    loss: str = Field(default="cross_entropy", description="a registered loss; bce: one sigmoid per class")
    ema_decay: float | None = Field(
        default=None, gt=0, lt=1, description="of a moving average of the weights, scored beside the final weights"
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        default="float32", description="tf32: matrix products on a GPU; bfloat16: autocast. Evaluation uses float32"
    )
    micro_batch: PositiveInt | None = Field(
        default=None,
        le=MOST_IMAGES,
        description="most images that pass through the network at once, where batch_size does not fit; gradients add up"
        " to those of the whole batch, batch norm sees the parts",
    )
    train_resolution: tuple[Side, Side] | None = Field(
        default=None,
        description="shorter side of the training images in pixels, in the first and in the last epoch; evaluation uses"
        " the data's own size",
    )


class Resources(Settings):
    """What one trial uses of the machine; not part of its identity."""

    cpus: PositiveFloat = Field(
        default=1, le=MOST_DEVICES, description="cores of one trial, for all its workers together"
    )
    gpus: float | None = Field(
        default=None,
        ge=0,
        le=MOST_DEVICES,
        description="share of a GPU, or GPUs for all workers together; none: one per worker, where there are any",
    )
    device: Literal["cuda", "xpu", "mps", "cpu"] | None = Field(
        default=None, description="kind of device to train on; none: the first of these that torch can use"
    )
    workers: PositiveInt = Field(
        default=1,
        le=MOST_DEVICES,
        description="processes that train one network together, each on its share of every batch",
    )
    activation_checkpointing: bool = Field(
        default=False, description="recompute blocks in the backward pass; less memory, more time, the same numbers"
    )
    compile: bool | None = Field(
        default=None,
        description="run training steps through torch.compile; none: long runs on a GPU. Changes rounding only",
    )

    @model_validator(mode="after")
    def _gives_each_worker_whole_gpus(self) -> "Resources":
        if self.workers > 1 and self.gpus and self.gpus % self.workers:
            raise ValueError(
                f"gpus {self.gpus:g} is not a whole number for each of {self.workers} workers; give a multiple, or 0"
            )
        return self


class TrialConfig(Settings):
    """All that determines a trial's result, up to the machine: equal configs have equal keys."""

    family: str
    arch: dict[str, Any] = Field(description="parameters of the family, the compared factor among them")
    data: DataConfig = DataConfig()
    data_fingerprint: str | None = Field(
        default=None,
        description="digest of what data.source holds, which it replaces in the key; none in trials from before it",
    )
    recipe: Recipe = Recipe()
    seed: int = Field(default=0, ge=0, description="of initialisation, data order and augmentation")
    plugins: dict[str, str] = Field(
        default={}, description="name → digest of the plugins that define something used here; see docs/plugins.md"
    )

    @field_validator("arch", mode="before")
    @classmethod
    def _has_flat_pooling(cls, arch: Any) -> Any:
        return flat_pooling(arch) if isinstance(arch, Mapping) else arch

    @property
    def key(self) -> str:
        """Content key: 16 hexadecimal digits of the SHA-256 of the settings that differ from the defaults.

        The place and the spelling of data whose fingerprint is known do not matter.
        """
        settings = self.model_dump(mode="json", exclude_defaults=True, exclude={"data": NO_IDENTITY})
        content = {"key_version": KEY_VERSION, **settings}
        if not content.get("data"):
            content.pop("data", None)
        if self.data_fingerprint is not None and "data" in content:
            content["data"] = {name: value for name, value in content["data"].items() if name != "source"}
            content = {name: value for name, value in content.items() if name != "data" or value}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class Trial(Settings):
    """One training run in its place in a study: cell × arm × repetition."""

    study: str
    cell: dict[str, Any] = Field(description="value of each axis")
    arm: str = Field(description="value of the compared factor")
    config: TrialConfig
    data: UsedData | None = Field(default=None, description="what its images are; not part of its identity")
    repetition: int = Field(default=0, ge=0, description="of the cell and arm; the arms of a repetition share its seed")
    keeps_weights: bool = False
    device: str | None = Field(default=None, description="as in Resources")
    compiles: bool | None = Field(default=None, description="as in Resources")
    activation_checkpointing: bool = Field(default=False, description="as in Resources")
    learning_rate_grid: list[float] | None = Field(
        default=None, description="learning rates tried for this cell and arm, with `tune`"
    )
    budgets: list[int] = Field(
        default=[], description="epochs of the trials that differ from this one in nothing else, itself among them"
    )

    @property
    def key(self) -> str:
        return self.config.key

    @property
    def cell_and_arm(self) -> str:
        """Short name that all its repetitions share: `depth=4 width=64 attention`."""
        return f"{cell_label(self.cell)} {self.arm}"

    @property
    def label(self) -> str:
        """Short name for displays and messages: `depth=4 width=64 attention repetition 1`."""
        rate = f" lr {self.config.recipe.learning_rate:g}" if self.learning_rate_grid else ""
        return f"{self.cell_and_arm} repetition {self.repetition}{rate}"


def cell_label(cell: dict[str, Any]) -> str:
    """Name of a cell: its axes and values in the study's order; equal numbers have one name."""
    return " ".join(f"{axis}={as_whole(value)}" for axis, value in cell.items())


def as_whole(value: Any) -> Any:
    """Return 4 for 4.0, so that equal numbers have one name and one content key; any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def flatten(tree: Mapping[str, Any], separator: str = ".", prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names: `recipe.epochs`."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, separator, f"{name}{separator}") if isinstance(value, Mapping) else {name: value}
    return flat
