"""Settings of the system ``network``: what is trained, from where, on which loss, by which optimizer and batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from orrery.config.closed import Closed
from orrery.systems.mlp_settings import Mlp, Width

Link = Literal["identity", "log-softmax", "softmax", "sigmoid", "tanh"]


class Module(Closed):
    """A ``torch.nn.Module`` of one's own, named by import path."""

    kind: Literal["module"] = Field("module", description="which network")
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


class CrossEntropy(Closed):
    """Factor x mean or sum over samples of -log softmax(output)[label]."""

    kind: Literal["cross-entropy"] = Field("cross-entropy", description="which loss")
    reduction: Literal["mean", "sum"] = Field("mean", description="over the samples of the batch")
    factor: float = Field(1.0, description="factor on the loss, e.g. 0.5")
    link: Literal["identity"] = Field("identity", description="outputs are logits; the loss normalises them")


class Nll(Closed):
    """Factor x mean or sum over samples of -output[label], where the outputs are log-probabilities."""

    kind: Literal["nll"] = Field("nll", description="which loss")
    reduction: Literal["mean", "sum"] = Field("mean", description="over the samples of the batch")
    factor: float = Field(1.0, description="factor on the loss, e.g. 0.5")
    link: Literal["log-softmax", "identity"] = Field(
        "log-softmax",
        description="applied to the last layer; 'identity' where the module ends in a log-softmax itself",
    )


class Mse(Closed):
    """Factor x mean or sum of (output - target)^2; labels become one-hot targets."""

    kind: Literal["mse"] = Field("mse", description="which loss")
    reduction: Literal["mean", "sum", "sample-mean"] = Field(
        "mean",
        description="'mean' over samples and outputs (as in PyTorch), 'sum' over both, 'sample-mean': sum over "
        "outputs, mean over samples",
    )
    factor: float = Field(1.0, description="factor on the loss, e.g. 0.5")
    link: Link = Field("identity", description="applied to the last layer")


class BinaryCrossEntropy(Closed):
    """Factor x mean or sum of -y ln f - (1 - y) ln(1 - f) with f = sigmoid(output), evaluated from the output itself.

    Targets y lie in [0, 1], one for each output; labels become one-hot targets.
    """

    kind: Literal["binary-cross-entropy"] = Field("binary-cross-entropy", description="which loss")
    reduction: Literal["mean", "sum", "sample-mean"] = Field(
        "mean",
        description="'mean' over samples and outputs (as in PyTorch), 'sum' over both, 'sample-mean': sum over "
        "outputs, mean over samples",
    )
    factor: float = Field(1.0, description="factor on the loss, e.g. 0.5")
    link: Literal["sigmoid"] = Field(
        "sigmoid", description="outputs are logits; the loss applies the sigmoid"
    )


Loss = Annotated[CrossEntropy | Nll | Mse | BinaryCrossEntropy, Field(discriminator="kind")]


class Optimizer(Closed):
    """What all optimizers have."""

    rate: float = Field(gt=0, description="learning rate, before the schedule")
    weight_decay: float = Field(0.0, ge=0, description="as in torch.optim")


class Sgd(Optimizer):
    """w <- w - rate (g + weight_decay w)."""

    kind: Literal["sgd"] = Field("sgd", description="which optimizer")


class Momentum(Optimizer):
    """v <- momentum v + g + weight_decay w; w <- w - rate v."""

    kind: Literal["momentum"] = Field("momentum", description="which optimizer")
    momentum: float = Field(0.9, ge=0, lt=1, description="factor on the velocity at every step")


class Nesterov(Optimizer):
    """As momentum, with w <- w - rate (g + weight_decay w + momentum v)."""

    kind: Literal["nesterov"] = Field("nesterov", description="which optimizer")
    momentum: float = Field(0.9, gt=0, lt=1, description="factor on the velocity at every step")


Fraction = Annotated[float, Field(ge=0, lt=1)]


class Adaptive(Optimizer):
    """What Adam and AdamW share."""

    betas: tuple[Fraction, Fraction] = Field(
        (0.9, 0.999), description="decay per step of the running means of the gradient and of its square"
    )
    epsilon: float = Field(
        1e-8, gt=0, description="added to the root of the mean square, against division by zero"
    )


class Adam(Adaptive):
    """Adam with bias correction; weight decay is added to the gradient."""

    kind: Literal["adam"] = Field("adam", description="which optimizer")


class AdamW(Adaptive):
    """Adam with decoupled weight decay: w <- (1 - rate weight_decay) w before the step."""

    kind: Literal["adamw"] = Field("adamw", description="which optimizer")
    weight_decay: float = Field(0.01, ge=0, description="as in torch.optim")


AnyOptimizer = Annotated[Sgd | Momentum | Nesterov | Adam | AdamW, Field(discriminator="kind")]


class Constant(Closed):
    """The same rate at every step."""

    kind: Literal["constant"] = Field("constant", description="how the rate changes")


class StepSchedule(Closed):
    """The rate is multiplied by ``factor`` after every ``every`` steps."""

    kind: Literal["step"] = Field("step", description="how the rate changes")
    every: int = Field(ge=1, description="steps between two changes of the rate")
    factor: float = Field(gt=0, description="what the rate is multiplied by")


class Cosine(Closed):
    """The rate falls along half a cosine to ``floor`` times itself over ``steps`` steps, and stays there."""

    kind: Literal["cosine"] = Field("cosine", description="how the rate changes")
    steps: int = Field(ge=1, description="steps until the rate is at its floor")
    floor: float = Field(0.0, ge=0, description="the last rate, as a fraction of the first")


class LinearWarmup(Closed):
    """The rate rises linearly over the first ``steps`` steps: (t + 1)/steps of itself at step t."""

    kind: Literal["linear-warmup"] = Field("linear-warmup", description="how the rate changes")
    steps: int = Field(ge=1, description="steps until the rate is whole")


Schedule = Annotated[Constant | StepSchedule | Cosine | LinearWarmup, Field(discriminator="kind")]


class Shuffled(Closed):
    """Every epoch is a fresh permutation of the training samples; copies of a seed share it."""

    kind: Literal["shuffled"] = Field("shuffled", description="how batches are drawn")
    size: int = Field(ge=1, description="samples of a batch")
    incomplete: Literal["drop", "keep"] = Field(
        "drop", description="the last batch of an epoch if it is smaller"
    )


class WithReplacement(Closed):
    """Every batch is drawn independently, with replacement."""

    kind: Literal["with-replacement"] = Field("with-replacement", description="how batches are drawn")
    size: int = Field(ge=1, description="samples of a batch")


class Full(Closed):
    """Every batch is the whole training set."""

    kind: Literal["full"] = Field("full", description="how batches are drawn")


class FixedOrder(Closed):
    """The samples in a fixed order, again and again, the same for all seeds."""

    kind: Literal["fixed-order"] = Field("fixed-order", description="how batches are drawn")
    size: int = Field(ge=1, description="samples of a batch")
    order: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None, description="sample indices; the order of the dataset where absent"
    )


Batches = Annotated[Shuffled | WithReplacement | Full | FixedOrder, Field(discriminator="kind")]


class Probe(Closed):
    """Fixed samples on which the observable ``outputs`` is recorded."""

    count: int = Field(16, ge=1, description="how many, drawn from the stream 'probe'")
    split: Literal["train", "test"] = Field("test", description="which part of the dataset they are of")
