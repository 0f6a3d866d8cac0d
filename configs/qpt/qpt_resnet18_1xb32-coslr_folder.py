"""QPT, ResNet-18 from scratch, on any folder of photos; one GPU, or a CPU with patience.

    DATA_ROOT=photos mmqpt pretrain configs/qpt/qpt_resnet18_1xb32-coslr_folder.py

Batch: 32 photos x 4 versions x 2 patches = 256 patches of 160 px a step.
Result: not measured yet.

The pretext task is the paper's, and so is the loss but for `degradation_share`, which gives degradation-based negatives half of the
weight: counted one by one beside a queue they hardly teach anything. Everything with a number below is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/photo_folder.py']

patch_size = 160

model = dict(
    type='QPT',
    backbone=dict(type='ResNet', depth=18),
    neck=dict(
        type='NonLinearNeck', hid_channels=512, out_channels=128, num_layers=2, norm_cfg=dict(type='BN1d')
    ),  # its BatchNorm keeps random weights from collapsing
    head=dict(type='QCHead', temperature=0.2, degradation_share=0.5),
    queue_length=4096,  # 16 steps: fits runs of 2,300 steps and more, docs/scale.md
    momentum=0.999,
    batch_negatives=True,
    channels_last=True,
)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        pipeline=[
            dict(type='LoadPhoto'),
            dict(type='PatchPairs', patch_size=patch_size, versions=4, patches=2, max_overlap=0.5, window=448),
            dict(type='PackPatchPairs'),
        ],
    ),
)
train_cfg = dict(type='ResumableTrainLoop', max_epochs=100)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=32)
