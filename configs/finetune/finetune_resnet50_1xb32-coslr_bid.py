"""Fine-tune ResNet-50, the paper's backbone, on BID (Ciancio et al., IEEE Transactions on Image Processing 20(1), 2011).

    python tools/prepare_dataset.py bid data/bid
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_bid.py

Batch: 32 crops of 384 px a step; 586 photos in all.
Result: not run yet by us.

The rest is in ../_base_/finetune.py and ../_base_/random_split.py; every number there is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py', '../_base_/random_split.py']

rated = dict(data_root='{{$DATA_ROOT:data/bid}}', ann_file='{{$ANN_FILE:data/bid.csv}}')
train_dataloader = dict(dataset=dict(**rated, **_base_.fit))
val_dataloader = dict(dataset=dict(**rated, **_base_.choose))
test_dataloader = dict(dataset=dict(**rated, **_base_.test))
default_hooks = dict(checkpoint=_base_.keep_best)
