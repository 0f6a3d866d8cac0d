"""QPT that keeps what ImageNet taught: EfficientNet-Lite0, all stages, an anchor; the encoder of the shipped weights came from it.

    DATA_ROOT=photos mmqpt pretrain configs/qpt/qpt_efficientnet-lite0-anchor_1xb12-coslr-800i_folder.py \\
        --cfg-options train_dataloader.dataset.ann_file=list.txt

Batch: 12 photos x 4 versions x 2 patches = 96 patches of 128 px a step; 2.3 s a step on one CPU core, 33 minutes in all.
Result: not measured yet with these settings. Those that made the shipped encoder (version 0.1.0: docs/experiments.md, section 3):
`--cfg-options train_dataloader.batch_size=24 train_dataloader.dataset.pipeline.1.versions=2 model.head.degradation_share=None
model.queue_length=4096`; the default space has lost two operators since.

Unlike the other configs the neck sees means and deviations of all five stages, so that early layers learn quality directly,
the backbone learns at the full rate, and the anchor holds it: a linear map must still find the start's features in
today's. Everything with a number below is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/qpt_efficientnet-lite0.py']

iterations = 800

model = dict(
    backbone=dict(features_only=True),
    pooling='moments',
    anchor=1.0,
    neck=dict(type='MoCoV2Neck', hid_channels=512, out_channels=128),
    queue_length=512,  # 5 steps: a run of 800 steps takes 560 keys at most
    norm_eval=True,  # small batches: keep ImageNet's BatchNorm statistics
)
train_cfg = dict(type='ResumableTrainLoop', max_iters=iterations)
optim_wrapper = dict(optimizer=dict(lr=3e-4), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=max(1, iterations // 20)),
    dict(type='CosineAnnealingLR', by_epoch=False),
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=200, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)
