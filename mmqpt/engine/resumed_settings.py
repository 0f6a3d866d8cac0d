"""What a resumed run takes from its checkpoint where its config says something else: rates, decay, schedules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from mmqpt.core.errors import InputError

# What says where a run is, not how it trains; a cosine's length follows the run's (lengthen_schedules).
_PROGRESS = {'last_step', '_global_step', '_last_value', 'base_values', 'verbose', 'end', 'T_max'}


def other_settings(runner: Runner, checkpoint: dict[str, Any]) -> list[str]:
    """Settings of optimiser and schedules that MMEngine restores from a checkpoint though the config has others.

    Args:
        runner: before its optimiser and schedules are restored.
        checkpoint: of MMEngine.

    Returns:
        One sentence for each setting, such as 'lr 0.002, where the config has 0.001'.

    Raises:
        InputError: the checkpoint's schedules are of other kinds, or not as many: their states would not fit.
    """
    found: list[str] = []
    for now, then in _optimizers(runner, checkpoint.get('optimizer', {})):
        _compare_groups(now, then, found)
    for now, then in _schedules(runner.param_schedulers, checkpoint.get('param_schedulers', [])):
        _compare_schedules(now, then, found)
    return list(dict.fromkeys(found))


def _optimizers(runner: Runner, saved: dict[str, Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        for name, part in wrapper.items():
            yield part.optimizer.param_groups, saved.get(name, {}).get('param_groups', [])
    elif isinstance(wrapper, OptimWrapper):
        yield wrapper.optimizer.param_groups, saved.get('param_groups', [])


def _compare_groups(now: list[Any], then: list[Any], found: list[str]) -> None:
    if len(now) != len(then):
        return  # PyTorch refuses it, in a sentence of its own
    for ours, theirs in zip(now, then, strict=True):
        for name in ours.keys() & theirs.keys() - {'params'}:
            if f'initial_{name}' in ours and f'initial_{name}' in theirs:
                continue  # a schedule moves it away from this
            if ours[name] != theirs[name]:
                found.append(f'{name.removeprefix("initial_")} {theirs[name]}, where the config has {ours[name]}')


def _schedules(now: Any, then: Any) -> Iterator[tuple[list[Any], list[Any]]]:
    if isinstance(now, dict):
        for name, schedules in now.items():
            yield schedules, (then.get(name, []) if isinstance(then, dict) else [])
    elif now is not None:
        yield now, then


def _compare_schedules(now: list[Any], then: list[Any], found: list[str]) -> None:
    ours = [schedule.state_dict() for schedule in now]
    if [set(state) for state in ours] != [set(state) for state in then]:
        kinds = ', '.join(type(schedule).__name__ for schedule in now) or 'none'
        raise InputError(
            f'the checkpoint has other schedules (param_scheduler) than this config ({len(then)}, not {kinds}): resume '
            'with the config of the run, or start a new run from its weights (load_from without resume)'
        )
    for schedule, state, theirs in zip(now, ours, then, strict=True):
        if theirs['_global_step'] >= max(state['end'], theirs['end']):
            continue  # over, by either
        for name in sorted(state.keys() - _PROGRESS):
            if state[name] != theirs[name]:
                kind = type(schedule).__name__
                found.append(f'{name} of {kind} {theirs[name]}, where the config has {state[name]}')
