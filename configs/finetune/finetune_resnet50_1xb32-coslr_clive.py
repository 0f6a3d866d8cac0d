"""Fine-tune ResNet-50, the paper's backbone, on CLIVE, LIVE In the Wild (Ghadiyaram and Bovik, IEEE Transactions on Image Processing 25(1), 2016).

    python tools/prepare_dataset.py clive data/clive
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_clive.py

Batch: 32 crops of 384 px a step; 1,162 photos in all.
Result: not run yet by us.

The rest is in ../_base_/finetune.py and ../_base_/random_split.py; every number there is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py', '../_base_/random_split.py']

rated = dict(data_root='{{$DATA_ROOT:data/clive/Images}}', ann_file='{{$ANN_FILE:data/clive.csv}}')
train_dataloader = dict(dataset=dict(**rated, **_base_.fit))
val_dataloader = dict(dataset=dict(**rated, **_base_.choose))
test_dataloader = dict(dataset=dict(**rated, **_base_.test))
default_hooks = dict(checkpoint=_base_.keep_best)
