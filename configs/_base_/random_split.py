"""Rows of a prepared set for a fine-tuning config: a random split, of whose training rows a tenth chooses the epoch.

SPLIT is a column of the set's CSV, by default the first random 80/20 split; the paper reports the median of 10. Where the config names
a `group_column`, a group, such as all copies of a reference, is never divided. tools/test.py scores the rows with `test`, which
training never reads. Everything with a number here is a design choice.
"""

split = '{{$SPLIT:ratio802_seed123_split_01}}'
fit = dict(where={split: 'train'}, holdout=0.1, part='fit')
choose = dict(where={split: 'train'}, holdout=0.1, part='holdout')  # the epoch with the best SRCC on these
test = dict(where={split: 'test'})
