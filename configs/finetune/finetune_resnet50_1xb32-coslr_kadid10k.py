"""Fine-tune ResNet-50, the paper's backbone, on KADID-10k (Lin et al., QoMEX 2019).

    python tools/prepare_dataset.py kadid10k data/kadid10k
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_kadid10k.py

Batch: 32 crops of 384 px a step; 10,125 images of 81 references in all.
Result: not run yet by us.

All copies of a reference are on one side of a split.
The rest is in ../_base_/finetune.py and ../_base_/random_split.py; every number there is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py', '../_base_/random_split.py']

rated = dict(
    data_root='{{$DATA_ROOT:data/kadid10k/images}}', ann_file='{{$ANN_FILE:data/kadid10k.csv}}', group_column='ref'
)
train_dataloader = dict(dataset=dict(**rated, **_base_.fit))
val_dataloader = dict(dataset=dict(**rated, **_base_.choose))
test_dataloader = dict(dataset=dict(**rated, **_base_.test))
default_hooks = dict(checkpoint=_base_.keep_best)
