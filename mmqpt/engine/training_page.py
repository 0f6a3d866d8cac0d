"""``report.html`` of a training run: what its log says, beside what it should say."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmqpt.engine.line_chart import Line, Values, line_chart
from mmqpt.engine.log_keys import meaning_of

COLLAPSED = 0.98
"""Similarity of embeddings above which they count as collapsed; ``CollapseWatchHook`` warns above it, too."""

WAITS = 0.25
"""Share of a step that waits for photos, above which the loader holds the run back. A design choice."""

_PAIRS = (
    'Rows are versions of one photo, each with its recipe: patches of a row are positives of each other, patches of '
    'other rows degradation-based negatives.'
)
_EDGE = 512  # px of the example pairs

_CHARTS = (
    ('Loss', ('loss', 'chance_level')),
    ('Positives found', ('acc_degradation', 'acc_recipe', 'acc_content')),
    ('Gain over the start', ('gain_degradation',)),
    ('Mean cosine', ('sim_positive', 'sim_degradation', 'sim_content')),
    ('Weight of degradation-based negatives', ('mass_degradation',)),
    ('Directions of the embeddings', ('embedding_rank',)),
    ('Similarity of the embeddings', ('embedding_similarity',)),
    ('Learning rate', ('lr',)),
    ('Seconds a step, and of waiting for photos', ('time', 'data_time')),
)
_BANDS = {'embedding_similarity': (-math.inf, COLLAPSED), 'embedding_rank': (4.0, math.inf)}
_STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #5a5a5a; --paper: #fff; --line: #ddd; --good: #00734f;
  --bad: #b03a00; --band: #e5f3ec; --a: #0072b2; --b: #d55e00; --c: #009e73; --d: #cc79a7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --soft: #a3a3a3; --paper: #161616; --line: #3a3a3a;
  --good: #2fc795; --bad: #ff9056; --band: #18312a; --a: #56b4e9; --b: #ff9056; --c: #2fc795; --d: #e09fc2; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1240px; padding: 1.2rem; color: var(--ink);
  background: var(--paper); }
h1 { margin: 0; overflow-wrap: anywhere; } h2 { margin: 1.6rem 0 .5rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.charts, .pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); gap: 18px; }
figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; }
.pairs figcaption { font-weight: 400; font-size: 13px; }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--soft); }
.grid { stroke: var(--line); } .healthy { fill: var(--band); }
polyline { fill: none; stroke-width: 1.6; }
polyline.line-0 { stroke: var(--a); } polyline.line-1 { stroke: var(--b); }
polyline.line-2 { stroke: var(--c); } polyline.line-3 { stroke: var(--d); }
rect.line-0, circle.line-0 { fill: var(--a); } rect.line-1, circle.line-1 { fill: var(--b); }
rect.line-2, circle.line-2 { fill: var(--c); } rect.line-3, circle.line-3 { fill: var(--d); }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 4px 12px 4px 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
.ok, .look { white-space: nowrap; } .ok { color: var(--good); } .look { color: var(--bad); font-weight: 600; }
@media (max-width: 620px) { .health thead { display: none; } .health td { display: block; border: 0; padding: 0; }
  .health td:first-child { font-weight: 600; padding-top: 8px; } .health td:nth-child(3) { color: var(--soft); }
  .health td:last-child { border-bottom: 1px solid var(--line); padding-bottom: 8px; } }
.pairs img { max-width: 100%; height: auto; image-rendering: auto; }
"""


@dataclass(frozen=True)
class Finding:
    """One line of the table of health.

    Args:
        what: is looked at.
        found: figures.
        healthy: what they should be.
        good: whether they are; None where there is nothing to say yet.
    """

    what: str
    found: str
    healthy: str
    good: bool | None


@dataclass(frozen=True)
class Example:
    """Patches of one photo of the last batch.

    Args:
        patches: uint8 (V, P, S, S, 3) BGR.
        recipes: V texts.
    """

    patches: np.ndarray
    recipes: Sequence[str]


