"""Schedules of the learning rate that follow the length of a run, at its start and when a resumed run is longer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmengine.optim import _ParamScheduler
from mmengine.runner import Runner

from mmqpt.core.errors import InputError

_PERIOD = 'T_max'


def fit_schedules(schedules: Any, epochs: float, steps: int) -> tuple[Any, list[str]]:
    """What ``param_scheduler`` of a config says, for a run of another length than it was written for.

    A cosine without ``end`` ends with the run, whatever its ``T_max`` says: a shorter one would let the rate climb
    back, a longer one would never anneal. A warm-up (a LinearLR that rises from the first step) takes at most half of
    the run, and what begins at its end begins there. A schedule with an ``end`` is left as it is.

    Args:
        schedules: ``param_scheduler`` of a config: one dict, a list of them, or None. Others are left alone.
        epochs: length of the run; not whole where the run counts steps.
        steps: length of the run.

    Returns:
        The same in new dicts, and a sentence for each length that was given and does not fit.

    Raises:
        InputError: a schedule that would begin after the run.
    """
    alone = isinstance(schedules, dict) and 'type' in schedules
    listed = [schedules] if alone else schedules
    if not isinstance(listed, Sequence):
        return schedules, []
    found: list[Any] = []
    notes: list[str] = []
    moved: dict[tuple[bool, float], float] = {}
    for given in listed:
        if not isinstance(given, dict):
            found.append(given)
            continue
        one = dict(given)
        by_epoch = bool(one.get('by_epoch', True))
        length = epochs if by_epoch else steps
        divisible = by_epoch and bool(one.get('convert_to_iter_based'))
        if (by_epoch, one.get('begin', 0)) in moved:
            one['begin'] = moved[by_epoch, one['begin']]
        if _warms_up(one) and one['end'] > length / 2:
            half = length / 2 if divisible else int(length // 2)
            moved[by_epoch, one['end']] = half
            notes.append(f'the warm-up of {one["end"]} {_unit(by_epoch)} takes {half:g}, half of the run')
            if half == 0:
                continue
            one['end'] = half
        begin = one.get('begin', 0)
        if begin >= length:
            kind, unit = one['type'], _unit(by_epoch)
            raise InputError(f'{kind} in param_scheduler begins after {begin} {unit}, but the run has {length:g}')
        if one.get('end') is None and _is_cosine(one):
            period = one.pop(_PERIOD, None)
            if period is not None and period != length - begin:
                lasts = f'{length - begin:g} {_unit(by_epoch)}'
                notes.append(
                    f'{_PERIOD} of {one["type"]} is {lasts}, not {period}: without an end it ends with the run'
                )
            if length != int(length):
                one['end'] = length if divisible else math.ceil(length)
        found.append(one)
    return (found[0] if alone and found else found), notes


def lengthen_schedules(runner: Runner, schedules: Any) -> None:
    """Let the cosines of a resumed run end with it, if the run is now longer or shorter than when it was saved.

    MMEngine restores their old ends, after which the rate would stay at its minimum. The rate goes on from where a run
    of the new length would be.

    Args:
        runner: after a resume.
        schedules: what its schedulers were built from, by :func:`fit_schedules`.
    """
    listed = [schedules] if isinstance(schedules, dict) else schedules
    built = runner.param_schedulers
    if not isinstance(listed, list) or not isinstance(built, list) or len(listed) != len(built):
        return
    for given, schedule in zip(listed, built, strict=True):
        if not (isinstance(given, dict) and isinstance(schedule, _ParamScheduler) and _is_cosine(given)):
            continue
        end = given.get('end')
        if end is None or end != int(end):  # the run's
            wanted = runner.max_epochs if schedule.by_epoch else runner.max_iters
            if wanted is not None and wanted != schedule.end and wanted > schedule.begin:
                _stretch(schedule, int(wanted))


def _stretch(schedule: Any, end: int) -> None:
    schedule.end, schedule.T_max = end, end - schedule.begin
    done = schedule._global_step - schedule.begin
    if not 0 < done <= schedule.T_max:
        return
    schedule.last_step = done
    share = (1 + math.cos(math.pi * done / schedule.T_max)) / 2
    for group, base in zip(schedule.optimizer.param_groups, schedule.base_values, strict=True):
        ratio = schedule.eta_min_ratio
        least = schedule.eta_min if ratio is None else base * ratio
        group[schedule.param_name] = least + (base - least) * share
    schedule._last_value = [group[schedule.param_name] for group in schedule.optimizer.param_groups]


def _is_cosine(schedule: dict[str, Any]) -> bool:
    return str(schedule.get('type', '')).startswith('CosineAnnealing') and 'Restart' not in str(schedule['type'])


def _warms_up(schedule: dict[str, Any]) -> bool:
    rises = schedule.get('start_factor', 1 / 3) < schedule.get('end_factor', 1.0)
    return (
        str(schedule.get('type', '')).startswith('Linear')
        and rises
        and schedule.get('begin', 0) == 0
        and schedule.get('end') is not None
    )


def _unit(by_epoch: bool) -> str:
    return 'epochs' if by_epoch else 'steps'
