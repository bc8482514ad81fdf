"""The sections of a study that a condition may override: training, streams, copies, record; and its branch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from orrery.config.closed import Closed
from orrery.config.names import ConditionName
from orrery.config.texts import Form

Device = Literal["auto", "cpu", "cuda"]
Name = Annotated[str, Form(r"^[A-Za-z][A-Za-z0-9_.-]*$", "a name of letters, digits, _ . and -")]
Pattern = Annotated[
    str, Form(r"^[A-Za-z0-9_.*?\[\]!-]+$", "a name or a pattern of names such as fc2.weight, fc* or *.weight")
]
Count = Annotated[int, Field(ge=1)]
Step = Annotated[int, Field(ge=0)]


class Seeds(Closed):
    """Which seeds a study has, in the order in which they are trained."""

    pool: tuple[Step, ...] | None = Field(
        None, min_length=1, description="the seeds to draw on, in order; 0, 1, 2, … where absent"
    )
    count: Count = Field(description="how many of them the analyses read")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.pool is not None:
            if len(set(self.pool)) < len(self.pool):
                raise ValueError("pool lists a seed twice; each seed may stand there once")
            if self.count > len(self.pool):
                raise ValueError(f"count is {self.count}, but pool has only {len(self.pool)} seeds")
        return self

    def first(self, count: int) -> tuple[int, ...]:
        """Return the first ``count`` seeds; fewer where the pool ends."""
        return tuple(range(count)) if self.pool is None else self.pool[:count]


def _positive(value: Any) -> int:
    return value if type(value) is int and value >= 1 else 1


class Training(Closed):
    """How far the system is iterated, for which seeds, and in which portions."""

    steps: Count = Field(description="steps that the analyses read; whole segments are trained")
    segment: Count = Field(description="steps that one job trains; the same as steps where absent")
    seeds: Seeds = Field(description="number of seeds, or {pool: [...], count: n}")
    block: Count = Field(description="seeds that one job trains, with their copies; all of them where absent")
    dtype: Literal["float32", "float64"] = Field(
        "float32", description="precision of the state and of the training"
    )
    device: Device = Field("auto", description="auto, cpu or cuda; that of config.yaml where absent")
    together: Name | None = Field(
        None,
        description="conditions of one name train in one job, batched; they may differ in system.optimizer.rate, "
        "label_noise, initialisation and probe, in streams, and in datasets of equal shape",
    )

    @field_validator("seeds", mode="before", json_schema_input_type=Count | Seeds)
    @classmethod
    def _number_of_seeds(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | dict | Seeds):
            raise ValueError(f"must be a whole number or {{pool: [...], count: n}}, not {value!r}")
        return {"count": value} if isinstance(value, int) else value

    @model_validator(mode="before")
    @classmethod
    def _all_at_once(cls, data: Any) -> Any:
        """Make one segment and one block of everything where nothing is said."""
        if not isinstance(data, dict):
            return data
        seeds = data.get("seeds")
        count = seeds.get("count") if isinstance(seeds, dict) else getattr(seeds, "count", seeds)
        # where steps or seeds are wrong, they are told, not what follows from them
        return {"segment": _positive(data.get("steps")), "block": _positive(count)} | data

    @model_serializer(mode="wrap")
    def _without_being_alone(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the name of a group where there is none, so that it changes no digest."""
        dumped: dict[str, Any] = handler(self)
        return {key: value for key, value in dumped.items() if (key, value) != ("together", None)}

    @property
    def read_seeds(self) -> tuple[int, ...]:
        """The seeds that analyses read."""
        return self.seeds.first(self.seeds.count)

    @property
    def trained_seeds(self) -> tuple[int, ...]:
        """The seeds that are trained: those of all blocks that hold a seed that is read."""
        return self.seeds.first(-(-self.seeds.count // self.block) * self.block)


class Stream(Closed):
    """How the integer of one stream of random numbers follows from the seed."""

    shift: int = Field(0, description="added to the seed: another draw for every seed")
    hold: Step | None = Field(None, description="the same integer for all seeds")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.hold is not None and self.shift != 0:
            raise ValueError("a stream is either shifted or held; keep one of shift and hold")
        return self


class Streams(Closed):
    """Changes to the streams of random numbers; a stream that is not named follows the seed."""

    init: Stream | None = Field(None, description="initial state")
    order: Stream | None = Field(None, description="order of the batches")
    split: Stream | None = Field(None, description="split into training and test samples")
    label_noise: Stream | None = Field(
        None, alias="label-noise", description="which labels are changed, and to what"
    )
    dropout: Stream | None = Field(None, description="dropout masks")
    copy_: Stream | None = Field(None, alias="copy", description="perturbation of the copies")
    probe: Stream | None = Field(None, description="probe directions of analyses and observables")

    @model_serializer(mode="plain")
    def _changed_ones(self) -> dict[str, dict[str, int]]:
        """Leave out what changes nothing, so that it changes no digest either."""
        changed: dict[str, dict[str, int]] = {}
        for name, field in type(self).model_fields.items():
            stream: Stream | None = getattr(self, name)
            if stream is not None and stream.hold is not None:
                changed[field.alias or name] = {"hold": stream.hold}
            elif stream is not None and stream.shift != 0:
                changed[field.alias or name] = {"shift": stream.shift}
        return changed


class Copies(Closed):
    """Slightly perturbed copies of every run; they share its batches."""

    count: Count = Field(
        1, description="runs per seed that the analyses read, the unperturbed original (copy 0) included"
    )
    block: Count = Field(
        description="copies that one job trains, the original among them; all of them where absent (set it to their "
        "number before you add others: then only those are trained)"
    )
    amplitude: float = Field(0.001, gt=0, description="size of the perturbation")
    kind: Literal["relative", "absolute"] = Field(
        "relative", description="relative: times 1 + amplitude x; absolute: plus amplitude x"
    )
    distribution: Literal["uniform", "normal"] = Field(
        "uniform", description="of x: uniform in (-1, 1), or standard normal"
    )
    tensors: tuple[Pattern, ...] = Field(
        ("*",), min_length=1, description="name patterns of the perturbed tensors"
    )
    draw: Literal["copy", "run"] = Field(
        "copy", description="copy: copy n of every seed is perturbed alike; run: by numbers x of its own"
    )

    @model_validator(mode="before")
    @classmethod
    def _all_at_once(cls, data: Any) -> Any:
        """Make one block of all copies where nothing is said."""
        return {"block": _positive(data.get("count"))} | data if isinstance(data, dict) else data

    @model_serializer(mode="wrap")
    def _without_the_usual_draw(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the draw that was the only one at first, so that it changes no digest."""
        dumped: dict[str, Any] = handler(self)
        return {key: value for key, value in dumped.items() if (key, value) != ("draw", "copy")}


class Branch(Closed):
    """Where the runs of a condition leave those of another: they start from its states after some step."""

    of: ConditionName = Field(
        description="the condition that is left; its settings hold where nothing is changed"
    )
    at: Step = Field(
        description="the step after which it is left; steps count on from there, so that training.steps is the last one"
    )


class RegularSteps(Closed):
    """Every k-th step, perhaps in a window only."""

    every: Count = Field(description="record steps 0, k, 2k, …")
    window: tuple[Step, Step] | None = Field(
        None, description="first and last step recorded; all where absent"
    )

    @field_validator("window")
    @classmethod
    def _ordered(cls, window: tuple[int, int] | None) -> tuple[int, int] | None:
        if window is not None and window[0] > window[1]:
            raise ValueError(f"the window ends ({window[1]}) before it starts ({window[0]})")
        return window


class LogarithmicSteps(Closed):
    """Steps that grow by a constant factor."""

    logarithmic: Count = Field(description="recorded steps per factor of ten")


class Evaluation(Closed):
    """Metrics that cost an evaluation of their own."""

    every: Count = Field(description="evaluate at steps 0, k, 2k, …")
    metrics: tuple[Name, ...] = Field(
        min_length=1, description="metrics of the system, such as test_accuracy"
    )


class Projection(Closed):
    """A seeded random projection of the state, for networks too large to record."""

    dimension: Count = Field(description="components of the projection")


class Record(Closed):
    """What is written down while the system is iterated; step 0 always is."""

    state: Literal["all"] | tuple[Pattern, ...] = Field(
        "all", description="all, or name patterns of tensors; an empty list records none"
    )
    steps: RegularSteps | LogarithmicSteps = Field(
        RegularSteps(every=1), description="{every: k}, {every: k, window: [first, last]} or {logarithmic: n}"
    )
    observables: tuple[Name, ...] = Field((), description="observables of the system, at the recorded steps")
    metrics: tuple[Name, ...] = Field((), description="by-products recorded at every step, such as loss")
    evaluate: Evaluation | None = Field(None, description="metrics that are evaluated now and then")
    projection: Projection | None = Field(None, description="record a random projection of the state")
