"""Rows of a prepared set for a fine-tuning config: the set's own split, whose rows with `val` choose the epoch.

SPLIT is a column of the set's CSV: `official_split`, or a random one such as ratio802_seed123_split_01 (the paper: median of 10), of
whose training rows a tenth chooses the epoch. tools/test.py scores the rows with `test`, which training never reads. Everything with a
number here is a design choice.
"""

split = '{{$SPLIT:official_split}}'
fit = dict(where={split: 'train'})
choose = dict(where={split: 'val'})  # the epoch with the best SRCC on these
test = dict(where={split: 'test'})
if split != 'official_split':  # has no part `val`
    fit = dict(where={split: 'train'}, holdout=0.1, part='fit')
    choose = dict(where={split: 'train'}, holdout=0.1, part='holdout')
