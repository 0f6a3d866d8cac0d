"""Steps of a data pipeline, in the order of a photo: reading, degrading, cutting patches or crops, packing.

Imports only ``core`` and ``degradations``.
"""
