"""The container's recipe keeps step with the Makefile that it runs."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_recipe_copies_what_its_commands_read_and_goes_on_without_rights() -> None:
    recipe = (ROOT / "course_container" / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", recipe, re.MULTILINE) for name in line.split()}
    assert all((ROOT / name).exists() for name in copied)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe_of_stamp = makefile[makefile.index("$(STAMP): ") :].partition("\n\n")[0]
    read = set(re.findall(r"[\w.]+\.(?:txt|toml)", recipe_of_stamp))
    read |= {*re.findall(r'readme = "(.*?)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")), "LICENSE"}
    assert read | {"Makefile", "lrlib", "chapters/assignments"} <= copied
    assert recipe.index("COPY chapters") < recipe.index("\nUSER 1000\n") < recipe.index("\nCMD ")
    [command] = re.findall(r"^CMD \[(.*)\]$", recipe, re.MULTILINE)
    assert re.findall(r'"(\w+)=?', command)[:2] == ["make", "grade"]
    assert set(re.findall(r'"(\w+)=', command)) <= set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE))
