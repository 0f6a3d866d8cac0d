"""Fine-tune EfficientNet-Lite0 on opinion scores in a CSV (name, MOS, split) in pyiqa's meta_info format.

    DATA_ROOT=photos ANN_FILE=scores.csv MOS_RANGE=1,5 PRETRAINED=work_dirs/pretrain/epoch_20.pth \\
        python tools/train.py configs/finetune/finetune_efficientnet-lite0_1xb16-coslr_csv.py

Batch: 16 crops of 384 px a step. PRETRAINED may be a QPT checkpoint, an exported file, or imagenet:efficientnet_lite0.
Result: depends on the data; see finetune_efficientnet-lite0_1xb16-coslr_biq2021.py for one that was measured.

Rows with `split` = `train` are fitted but for a tenth of them, which chooses the epoch; tools/test.py scores the rows with
`split` = `test`, which training never reads. Everything with a number below is a design choice.
"""

_base_ = '../_base_/default_runtime.py'

data_root = '{{$DATA_ROOT:data/photos}}'
ann_file = '{{$ANN_FILE:data/scores.csv}}'
mos_range = [{{'$MOS_RANGE:0,1'}}]  # the ends of the scale in its own units
where_train = dict(split='train')  # columns of the CSV and the values they must have; dict() for all rows
where_test = dict(split='test')
group_column = None  # a column of groups (near-duplicates, reference photos) that validation must not tear apart
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
