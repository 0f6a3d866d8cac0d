"""Fine-tune ResNet-50, the paper's backbone, on the training part of PIPAL (Gu et al., ECCV 2020).

    python tools/prepare_dataset.py pipal data/pipal
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_pipal.py

Batch: 32 crops of 256 px a step; 23,200 images of 200 references in all.
Result: not run yet by us.

All copies of a reference are on one side of a split.
The rest is in ../_base_/finetune.py and ../_base_/random_split.py; every number there and here is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py', '../_base_/random_split.py']

rated = dict(
    data_root='{{$DATA_ROOT:data/pipal/Train_Dist}}', ann_file='{{$ANN_FILE:data/pipal.csv}}', group_column='ref'
)

# Its images have 288 px: smaller crops, and no enlarging.
view = dict(min_side=256, max_side=1536, crop=None)
model = dict(view=view)
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='RandomQualityCrop', crop=256, flip=0.5, view=view),
    dict(type='PackRatedPhoto'),
]
train_dataloader = dict(dataset=dict(**rated, **_base_.fit, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(**rated, **_base_.choose))
test_dataloader = dict(dataset=dict(**rated, **_base_.test))
default_hooks = dict(checkpoint=_base_.keep_best)
