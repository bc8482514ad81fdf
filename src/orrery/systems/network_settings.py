"""Settings of the system ``network``: what is trained, from where, on which loss, by which optimizer and batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed

Width = Annotated[int, Field(ge=1)]
Link = Literal["identity", "log-softmax", "softmax", "sigmoid", "tanh"]


class Mlp(Closed):
    """A fully connected network; tensors ``fc1.weight`` (output, input), ``fc1.bias``, ``fc2.weight`` ..."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = Field(
        description="widths of the hidden layers; the dataset gives input and output"
    )
    activation: Literal["relu", "gelu", "tanh", "elu", "sigmoid", "identity"] = "relu"
    bias: bool = True


class Module(Closed):
    """A ``torch.nn.Module`` of one's own, named by import path."""

    kind: Literal["module"] = "module"
    path: str = Field(description="import path of the class, 'package.module.Class'")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of its constructor"
    )
    input_shape: tuple[Width, ...] | None = Field(
        None, description="shape of one sample as the module wants it, e.g. [1, 28, 28]; flat where absent"
    )
    batching: Literal["vmap", "loop"] = Field(
        "vmap",
        description="'vmap' trains all runs at once; 'loop' one after another, faster for convolutions on a CPU",
    )


Network = Annotated[Mlp | Module, Field(discriminator="kind")]


class Initialisation(Closed):
    """How the weights start. Every tensor has its own draw, keyed by its name and shape.

    ``default`` is PyTorch's (for linear layers: uniform within 1/sqrt(fan_in), biases too). A bias has the fan_in of
    its layer.
    """

    kind: Literal["default", "normal", "normal-fan-in", "uniform-fan-in", "uniform"] = "default"
    spread: float | None = Field(
        None,
        gt=0,
        description="standard deviation s of normal and normal-fan-in (s/sqrt(fan_in)), half width of uniform; "
        "1 where absent",
    )
    scale: float = Field(1.0, description="factor on every weight and bias after the draw")
    biases: Literal["drawn", "zero"] = Field("drawn", description="biases drawn like weights, or zero")

    @model_validator(mode="after")
    def _spread_where_it_counts(self) -> Initialisation:
        if self.spread is not None and self.kind in ("default", "uniform-fan-in"):
            raise ValueError(f"'spread' has no meaning for '{self.kind}'; use 'scale'")
        return self


class CrossEntropy(Closed):
    """Factor x mean or sum over samples of -log softmax(output)[label]."""

    kind: Literal["cross-entropy"] = "cross-entropy"
    reduction: Literal["mean", "sum"] = Field("mean", description="over the samples of the batch")
    factor: float = Field(1.0, description="factor on the loss, e.g. 0.5")
    link: Literal["identity"] = Field("identity", description="outputs are logits; the loss normalises them")


class Nll(Closed):
    """Factor x mean or sum over samples of -output[label], where the outputs are log-probabilities."""

    kind: Literal["nll"] = "nll"
    reduction: Literal["mean", "sum"] = Field("mean", description="over the samples of the batch")
    factor: float = Field(1.0, description="factor on the loss, e.g. 0.5")
    link: Literal["log-softmax", "identity"] = Field(
        "log-softmax",
        description="applied to the last layer; 'identity' where the module ends in a log-softmax itself",
    )


class Mse(Closed):
    """Factor x mean or sum of (output - target)^2; labels become one-hot targets."""

    kind: Literal["mse"] = "mse"
    reduction: Literal["mean", "sum", "sample-mean"] = Field(
        "mean",
        description="'mean' over samples and outputs (as in PyTorch), 'sum' over both, 'sample-mean': sum over "
        "outputs, mean over samples",
    )
    factor: float = Field(1.0, description="factor on the loss, e.g. 0.5")
    link: Link = Field("identity", description="applied to the last layer")


Loss = Annotated[CrossEntropy | Nll | Mse, Field(discriminator="kind")]


class Optimizer(Closed):
    """What all optimizers have."""

    rate: float = Field(gt=0, description="learning rate, before the schedule")
    weight_decay: float = Field(0.0, ge=0, description="as in torch.optim")


class Sgd(Optimizer):
    """w <- w - rate (g + weight_decay w)."""

    kind: Literal["sgd"] = "sgd"


class Momentum(Optimizer):
    """v <- momentum v + g + weight_decay w; w <- w - rate v."""

    kind: Literal["momentum"] = "momentum"
    momentum: float = Field(0.9, ge=0, lt=1)


class Nesterov(Optimizer):
    """As momentum, with w <- w - rate (g + weight_decay w + momentum v)."""

    kind: Literal["nesterov"] = "nesterov"
    momentum: float = Field(0.9, gt=0, lt=1)


Fraction = Annotated[float, Field(ge=0, lt=1)]


class Adaptive(Optimizer):
    """What Adam and AdamW share."""

    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    epsilon: float = Field(1e-8, gt=0)


class Adam(Adaptive):
    """Adam with bias correction; weight decay is added to the gradient."""

    kind: Literal["adam"] = "adam"


class AdamW(Adaptive):
    """Adam with decoupled weight decay: w <- (1 - rate weight_decay) w before the step."""

    kind: Literal["adamw"] = "adamw"
    weight_decay: float = Field(0.01, ge=0, description="as in torch.optim")


AnyOptimizer = Annotated[Sgd | Momentum | Nesterov | Adam | AdamW, Field(discriminator="kind")]


class Constant(Closed):
    """The same rate at every step."""

    kind: Literal["constant"] = "constant"


class StepSchedule(Closed):
    """The rate is multiplied by ``factor`` after every ``every`` steps."""

    kind: Literal["step"] = "step"
    every: int = Field(ge=1)
    factor: float = Field(gt=0)


class Cosine(Closed):
    """The rate falls along half a cosine to ``floor`` times itself over ``steps`` steps, and stays there."""

    kind: Literal["cosine"] = "cosine"
    steps: int = Field(ge=1)
    floor: float = Field(0.0, ge=0)


class LinearWarmup(Closed):
    """The rate rises linearly over the first ``steps`` steps: (t + 1)/steps of itself at step t."""

    kind: Literal["linear-warmup"] = "linear-warmup"
    steps: int = Field(ge=1)


Schedule = Annotated[Constant | StepSchedule | Cosine | LinearWarmup, Field(discriminator="kind")]


class Shuffled(Closed):
    """Every epoch is a fresh permutation of the training samples; copies of a seed share it."""

    kind: Literal["shuffled"] = "shuffled"
    size: int = Field(ge=1)
    incomplete: Literal["drop", "keep"] = Field(
        "drop", description="the last batch of an epoch if it is smaller"
    )


class WithReplacement(Closed):
    """Every batch is drawn independently, with replacement."""

    kind: Literal["with-replacement"] = "with-replacement"
    size: int = Field(ge=1)


class Full(Closed):
    """Every batch is the whole training set."""

    kind: Literal["full"] = "full"


class FixedOrder(Closed):
    """The samples in a fixed order, again and again, the same for all seeds."""

    kind: Literal["fixed-order"] = "fixed-order"
    size: int = Field(ge=1)
    order: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None, description="sample indices; the order of the dataset where absent"
    )


Batches = Annotated[Shuffled | WithReplacement | Full | FixedOrder, Field(discriminator="kind")]


class Probe(Closed):
    """Fixed samples on which the observable ``outputs`` is recorded."""

    count: int = Field(16, ge=1)
    split: Literal["train", "test"] = "test"
