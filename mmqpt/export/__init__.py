"""From a checkpoint of training to files that need no OpenMMLab: weights for the metric, and plain backbones for timm
and torchvision.

May import ``core`` and ``models``. From those weights to ONNX: ``metric``.
"""
