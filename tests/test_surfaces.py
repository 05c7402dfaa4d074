"""The test functions: what is claimed of their minima, saddles and curvature, against autograd."""

import pickle

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from lrlib.surfaces import (
    Surface,
    beale,
    double_well,
    himmelblau,
    quadratic,
    ravine,
    rosenbrock,
    saddle,
    two_parabolas,
)

SURFACES = [
    quadratic([1.0, 25.0]),
    quadratic([3.0, 0.5], rotation=0.7),
    quadratic([2.0]),
    quadratic([1.0, 2.0, 5.0, 0.1]),
    ravine(100.0),
    rosenbrock(),
    beale(),
    himmelblau(),
    saddle(),
    double_well(),
    two_parabolas(20.0, 2.0),
]
every_surface = pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: f"{surface.name}-{surface.dimension}")


def points_of(surface: Surface, count: int = 50) -> Tensor:
    low, high = torch.tensor(surface.bounds, dtype=torch.float64).unbind(1)
    generator = torch.Generator().manual_seed(0)
    return low + (high - low) * torch.rand(count, surface.dimension, dtype=torch.float64, generator=generator)


def as_points(points: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.tensor(points, dtype=torch.float64)


@every_surface
def test_minima_are_stationary_and_curved_upwards(surface: Surface) -> None:
    minima = as_points(surface.minima)
    assert surface.gradient(minima).abs().max() < 1e-12
    assert torch.linalg.eigvalsh(surface.hessian(minima)).min() > 0


@every_surface
def test_saddles_are_stationary_and_of_both_signs(surface: Surface) -> None:
    for point in surface.saddles:
        assert surface.gradient(torch.tensor(point, dtype=torch.float64)).abs().max() < 1e-12
        curvatures = torch.linalg.eigvalsh(surface.hessian(torch.tensor(point, dtype=torch.float64)))
        assert curvatures.min() < 0 < curvatures.max()


@every_surface
def test_hessian_is_that_of_autograd(surface: Surface) -> None:
    points = points_of(surface)
    expected = torch.stack([torch.func.hessian(surface.function)(point) for point in points])
    torch.testing.assert_close(surface.hessian(points), expected, rtol=1e-12, atol=1e-10)


@every_surface
def test_lambda_max_is_the_largest_eigenvalue(surface: Surface) -> None:
    points = points_of(surface)
    expected = torch.linalg.eigvalsh(surface.hessian(points)).amax(-1)
    torch.testing.assert_close(surface.lambda_max(points), expected, rtol=1e-11, atol=1e-10)


@every_surface
def test_bounds_hold_minima_saddles_and_start(surface: Surface) -> None:
    for point in (*surface.minima, *surface.saddles, surface.start):
        assert len(point) == len(surface.bounds) == surface.dimension
        assert all(low < x < high for x, (low, high) in zip(point, surface.bounds, strict=True))
    assert surface.gradient(torch.tensor(surface.start)).abs().max() > 0


@every_surface
def test_shapes_and_dtypes_follow_the_point(surface: Surface) -> None:
    d = surface.dimension
    for shape in ((d,), (3, d), (2, 3, d)):
        point = points_of(surface, 6)[: 3 if len(shape) == 2 else 6].reshape(-1)[: torch.Size(shape).numel()]
        point = point.reshape(shape).float()
        assert surface(point).shape == shape[:-1]
        assert surface.gradient(point).shape == shape
        assert surface.hessian(point).shape == (*shape, d)
        assert surface.lambda_max(point).shape == shape[:-1]
        assert {surface(point).dtype, surface.hessian(point).dtype, surface.lambda_max(point).dtype} == {torch.float32}


@every_surface
def test_is_traceable_with_its_gradient(surface: Surface) -> None:
    points, others = points_of(surface, 4), points_of(surface, 8)[4:]
    for function in (surface.function, surface.gradient, surface.hessian):
        traced = make_fx(lambda point: function(point))(points)  # noqa: B023 - traced at once
        assert torch.equal(traced(others), function(others))


@every_surface
def test_a_diverged_point_leaves_its_neighbours_alone(surface: Surface) -> None:
    points = points_of(surface, 3)
    spoilt = points.clone()
    spoilt[1] = torch.nan
    assert torch.equal(surface(spoilt)[[0, 2]], surface(points)[[0, 2]])
    assert torch.equal(surface.gradient(spoilt)[[0, 2]], surface.gradient(points)[[0, 2]])
    assert surface(spoilt)[1].isnan()


@every_surface
def test_survives_pickling(surface: Surface) -> None:
    points = points_of(surface)
    assert torch.equal(pickle.loads(pickle.dumps(surface))(points), surface(points))


@pytest.mark.parametrize(
    ("surface", "value"),
    [
        (rosenbrock(), 0.0),
        (beale(), 0.0),
        (himmelblau(), 0.0),
        (saddle(), -0.25),
        (double_well(), 0.0),
        (two_parabolas(8.0, 1.0), 0.0),
        (ravine(7.0), 0.0),
    ],
    ids=lambda x: getattr(x, "name", x),
)
def test_values_at_the_minima(surface: Surface, value: float) -> None:
    values = surface(as_points(surface.minima))
    torch.testing.assert_close(values, torch.full_like(values, value), rtol=0, atol=1e-25)


def test_known_curvatures() -> None:
    at = {"dtype": torch.float64}
    assert rosenbrock().lambda_max(torch.tensor([1.0, 1.0], **at)).item() == pytest.approx(1001.6006395848288)
    assert ravine(50.0).lambda_max(torch.tensor([0.3, -0.2], **at)).item() == 50
    assert quadratic([1.0, 9.0], rotation=1.1).lambda_max(torch.zeros(2, **at)).item() == pytest.approx(9, abs=1e-12)
    assert double_well().lambda_max(torch.tensor([1.0], **at)).item() == 2


def test_rotation_turns_the_axes_counter_clockwise() -> None:
    angle = torch.tensor(0.4, dtype=torch.float64)
    along = torch.stack([angle.cos(), angle.sin()])
    assert quadratic([3.0, 70.0], rotation=0.4)(along).item() == pytest.approx(1.5, abs=1e-12)


@pytest.mark.parametrize(("sharp", "flat"), [(20.0, 2.0), (5.0, 4.0), (1e3, 1e-2)])
def test_two_parabolas_meet_in_a_kink_between_their_minima(sharp: float, flat: float) -> None:
    surface = two_parabolas(sharp, flat)
    kink = (flat**0.5 - sharp**0.5) / (flat**0.5 + sharp**0.5)
    x = torch.tensor([[kink - 1e-6], [kink + 1e-6]], dtype=torch.float64)
    assert -1 < kink < 1
    assert surface.lambda_max(x).tolist() == [sharp, flat]
    left, right = surface.gradient(x).flatten().tolist()
    assert left > 0 > right


def test_a_rate_between_the_two_bounds_leaves_the_sharp_valley_for_the_flat_one() -> None:
    surface = two_parabolas(20.0, 2.0)
    x = torch.full((2, 1), -1.01, dtype=torch.float64)
    rates = torch.tensor([[0.09], [0.3]], dtype=torch.float64)  # 2/20 = 0.1, 2/2 = 1
    for _ in range(400):
        x = x - rates * surface.gradient(x)
    torch.testing.assert_close(x, torch.tensor([[-1.0], [1.0]], dtype=torch.float64))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: quadratic([1.0, -1.0]), ValueError, "eigenvalues must be"),
        (lambda: quadratic([]), ValueError, "eigenvalues must be"),
        (lambda: quadratic("12"), TypeError, "eigenvalues must be"),
        (lambda: quadratic([1.0, 2.0, 3.0], rotation=0.1), ValueError, "rotation must be 0 unless"),
        (lambda: quadratic([1.0, 2.0], rotation="a"), TypeError, "rotation must be a finite number"),
        (lambda: ravine(0.5), ValueError, r"kappa must be a finite number >= 1, but got 0\.5"),
        (lambda: two_parabolas(1.0, 2.0), ValueError, "flat must be a finite number > 0 and < 1, but got 2"),
        (lambda: two_parabolas(0.0, 2.0), ValueError, "sharp must be"),
        (lambda: rosenbrock()(torch.zeros(3)), ValueError, r"point must be .* of shape \(\.\.\., 2\)"),
        (lambda: rosenbrock()(torch.zeros(2, dtype=torch.int64)), ValueError, "point must be a floating-point"),
        (lambda: rosenbrock()((1.0, 2.0)), TypeError, "point must be"),
    ],
)
def test_bad_inputs_are_named(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
