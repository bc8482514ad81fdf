"""Settings of the reference maps and flows: parameters, dimension, and the box from which runs start by themselves."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed

Corners = tuple[tuple[float, ...], tuple[float, ...]]


class Logistic(Closed):
    """x' = rate x (1 - x) on [0, 1]. Exponent ln 2 at rate 4."""

    dimension: ClassVar[int] = 1
    box: ClassVar[Corners] = ((0.05,), (0.95,))
    kind: Literal["logistic"] = Field("logistic", description="which map")
    rate: float = Field(4.0, gt=0, le=4, description="factor r")


class Tent(Closed):
    """x' = slope min(x, 1 - x) on [0, 1]. Exponent ln slope.

    At slope 2 every orbit in binary floating point ends in 0 after about 55 steps: each step shifts out one bit. The
    tangent is not touched by that, distances of copies are.
    """

    dimension: ClassVar[int] = 1
    box: ClassVar[Corners] = ((0.05,), (0.95,))
    kind: Literal["tent"] = Field("tent", description="which map")
    slope: float = Field(2.0, gt=0, le=2, description="slope on both sides")


class Cat(Closed):
    """(x, y)' = (2 x + y, x + y) mod 1 on the torus. Exponents +-ln((3 + sqrt 5)/2)."""

    dimension: ClassVar[int] = 2
    box: ClassVar[Corners] = ((0.0, 0.0), (1.0, 1.0))
    kind: Literal["cat"] = Field("cat", description="which map")


class Henon(Closed):
    """(x, y)' = (1 - a x^2 + y, b x). Determinant -b. Source: M. Hénon, Commun. Math. Phys. 50, 69 (1976)."""

    dimension: ClassVar[int] = 2
    box: ClassVar[Corners] = ((-0.1, -0.1), (0.1, 0.1))
    kind: Literal["henon"] = Field("henon", description="which map")
    a: float = Field(1.4, description="how strongly the plane is bent")
    b: float = Field(0.3, description="factor by which areas shrink")


class Lozi(Closed):
    """(x, y)' = (1 - a |x| + y, b x). Determinant -b. Source: R. Lozi, J. Phys. Colloques 39, C5-9 (1978)."""

    dimension: ClassVar[int] = 2
    box: ClassVar[Corners] = ((-0.1, -0.1), (0.1, 0.1))
    kind: Literal["lozi"] = Field("lozi", description="which map")
    a: float = Field(1.7, description="how strongly the plane is folded")
    b: float = Field(0.5, description="factor by which areas shrink")


class Ikeda(Closed):
    """(x, y)' = (1 + u (x cos s - y sin s), u (x sin s + y cos s)), s = shift - turn / (1 + x^2 + y^2).

    Determinant u^2. Source: S. M. Hammel, C. K. R. T. Jones, J. V. Moloney, J. Opt. Soc. Am. B 2, 552 (1985).
    """

    dimension: ClassVar[int] = 2
    box: ClassVar[Corners] = ((0.0, -0.5), (0.5, 0.0))
    kind: Literal["ikeda"] = Field("ikeda", description="which map")
    u: float = Field(0.9, description="what remains of the amplitude after a round")
    shift: float = Field(0.4, description="angle in the limit of a large amplitude, in radians")
    turn: float = Field(6.0, description="how the angle depends on the amplitude, in radians")


class Standard(Closed):
    """p' = p + strength sin x, x' = x + p', both mod 2 pi; the point is (x, p). Determinant 1.

    Source: B. V. Chirikov, Phys. Rep. 52, 263 (1979).
    """

    dimension: ClassVar[int] = 2
    box: ClassVar[Corners] = ((0.0, 0.0), (6.28, 6.28))
    kind: Literal["standard"] = Field("standard", description="which map")
    strength: float = Field(0.971635, description="strength K of the kick")


Row = Annotated[tuple[float, ...], Field(min_length=1)]


class Linear(Closed):
    """x' = matrix x. Exponents are the logarithms of the absolute eigenvalues."""

    kind: Literal["linear"] = Field("linear", description="which map")
    matrix: Annotated[tuple[Row, ...], Field(min_length=1)] = Field(
        description="rows of a square matrix, e.g. [[1.1, 0], [0, 0.8]]"
    )

    @model_validator(mode="after")
    def _square(self) -> Linear:
        wrong = [len(row) for row in self.matrix if len(row) != len(self.matrix)]
        if wrong:
            raise ValueError(
                f"matrix has {len(self.matrix)} rows and one of {wrong[0]} numbers; write a square one"
            )
        return self

    @property
    def dimension(self) -> int:
        """Rows of the matrix."""
        return len(self.matrix)

    @property
    def box(self) -> Corners:
        """Where runs start: the cube of half width 1."""
        return (-1.0,) * self.dimension, (1.0,) * self.dimension


class Rotation(Closed):
    """(x, y) turned by an angle. Both exponents 0."""

    dimension: ClassVar[int] = 2
    box: ClassVar[Corners] = ((-1.0, -1.0), (1.0, 1.0))
    kind: Literal["rotation"] = Field("rotation", description="which map")
    angle: float = Field(1.0, description="in radians per step")


ReferenceMap = Annotated[
    Logistic | Tent | Cat | Henon | Lozi | Ikeda | Standard | Linear | Rotation, Field(discriminator="kind")
]


class Lorenz(Closed):
    """dx = sigma (y - x), dy = x (rho - z) - y, dz = x y - beta z. Exponents sum to -(sigma + 1 + beta).

    Source: E. N. Lorenz, J. Atmos. Sci. 20, 130 (1963).
    """

    dimension: ClassVar[int] = 3
    box: ClassVar[Corners] = ((-10.0, -10.0, 15.0), (10.0, 10.0, 35.0))
    kind: Literal["lorenz"] = Field("lorenz", description="which flow")
    sigma: float = Field(10.0, description="Prandtl number")
    rho: float = Field(28.0, description="Rayleigh number over its critical value")
    beta: float = Field(8 / 3, description="of the shape of the rolls")


class Rossler(Closed):
    """dx = -y - z, dy = x + a y, dz = b + z (x - c). Exponents sum to the mean of a + x - c.

    Source: O. E. Rössler, Phys. Lett. A 57, 397 (1976).
    """

    dimension: ClassVar[int] = 3
    box: ClassVar[Corners] = ((-3.0, -3.0, 0.0), (3.0, 3.0, 1.0))
    kind: Literal["rossler"] = Field("rossler", description="which flow")
    a: float = Field(0.2, description="growth of the spiral")
    b: float = Field(0.2, description="source of z")
    c: float = Field(5.7, description="where the spiral folds")


ReferenceFlow = Annotated[Lorenz | Rossler, Field(discriminator="kind")]
