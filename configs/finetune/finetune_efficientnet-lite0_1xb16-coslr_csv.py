"""Fine-tune EfficientNet-Lite0 on opinion scores in a CSV (name, MOS, split) in pyiqa's meta_info format.

    DATA_ROOT=photos ANN_FILE=scores.csv MOS_RANGE=1,5 PRETRAINED=work_dirs/pretrain/epoch_20.pth \\
        mmqpt finetune configs/finetune/finetune_efficientnet-lite0_1xb16-coslr_csv.py

Batch: 16 crops of 384 px a step. PRETRAINED may be a QPT checkpoint, an exported file, or imagenet:efficientnet_lite0.
Result: depends on the data; see finetune_efficientnet-lite0_1xb16-coslr_biq2021.py for one that was measured.

Rows with `train` in the column SPLIT, by default `split`, are fitted but for a tenth of them, which chooses the epoch; mmqpt test
scores the rows with `test`, which training never reads. `mmqpt prepare-dataset NAME PHOTOS --ann-file scores.csv` makes columns of
random splits for a CSV without one. Everything with a number below is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py']

data_root = '{{$DATA_ROOT:data/photos}}'
ann_file = '{{$ANN_FILE:data/scores.csv}}'
mos_range = [{{'$MOS_RANGE:0,1'}}]  # the ends of the scale in its own units
split = '{{$SPLIT:split}}'
where_train = {split: 'train'}  # columns of the CSV and the values they must have; dict() for all rows
where_test = {split: 'test'}
group_column = None  # a column of groups (near-duplicates, reference photos) that validation must not divide
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
