"""The results of a run in words and numbers, as results.md, results.csv and report.html show them."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.bootstrap import chance_note
from mmqpt.evaluation.statistics.groups import MACRO

Results = Mapping[str, Any]
"""What results.json holds."""

FORMAT = 1
WITHIN = ('SRCC', 'PLCC', 'KRCC')
"""Measures of which a mean over subsets is taken."""

_LISTED = 10
"""Splits whose names are all given."""

MISSING = '–'  # noqa: RUF001 (an en dash: nothing to show)
GLOSSARY = (
    'SRCC, KRCC: rank correlations of Spearman and Kendall (tau-b). PLCC, RMSE: of the predictions as they are. PLCC4, '
    'RMSE4 and PLCC5, RMSE5: after the 4- and 5-parameter logistic fits of VQEG. RMSE is in units of the MOS. '
    'Median and SD (standard deviation): over the splits. Labels: opinion scores used to fit and to choose. Test: '
    'photos of the test part. Mean within subsets: of the values in each subset, which do not reward knowing the '
    'subset. What is listed as chosen was chosen with photos of the training part, never on test photos.'
)
ABOUT_INTERVALS = (
    'Square brackets hold 95 % bootstrap intervals. Test photos are drawn again with replacement, photos of one '
    'group (near-duplicates, one reference image) always together and the same ones in every split; where there are '
    'several splits, these are drawn with replacement, too; the value is the median over them. With one split the '
    'interval says how far the figure would move with other test photos of the same kind, not with other training '
    'photos. A difference is taken within each split on the same photos, and then the median over the splits, so it '
    'need not equal the difference of two medians.'
)


_FIGURE = re.compile(r'(?<!\w)\d+(?:\.\d+)?')  # not those of names, such as ss01


class Estimate(NamedTuple):
    """A value and the ends of its interval; None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


def read_results(folder: str | Path, layout: int | str = FORMAT) -> dict[str, Any]:
    """What ``results.json`` of a folder holds.

    Args:
        folder: of results.
        layout: the format that they must have.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not JSON, or of another format.
    """
    path = Path(folder) / 'results.json'
    if not path.is_file():
        raise FileNotFoundError(f'no such file of results: {path}')
    try:
        results = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise InputError(f'{path}: not JSON ({error})') from error
    if not isinstance(results, dict) or results.get('format') != layout:
        raise InputError(f'{path}: not results of format {layout}')
    return results


def estimate(found: Mapping[str, float] | None, key: str = 'median') -> Estimate | None:
    """Value and interval out of a measure's summary (``key`` 'median') or a comparison ('difference')."""
    if not found or not known(found.get(key)):
        return None
    low, high = (found.get(end) for end in ('low', 'high'))
    return Estimate(found[key], low, high) if known(low) and known(high) else Estimate(found[key])


def percent(fraction: float) -> str:
    """0.1 -> ``10 %``."""
    return f'{100 * fraction:g} %'


def labels(results: Results, method: str, fraction: float) -> int | None:
    """Opinion scores that the method was given at this share: median over the splits."""
    counts = [c['labels'] for c in results['cells'] if (c['method'], c['fraction']) == (method, fraction)]
    return round(statistics.median(counts)) if counts else None


