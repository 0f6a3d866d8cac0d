"""Photos on the way to a model: ``transforms`` degrade and cut them, ``photos`` are those without labels for
pre-training, ``rated`` those with opinion scores for fine-tuning and evaluation.

Imports only ``core`` and ``degradations``. Registered in mmpretrain by :mod:`mmqpt.components`.
"""
