"""Finds a backbone inside a network: its prefix, and what the network calls its parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from mmqpt.core.network_names import AFTER_STAGES, COUNTER, flat_name, part_of, stage_number, whole_name

_ENOUGH = 0.25  # of a backbone's names, and one of its stem: a module that has fewer is not worth naming in an error


@dataclass(frozen=True)
class Place:
    """A module, and how well the backbone of the file fits it.

    Args:
        prefix: of the names in the network, such as ``'base_model.'``.
        pairs: name in the file -> name in the network.
        after: names of the file after the last stage that the module has, and counters that it lacks.
        unknown: other names of the file that the module lacks.
        shapes: names of the network whose tensors have another shape.
        unfilled: names of the network that belong to the backbone, but are not in the file.
        rename: name in the file -> name below the prefix.
    """

    prefix: str
    pairs: Mapping[str, str]
    after: tuple[str, ...]
    unknown: tuple[str, ...]
    shapes: tuple[str, ...]
    unfilled: tuple[str, ...]
    rename: Callable[[str], str] = field(compare=False)

    @property
    def fits(self) -> bool:
        """Whether each side has all that the other has of the backbone."""
        return not (self.unknown or self.shapes or self.unfilled)


def find_places(
    network: nn.Module, backbone: Mapping[str, Tensor], names: Collection[str], prefix: str | None = None
) -> list[Place]:
    """All modules that a backbone fits, then those that have a good share of its names; best first.

    Args:
        network: where to look.
        backbone: tensors under the names that they have in the whole network.
        names: of all parameters of the whole network, where more are known than the file holds.
        prefix: the only one to look at.
    """
    state = {name: value for name, value in network.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    stem = [name for name in backbone if stage_number(name) is None and part_of(name) not in AFTER_STAGES]
    found: dict[tuple[int, ...], Place] = {}
    renames = {rename: [(name, rename(name)) for name in backbone] for rename in _RENAMES}
    for start in _prefixes(network) if prefix is None else [prefix]:
        for rename, names_below in renames.items():
            pairs = {name: start + below for name, below in names_below if start + below in state}
            if not pairs:
                continue
            place = _compare(state, backbone, names, start, rename, pairs)
            similar = len(pairs) >= _ENOUGH * len(backbone) and (not stem or any(name in pairs for name in stem))
            if not place.fits and not similar:
                continue
            key = tuple(sorted(id(state[name]) for name in pairs.values()))  # a module may be there under two names
            if key not in found or (place.fits and not found[key].fits):
                found[key] = place
    return sorted(found.values(), key=lambda place: (not place.fits, -len(place.pairs)))


def _compare(
    state: Mapping[str, Tensor],
    backbone: Mapping[str, Tensor],
    names: Collection[str],
    start: str,
    rename: Callable[[str], str],
    pairs: Mapping[str, str],
) -> Place:
    parts = {part_of(name) for name in {*backbone, *names}}
    present = {part for part in parts if any(name.startswith(f'{start}{rename(part + ".")}') for name in state)}
    absent = [name for name in backbone if name not in pairs]
    after = {name for name in absent if name.endswith(COUNTER) or _is_after(part_of(name), present)}
    owned = [name for name in state if name.startswith(start) and name not in set(pairs.values())]
    unfilled = [
        name for name in owned if not name.endswith(COUNTER) and _belongs(name.removeprefix(start), present, rename)
    ]
    return Place(
        prefix=start,
        pairs=pairs,
        after=tuple(sorted(after)),
        unknown=tuple(sorted(set(absent) - after)),
        shapes=tuple(sorted(pairs[name] for name in pairs if state[pairs[name]].shape != backbone[name].shape)),
        unfilled=tuple(sorted(unfilled)),
        rename=rename,
    )


def _prefixes(network: nn.Module) -> Iterator[str]:
    for name, _ in network.named_modules():
        yield f'{name}.' if name else ''


def _is_after(part: str, present: Collection[str]) -> bool:
    """Whether a part that a module lacks comes after the last stage that it has."""
    if part in present:
        return False
    number = stage_number(f'{part}.')
    if number is None:
        return part in AFTER_STAGES
    others = [other for other in (stage_number(f'{name}.') for name in present) if other is not None]
    return bool(others) and number > max(others)


def _belongs(name: str, parts: Collection[str], rename: Callable[[str], str]) -> bool:
    """Whether a name below the prefix belongs to the backbone: to a part that it has, or to a further stage."""
    if any(name.startswith(rename(f'{part}.')) for part in parts):
        return True
    if rename is _inside_features:
        return name.split('.')[0].isdigit()
    if rename is _numbered_resnet:
        return name.split('.')[0] in ('0', '1', '4', '5', '6', '7')
    return stage_number(whole_name(name)) is not None


def _same(name: str) -> str:
    return name


def _numbered_resnet(name: str) -> str:
    """``Sequential(*resnet.children())``: the same numbers in torchvision and timm."""
    part, dot, rest = name.partition('.')
    numbers = {'conv1': '0', 'bn1': '1', 'layer1': '4', 'layer2': '5', 'layer3': '6', 'layer4': '7'}
    return f'{numbers[part]}{dot}{rest}' if part in numbers else name


def _inside_features(name: str) -> str:
    """``vgg.features``."""
    return name.removeprefix('features.')


_RENAMES = (_same, flat_name, _numbered_resnet, _inside_features)
