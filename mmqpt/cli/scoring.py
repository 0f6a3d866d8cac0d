"""What the commands that score share: options, the scorer, the loop with its progress bar."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mmqpt.metric.open import Scorer
    from mmqpt.metric.score_many import Scored

RUNTIME = click.Choice(['onnx', 'torch'])

_OPTIONS = (
    click.option('--weights', metavar='NAME|FILE', help="Weights: a name, .safetensors or .onnx; 'qpt' by default."),
    click.option('--device', help="'cpu', 'cuda', 'cuda:1'...; a GPU by default where there is one."),
    click.option(
        '--runtime',
        type=RUNTIME,
        help='What computes the scores; torch on a GPU, else onnx where the weights have their ONNX file beside them.',
    ),
    click.option(
        '--batch', type=click.IntRange(1), help='Photos that the network is given at once; 1 on a CPU, 16 on a GPU.'
    ),
    click.option('--workers', type=click.IntRange(1), help='Threads; as many as there are cores by default.'),
    click.option('--no-progress', is_flag=True, help='No progress bar (there is none without a terminal either).'),
)


def scoring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that scores many photos."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def onnx_threads(batch: int | None) -> int | None:
    """Threads of onnxruntime for ``--batch``: one where threads score a photo each, all where one scores batches."""
    return 1 if batch in (None, 1) else None


def scorer_and_facts(
    weights: str | None, device: str | None, runtime: str | None = None, threads: int | None = None
) -> tuple[Scorer, dict[str, Any]]:
    """The scorer, and the facts about its weights that results are stored with.

    Args:
        weights: name or file.
        device: ``'cpu'``, ``'cuda'``...
        runtime: ``'onnx'`` or ``'torch'``; chosen by default.
        threads: of onnxruntime on the CPU; as many as there are cores by default.
    """
    from mmqpt.core.weights_spec import file_sha256
    from mmqpt.metric.open import open_scorer
    from mmqpt.metric.weights import DEFAULT, find_weights
    from mmqpt.version import __version__

    path = find_weights(weights)
    scorer = open_scorer(path, device, threads, runtime)
    spec = scorer.spec
    return scorer, {
        'weights': weights or DEFAULT,
        'weights_sha256': file_sha256(path),
        'view': scorer.view.as_dict(),
        'backbone': spec.backbone,
        'dataset': spec.dataset,
        'mos_range': list(spec.mos_range) if spec.mos_range else None,
        'mmqpt_version': __version__,
    }


class Run:
    """Scores photos with a bar, a line for each bad one, and counts.

    Args:
        scorer: the weights.
        batch: as of :func:`score_many`.
        workers: likewise.
        bar: whether a progress bar is shown, if standard error is a terminal.
    """

    def __init__(self, scorer: Scorer, batch: int | None, workers: int | None, bar: bool) -> None:
        self.scorer, self.batch, self.workers, self.bar = scorer, batch, workers, bar
        self.scored = 0
        self.failed = 0
        self.flagged: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        """Files that are no photos, by the end of their names; for the summary."""
        self.start = time.perf_counter()

    def over(self, paths: list[str]) -> Iterator[Scored]:
        """Results in the order of the paths."""
        from tqdm import tqdm

        from mmqpt.metric.score_many import score_many

        results = score_many(self.scorer, paths, self.batch, self.workers)
        with (
            contextlib.closing(results),
            tqdm(total=len(paths), unit=' images', disable=None if self.bar else True, dynamic_ncols=True) as bar,
        ):
            for row in results:
                if row.error is not None:
                    self.fail(row.error)
                else:
                    self.scored += 1
                self.flagged.update(row.flags)
                yield row
                bar.update()

    def fail(self, message: str) -> None:
        """A line about a bad photo, past the bar."""
        from tqdm import tqdm

        from mmqpt.cli.terminal import printable

        self.failed += 1
        with tqdm.external_write_mode():
            click.echo(printable(message), err=True)

    def summary(self) -> str:
        """Counts and speed, without the time to load the weights."""
        from mmqpt.cli.terminal import printable

        seconds = time.perf_counter() - self.start
        count = self.scored + self.failed
        flags = ', '.join(f'{number} {flag}' for flag, number in self.flagged.most_common())
        speed = f'{seconds:.1f} s, {count / max(seconds, 1e-9):.1f} images/s'
        kinds = ', '.join(f'{number} {printable(kind)}' for kind, number in self.skipped.most_common(6))
        more = ', ...' if len(self.skipped) > 6 else ''
        told = f'{self.scored} scored, {self.failed} failed, {speed}{f"; flagged: {flags}" if flags else ""}'
        return f'{told}{f"; not photos: {kinds}{more}" if kinds else ""}'
