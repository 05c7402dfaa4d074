"""The part of Python and of its libraries that ``python.js`` and ``numpy.js`` know; anything else is refused."""

BUILTINS = {
    *("abs", "all", "any", "bool", "bytearray", "bytes", "dict", "enumerate", "float", "int", "isinstance", "iter"),
    *("len", "list", "map", "max", "min", "next", "object", "range", "repr", "round", "set", "sorted", "str", "sum"),
    *("tuple", "zip", "Exception", "EOFError", "OverflowError", "TypeError", "UnicodeDecodeError", "ValueError"),
}
LIBRARIES = {
    "math": {"exp", "inf", "isfinite", "log"},
    "re": {"IGNORECASE", "compile", "fullmatch", "split", "sub"},
    "csv": {"Error", "reader"},
    "json": {"loads"},
    "itertools": {"chain", "islice", "takewhile", "zip_longest"},
    "array": {"array"},
    "types": {"MappingProxyType"},
    "collections.abc": {"Mapping"},
    "numbers": {"Integral", "Real"},
    "numpy": {
        *("abs", "all", "append", "arange", "array", "asarray", "bool_", "clip", "concatenate", "diff", "errstate"),
        *("flatnonzero", "float64", "frombuffer", "full", "inf", "isfinite", "isin", "isnan", "linspace", "log"),
        *("maximum", "median", "minimum", "nan", "nanmax", "ptp", "searchsorted", "sort", "sqrt", "stack", "sum"),
        *("unique", "where", "zeros_like"),
    },
}
METHODS = {
    "str": {
        *("endswith", "join", "lower", "lstrip", "removeprefix", "replace", "split", "startswith", "strip"),
    },
    "list": {"append", "extend", "index"},
    "dict": {"fromkeys", "get", "items", "keys", "setdefault", "values"},
    "set": {"add", "discard"},
    "bytes": {"append", "count", "decode", "extend", "startswith", "strip"},
    "pattern": {"fullmatch"},
    "object": {"__setattr__"},
    "path": {"exists"},
    "array": {
        *("accumulate", "all", "any", "argmax", "argmin", "astype", "clip", "copy", "max", "mean", "min", "sum"),
        "tolist",
    },
}
RESERVED = {  # of JavaScript, and what translated code uses
    *("arguments", "await", "case", "catch", "const", "debugger", "default", "delete", "do", "enum", "eval"),
    *("export", "extends", "false", "function", "instanceof", "let", "new", "null", "py", "np", "page", "package"),
    *("private", "protected", "public", "static", "super", "switch", "this", "throw", "true", "typeof", "undefined"),
    *("var", "void", "implements", "interface", "protected"),
}
