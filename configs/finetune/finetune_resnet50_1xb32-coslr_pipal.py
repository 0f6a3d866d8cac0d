"""Fine-tune ResNet-50, the paper's backbone, on the training part of PIPAL (Gu et al., ECCV 2020).

    python tools/prepare_dataset.py pipal data/pipal
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_pipal.py

Batch: 32 crops of 256 px a step; 23,200 images of 200 references in all.
PRETRAINED: a checkpoint of configs/qpt/qpt_resnet50_8xb32-coslr-200e_in1k.py, or an exported file.
Result: not run yet by us.

SPLIT is a column of the prepared CSV, by default the first random 80/20 split; all copies of a reference are on one side. A
tenth of the training rows, again whole references, chooses the epoch; tools/test.py scores the rows with `test`, which
training never reads.
Everything with a number here and in ../_base_/finetune.py is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py']

split = '{{$SPLIT:ratio802_seed123_split_01}}'
rated = dict(
    data_root='{{$DATA_ROOT:data/pipal/Train_Dist}}', ann_file='{{$ANN_FILE:data/pipal.csv}}', group_column='ref'
)
holdout = dict(where={split: 'train'}, holdout=0.1)  # share of the training rows that chooses the epoch
train_dataloader = dict(dataset=dict(**rated, **holdout, part='fit'))
val_dataloader = dict(dataset=dict(**rated, **holdout, part='holdout'))
test_dataloader = dict(dataset=dict(**rated, where={split: 'test'}))
default_hooks = dict(checkpoint=dict(save_best='iqa/SRCC', rule='greater', max_keep_ckpts=1))

# Its images have 288 px: smaller crops, and no enlarging.
view = dict(min_side=256, max_side=1536, crop=None)
model = dict(view=view)
train_dataloader['dataset']['pipeline'] = [
    dict(type='LoadPhoto'),
    dict(type='RandomQualityCrop', crop=256, flip=0.5, view=view),
    dict(type='PackRatedPhoto'),
]
