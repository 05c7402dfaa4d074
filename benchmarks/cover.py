"""Draw the README's figure: ``python -m benchmarks.cover``."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from lrlib import plots, style, tasks, training


def main() -> None:
    style.use()
    result = training.sweep(
        tasks.digits_mlp(), learning_rates=np.geomspace(1e-3, 10, 33), seeds=range(5), steps=100, device="cpu"
    )
    ax = plots.plot_final_loss(result)
    ax.figure.savefig(Path(__file__).parent.parent / "assets" / "cover.svg", metadata={"Date": None})
    plt.close(ax.figure)


if __name__ == "__main__":
    main()
