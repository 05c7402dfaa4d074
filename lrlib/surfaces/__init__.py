"""Test functions of one, two or more variables, with their minima, their curvature and a place to start."""

from lrlib.surfaces.bowls import quadratic, ravine
from lrlib.surfaces.lines import double_well, two_parabolas
from lrlib.surfaces.surface import Surface
from lrlib.surfaces.valleys import beale, himmelblau, rosenbrock, saddle

__all__ = [
    "Surface",
    "beale",
    "double_well",
    "himmelblau",
    "quadratic",
    "ravine",
    "rosenbrock",
    "saddle",
    "two_parabolas",
]
