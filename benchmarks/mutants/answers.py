"""What a module of answers is made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wrong:
    """A wrong answer to one item."""

    item: str
    why: str  # what is wrong, in a few words; unique among the answers to an item
    source: str  # the whole solution cell
    points: float  # what the item keeps: the points of the cells that do not notice


@dataclass(frozen=True)
class Right:
    """A right answer to one item, written in another way than the model solution."""

    item: str
    how: str  # in which way; unique among the answers to an item
    source: str  # the whole solution cell


@dataclass(frozen=True)
class Equivalent:
    """A mutant that answers the item as well as the model solution does."""

    item: str
    mutants: tuple[str, ...]  # labels, as the command prints them
    reason: str
