"""The table of commands: what ``mmqpt --help`` shows, and where each command is found when it is called."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One command.

    Attributes:
        where: ``'module:name'`` of a click command, or a module for an :class:`~mmqpt.cli.options.ArgparseCommand`.
        help: one line.
    """

    where: str
    help: str


class Group(NamedTuple):
    """Commands that belong together, and a call of one of them."""

    title: str
    example: str
    commands: dict[str, Entry]


GROUPS = (
    Group(
        'Score photos',
        'mmqpt score holiday -r --csv scores.csv',
        {
            'score': Entry('mmqpt.cli.score:score_command', 'Score photos, folders, patterns, or a list.'),
            'map': Entry('mmqpt.cli.map:map_command', 'Show where in a photo the quality is low.'),
            'report': Entry('mmqpt.cli.report:report_command', 'Make an HTML page of the scores of a folder.'),
            'pyiqa': Entry('mmqpt.cli.pyiqa_command:pyiqa_command', "Run pyiqa's command line, which then knows qpt."),
        },
    ),
    Group(
        'Train and evaluate networks',
        'DATA_ROOT=photos mmqpt pretrain qpt_resnet18_1xb32-coslr_folder --work-dir work_dirs/try',
        {
            'pretrain': Entry('mmqpt.cli.train', 'Pre-train a backbone on photos without labels.'),
            'finetune': Entry('mmqpt.cli.train', 'Fine-tune on opinion scores.'),
            'test': Entry('mmqpt.cli.test', 'Score the test part of a set: SRCC, PLCC, KRCC, RMSE.'),
            'evaluate': Entry('mmqpt.cli.evaluate', 'Compare weights over many splits, with a report.'),
            'export': Entry('mmqpt.cli.export', 'Turn a checkpoint into files that need no OpenMMLab.'),
            'average': Entry('mmqpt.cli.average', 'Average encoders that began at the same weights.'),
            'print-config': Entry('mmqpt.cli.print_config', 'Print a config with its base and overrides.'),
        },
    ),
    Group(
        'Prepare data',
        'mmqpt prepare-dataset koniq10k data/koniq10k',
        {
            'prepare-dataset': Entry('mmqpt.cli.prepare_dataset', 'Check the download of a rated set; write its CSV.'),
            'find-duplicates': Entry('mmqpt.cli.find_duplicates', 'Find near-duplicates, also across a split.'),
            'make-splits': Entry('mmqpt.cli.make_splits', 'Draw random splits of a rated set.'),
            'make-photo-list': Entry('mmqpt.cli.make_photo_list', 'List photos to pre-train on, without test photos.'),
            'make-shards': Entry('mmqpt.cli.make_shards', 'Pack photos into checked tar files.'),
        },
    ),
    Group(
        'Look closer',
        'mmqpt browse photo.jpg --recipes 12',
        {
            'browse': Entry('mmqpt.cli.browse', 'See what the degradations do to a photo.'),
            'level-order': Entry('mmqpt.cli.level_order', 'See which degradations a metric notices.'),
            'pretext-check': Entry('mmqpt.cli.pretext_check', 'See what pre-training added to its start.'),
            'model-card': Entry('mmqpt.cli.model_card', 'Write the model card of an exported file.'),
            'profile': Entry('mmqpt.cli.profile', 'Find what holds a training back.'),
            'replay-batch': Entry('mmqpt.cli.replay_batch', 'Replay a batch that was not finite.'),
        },
    ),
)

COMMANDS = {name: entry for group in GROUPS for name, entry in group.commands.items()}
