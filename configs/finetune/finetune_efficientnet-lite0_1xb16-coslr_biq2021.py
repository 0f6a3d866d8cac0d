"""Fine-tune EfficientNet-Lite0 on BIQ2021 (Ahmed and Asif, Journal of Electronic Imaging 31(5), 2022).

    DATA_ROOT=biq2021/images ANN_FILE=biq2021/labels.csv PRETRAINED=work_dirs/pretrain/epoch_20.pth \\
        python tools/train.py configs/finetune/finetune_efficientnet-lite0_1xb16-coslr_biq2021.py

Batch: 16 crops of 384 px a step. PRETRAINED may be a QPT checkpoint, an exported file, or imagenet:efficientnet_lite0.
Result: SRCC .816, PLCC .836 on the 600 test photos of the 3,000-photo part, after 3 epochs from 500 steps of QPT;
docs/experiments.md.

The CSV has columns name, mos (0 to 1), split (train, test, or drop for test photos with a near-duplicate elsewhere),
cluster (near-duplicates share a number) and in_subset (1 for the photos at hand). A tenth of the training part chooses the
epoch; tools/test.py scores the test part, which training never reads. Everything with a number below is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py']

data_root = '{{$DATA_ROOT:data/biq2021/images}}'
ann_file = '{{$ANN_FILE:data/biq2021/labels.csv}}'
mos_range = (0, 1)
where_train = dict(split='train', in_subset='1')
where_test = dict(split='test', in_subset='1')
group_column = 'cluster'
rated = dict(data_root=data_root, ann_file=ann_file, mos_range=mos_range, group_column=group_column)
holdout = 0.1  # share of the training rows that chooses the epoch
train_dataloader = dict(batch_size=16, dataset=dict(**rated, where=where_train, holdout=holdout, part='fit'))
val_dataloader = dict(dataset=dict(**rated, where=where_train, holdout=holdout, part='holdout'))
test_dataloader = dict(dataset=dict(**rated, where=where_test))
default_hooks = dict(checkpoint=_base_.keep_best)

model = dict(
    backbone=dict(_delete_=True, type='TIMMBackbone', model_name='tf_efficientnet_lite0'),
    pretrained='{{$PRETRAINED:imagenet:efficientnet_lite0}}',
    data_preprocessor=dict(mean=[127, 127, 127], std=[128, 128, 128]),  # what these ImageNet weights were trained with
)