def training_page(
    title: str, log: Mapping[str, Values], step: int, steps: int, batch: int, examples: Sequence[Example] = ()
) -> str:
    """The page.

    Args:
        title: of the run.
        log: values of each key from the first step on, at even distances; validation's keys begin with ``val/``.
        step: that was reached.
        steps: of the whole run.
        batch: photos a step, over all ranks.
        examples: of the last batch.
    """
    findings = find_health(log, batch)
    rows = ''.join(
        f'<tr><td>{html.escape(one.what)}<td>{html.escape(one.found)}<td>{html.escape(one.healthy)}'
        f'<td>{_verdict(one.good)}'
        for one in findings
    )
    shown = {key for _, keys in _CHARTS for key in keys}
    others = [key for key in log if key not in shown and key not in ('momentum', 'memory')]
    charts = [*_CHARTS, *((key, (key,)) for key in others)]
    drawn = [(name, _chart(keys, log, step)) for name, keys in charts]
    figures = ''.join(
        f'<figure><figcaption>{html.escape(name)}</figcaption>{svg}</figure>' for name, svg in drawn if svg
    )
    keys = ''.join(
        f'<tr><td><code>{html.escape(key)}</code><td>{html.escape(meaning_of(key))}<td>{_last(log[key]):.4g}'
        for key in log
    )
    pairs = ''.join(_pair(example) for example in examples)
    shown_pairs = f'<h2>Example pairs</h2><p class="soft">{_PAIRS}</p><div class="pairs">{pairs}</div>'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>'
        f'<p class="soft">Step {step} of {steps}. Written at each checkpoint; reload to see the next.</p>'
        '<h2>Health</h2><table class="health"><thead><tr><th>What<th>Now<th>Healthy<th></thead>'
        f'<tbody>{rows}</tbody></table>'
        f'<h2>Course</h2><div class="charts">{figures}</div>'
        f'{shown_pairs if pairs else ""}'
        f'<h2>Keys of the log</h2><table><thead><tr><th>Key<th>Means<th>Last</thead><tbody>{keys}</tbody></table>'
        '</body></html>\n'
    )


def find_health(log: Mapping[str, Values], batch: int) -> list[Finding]:
    """What the log says about the run, line by line; lines for which it has no keys are left out."""
    found = []
    if 'chance_level' in log and 'loss' in log:
        ratio = _ratio(log)
        start, now = _start(ratio), _now(ratio)
        text = f'{_now(log["loss"]):.3f} against {_now(log["chance_level"]):.3f}: {now:.0%} of chance'
        found.append(Finding('QC-Loss against chance', text, 'below 100 %', _asked(now < 1, now)))
        gain = f'{start:.0%} of chance at the start, {now:.0%} now'
        found.append(
            Finding(
                'Gain over the start',
                gain,
                'falling; a network with weights starts below chance, so compare with the start',
                _asked(now < start, start - now) if len(ratio) >= 20 else None,
            )
        )
    if 'acc_degradation' in log:
        start, now = _start(log['acc_degradation']), _now(log['acc_degradation'])
        text = f'{now:.1%}, {start:.1%} at the start'
        told = 'rising; by chance 1 / (1 + degradation-based negatives), 14 % with 4 versions of 2 patches'
        found.append(Finding('Positives told from other recipes', text, told, _asked(now > start, now)))
    if 'gain_degradation' in log:
        now = _now(log['gain_degradation'])
        told = 'above 0: pooled features of the start, without a neck, are what it is compared with'
        found.append(Finding('Positives told beyond the start', f'{100 * now:+.1f} points', told, _asked(now > 0, now)))
    if 'mass_degradation' in log:
        now = _now(log['mass_degradation'])
        found.append(
            Finding(
                'Weight of degradation-based negatives',
                f'{now:.1%}',
                'not near 0: else the loss only asks which photo a patch is of',
                _asked(now > 0.02, now),
            )
        )
    if 'embedding_rank' in log:
        now = _now(log['embedding_rank'])
        text = f'{now:.1f}, {_start(log["embedding_rank"]):.1f} at the start'
        found.append(
            Finding('Directions that embeddings use', text, 'above 4, not falling towards 1', _asked(now > 4, now))
        )
    if 'embedding_similarity' in log:
        now = _now(log['embedding_similarity'])
        limit = f'below {COLLAPSED}'
        found.append(Finding('Similarity of embeddings', f'{now:.3f}', limit, _asked(now < COLLAPSED, now)))
    if 'skipped_steps' in log:
        now = _last(log['skipped_steps'])
        found.append(Finding('Steps that were not finite', f'{now:g}', 'none', now == 0))
    if 'time' in log:
        found.append(_speed(log, batch))
    for key in log:
        if key.startswith('val/') and key.endswith('SRCC'):
            values = np.asarray(log[key], np.float64)
            best = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
            text = f'{values[-1]:.4f}; best {values[best]:.4f} at validation {best + 1} of {len(values)}'
            found.append(Finding('SRCC on the validation part', text, 'rising', None))
    return found


