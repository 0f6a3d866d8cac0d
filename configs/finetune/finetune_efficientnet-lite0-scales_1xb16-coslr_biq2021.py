"""The head of the shipped weights: EfficientNet-Lite0, BIQ2021 with a rating scale for each of its subsets, ladders.

    mmqpt average encoder-efficientnet-lite0.safetensors qpt.safetensors --branch qpt_efficientnet_lite0_side --out start.safetensors
    PRETRAINED=start.safetensors DATA_ROOT=biq2021/Images ANN_FILE=biq2021.csv \\
        mmqpt finetune configs/finetune/finetune_efficientnet-lite0-scales_1xb16-coslr_biq2021.py

The two files averaged are those of version 0.1's wheel; the branches are those of the encoder that comes with mmqpt, which
is taken as it is without PRETRAINED. The shipped weights have the first of them alone: a start with one needs --cfg-options
model.backbone.branches=1. 15 to 40 minutes on a CPU core; the checkpoint is epoch_0.pth.

Batch: with head_only=False, 16 whole photos of 512 px, of all three subsets, and 16 ladders of two crops of 160 px a step.
Result: mean SRCC .744 within the subsets of the 2,000 official test photos; docs/experiments.md, sections 5 and 6.

The subsets were rated on scales of their own (mean MOS .42, .49 and .74): the network predicts one common quality, and a
map for each subset takes it to that subset's scores. The mean SRCC within the subsets of a tenth of the training part
chooses. biq2021.csv as for finetune_efficientnet-lite0-ladder_1xb16-coslr_biq2021.py. Everything with a number below is a
design choice.
"""

_base_ = './finetune_efficientnet-lite0-ladder_1xb16-coslr_biq2021.py'

scale = dict(scale_column='subset')
crop, ladder_crop = 512, 160  # the whole photo: it was rated as a whole, and is tested so
view = dict(min_side=320, max_side=512, crop=None)
ladder = dict(
    type='LevelLadder',
    rungs=2,
    view=view,
    from_level=dict(sharpen=3, local_contrast=4),  # much of these harms, little is a matter of taste
    shrink=0.45,  # photos of BIQ2021 are JPEG files: reduced, they are without its traces
    weights=dict(jpeg=4, webp=2, avif=2, jpeg2000=2),  # what users will meet most
)
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(crop=ladder_crop, blank=0.05, **ladder),  # blank: frames without a picture
    dict(type='RandomQualityCrop', crop=crop, flip=0.5, view=dict(min_side=crop, max_side=1024)),
    dict(type='PackRatedPhoto'),
]
train_dataloader = dict(
    sampler=dict(_delete_=True, type='ScaleSampler', batch_size=16),
    dataset=dict(pipeline=train_pipeline, **scale),
)
val_dataloader = dict(dataset=dict(**scale))
test_dataloader = dict(dataset=dict(**scale))
val_evaluator = dict(by='scale')
test_evaluator = dict(by='scale')
default_hooks = dict(checkpoint=dict(save_best='iqa/SRCC_macro', rule='greater', max_keep_ckpts=1))
model = dict(
    freeze=3, head=dict(dropout=0.5, standardise=True), scales=dict(names=['ss01', 'ss02', 'ss03'], maps='learned')
)
whole = [
    dict(type='LoadPhoto'),
    dict(crop=224, blank=0.25, **ladder),
    dict(type='PackRatedPhoto'),
]
head_only = True  # False: then everything, for three epochs, which validation did not reward
custom_hooks = [*_base_.custom_hooks, dict(type='HeadStartHook', pipeline=whole, head_only=head_only)]
optim_wrapper = dict(optimizer=dict(lr=5e-5), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.6))))
train_cfg = dict(max_epochs=3)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
