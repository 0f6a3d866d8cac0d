"""``mmqpt report``."""

from __future__ import annotations

import os
from typing import Any

import click

from mmqpt.cli.scoring import Run, onnx_threads, scorer_and_facts, scoring_options
from mmqpt.core.errors import InputError
from mmqpt.core.extras import require


@click.command('report', short_help='Make an HTML page of the scores of a folder.')
@click.argument('source', metavar='FOLDER|RESULTS')
@click.option(
    '--out', metavar='FILE.html', default='report.html', show_default=True, help='Page to write; replaced if it exists.'
)
@click.option('-r', '--recursive', is_flag=True, help='Score the subfolders of FOLDER as well.')
@click.option(
    '--photos', type=click.IntRange(1), default=12, show_default=True, help='How many best and worst to show.'
)
@click.option(
    '--thumbnails',
    type=click.IntRange(0),
    default=4000,
    show_default=True,
    help='For how many photos of the table to embed a small copy (about 3 KB each); others are read from their files.',
)
@click.option('--maps', metavar='FOLDER', help='Folder with the maps that `mmqpt map` drew; the page shows them.')
@click.option('--title', help='Title of the page; the name of FOLDER or RESULTS by default.')
@scoring_options
def report_command(
    source: str,
    out: str,
    recursive: bool,
    photos: int,
    thumbnails: int,
    maps: str | None,
    title: str | None,
    **options: Any,
) -> int:
    """Make one HTML page that needs no network: histogram, best and worst photos, a table of all.

    A click shows a photo large. The table can be filtered and sorted; photos in it can be marked to be kept (k) or
    rejected (r), and the marks saved as a CSV, or as a script that moves the rejected ones.

    FOLDER is scored first; Ctrl-C ends that, and the page has the photos scored until then. RESULTS is a file of
    `mmqpt score` (.csv, .jsonl or .parquet); nothing is scored again, and photos are only read for their thumbnails.

    \b
    Examples:
        mmqpt report holiday -r --out holiday.html
        mmqpt report scores.csv
    """
    from mmqpt.cli.inputs import list_inputs
    from mmqpt.cli.terminal import printable
    from mmqpt.core.files import same_file, target_file

    require('jinja2', 'report', 'mmqpt report')
    if not out.lower().endswith(('.html', '.htm')):
        raise InputError(f'--out must end with .html or .htm, got {printable(out)!r}')
    if same_file(out, source):
        raise InputError(f'--out is the file that the report is made of: {printable(out)}')
    target_file(out)
    if maps is not None and not os.path.isdir(maps):
        raise InputError(f'--maps: no such folder: {printable(maps)}')
    folder = ''
    failed, stopped = 0, ''
    if os.path.isdir(source):
        paths, skipped, unsearched = list_inputs([source], recursive)
        threads = onnx_threads(options['batch'])
        scorer, meta = scorer_and_facts(options['weights'], options['device'], options['runtime'], threads)
        run = Run(scorer, options['batch'], options['workers'], not options['no_progress'])
        run.skipped = skipped
        for sentence in unsearched:
            run.fail(sentence)
        rows = []
        try:
            for row in run.over(paths):
                rows.append(row)  # one by one: Ctrl-C loses none
        except KeyboardInterrupt:
            stopped = f'stopped: a page of {len(rows)} of {len(paths)} photos'
            if not rows:
                raise
        failed = run.failed
        click.echo(f'{run.summary()}\n{stopped}' if stopped else run.summary(), err=True)
    else:
        from mmqpt.cli.results import read_scores

        given = click.get_current_context().get_parameter_source
        scoring = ('weights', 'device', 'runtime', 'batch', 'workers', 'recursive')
        extra = [name for name in scoring if given(name) == click.core.ParameterSource.COMMANDLINE]
        if extra:
            raise click.UsageError(f'--{extra[0]} is for a folder; {printable(source)} is not scored again')
        rows, meta = read_scores(source)
        folder = str(meta.get('folder') or '')
    if not rows:
        raise InputError(f'{printable(source)}: holds no photos')
    from mmqpt.cli.report_page import write_page

    name = title or os.path.basename(os.path.normpath(source)) or source
    write_page(out, printable(name), rows, meta, folder, photos, thumbnails, maps, not options['no_progress'])
    click.echo(f'{printable(out)}: {len(rows)} photos')
    return 130 if stopped else 1 if failed else 0
