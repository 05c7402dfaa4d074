"""Python that a page runs: modules of this package, put into JavaScript from their syntax trees."""
