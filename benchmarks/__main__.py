"""All benchmarks, one after the other: ``make bench``."""

from benchmarks import sweeps

sweeps.main()
