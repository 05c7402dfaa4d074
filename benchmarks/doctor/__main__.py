"""``python -m benchmarks.doctor grid development|held-out``; ``python -m benchmarks.doctor score development``."""

import sys

from benchmarks.doctor import grid

if sys.argv[1] == "grid":
    grid.main(sys.argv[2])
