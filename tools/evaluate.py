"""Protocols of quality assessment: linear probe, fine-tuning, label efficiency, cross-set tests, comparisons.

Examples:
    python tools/evaluate.py probe --ann-file koniq10k.csv --data-root koniq10k/1024x768 --splits random \\
        --weights random ImageNet=imagenet:efficientnet_lite0 QPT=work_dirs/pretrain/epoch_20.pth --out work_dirs/probe
    python tools/evaluate.py finetune ... --splits official_split --out work_dirs/finetune
    python tools/evaluate.py label-efficiency ... --learner probe --fractions 0.05 0.1 0.2 0.4 0.6 0.8 1
    python tools/evaluate.py cross-set ... --test-ann-file clive.csv --test-data-root clive/Images
    python tools/evaluate.py compare ... --learner probe --weights QPT=qpt.pth piqe=pyiqa:piqe
    python tools/evaluate.py report work_dirs/probe work_dirs/finetune --out work_dirs/both

A call that was stopped goes on where it was when it is given again. Several calls with the same --out share the work.
--out gets results.json, results.csv, results.md, report.html with its plots, and the predictions for every photo.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.generic import RANDOM
from mmqpt.datasets.rated.sets import SetInfo, info_path, read_info
from mmqpt.engine.launch import load_config, run
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.evaluation.protocols.fine_tune import FineTune
from mmqpt.evaluation.protocols.learners import Learner, LinearProbe, PyiqaMetric, parse_method
from mmqpt.evaluation.protocols.run import quiet, run_tasks
from mmqpt.evaluation.protocols.tasks import OpenedSet, Task, cross_tasks, open_rated_set, split_tasks
from mmqpt.evaluation.reports.page import write_report
from mmqpt.evaluation.reports.results import join_results, write_results
from mmqpt.evaluation.reports.tables import write_csv, write_markdown

CONFIG = (
    Path(__file__).resolve().parent.parent / 'configs' / 'finetune' / 'finetune_efficientnet-lite0_1xb16-coslr_csv.py'
)
FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def main() -> None:
    args = parse()
    if args.protocol == 'report':
        report(args)
        return
    quiet()
    args.launcher, args.local_rank, args.work_dir = 'none', 0, str(args.out)
    check_options(args)
    source = open_set(args, args.ann_file, args.data_root)
    tasks = make_tasks(args, source)
    methods = [parse_method(text) for text in args.weights]
    learners = make_learners(args)
    pairs = [(method, learners['pyiqa' if method.is_pyiqa else args.learner]) for method in methods]
    command = shlex.join(['python', 'tools/evaluate.py', *sys.argv[1:]])
    cells = run_tasks(args.out, pairs, tasks)
    title = f'{source.info.name}: {args.protocol}'
    if args.protocol == 'cross-set':
        title = f'{source.info.name} to {tasks[0].test_set.info.name}: cross-set'
    results = write_results(
        args.out, title, protocol_title(args), command, methods, tasks, cells, settings(args), args.replicates
    )
    finish(args.out, results)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='protocol', required=True, metavar='PROTOCOL')
    helps = {
        'probe': 'linear probe: ridge regression on frozen features',
        'finetune': 'fine-tune the whole network',
        'label-efficiency': 'either of them on shares of the training labels',
        'cross-set': 'train on one set, test on another',
        'compare': 'several weights or pyiqa metrics on the same splits',
    }
    for name, text in helps.items():
        add_options(name, commands.add_parser(name, help=text, description=text))
    joined = commands.add_parser('report', help='join folders of results into one, with the comparisons between them')
    joined.add_argument('folders', nargs='+', type=Path)
    joined.add_argument('--out', type=Path, required=True, help='folder for the joined results, another than those')
    joined.add_argument('--replicates', type=int, default=1000, help='of the bootstrap')
    return parser.parse_args()


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group('data')
    data.add_argument('--ann-file', type=Path, required=True, help='CSV that tools/prepare_dataset.py wrote, or any')
    data.add_argument('--data-root', type=Path, required=True, help='folder of the photos')
    data.add_argument(
        '--mos-range', type=float, nargs=2, metavar=('LOW', 'HIGH'),
        help='for a CSV without a JSON file beside it: ends of its scale, higher is better',
    )  # fmt: skip
    data.add_argument('--group-column', help='likewise: column of groups that no split may tear apart')
    data.add_argument('--subset-column', help='likewise: column to report by')
    if name == 'cross-set':
        data.add_argument('--test-ann-file', type=Path, required=True)
        data.add_argument('--test-data-root', type=Path, required=True)
        data.add_argument('--repeats', type=int, default=3, help='trainings, each with its own validation part')
    else:
        data.add_argument(
            '--splits',
            nargs='+',
            default=['random'],
            metavar='COLUMN',
            help="split columns of the CSV; 'random' stands for all its random ones (default)",
        )
        data.add_argument('--max-splits', type=int, help='use only so many of them')
    data.add_argument('--validation', type=float, default=0.1, help='share of the training labels that chooses')
    if name == 'label-efficiency':
        data.add_argument('--fractions', type=float, nargs='+', default=FRACTIONS, help='shares of the labels')
    model = parser.add_argument_group('model')
    model.add_argument(
        '--weights', nargs='+', required=True, metavar='[NAME=]WEIGHTS',
        help='random, imagenet:efficientnet_lite0, qpt:efficientnet_lite0, a checkpoint, an exported file, '
        'A+B (features of two side by side, probe only), or pyiqa:METRIC[@FILE]',
    )  # fmt: skip
    model.add_argument('--config', default=str(CONFIG), help='config of fine-tuning: network, size rule, training')
    model.add_argument('--cfg-options', nargs='+', action=DictAction, help='settings to override, as key=value')
    if name in ('label-efficiency', 'cross-set', 'compare'):
        model.add_argument('--learner', choices=['probe', 'finetune'], required=True)
    else:
        parser.set_defaults(learner=name)
    model.add_argument('--scales', type=float, nargs='+', default=[1.0, 0.5], help='probe: photo sizes to join')
    model.add_argument('--epochs', type=int, help="fine-tuning: length of a run instead of the config's")
    model.add_argument('--min-steps', type=int, default=0, help='fine-tuning: add epochs until there are so many steps')
    model.add_argument('--keep-checkpoints', action='store_true', help='fine-tuning: keep the last beside the best')
    model.add_argument('--device', default='cpu', help='for features and pyiqa metrics')
    model.add_argument('--workers', type=int, default=1, help='threads that decode photos for features')
    parser.add_argument('--seed', type=int, default=0, help='of validation parts, shares of labels and training')
    parser.add_argument('--replicates', type=int, default=1000, help='of the bootstrap')
    parser.add_argument('--store', type=Path, help='folder for features; OUT/features by default')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')


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
        subset_column=args.subset_column,
        splits={c: f'column {c} of {ann_file.name}' for c in columns},
    )
    return open_rated_set(ann_file, root, info)


def check_options(args: argparse.Namespace) -> None:
    """Options for CSVs without a JSON file need such a CSV."""
    files = [args.ann_file, *([args.test_ann_file] if args.protocol == 'cross-set' else [])]
    if (args.mos_range or args.group_column or args.subset_column) and all(info_path(f).is_file() for f in files):
        raise InputError(
            f'{info_path(files[0])} says what {files[0].name} means; '
            '--mos-range, --group-column and --subset-column are for a CSV without it'
        )
    if getattr(args, 'max_splits', None) is not None and args.max_splits < 1:
        raise InputError(f'--max-splits must be >= 1, got {args.max_splits}')


def make_tasks(args: argparse.Namespace, source: OpenedSet) -> list[Task]:
    if args.protocol == 'cross-set':
        test = open_set(args, args.test_ann_file, args.test_data_root)
        return cross_tasks(source, test, args.repeats, args.validation, args.seed)
    columns = []
    for name in args.splits:
        if name == 'random':
            found = [column for column in source.info.splits if RANDOM.fullmatch(column)]
            if not found:
                raise InputError(f'{args.ann_file}: no random splits yet; tools/make_splits.py adds them')
            columns += found
        else:
            columns.append(name)
    columns = list(dict.fromkeys(columns))[: args.max_splits]
    fractions = list(dict.fromkeys(getattr(args, 'fractions', [1.0])))
    return split_tasks(source, columns, fractions, args.validation, args.seed)


def make_learners(args: argparse.Namespace) -> dict[str, Learner]:
    store = FeatureStore(args.store or args.out / 'features')
    cfg = load_config(args)
    cfg.default_hooks.logger['interval'] = 50
    cfg.log_level = 'WARNING'
    learners: dict[str, Learner] = {'pyiqa': PyiqaMetric(store, args.device)}
    if args.learner == 'probe':
        learners['probe'] = LinearProbe(cfg, args.scales, store, args.device, args.workers, args.seed)
    else:
        learners['finetune'] = FineTune(cfg, args.epochs, args.min_steps, args.keep_checkpoints)
    return learners


def protocol_title(args: argparse.Namespace) -> str:
    learner = LinearProbe.title if args.learner == 'probe' else FineTune.title
    return learner if args.protocol in ('probe', 'finetune') else f'{args.protocol}, {learner}'


def settings(args: argparse.Namespace) -> dict[str, Any]:
    names = ['config', 'cfg_options', 'validation', 'seed']
    names += ['scales'] if args.learner == 'probe' else ['epochs', 'min_steps']
    return {name: getattr(args, name) for name in names}


def report(args: argparse.Namespace) -> None:
    """Join results and write them as one."""
    results = join_results(args.folders, args.out, args.replicates)
    finish(args.out, results)


def finish(out: Path, results: dict[str, Any]) -> None:
    write_csv(results, out / 'results.csv')
    write_markdown(results, out / 'results.md')
    page = write_report(out)
    print()
    print((out / 'results.md').read_text(encoding='utf-8'))
    print(f'{page}: the report. results.json, results.csv and results.md are beside it.')


if __name__ == '__main__':
    try:
        run(main)
    except KeyboardInterrupt:
        sys.exit('stopped; what is done is kept, and the same call goes on from there')
