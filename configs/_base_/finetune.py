"""What every fine-tuning config shares: ResNet-50, crops of 384 px, the epoch with the best SRCC on the validation part.

A config adds the data (`data_root`, `ann_file`), the rows of each part, spelt out or from random_split.py or official_split.py, and
`default_hooks = dict(checkpoint=_base_.keep_best)`. PRETRAINED is a QPT checkpoint, such as one of
configs/qpt/qpt_resnet50_8xb32-coslr-200e_in1k.py, or an exported file. The paper fine-tunes a ResNet-50; everything with a number
below is a design choice.
"""

crop = 384  # side of the training crops in px
view = dict(min_side=384, max_side=1536, crop=None)  # the size rule; exported with the weights

model = dict(
    type='IQARegressor',
    backbone=dict(type='ResNet', depth=50),
    pretrained='{{$PRETRAINED:work_dirs/pretrain/epoch_200.pth}}',
    head=dict(hidden=256, dropout=0.2),
    view=view,
    loss='smooth_l1',
    loss_args=dict(beta=0.1),
    channels_last=True,
    norm_eval=True,
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),  # ImageNet's, of RGB
)

test_pipeline = [dict(type='LoadPhoto'), dict(type='PackRatedPhoto')]
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='RandomQualityCrop', crop=crop, flip=0.5, view=view),
    dict(type='PackRatedPhoto'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(type='IQADataset', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='IQADataset', pipeline=test_pipeline),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='IQADataset', pipeline=test_pipeline),
)
val_evaluator = dict(type='IQAMetric')
test_evaluator = dict(type='IQAMetric', out_file='{{$OUT_FILE:work_dirs/predictions.csv}}')

keep_best = dict(save_best='iqa/SRCC', rule='greater', max_keep_ckpts=1)  # for the checkpoint hook

train_cfg = dict(type='ResumableTrainLoop', max_epochs=12, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='FewGroupsConstructor',  # two groups, not one a parameter
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2))),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, by_epoch=True, convert_to_iter_based=True),  # to the end of the run
]
