"""Loop nests: axes that all leaves walk in step are merged, so that most nests are one flat loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrlib._compiler.expression import Leaf, c_type


@dataclass(frozen=True)
class Nest:
    """The axes left after merging, and for each leaf its strides along them."""

    shape: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]

    @property
    def indices(self) -> tuple[str, ...]:
        return tuple(f"i{axis}" for axis in range(len(self.shape)))

    @property
    def dense(self) -> bool:
        """Whether along the last axis every leaf is read one by one, or stands still."""
        return bool(self.shape) and all(strides[-1] in (0, 1) for strides in self.strides)

    def element(self, leaf: Leaf, strides: tuple[int, ...]) -> str:
        """C text of the leaf's element, by the nest's indices."""
        return Leaf(leaf.buffer, self.shape, strides, leaf.offset).element(self.indices)

    def held(self, texts: dict[Leaf, str], leaves: Sequence[Leaf], strides: Sequence[tuple[int, ...]]) -> str:
        """Declarations, to stand before the last loop, of what stays the same in it; their names replace the texts."""
        lines = []
        for number, (leaf, steps) in enumerate(zip(leaves, strides, strict=True)):
            if self.shape and steps[-1] == 0:
                lines.append(f"const {c_type(leaf.dtype)} held{number} = {texts[leaf]};\n")
                texts[leaf] = f"held{number}"
        return "".join(lines)

    def around(self, body: str, held: str = "", bounds: "Bounds | None" = None) -> str:
        """All loops around a body whose iterations are independent."""
        if not self.shape:
            return body
        last = len(self.shape) - 1
        promise = "\n#pragma clang loop vectorize(assume_safety)\n" if self.dense and self.shape[-1] >= 4 else ""
        return f"{self.headers(range(last), bounds)}{{ {held}{promise}{self.headers([last], bounds)}{body} }}"

    def headers(self, axes: Sequence[int] | None = None, bounds: "Bounds | None" = None) -> str:
        """The ``for`` lines of these axes (of all, if not told), outermost first; whole axes, but for ``bounds``."""
        chosen = range(len(self.shape)) if axes is None else axes
        ends = {axis: ("0", str(self.shape[axis])) for axis in chosen} | dict(bounds or {})
        return "".join(f"for (i64 i{axis} = {ends[axis][0]}; i{axis} < {ends[axis][1]}; i{axis}++) " for axis in chosen)


Bounds = Mapping[int, tuple[str, str]]  # C text of the first index along an axis, and of the one after the last


def merge(shape: Sequence[int], leaves: Sequence[Leaf]) -> Nest:
    """Drop axes of size 1 and merge each two neighbours that every leaf passes through as through one.

    >>> merge((2, 3), [Leaf(None, (2, 3), (3, 1)), Leaf(None, (2, 3), (0, 0))])
    Nest(shape=(6,), strides=((1,), (0,)))
    """
    sizes: list[int] = []
    strides: list[list[int]] = [[] for _ in leaves]
    for axis in (a for a in range(len(shape)) if shape[a] != 1):
        steps = [leaf.strides[axis] for leaf in leaves]
        size = shape[axis]
        if sizes and all(have[-1] == step * size for have, step in zip(strides, steps, strict=True)):
            sizes[-1] *= size
            for have, step in zip(strides, steps, strict=True):
                have[-1] = step
        else:
            sizes.append(size)
            for have, step in zip(strides, steps, strict=True):
                have.append(step)
    return Nest(tuple(sizes), tuple(map(tuple, strides)))