def _speed(log: Mapping[str, Values], batch: int) -> Finding:
    seconds, waiting = _now(log['time']), _now(log.get('data_time', []))
    share = waiting / seconds if seconds > 0 and math.isfinite(waiting) else 0.0
    text = f'{batch / max(seconds, 1e-9):.1f} photos/s, {seconds:.3g} s a step, {share:.0%} of it waiting for photos'
    rule = f'waiting below {WAITS:.0%}: else the loader holds the run back (mmqpt profile says which part of it)'
    return Finding('Speed', text, rule, _asked(share < WAITS, seconds))


def _ratio(log: Mapping[str, Values]) -> np.ndarray:
    """Loss over chance, from the step on at which the queue is full, if it ever was."""
    count = min(len(log['loss']), len(log['chance_level']))
    losses, chance = (np.asarray(log[key][-count:], np.float64) for key in ('loss', 'chance_level'))
    ratio: np.ndarray = losses / chance
    fill = np.asarray(log.get('queue_fill', ())[-count:], np.float64)
    full = np.flatnonzero(fill >= 1)
    return ratio[full[0] :] if len(fill) == count and len(full) else ratio


def _few(count: int) -> int:
    return max(1, min(50, count // 10))


def _start(values: Values) -> float:
    return _mean(values[: _few(len(values))])


def _now(values: Values) -> float:
    return _mean(values[-_few(len(values)) :])


def _mean(values: Values) -> float:
    array = np.asarray(values, np.float64)
    array = array[np.isfinite(array)]
    return float(array.mean()) if len(array) else math.nan


def _last(values: Values) -> float:
    return float(values[-1]) if len(values) else math.nan


def _asked(good: bool, value: float) -> bool | None:
    """The answer, if there is a value to judge."""
    return good if math.isfinite(value) else None


def _verdict(good: bool | None) -> str:
    if good is None:
        return '<span class="soft">-</span>'
    return '<span class="ok">healthy</span>' if good else '<span class="look">look</span>'


def _chart(keys: Sequence[str], log: Mapping[str, Values], step: int) -> str:
    lines = [Line(key, log[key]) for key in keys if key in log]
    return line_chart(lines, step, _BANDS.get(keys[0]) if len(keys) == 1 else None) if lines else ''


def _pair(example: Example) -> str:
    versions, count, side = example.patches.shape[:3]
    small = min(side, _EDGE // max(1, count))
    rows = []
    for version, recipe in zip(example.patches, example.recipes, strict=True):
        tiles = [cv2.resize(patch, (small, small), interpolation=cv2.INTER_AREA) for patch in version]
        data = cv2.imencode('.jpg', np.concatenate(tiles, axis=1), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
        text = html.escape(recipe)
        rows.append(
            f'<img alt="{text}" width="{small * count}" height="{small}" '
            f'src="data:image/jpeg;base64,{base64.b64encode(data).decode()}"><figcaption>{text}</figcaption>'
        )
    return f'<figure>{"".join(rows[:versions])}</figure>'
