"""What is outside of the part of Python that a page knows is refused, by name and line."""

import pytest

from lrlib.widgets.clinic_lab.doctor import translated_doctor
from lrlib.widgets.translation.translate import Untranslatable, translate

NAME = "lrlib.made_up"


def translated(source: str, **options: dict[str, str]) -> str:
    return translate("program", [f"{NAME}.f"], sources={NAME: source}, **options)


REFUSED = {
    "the name print": "def f(x):\n    print(x)\n",
    "numpy.polyfit is not in the part of numpy": "import numpy as np\ndef f(x):\n    return np.polyfit(x, x, 1)\n",
    "the method sort cannot": "def f(x):\n    x.sort()\n",
    "the statement “Delete”": "def f(x):\n    del x[0]\n",
    "the expression “await x”": "async def g(x): ...\ndef f(x):\n    return await x\n",
    "a with of something else": "def f(x):\n    with x:\n        pass\n",
    "the arguments of f": "def f(*x):\n    return x\n",
    "a decorator": "import functools\n@functools.cache\ndef f(x):\n    return x\n",
    "the format '>8'": 'def f(x):\n    return f"{x:>8}"\n',
    "a loop's else": "def f(x):\n    for y in x:\n        pass\n    else:\n        return 1\n",
    "an else or finally of a try": "def f(x):\n    try:\n        return x\n    finally:\n        x = 1\n",
    "the operator MatMult": "def f(x):\n    return x @ x\n",
    "the class A, with its bases": "class B: ...\nclass A(B):\n    x: int = 0\ndef f(x):\n    return A(x)\n",
    "the argument z": "def g(y):\n    return y\ndef f(x):\n    return g(z=x)\n",
    "the module math as a value": "import math\ndef f(x):\n    return math\n",
    "scipy is no module": "import scipy\ndef f(x):\n    return scipy.x(x)\n",
    "the constant 1j": "def f(x):\n    return 1j\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_page_does_not_know_is_refused(what: str) -> None:
    with pytest.raises(Untranslatable, match="made_up") as error:
        translated(REFUSED[what])
    assert what in str(error.value)


def test_a_refusal_names_the_line() -> None:
    with pytest.raises(Untranslatable, match=rf"^{NAME}, line 3: the name print cannot be put into JavaScript$"):
        translated("def f(x):\n    y = x\n    print(y)\n")


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(Untranslatable, match=r"lrlib\.made_up\.f is not defined"):
        translated("g = 1\n")


def test_only_what_is_reached_is_translated_each_once() -> None:
    text = translated(
        "A = 2\ndef g(x):\n    return x * A\ndef h(x):\n    return print(x)\ndef f(x):\n    return g(g(x))\n"
    )
    assert text.count("function made_up_g(") == text.count("const made_up_A = ") == 1
    assert "made_up_h" not in text
    assert text.index("const made_up_A") < text.index("function made_up_f")


def test_what_the_page_gives_stands_for_it() -> None:
    text = translated(
        "from pathlib import Path\ndef f(x):\n    return Path(x).exists()\n", given={"pathlib.Path": "page.P"}
    )
    assert 'py.call(page.P(x), "exists")' in text


def test_arguments_by_name_go_to_their_places() -> None:
    text = translated("def g(a, b=1, *, c=2):\n    return c\ndef f(x):\n    return g(x, c=3)\n")
    assert "made_up_g(x, undefined, 3)" in text


def test_the_doctor_is_the_same_each_time_and_changes_with_its_modules() -> None:
    assert translated_doctor() == translated_doctor()
    own = "def diverging(curve, probe):\n    return None\nSYMPTOMS = (diverging,)\n"
    changed = translated_doctor({"lrlib.diagnostics.symptoms": own})
    assert "falls without a stumble" in translated_doctor()
    assert "falls without a stumble" not in changed
