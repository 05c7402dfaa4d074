"""The same rules and the same schedules in Keras on TensorFlow and in Optax, in an environment of their own.

``python -m benchmarks.frameworks`` runs every call of ``calls.py`` there and writes ``record.json``, which the chapter
"in every framework" holds against ``torch`` and ``lrlib``; so the book needs none of these packages.
"""
