"""A compiler of pure functions of tensors: torch traces one step, C does thousands, in this process or in a web page.

The rooms, in the order in which a step passes through them: ``trace`` (torch function -> graph of aten primitives),
``lower`` with ``emitter`` and the rules of the primitives (graph -> loops), ``plan`` (memory), ``source`` (C text),
``build`` (C compiler and cache), ``native`` (run here) and ``package`` (take to a page).
"""

from lrlib.compiler.api import compile_step, export_step, is_compiled, tracer_is_loaded
from lrlib.compiler.build import CompilerMissing, cache_directory
from lrlib.compiler.lower import UnsupportedOperation
from lrlib.compiler.native import Program, Result
from lrlib.compiler.package import Artifact
from lrlib.compiler.ports import Port

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
    "tracer_is_loaded",
]
