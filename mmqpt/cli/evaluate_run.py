"""What ``mmqpt evaluate`` does: builds tasks and learners from its options, runs them and writes the report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.generic import RANDOM
from mmqpt.datasets.rated.sets import SetInfo, info_path, read_info
from mmqpt.engine.launch import TRAINING, load_config, set_precision
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.evaluation.protocols.fine_tune import FineTune
from mmqpt.evaluation.protocols.frozen import FrozenFeatures
from mmqpt.evaluation.protocols.learners import Learner, LinearProbe, PyiqaMetric, parse_method
from mmqpt.evaluation.protocols.run import run_tasks
from mmqpt.evaluation.protocols.tasks import OpenedSet, Task, cross_tasks, open_rated_set, split_tasks
from mmqpt.evaluation.reports.page import write_report
from mmqpt.evaluation.reports.results import join_results, write_results
from mmqpt.evaluation.reports.tables import write_csv, write_markdown
from mmqpt.models.logs import silence_mmengine


def evaluate(args: argparse.Namespace) -> None:
    """Run a protocol on a set, and write its results."""
    silence_mmengine()
    args.launcher, args.local_rank, args.work_dir = 'none', 0, str(args.out)
    check_set_options(args)
    learners = make_learners(args)
    rated = open_set(args, args.ann_file, args.data_root)
    tasks = make_tasks(args, rated)
    methods = [parse_method(text) for text in args.weights]
    pairs = [(method, learners['pyiqa' if method.is_pyiqa else args.learner]) for method in methods]
    cells = run_tasks(args.out, pairs, tasks)
    title = f'{rated.info.name}: {args.protocol}'
    if args.protocol == 'cross-set':
        title = f'{rated.info.name} to {tasks[0].test_set.info.name}: cross-set'
    results = write_results(
        args.out,
        title,
        protocol_title(args),
        args.command_line,
        methods,
        tasks,
        cells,
        chosen_settings(args),
        args.replicates,
    )
    finish(args.out, results)


def open_set(args: argparse.Namespace, ann_file: Path, root: Path) -> OpenedSet:
    """The set, by the JSON file beside its CSV, or without one by the options."""
    if info_path(ann_file).is_file() or not args.mos_range:
        read_info(ann_file)  # says what is missing
        return open_rated_set(ann_file, root)
    columns = [c for c in getattr(args, 'splits', []) if c != 'random']
    info = SetInfo(
        ann_file.stem,
        tuple(args.mos_range),
        group_column=args.group_column,
        subset_column=args.subset_column or args.scale_column,
        scale_column=args.scale_column,
        splits={c: f'column {c} of {ann_file.name}' for c in columns},
    )
    return open_rated_set(ann_file, root, info)


def check_set_options(args: argparse.Namespace) -> None:
    """Options for CSVs without a JSON file need such a CSV."""
    files = [args.ann_file, *([args.test_ann_file] if args.protocol == 'cross-set' else [])]
    given = args.mos_range or args.group_column or args.subset_column or args.scale_column
    if given and all(info_path(f).is_file() for f in files):
        raise InputError(
            f'{info_path(files[0])} says what {files[0].name} means; '
            '--mos-range, --group-column, --subset-column and --scale-column are for a CSV without it'
        )
    if getattr(args, 'max_splits', None) is not None and args.max_splits < 1:
        raise InputError(f'--max-splits must be >= 1, got {args.max_splits}')


def make_tasks(args: argparse.Namespace, rated: OpenedSet) -> list[Task]:
    """What is trained on and tested on."""
    if args.protocol == 'cross-set':
        test = open_set(args, args.test_ann_file, args.test_data_root)
        return cross_tasks(rated, test, args.repeats, args.validation, args.seed)
    columns = []
    for name in args.splits:
        if name == 'random':
            found = [column for column in rated.info.splits if RANDOM.fullmatch(column)]
            if not found:
                raise InputError(f'{args.ann_file}: no random splits yet; mmqpt make-splits adds them')
            columns += found
        else:
            columns.append(name)
    columns = list(dict.fromkeys(columns))[: args.max_splits]
    fractions = list(dict.fromkeys(getattr(args, 'fractions', [1.0])))
    return split_tasks(rated, columns, fractions, args.validation, args.seed)


def make_learners(args: argparse.Namespace) -> dict[str, Learner]:
    """What computes scores, by name."""
    store = FeatureStore(args.store or args.out / 'features')
    cfg = load_config(args, unused_settings(args.learner, args.epochs))
    cfg.default_hooks.logger['interval'] = 50
    cfg.log_level = 'WARNING'
    learners: dict[str, Learner] = {'pyiqa': PyiqaMetric(store, args.device)}
    if args.learner == 'probe':
        features = FrozenFeatures(cfg, args.scales, store, args.device, args.workers, args.seed)
        learners['probe'] = LinearProbe(features)
    else:
        set_precision(cfg)
        learners['finetune'] = FineTune(cfg, args.epochs, args.min_steps, args.keep_checkpoints)
    return learners


def unused_settings(learner: str, epochs: int | None = None) -> dict[str, str]:
    """Settings of the config that a protocol replaces or does not read, and what its user does instead."""
    kept = 'the protocol sets it'
    found = {'model.pretrained': 'give --weights', 'work_dir': 'give --out', 'randomness.seed': 'give --seed'}
    found |= dict.fromkeys(('load_from', 'resume', 'log_level', 'experiment_name'), kept)
    options = {'where': 'splits', 'holdout': 'validation', 'part': 'validation'}
    options |= {name: name.replace('_', '-') for name in ('data_root', 'ann_file', 'mos_range')}
    options |= {name: name.replace('_', '-') for name in ('group_column', 'scale_column')}
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        found |= {f'{loader}.dataset.{key}': f'give --{name}' for key, name in options.items()}
        found |= {f'{loader}.dataset.{key}': kept for key in ('name', 'scale')}
    if learner == 'finetune':
        names = ['val_evaluator', 'test_evaluator', 'default_hooks.logger.interval']
        names += [f'default_hooks.checkpoint.{key}' for key in ('save_best', 'rule', 'max_keep_ckpts', 'interval')]
        return {
            **found,
            **dict.fromkeys(names, kept),
            **({'train_cfg.max_epochs': '--epochs sets it'} if epochs else {}),
        }
    names = [*TRAINING, 'val_dataloader', 'val_cfg', 'val_evaluator', 'test_dataloader', 'test_cfg', 'test_evaluator']
    names += [f'model.{key}' for key in ('loss', 'loss_args', 'freeze', 'ladder', 'norm_eval')]
    return {**found, **dict.fromkeys(names, 'the network is not trained')}


def protocol_title(args: argparse.Namespace) -> str:
    """What the report calls it."""
    learner = LinearProbe.title if args.learner == 'probe' else FineTune.title
    return learner if args.protocol in ('probe', 'finetune') else f'{args.protocol}, {learner}'


def chosen_settings(args: argparse.Namespace) -> dict[str, Any]:
    """What the report says of the options."""
    names = ['config', 'cfg_options', 'validation', 'seed']
    names += ['scales'] if args.learner == 'probe' else ['epochs', 'min_steps']
    return {name: getattr(args, name) for name in names}


def join(args: argparse.Namespace) -> None:
    """Join the results of several folders, and write them as one."""
    results = join_results(args.folders, args.out, args.replicates)
    finish(args.out, results)


def finish(out: Path, results: dict[str, Any]) -> None:
    """Write the results for people, and print them."""
    write_csv(results, out / 'results.csv')
    write_markdown(results, out / 'results.md')
    page = write_report(out)
    print()
    print((out / 'results.md').read_text(encoding='utf-8'))
    print(f'{page}: the report. results.json, results.csv and results.md are beside it.')
