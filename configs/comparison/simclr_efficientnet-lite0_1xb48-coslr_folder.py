"""SimCLR, mmpretrain's own, on a folder of photos: what QPT is compared with.

    DATA_ROOT=photos mmqpt pretrain configs/comparison/simclr_efficientnet-lite0_1xb48-coslr_folder.py

Batch: 48 photos x 2 views of 128 px a step: 96 views with gradients, as many as the QPT config of this network has.
Result: 200 steps: linear probe on BIQ2021 .556 (QPT .568, random weights .463); docs/experiments.md, section 4.

The views are those of mmpretrain's SimCLR config, made by torchvision, since mmpretrain's ColorJitter fails with NumPy 2. Optimiser
and neck are those of qpt_efficientnet-lite0-scratch_...; set the steps of both alike. Temperature .1 is that of mmpretrain's SimCLR; that
and everything else with a number below is a design choice. It starts from random weights; `model.backbone.init_cfg` takes others in MMEngine's way.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/photo_folder.py', '../_base_/comparison.py']

patch_size = 128
batch_size = 48

model = dict(
    type='SimCLR',
    backbone=dict(type='TIMMBackbone', model_name='tf_efficientnet_lite0'),
    neck=dict(
        type='NonLinearNeck',
        in_channels=1280,
        hid_channels=512,
        out_channels=128,
        num_layers=2,
        with_avg_pool=True,
        norm_cfg=dict(type='BN1d'),
    ),
    head=dict(type='ContrastiveHead', loss=dict(type='CrossEntropyLoss'), temperature=0.1),
    data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[127, 127, 127], std=[128, 128, 128], to_rgb=False),
)
view_pipeline = [
    dict(type='torchvision/RandomResizedCrop', size=patch_size, scale=(0.08, 1.0)),
    dict(type='torchvision/RandomHorizontalFlip', p=0.5),
    dict(
        type='RandomApply',
        transforms=[dict(type='torchvision/ColorJitter', brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)],
        prob=0.8,
    ),
    dict(type='torchvision/RandomGrayscale', p=0.2),
    dict(
        type='RandomApply',
        transforms=[dict(type='torchvision/GaussianBlur', kernel_size=13, sigma=(0.1, 2.0))],
        prob=0.5,
    ),
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
