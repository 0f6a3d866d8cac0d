"""``mmqpt score``."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from mmqpt.cli.scoring import Run, onnx_threads, scorer_and_facts, scoring_options

if TYPE_CHECKING:
    from mmqpt.cli.results import ResultFile

KINDS = ('csv', 'json', 'parquet')


@click.command('score', short_help='Score photos, folders, patterns, or a list.')
@click.argument('paths', nargs=-1, required=True, metavar='PATH...')
@click.option('-r', '--recursive', is_flag=True, help='Score the subfolders of folders as well.')
@click.option('-0', '--null', is_flag=True, help='The list on standard input, and lines printed, end with NUL.')
@click.option(
    '--csv', metavar='FILE', help='Write the columns path, score, error and flags, a row as each photo is done.'
)
@click.option('--json', '--ndjson', metavar='FILE', help='Write JSON Lines: an object with these names for each photo.')
@click.option('--parquet', metavar='FILE', help='Write a Parquet file (FILE.partial.jsonl until the end).')
@click.option('--resume', is_flag=True, help='Go on with FILE: photos that have a score in it are left out.')
@click.option('--overwrite', is_flag=True, help='Replace FILE.')
@click.option('--top', type=click.IntRange(1), metavar='K', help='Print only the K best, best first.')
@click.option('--bottom', type=click.IntRange(1), metavar='K', help='Print only the K worst, worst first.')
@click.option('--below', type=float, metavar='X', help='Print only scores below X.')
@click.option('--above', type=float, metavar='X', help='Print only scores above X.')
@scoring_options
def score_command(paths: tuple[str, ...], recursive: bool, null: bool, **options: Any) -> int:
    """Score photos from 0 to 1, higher is better.

    PATH is a file, a folder, a pattern ('**' stands for any number of folders; quote it) or '-' for a list on standard
    input, one path a line. Prints a line "score, tab, path" for each photo, in this order; a terminal gets control
    characters in paths as escapes, a pipe or file the path as it is. With a file to write to,
    lines are printed only where --top, --bottom, --below or --above ask for them; the file always holds all photos.
    Flags name what is wrong with a file rather than with its picture: blank, nearly black, nearly white, tiny,
    extreme aspect, upscaled.

    Exit code 0: all were scored; 1: some were not; 2: nothing was begun; 130: stopped with Ctrl-C.

    \b
    Examples:
        mmqpt score a.jpg b.png
        mmqpt score holiday -r --csv scores.csv --resume
        mmqpt score 'scans/**/*.tif' --bottom 20
        find . -name '*.jpg' -print0 | mmqpt score -0 - --below 0.3
    """
    from mmqpt.cli.inputs import list_inputs
    from mmqpt.cli.terminal import printable

    below, above = options['below'], options['above']
    if below is not None and above is not None and above >= below:
        raise click.UsageError(f'no score is above {above:g} and below {below:g}')
    wanted = [kind for kind in KINDS if options[kind] is not None]
    if len(wanted) > 1:
        raise click.UsageError(f'give one of --csv, --json and --parquet, got --{" and --".join(wanted)}')
    if wanted and options[wanted[0]] == '-':
        raise click.UsageError(f'--{wanted[0]} - names no file; without it scores are printed, --ndjson as JSON lines')
    for name in ('resume', 'overwrite'):
        if options[name] and not wanted:
            raise click.UsageError(f'--{name} needs --csv, --json or --parquet')
    if options['resume'] and options['overwrite']:
        raise click.UsageError('give --resume or --overwrite, not both')
    inputs, skipped, unsearched = list_inputs(paths, recursive, null)
    threads = onnx_threads(options['batch'])
    scorer, meta = scorer_and_facts(options['weights'], options['device'], options['runtime'], threads)
    printer = _Printer(bool(wanted), null, options)
    bar = not options['no_progress'] and not (printer.streams and sys.stdout.isatty())
    run = Run(scorer, options['batch'], options['workers'], bar)
    run.skipped = skipped
    for sentence in unsearched:
        run.fail(sentence)
    file: ResultFile | None = None
    refused: list[str] = []
    if wanted:
        from mmqpt.cli.results import ResultFile

        refused = [path for path in inputs if not _is_text(path)]
        inputs = [path for path in inputs if _is_text(path)]
        name = options[wanted[0]]
        file = ResultFile(name, wanted[0], meta, options['resume'], options['overwrite'], inputs)
    scores = file.scores if file else {}
    known = {path: scores[key] for path in inputs if (key := os.path.abspath(path)) in scores}
    stopped = False
    with contextlib.closing(file) if file else contextlib.nullcontext():
        try:
            for path in refused:
                run.fail(f'{path}: the name is not UTF-8 and cannot be written to {name}')
            waiting = iter(inputs)
            for row in run.over([path for path in inputs if path not in known]):
                if file:
                    file.add(row)
                for path in iter(waiting.__next__, row.name):  # those before it are known
                    printer.add(path, known[path])
                if row.score is not None:
                    printer.add(row.name, row.score)
            for path in waiting:
                printer.add(path, known[path])
        except KeyboardInterrupt:
            stopped = True
    if stopped:
        where = f'{run.scored} of {len(inputs)} photos were scored'
        if file:
            kept = f'{run.scored + len(known)} of {len(inputs)} photos have a score in {printable(name)}'
            where = f'{kept}; the same command with --resume goes on'
        click.echo(f'\nstopped: {where}', err=True)
        return 130
    printer.finish()
    if file or len(inputs) + len(refused) + len(unsearched) > 1 or run.flagged or run.skipped:
        already = f', {len(known)} were in {printable(name)}' if known else ''
        click.echo(run.summary() + already, err=True)
    return 1 if run.failed else 0


class _Printer:
    """Lines on standard output: as they come, or the best and the worst at the end."""

    def __init__(self, has_file: bool, null: bool, options: dict[str, Any]) -> None:
        self.top, self.bottom = options['top'], options['bottom']
        self.below, self.above = options['below'], options['above']
        filters = self.below is not None or self.above is not None
        self.streams = not (self.top or self.bottom) and (filters or not has_file)
        self.kept: list[tuple[float, str]] = []
        self.end = b'\0' if null else b'\n'

    def add(self, path: str, score: float) -> None:
        if (self.below is not None and score >= self.below) or (self.above is not None and score <= self.above):
            return
        if self.streams:
            self.line(path, score)
        elif self.top or self.bottom:
            self.kept.append((score, path))

    def finish(self) -> None:
        """The best, then the worst; equal scores stay in the order of the input."""
        for score, path in sorted(self.kept, key=lambda x: -x[0])[: self.top or 0]:
            self.line(path, score)
        for score, path in sorted(self.kept, key=lambda x: x[0])[: self.bottom or 0]:
            self.line(path, score)

    def line(self, path: str, score: float) -> None:
        from tqdm import tqdm

        from mmqpt.cli.terminal import is_terminal, printable

        with tqdm.external_write_mode():
            if is_terminal(sys.stdout):
                print(f'{score:.6f}\t{printable(path)}')
            else:
                click.echo(f'{score:.6f}\t'.encode() + os.fsencode(path) + self.end, nl=False)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
