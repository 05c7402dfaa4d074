"""The labs' colours as CSS variables, generated from the book's one palette."""

import functools

from lrlib import style


@functools.cache
def stylesheet() -> str:
    """``--lr-accent``, ``--lr-ghost`` and ``--lr-rate-0`` … ``--lr-rate-15`` (low to high learning rates).

    Text takes the colour of the page around it. Colours of data move a little towards black on a light page and towards
    white on a dark one, as the book's theme or JupyterLab says which it is; so each is typed once, in ``lrlib.style``.
    """
    tokens = style.tokens()
    named = {"accent": tokens["accent"], **{f"rate-{i}": colour for i, colour in enumerate(tokens["rates"])}}
    shifted = "\n".join(
        f"  --lr-{name}: color-mix(in srgb, {colour}, var(--lr-shift) var(--lr-share));"
        for name, colour in named.items()
    )
    return (
        f".lrlab {{\n  --lr-shift: black; --lr-share: 10%; --lr-ghost: {tokens['ghost']};\n{shifted}\n}}\n"
        'html[data-theme="dark"] .lrlab, body[data-jp-theme-light="false"] .lrlab '
        "{ --lr-shift: white; --lr-share: 28%; color-scheme: dark; }"
    )
