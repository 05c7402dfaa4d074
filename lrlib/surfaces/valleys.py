"""Functions of two variables with valleys, plateaus, saddles and several minima."""

import torch
from torch import Tensor

from lrlib.surfaces.surface import Surface, axes_of, matrix


def rosenbrock() -> Surface:
    """The banana valley ``f(x, y) = (1 - x)² + 100 (y - x²)²``: curved, narrow, flat along its floor.

    Source: H. H. Rosenbrock, "An automatic method for finding the greatest or least value of a function", The Computer
    Journal 3 (1960), doi:10.1093/comjnl/3.3.175.

    >>> rosenbrock()(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    tensor([  0., 101.])
    """
    return Surface(
        name="rosenbrock",
        function=_rosenbrock,
        hessian=_rosenbrock_hessian,
        dimension=2,
        minima=((1.0, 1.0),),
        saddles=(),
        bounds=((-2.0, 2.0), (-1.0, 3.0)),
        start=(-1.2, 1.0),
        latex=r"(1 - x)^2 + 100 (y - x^2)^2",
    )


def _rosenbrock(point: Tensor) -> Tensor:
    x, y = axes_of(point, 2)
    along, across = 1 - x, y - x * x
    return along * along + 100 * (across * across)


def _rosenbrock_hessian(point: Tensor) -> Tensor:
    x, y = axes_of(point, 2)
    return matrix(2 - 400 * y + 1200 * x * x, -400 * x, torch.full_like(x, 200.0))


def beale() -> Surface:
    """Beale's function ``f(x, y) = Σ_i (c_i - x + x y^i)²``, ``c = (1.5, 2.25, 2.625)``: plateaus and steep corners.

    Source: E. M. L. Beale, "On an iterative method for finding a local minimum of a function of more than one
    variable", Technical Report 25, Princeton University (1958).

    >>> beale()(torch.tensor([[3.0, 0.5], [0.0, 0.0]]))
    tensor([ 0.0000, 14.2031])
    """
    return Surface(
        name="beale",
        function=_beale,
        hessian=_beale_hessian,
        dimension=2,
        minima=((3.0, 0.5),),
        saddles=((0.0, 1.0),),
        bounds=((-4.5, 4.5), (-4.5, 4.5)),
        start=(1.0, 1.5),
        latex=r"(1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2",
    )


_BEALE = ((1, 1.5), (2, 2.25), (3, 2.625))


def _beale(point: Tensor) -> Tensor:
    x, y = axes_of(point, 2)
    total, power = torch.zeros_like(x), torch.ones_like(y)
    for _, constant in _BEALE:
        power = power * y
        residual = constant - x + x * power
        total = total + residual * residual
    return total


def _beale_hessian(point: Tensor) -> Tensor:
    x, y = axes_of(point, 2)
    xx, xy, yy = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
    for i, constant in _BEALE:
        residual = constant - x + x * y**i
        by_x, by_y, by_xy = y**i - 1, i * x * y ** (i - 1), i * y ** (i - 1)
        xx = xx + 2 * by_x * by_x
        xy = xy + 2 * (by_x * by_y + residual * by_xy)
        yy = yy + 2 * by_y * by_y
        if i > 1:
            yy = yy + 2 * residual * (i * (i - 1)) * x * y ** (i - 2)
    return matrix(xx, xy, yy)


def himmelblau() -> Surface:
    """Himmelblau's function ``f(x, y) = (x² + y - 11)² + (x + y² - 7)²``: four minima of value 0.

    Source: D. M. Himmelblau, Applied Nonlinear Programming, McGraw-Hill (1972).

    >>> himmelblau()(torch.tensor([[3.0, 2.0], [0.0, 0.0]]))
    tensor([  0., 170.])
    """
    return Surface(
        name="himmelblau",
        function=_himmelblau,
        hessian=_himmelblau_hessian,
        dimension=2,
        minima=_HIMMELBLAU_MINIMA,
        saddles=_HIMMELBLAU_SADDLES,
        bounds=((-5.0, 5.0), (-5.0, 5.0)),
        start=(0.0, 0.0),
        latex=r"(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
    )


_HIMMELBLAU_MINIMA = (
    (3.0, 2.0),
    (-2.805118086952745, 3.131312518250573),
    (-3.779310253377747, -3.2831859912861696),
    (3.5844283403304917, -1.8481265269644034),
)
_HIMMELBLAU_SADDLES = (
    (0.08667750455539634, 2.884254701174776),
    (3.385154183607021, 0.07385187983774928),
    (-3.0730257507643897, -0.08135304428796751),
    (-0.12796134673068005, -1.9537149802445766),
)


def _himmelblau(point: Tensor) -> Tensor:
    x, y = axes_of(point, 2)
    first, second = x * x + y - 11, x + y * y - 7
    return first * first + second * second


def _himmelblau_hessian(point: Tensor) -> Tensor:
    x, y = axes_of(point, 2)
    return matrix(12 * x * x + 4 * y - 42, 4 * x + 4 * y, 12 * y * y + 4 * x - 26)


def saddle() -> Surface:
    """A pass between two valleys, ``f(x, y) = ½ x² - ½ y² + ¼ y⁴``: a saddle at 0, minima of value -¼ at y = ±1.

    The start is almost on the line y = 0, along which the gradient leads into the saddle.

    >>> saddle()(torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    tensor([ 0.0000, -0.2500])
    """
    return Surface(
        name="saddle",
        function=_saddle,
        hessian=_saddle_hessian,
        dimension=2,
        minima=((0.0, -1.0), (0.0, 1.0)),
        saddles=((0.0, 0.0),),
        bounds=((-2.0, 2.0), (-1.6, 1.6)),
        start=(-1.8, 1e-3),
        latex=r"\tfrac{1}{2} x^2 - \tfrac{1}{2} y^2 + \tfrac{1}{4} y^4",
    )


def _saddle(point: Tensor) -> Tensor:
    x, y = axes_of(point, 2)
    square = y * y
    return 0.5 * (x * x) - 0.5 * square + 0.25 * (square * square)


def _saddle_hessian(point: Tensor) -> Tensor:
    x, y = axes_of(point, 2)
    return matrix(torch.ones_like(x), torch.zeros_like(x), 3 * y * y - 1)
