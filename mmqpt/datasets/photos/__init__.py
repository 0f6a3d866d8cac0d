"""Photos without labels, for pre-training: from a folder, shards, a table or LMDB; and the sampler of all loaders.

Imports ``core`` and ``datasets.transforms``.
"""
