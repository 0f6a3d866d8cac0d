"""Fine-tune ResNet-50, the paper's backbone, on BIQ2021 (Ahmed and Asif, Journal of Electronic Imaging 31(5), 2022).

    python tools/prepare_dataset.py biq2021 data/biq2021
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_biq2021.py

Batch: 32 crops of 384 px a step; 12,000 photos in all.
Result: not run yet by us.

SPLIT is a column of the prepared CSV: `official_split`, of whose 2,000 test photos 148 have a near-duplicate in the training
part (only to compare with published numbers), `split` of labels.csv, which leaves those out, or a random one such as
ratio802_seed123_split_01. A tenth of the training rows chooses the epoch; near-duplicates stay together where the CSV has
the column cluster: GROUP_COLUMN=cluster. tools/test.py scores the rows with `test`, which training never reads.
The rest is in ../_base_/finetune.py; every number here and there is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py']

split = '{{$SPLIT:official_split}}'
rated = dict(
    data_root='{{$DATA_ROOT:data/biq2021/images}}',
    ann_file='{{$ANN_FILE:data/biq2021.csv}}',
    group_column='{{$GROUP_COLUMN:name}}',  # every photo on its own, or `cluster` where the prepared CSV has it
)
fit = dict(where={split: 'train'}, holdout=0.1, part='fit')
choose = dict(where={split: 'train'}, holdout=0.1, part='holdout')
test = dict(where={split: 'test'})
train_dataloader = dict(dataset=dict(**rated, **fit))
val_dataloader = dict(dataset=dict(**rated, **choose))
test_dataloader = dict(dataset=dict(**rated, **test))
default_hooks = dict(checkpoint=_base_.keep_best)
