"""What is trained: QPT with its loss and queue, the quality regressor, and the backbones that they start from.

May import ``core``, ``degradations`` and ``datasets``. ``mmqpt.components`` registers the models in mmpretrain.
"""
