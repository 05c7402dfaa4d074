"""What a page carries for each lab."""

import gzip

from lrlib.widgets import AdaptiveLab, ScheduleLab, StepSizeLab, TrainingLab


def weights() -> None:
    """What a page carries for each lab; labs on one page share nothing."""
    print(
        "\nWeight in a page, kB: as it is, as a server sends it (gzip), of that script and style; programs, in base64"
    )
    print(f"{'':34} {'plain':>7} {'gzip':>6} {'script':>7} {'programs':>9}")
    labs = [TrainingLab(), StepSizeLab(), ScheduleLab(), AdaptiveLab()]
    html = [lab.to_html() for lab in labs]
    for lab, text in zip(labs, html, strict=True):
        config = lab.page_config()
        programs = config["training"]["programs"] if "training" in config else config["programs"]
        sizes = [len(program["wasm"]) / 1e3 for program in programs.values()]
        print(
            f"{type(lab).__name__:34} {len(text.encode()) / 1e3:7.0f} {_zipped(text):6.0f} "
            f"{_zipped(lab.source() + lab.style()):7.0f} {sum(sizes):9.0f}   "
            f"{len(sizes)} of {min(sizes):.1f}–{max(sizes):.1f}"
        )
    two = {"training and step-size lab": "".join(html[:2]), "two training labs": html[0] * 2}
    for name, text in two.items():
        print(f"{name + ', one page':34} {len(text.encode()) / 1e3:7.0f} {_zipped(text):6.0f}")


def _zipped(text: str) -> float:
    return len(gzip.compress(text.encode(), 6)) / 1e3
