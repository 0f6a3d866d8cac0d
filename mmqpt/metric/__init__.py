"""The metric: scorers (PyTorch, ONNX), names of weights, the plug-in of pyiqa, and ways to take the weights elsewhere.

Imports ``core`` alone. Needs neither mmengine nor mmpretrain; pyiqa only for ``pyiqa.create_metric``.
"""
