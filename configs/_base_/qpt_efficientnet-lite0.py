"""What the QPT configs of EfficientNet-Lite0 share: ImageNet's network, the loss, batches, the optimiser; for a CPU or one small GPU.

A config adds the neck, the length of the queue, the learning rate and the length of the run.
"""

patch_size = 128

model = dict(
    type='QPT',
    backbone=dict(type='TIMMBackbone', model_name='tf_efficientnet_lite0'),
    pretrained='imagenet:efficientnet_lite0',
    head=dict(type='QCHead', temperature=0.2, degradation_share=0.5),
    momentum=0.999,
    batch_negatives=True,
    channels_last=True,
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
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='FewGroupsConstructor',  # two groups, not one a parameter
    optimizer=dict(type='AdamW', weight_decay=0.01),
    clip_grad=dict(max_norm=5.0),
)
auto_scale_lr = dict(base_batch_size=12)
