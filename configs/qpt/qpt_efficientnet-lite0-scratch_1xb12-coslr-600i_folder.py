"""QPT, EfficientNet-Lite0 from random weights, on any folder of photos: what the ablations start from.

    DATA_ROOT=photos mmqpt pretrain configs/qpt/qpt_efficientnet-lite0-scratch_1xb12-coslr-600i_folder.py

Batch: 12 photos x 4 versions x 2 patches = 96 patches of 128 px a step; 600 steps.
Result: not measured yet with these settings. With 2 versions x 4 patches, a queue of 4,096 and every negative counted once: linear
probe on BIQ2021 .580 (random weights .463, ImageNet .793); docs/experiments.md, section 4.

The pretext task is the paper's, and so is the loss but for `degradation_share`; everything with a number below is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/qpt_efficientnet-lite0.py']

iterations = 600

model = dict(
    pretrained=None,
    norm_eval=False,
    queue_length=512,  # 5 steps, as many as so short a run takes
    neck=dict(
        type='NonLinearNeck',
        hid_channels=512,
        out_channels=128,
        num_layers=2,
        norm_cfg=dict(type='BN1d'),  # keeps random weights from collapsing
    ),
)
train_cfg = dict(type='ResumableTrainLoop', max_iters=iterations)
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=max(1, iterations // 20)),
    dict(type='CosineAnnealingLR', by_epoch=False),
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=200, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)
