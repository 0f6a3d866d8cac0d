"""MoCo v2, mmpretrain's own, on a folder of photos: what QPT is compared with.

    DATA_ROOT=photos mmqpt pretrain configs/comparison/mocov2_efficientnet-lite0_1xb96-coslr_folder.py

Batch: 96 photos x 2 views of 128 px a step: 96 queries and 96 keys, as many as the QPT config of this network has.
Result: 200 steps with a queue of 4,032: linear probe on BIQ2021 .588 (QPT .568, random weights .463); docs/experiments.md, section 4.

The views are those of mmpretrain's MoCo v2 config, made by torchvision, since mmpretrain's ColorJitter fails with NumPy 2. Optimiser,
temperature and length of the queue in steps are those of qpt_efficientnet-lite0-scratch_...; set the steps of both alike. Besides the
task these differ: the neck has no BatchNorm, keys are normalised by their own batch, the queue begins with random keys, and the
momentum is .999 from the first step on, where QPT's rises to it (.955 at step 190). That, and everything else with a number below, is
a design choice. It starts from random weights; `model.backbone.init_cfg` takes others in MMEngine's way.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/photo_folder.py', '../_base_/comparison.py']

patch_size = 128
batch_size = 96

model = dict(
    type='MoCo',
    queue_len=480,  # 5 steps, as many as the QPT config has; a multiple of the batch, as mmpretrain demands
    feat_dim=128,
    momentum=0.001,  # of the new weights, as MMEngine counts: QPT's would be 0.999
    backbone=dict(type='TIMMBackbone', model_name='tf_efficientnet_lite0'),
    neck=dict(type='MoCoV2Neck', in_channels=1280, hid_channels=512, out_channels=128, with_avg_pool=True),
    head=dict(type='ContrastiveHead', loss=dict(type='CrossEntropyLoss'), temperature=0.2),
    data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[127, 127, 127], std=[128, 128, 128], to_rgb=False),
)
view_pipeline = [
    dict(type='torchvision/RandomResizedCrop', size=patch_size, scale=(0.2, 1.0)),
    dict(
        type='RandomApply',
        transforms=[dict(type='torchvision/ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)],
        prob=0.8,
    ),
    dict(type='torchvision/RandomGrayscale', p=0.2),
    dict(
        type='RandomApply',
        transforms=[dict(type='torchvision/GaussianBlur', kernel_size=13, sigma=(0.1, 2.0))],
        prob=0.5,
    ),
    dict(type='torchvision/RandomHorizontalFlip', p=0.5),
    dict(type='PILToNumpy'),
]
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        pipeline=[
            dict(type='LoadPhoto'),
            dict(type='SeedGenerators'),  # the views draw from the global ones
            dict(type='NumpyToPIL', to_rgb=True),
            dict(type='MultiView', num_views=2, transforms=[view_pipeline]),
            dict(type='PackInputs', meta_keys=('img_path', 'sample_key', 'skipped')),
        ],
    ),
)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=200, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(base_batch_size=batch_size)
