"""QPT, ResNet-50, on the ImageNet training photos (labels are not used): the paper's backbone and data.

    DATA_ROOT=imagenet/train bash tools/dist_train.sh configs/qpt/qpt_resnet50_8xb32-coslr-200e_in1k.py 8

Batch: 8 GPUs x 32 photos x 2 versions x 2 patches = 1,024 patches of 224 px a step; 5,004 steps an epoch.
Result: not measured; nobody ran this at full length yet. The paper reports numbers for fine-tuning only.

The pretext task is the paper's, and so is the loss but for `degradation_share`. Everything with a number below is a design choice:
MoCo-v2's defaults, since the paper does not state its own. Two versions, as many as make 200 epochs affordable.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/photo_folder.py']

patch_size = 224

model = dict(
    type='QPT',
    backbone=dict(type='ResNet', depth=50),  # any mmpretrain or timm backbone; nothing else depends on it
    neck=dict(
        type='NonLinearNeck', hid_channels=2048, out_channels=128, num_layers=2, norm_cfg=dict(type='BN1d')
    ),  # its BatchNorm keeps random weights from collapsing
    # The paper's formula counts every negative once. Beside a queue of MoCo's length (the paper states none) two degradation-based
    # ones then hold .45 % of the softmax mass at most, 2 e^5 / (2 e^5 + 65536): the loss is MoCo's. With it the run warns of that.
    # head=dict(type='QCHead', temperature=0.2),
    head=dict(type='QCHead', temperature=0.2, degradation_share=0.5),
    queue_length=65536,  # 64 steps; at momentum 0.999 up to 250 fit
    momentum=0.999,
)
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    dataset=dict(
        data_root='{{$DATA_ROOT:data/imagenet/train}}',
        pipeline=[
            dict(type='LoadPhoto'),
            dict(
                type='PatchPairs',
                patch_size=patch_size,
                versions=2,
                patches=2,
                max_overlap=0.5,
                window=512,
                space=dict(skip=0.5, shuffle=True, order=2),
            ),
            dict(type='PackPatchPairs'),
        ],
    ),
)
train_cfg = dict(type='ResumableTrainLoop', max_epochs=200)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=256)  # photos a step; --auto-scale-lr uses it
