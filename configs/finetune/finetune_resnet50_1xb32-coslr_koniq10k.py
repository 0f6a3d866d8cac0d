"""Fine-tune ResNet-50, the paper's backbone, on KonIQ-10k (Hosu et al., IEEE Transactions on Image Processing 29, 2020).

    python tools/prepare_dataset.py koniq10k data/koniq10k
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_koniq10k.py

Batch: 32 crops of 384 px a step; 10,073 photos in all.
Result: not run yet by us.

The rest is in ../_base_/finetune.py and ../_base_/official_split.py; every number there is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py', '../_base_/official_split.py']

rated = dict(data_root='{{$DATA_ROOT:data/koniq10k/1024x768}}', ann_file='{{$ANN_FILE:data/koniq10k.csv}}')
train_dataloader = dict(dataset=dict(**rated, **_base_.fit))
val_dataloader = dict(dataset=dict(**rated, **_base_.choose))
test_dataloader = dict(dataset=dict(**rated, **_base_.test))
default_hooks = dict(checkpoint=_base_.keep_best)