def headlines(results: Results) -> list[str]:
    """The verdicts on all photos with most and with fewest labels; where nothing is compared, what each method reached.

    Where SRCC is compared, the verdicts on other measures are left to the table. Means within subsets come first; where
    differences between subsets carry the figures of all photos, they stand alone. Where the medians of two methods
    differ the other way than the verdict on them, a sentence says why.
    """
    leading = results.get('leading', '')
    compared = results.get('comparisons', ())
    if any(row['metric'] == 'SRCC' for row in compared):
        compared = [row for row in compared if row['metric'] == 'SRCC']
    places = [place for place in (MACRO, leading) if any(row['subset'] == place for row in compared)]
    rows = [row for place in dict.fromkeys(places) for row in compared if row['subset'] == place]
    shares = sorted({row['fraction'] for row in rows})
    sentences = []
    for share in dict.fromkeys((shares[-1], shares[0])) if rows else ():
        for row in (row for row in rows if row['fraction'] == share):
            words = [row['subset'] or 'all photos'] if len(set(places)) > 1 or row['subset'] else []
            words += [f'with {percent(share)} of the labels'] if len(shares) > 1 else []
            where = f'{_capital(", ".join(words))}: ' if words else ''
            sentences.append(where + row['verdict'] + medians_differ(results, row))
    if rows:
        return sentences
    rows = [row for row in results['summary'] if row['subset'] == leading]
    for row in sorted(rows, key=lambda row: (-row['fraction'], _place(results, row))):
        figures = [f'{m} {with_interval(row["metrics"].get(m))}' for m in ('SRCC', 'PLCC') if m in row['metrics']]
        over = f'median over {row["splits"]} splits' if row['splits'] > 1 else 'one split'
        what = f'{over}, {percent(row["fraction"])} of the labels{f", {leading}" if leading else ""}'
        sentences.append(f'{row["method"]}: {", ".join(figures) or "no figure could be computed"} ({what}).')
    return sentences


def figures_of(cell: Mapping[str, Any], subset: str) -> Mapping[str, float]:
    """The values of a cell on all photos (``''``), in one subset, or the means over the subsets (:data:`MACRO`)."""
    if subset != MACRO:
        return cell.get('subsets', {}).get(subset, {}) if subset else cell['metrics']
    found = list(cell['subsets'].values())
    return {name: statistics.fmean(one[name] for one in found) for name in WITHIN if all(name in one for one in found)}


def split_differences(results: Results, row: Mapping[str, Any]) -> list[float]:
    """a - b of a comparison, one for each split that both have, in the order of the splits."""
    found: dict[str, dict[str, float]] = {row['a']: {}, row['b']: {}}
    for cell in results['cells']:
        if cell['fraction'] == row['fraction'] and cell['method'] in found:
            value = figures_of(cell, row['subset']).get(row['metric'])
            if value is not None and known(value):
                found[cell['method']][cell['split']] = value
    a, b = found[row['a']], found[row['b']]
    return [a[split] - b[split] for split in results['splits'] if split in a and split in b]


def meaning(results: Results) -> list[str]:
    """What the figures and intervals mean, in paragraphs."""
    count = sum('difference' in row for row in results.get('comparisons', ()))
    return [GLOSSARY, ABOUT_INTERVALS, *([chance_note(count)] if count > 1 else [])]


def facts(results: Results) -> list[tuple[str, str]]:
    """What was run on what: pairs of a name and a text, the split protocol among them."""
    train, test = results['train_set'], results['test_set']
    pairs = [('protocol', results['protocol'])]
    if train['name'] == test['name']:
        pairs.append(('data', _data(train)))
    else:
        pairs += [('trained on', _data(train)), ('tested on', _data(test))]
    names: dict[str, list[str]] = {}
    for column, protocol in results['splits'].items():
        names.setdefault(protocol, []).append(column)
    pairs += [('split protocol', f'{protocol} ({_listed(columns)})') for protocol, columns in names.items()]
    pairs += [(f'method {m["name"]}', m['description']) for m in results['methods'] if m.get('description')]
    return [(name, str(text)) for name, text in [*pairs, *origin_facts(results)] if text]


def _listed(names: Sequence[str]) -> str:
    """All names, or of more than :data:`_LISTED` the first, the last and how many; the JSON file has all."""
    if len(names) <= _LISTED:
        return ', '.join(names)
    return f'{len(names)}: {names[0]} to {names[-1]}'


