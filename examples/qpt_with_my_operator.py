"""QPT, ResNet-18, with an operator of your own among the degradations.

    PYTHONPATH=examples DATA_ROOT=photos mmqpt pretrain examples/qpt_with_my_operator.py

All else is that of the base config.
"""

_base_ = '../configs/qpt/qpt_resnet18_1xb32-coslr_folder.py'

custom_imports = dict(imports=['my_operator'])  # beside mmqpt.components

train_dataloader = _base_.train_dataloader
train_dataloader.dataset.pipeline[1].space = dict(extra=['dead_rows'])  # of PatchPairs
