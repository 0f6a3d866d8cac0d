"""The first leg of the weights of version 0.1: EfficientNet-Lite0 of QPT, fine-tuned on BIQ2021 with opinions and with ladders.

    DATA_ROOT=biq2021/images ANN_FILE=biq2021.csv \\
        mmqpt finetune configs/finetune/finetune_efficientnet-lite0-ladder_1xb16-coslr_biq2021.py

Batch: 16 crops of 320 px and 16 ladders of two crops of 160 px a step; 1.4 s a step on one CPU core, 40 minutes in all.
Result: with version 0.1's encoder, without a side branch, SRCC .851, PLCC .862 on the 2,000 test photos of the official list; from ImageNet weights .850 and .860 (no difference);
docs/experiments.md, section 3.

biq2021.csv is what mmqpt prepare-dataset, mmqpt find-duplicates --add-to and mmqpt make-splits --without-leaks official_split
make of the download; experiments.md has the commands. A tenth of the training part chooses the epoch. Everything with a number below is
a design choice.
"""

_base_ = './finetune_efficientnet-lite0_1xb16-coslr_biq2021.py'

crop = 320
ladder_crop = 160
view = dict(min_side=320, max_side=512, crop=None)
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='LevelLadder', crop=ladder_crop, rungs=2, view=view),
    dict(type='RandomQualityCrop', crop=crop, flip=0.5, view=view),
    dict(type='PackRatedPhoto'),
]
where_train = dict(_delete_=True, official_split_clean='train')
where_test = dict(_delete_=True, official_split_clean='test')
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, where=where_train))
val_dataloader = dict(dataset=dict(where=where_train))
test_dataloader = dict(dataset=dict(where=where_test))
model = dict(
    pretrained='{{$PRETRAINED:qpt:efficientnet_lite0_side}}',  # the encoder that comes with mmqpt
    backbone=dict(type='TIMMBackbone', model_name='tf_efficientnet_lite0_side', features_only=True, branches=3),
    head=dict(hidden=256, dropout=0.2, pooling='moments'),
    view=dict(_delete_=True, **view),
    loss=[dict(type='smooth_l1', beta=0.1, weight=1.0), dict(type='plcc', weight=0.5)],
    loss_args=None,
    freeze=2,
    ladder=dict(weight=1.0, margin=0.02),
)
train_cfg = dict(max_epochs=3)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [
    *_base_.custom_hooks,  # a list replaces that of the base: add to it
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.005),  # new = 0.995 old + 0.005 weights
]
