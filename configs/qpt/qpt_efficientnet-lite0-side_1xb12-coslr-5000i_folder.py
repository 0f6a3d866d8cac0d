"""QPT beside ImageNet: a side branch learns quality from the first maps of a frozen EfficientNet-Lite0.

    DATA_ROOT=photos mmqpt pretrain configs/qpt/qpt_efficientnet-lite0-side_1xb12-coslr-5000i_folder.py

Batch: 12 photos x 4 versions x 2 patches = 96 patches of 128 px a step.
Result: three seeds on 9,302 photos add to ImageNet alone, on 200 other photos with KADID's 25 distortions: level +.046 [.037, .054]
(SRCC; branches with random weights +.011), type +.043 [.036, .050] (accuracy; +.014); their three branches side by side +.060 and
+.068, and these are the encoder that comes with mmqpt; docs/encoder_card.md and docs/experiments.md, section 6. 89 minutes on one of
two busy CPU cores; --cfg-options iterations=400 has half of the gain.

The trunk keeps ImageNet's weights, so that nothing it knows is lost; the branch reads its first three stages and gives two
maps of its own (48 and 96 channels), which the loss alone sees. The trunk is computed only that far, once for queries and keys.
Mixed places did best with one seed; the default space does as well as `camera`. Everything with a number below is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/qpt_efficientnet-lite0.py']

iterations = 5000

model = dict(
    backbone=dict(model_name='tf_efficientnet_lite0_side', features_only=True),
    side_tuning='side',
    pooling='moments',
    neck=dict(type='StandardisedNeck', hid_channels=512, out_channels=128),
    norm_eval=False,
    queue_length=512,  # 5 steps: fits runs of 700 steps and more
)
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(
        type='PatchPairs',
        patch_size=_base_.patch_size,
        versions=4,
        patches=2,
        max_overlap=0.5,
        window=384,
        positions='mixed',
    ),
    dict(type='PackPatchPairs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(type='ResumableTrainLoop', max_iters=iterations)
optim_wrapper = dict(
    optimizer=dict(lr=2e-3),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),  # the branch starts from random weights
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=max(1, iterations // 20)),
    dict(type='CosineAnnealingLR', by_epoch=False),
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)
