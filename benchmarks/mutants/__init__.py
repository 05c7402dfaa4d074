"""How sharp the tests of the assignments are: mutants of the model solutions, wrong answers, and right ones.

``python -m benchmarks.mutants`` grades all of them and writes ``chapters/assignments/mutation_score.json``;
``python -m benchmarks.mutants schedules`` grades those of one assignment anew. Both print what is found.

An answer is graded by the test cells of its item, in a process of its own in which the other items have their model
solutions. So it can cost its own item only, as long as no test cell uses a name that another item defines; that is
tested for each of them.

Beside this file stands a module for each assignment (``gradient_descent.py``, ``schedules.py``, ...) with three lists:

- ``WRONG``: wrong answers of the kind that students give, each with the points that it keeps;
- ``RIGHT``: the model solution written in other ways, none of which may lose a point;
- ``EQUIVALENT``: the mutants that compute what the model solution computes, each with the reason.
"""