def origin_facts(results: Results) -> list[tuple[str, str]]:
    """Where, when and with which versions results were made: pairs of a name and a text."""
    versions = ', '.join(f'{name} {version}' for name, version in results['versions'].items())
    return [('machine', results['machine']), ('made', results['created']), ('versions', versions)]


def settings(results: Results) -> list[tuple[str, str]]:
    """The settings of the run as text."""
    found = results.get('settings', {})
    return [(str(k), v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)) for k, v in found.items()]


def notes(results: Results) -> list[str]:
    """The notes of all runs, with where they were made; those that differ by figures alone make one."""
    where: dict[str, dict[str, list[str]]] = {}  # shape of the notes -> note -> places
    for cell in results['cells']:
        for note in cell.get('notes', ()):
            alike = where.setdefault(_FIGURE.sub('#', note), {})
            alike.setdefault(note, []).append(f'{cell["method"]}, {cell["split"]}, {percent(cell["fraction"])}')
    found = [*results.get('notes', ())]
    total = len(results['cells'])
    for alike in where.values():
        if len(alike) > 2:
            note = next(iter(alike))
            places = list(dict.fromkeys(place for some in alike.values() for place in some))
            found.append(f'{len(places)} of {total} runs, each with its own figures; the first, {places[0]}: {note}')
        else:
            found += [_with_places(note, some, total) for note, some in alike.items()]
    return found


def _with_places(note: str, places: list[str], total: int) -> str:
    if len(places) == total > 1:
        return f'All {total} runs: {note}'
    if len(places) > 2:
        return f'{len(places)} of {total} runs, the first {places[0]}: {note}'
    return f'{"; ".join(places)}: {note}'


def summary_rows(results: Results, subsets: bool) -> list[Mapping[str, Any]]:
    """Rows of the summary for all photos and their means within subsets, or those for one subset each.

    By method, then by share of the labels; means within subsets come first.
    """
    rows = [row for row in results['summary'] if (row['subset'] not in ('', MACRO)) == subsets]
    return sorted(rows, key=lambda row: (_place(results, row), row['fraction'], row['subset'] != MACRO))


def medians_differ(results: Results, row: Mapping[str, Any]) -> str:
    """Why the medians of a and b differ the other way than the median of their differences; '' where they don't."""
    medians = []
    for method in (row['a'], row['b']):
        key = (method, row['fraction'], row['subset'])
        found = [r for r in results['summary'] if (r['method'], r['fraction'], r['subset']) == key]
        value = estimate(found[0]['metrics'].get(row['metric'])) if found else None
        if value is None:
            return ''
        medians.append(value.value)
    apart = round(medians[0], 3) - round(medians[1], 3)
    if not known(row.get('difference')) or round(row['difference'], 3) * apart >= 0:
        return ''
    a, b = map(number, medians)
    return (
        f' (The medians, {a} and {b}, differ the other way: each may be of another split. '
        'The verdict compares within splits.)'
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _place(results: Results, row: Mapping[str, Any]) -> int:
    """Of a row's method among all."""
    names = [method['name'] for method in results['methods']]
    return names.index(row['method']) if row['method'] in names else len(names)


def known(value: Any) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def number(value: float | None, sign: str = '') -> str:
    """Three decimals, or a dash for nothing."""
    return format(round(value, 3) + 0.0, f'{sign}.3f') if value is not None and known(value) else MISSING


def with_interval(found: Mapping[str, float] | None, key: str = 'median', sign: str = '') -> str:
    """Value and interval: ``0.812 [0.801, 0.823]``."""
    got = estimate(found, key)
    if got is None:
        return MISSING
    interval = '' if got.low is None else f' [{number(got.low, sign)}, {number(got.high, sign)}]'
    return number(got.value, sign) + interval


def _data(info: Mapping[str, Any]) -> str:
    low, high = info['mos_range']
    text = f'{info["name"]}, {info["photos"]} photos, MOS {low:g} to {high:g}'
    return f'{text}. {info["source"]}' if info.get('source') else text
