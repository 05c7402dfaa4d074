"""A compiler of pure functions of tensors: torch traces one step, C does thousands, in this process or in a web page.

What is inside is private to lrlib and makes no promise: ``training`` uses :func:`compile_step`, ``widgets`` uses
:func:`export_step`, and a reader's model reaches it through ``engine="compiled"`` or ``"auto"``. It covers what the
tasks, models and update rules of this package need, and for readers' models the layers and losses Linear, Conv1d,
Conv2d, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, Embedding, LayerNorm, ZeroPad2d, Flatten, ReLU, Tanh, Sigmoid, GELU,
SiLU, ELU, LeakyReLU, Softplus, Softmax, scaled-dot-product attention, cross-entropy, binary cross-entropy with logits,
squared, absolute and Huber error. ``rules.OPERATIONS`` is the full list; anything else trains on the torch engine.

The rooms, in the order in which a step passes through them: ``trace`` (torch function -> graph of aten primitives),
``lower`` with ``emitter`` and the rules of the primitives (graph -> loops), ``plan`` (memory), ``source`` (C text),
``build`` (C compiler and cache), ``native`` (run here) and ``package`` (take to a page).

A sample of what comes out. ``relu(x @ w) - rate * w``, with w (3, 4) ``t0``, the rate ``t1`` and x (3, 3) ``t2``,
becomes one call of a kernel and one loop. The product lives at the start of the workspace, the result takes the place
of w once nobody reads w any more, and ``bad`` is the flag for an index out of range::

    KERNEL void part0(f32 *restrict t0, const f32 *restrict t1, const f32 *restrict t2, char *restrict work,
                      i32 *restrict bad) {
      f32 *const t4 = t0;
      f32 *const t3 = (f32 *)(work + 0);
      mm_f32(t3, 4, t2, 3, 1, t0, 4, 1, 3, 4, 3, 0);  // to, its row stride; x, its strides; w, its strides; sizes
      { const f32 held1 = t1[0];
        #pragma clang loop vectorize(assume_safety)
        for (i64 i0 = 0; i0 < 12; i0++) t4[i0] = (relu_f32(t3[i0]) - (held1 * t0[i0])); }
    }
"""

from lrlib._compiler.api import compile_step, export_step, is_compiled
from lrlib._compiler.build import CompilerMissing, cache_directory
from lrlib._compiler.lower import UnsupportedOperation
from lrlib._compiler.native import Program, Result
from lrlib._compiler.package import Artifact
from lrlib._compiler.ports import Port

__all__ = [
    "Artifact",
    "CompilerMissing",
    "Port",
    "Program",
    "Result",
    "UnsupportedOperation",
    "cache_directory",
    "compile_step",
    "export_step",
    "is_compiled",
]
