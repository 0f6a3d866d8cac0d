"""Fine-tune EfficientNet-Lite0 on BIQ2021 (Ahmed and Asif, Journal of Electronic Imaging 31(5), 2022).

    DATA_ROOT=biq2021/images ANN_FILE=biq2021/labels.csv PRETRAINED=work_dirs/pretrain/epoch_20.pth \\
        python tools/train.py configs/finetune/finetune_efficientnet-lite0_1xb16-coslr_biq2021.py

Batch: 16 crops of 384 px a step. PRETRAINED may be a QPT checkpoint, an exported file, or imagenet:efficientnet_lite0.
Result: SRCC .816, PLCC .836 on the 600 test photos of the 3,000-photo part, after 3 epochs from 500 steps of QPT;
docs/experiments.md.

The CSV has columns name, mos (0 to 1), split (train, test, or drop for test photos with a near-duplicate elsewhere),
cluster (near-duplicates share a number) and in_subset (1 for the photos at hand). A tenth of the training part chooses the
epoch; tools/test.py scores the test part, which training never reads. Everything with a number below is a design choice.
"""

_base_ = '../_base_/default_runtime.py'

data_root = '{{$DATA_ROOT:data/biq2021/images}}'
ann_file = '{{$ANN_FILE:data/biq2021/labels.csv}}'
mos_range = (0, 1)
where_train = dict(split='train', in_subset='1')
where_test = dict(split='test', in_subset='1')
group_column = 'cluster'
crop = 384  # side of the training crops in px
view = dict(min_side=384, max_side=1536, crop=None)  # the size rule; exported with the weights

model = dict(
    type='IQARegressor',
    backbone=dict(type='TIMMBackbone', model_name='tf_efficientnet_lite0'),
    pretrained='{{$PRETRAINED:imagenet:efficientnet_lite0}}',
    head=dict(hidden=256, dropout=0.2),
    view=view,
    loss='smooth_l1',
    loss_args=dict(beta=0.1),
    channels_last=True,
    norm_eval=True,
    data_preprocessor=dict(mean=[127, 127, 127], std=[128, 128, 128]),
)

rated = dict(type='IQADataset', data_root=data_root, ann_file=ann_file, mos_range=mos_range, group_column=group_column)
test_pipeline = [dict(type='LoadPhoto'), dict(type='PackRatedPhoto')]
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='RandomQualityCrop', crop=crop, flip=0.5, view=view),
    dict(type='PackRatedPhoto'),
]
holdout = 0.1  # share of the training rows that chooses the epoch

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(**rated, where=where_train, holdout=holdout, part='fit', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**rated, where=where_train, holdout=holdout, part='holdout', pipeline=test_pipeline),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**rated, where=where_test, pipeline=test_pipeline),
)
val_evaluator = dict(type='IQAMetric')
test_evaluator = dict(type='IQAMetric', out_file='{{$OUT_FILE:work_dirs/predictions.csv}}')

max_epochs = 12
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2))),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=max_epochs - 1, begin=1, by_epoch=True, convert_to_iter_based=True),
]
default_hooks = dict(checkpoint=dict(save_best='iqa/SRCC', rule='greater', max_keep_ckpts=1))
