"""Photos with opinion scores: the data set of fine-tuning, prepared sets, their splits and duplicates.

Imports ``core``, ``datasets.transforms`` and ``datasets.photos``.
"""
