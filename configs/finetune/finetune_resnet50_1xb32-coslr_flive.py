"""Fine-tune ResNet-50, the paper's backbone, on FLIVE (Ying et al., "From patches to pictures", CVPR 2020).

    python tools/prepare_dataset.py flive data/flive
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_flive.py

Batch: 32 crops of 384 px a step; 39,810 photos in all.
Result: not run yet by us.

The official split is PaQ-2-PiQ's: published SRCC of .63 to .65 on it, .54 to .60 on random ones. Never compare numbers of the two.
The rest is in ../_base_/finetune.py and ../_base_/official_split.py; every number there is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py', '../_base_/official_split.py']

rated = dict(data_root='{{$DATA_ROOT:data/flive/database}}', ann_file='{{$ANN_FILE:data/flive.csv}}')
train_dataloader = dict(dataset=dict(**rated, **_base_.fit))
val_dataloader = dict(dataset=dict(**rated, **_base_.choose))
test_dataloader = dict(dataset=dict(**rated, **_base_.test))
default_hooks = dict(checkpoint=_base_.keep_best)
