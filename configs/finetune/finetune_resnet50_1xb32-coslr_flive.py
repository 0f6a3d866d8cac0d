"""Fine-tune ResNet-50, the paper's backbone, on FLIVE (Ying et al., "From patches to pictures", CVPR 2020).

    python tools/prepare_dataset.py flive data/flive
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_flive.py

Batch: 32 crops of 384 px a step; 39,810 photos in all.
PRETRAINED: a checkpoint of configs/qpt/qpt_resnet50_8xb32-coslr-200e_in1k.py, or an exported file.
Result: not run yet by us.

SPLIT is a column of the prepared CSV: `official_split` (PaQ-2-PiQ's: rows with `val` choose the epoch; published SRCC of .63 to
.65), or a random one such as ratio802_seed123_split_01 (published: .54 to .60). Never compare numbers of the two. The part
that chooses the epoch is cut from the training rows of a random split. tools/test.py scores the rows with `test`, which
training never reads.
Everything with a number here and in ../_base_/finetune.py is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py']

split = '{{$SPLIT:official_split}}'
rated = dict(data_root='{{$DATA_ROOT:data/flive/database}}', ann_file='{{$ANN_FILE:data/flive.csv}}')
fit, choose = dict(where={split: 'train'}), dict(where={split: 'val'})
if split != 'official_split':  # has no part `val`
    fit = dict(where={split: 'train'}, holdout=0.1, part='fit')
    choose = dict(where={split: 'train'}, holdout=0.1, part='holdout')
train_dataloader = dict(dataset=dict(**rated, **fit))
val_dataloader = dict(dataset=dict(**rated, **choose))
test_dataloader = dict(dataset=dict(**rated, where={split: 'test'}))
default_hooks = dict(checkpoint=dict(save_best='iqa/SRCC', rule='greater', max_keep_ckpts=1))
