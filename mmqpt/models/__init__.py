"""QPT (``qpt.py``) and its parts, the quality regressor, their losses, backbones, and how checkpoints are read.

``protocol.py`` says what a training run and a model tell each other. Models are registered in mmpretrain by
``mmqpt.components``. Imports ``core`` only, and knows nothing of how it is trained.
"""
