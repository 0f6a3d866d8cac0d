"""The queue of keys that serve as content-based negatives."""

from __future__ import annotations

import logging
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmqpt.core.errors import InputError


class KeyQueue(nn.Module):
    """A ring of the last ``length`` keys (He et al., MoCo, CVPR 2020). All of it is saved with the checkpoint; one of
    another length takes the newest keys of it.

    Slots that were never written do not count, so a run starts with few negatives rather than with random ones. Keys of
    a step that takes several batches wait, outside the ring and its checkpoint, until the step is complete.

    Args:
        length: number of keys.
        width: length of a key.
    """

    keys: Tensor
    position: Tensor
    filled: Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        if length < 0 or width < 1:
            raise InputError(f'KeyQueue needs length >= 0 and width >= 1, got {length} and {width}')
        self.register_buffer('keys', torch.zeros(length, width))
        self.register_buffer('position', torch.zeros((), dtype=torch.long))
        self.register_buffer('filled', torch.zeros((), dtype=torch.long))
        self._waiting: list[Tensor] = []

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], strict: bool, *rest: Any
    ) -> None:
        """Of a queue of another length the newest keys are taken, as many as there is room for.

        ``Runner.resume`` takes what fits and leaves the rest: the count of the file's keys without the keys.
        """
        keys, position, filled = (state_dict.get(prefix + name) for name in ('keys', 'position', 'filled'))
        if keys is not None and position is not None and filled is not None and len(keys) != len(self):
            kept = min(int(filled), len(self))
            ages = torch.arange(int(position) - kept, int(position), device=keys.device)  # oldest first
            own = keys.new_zeros(len(self), keys.shape[1])
            own[:kept] = keys[ages % max(1, len(keys))]
            state_dict[prefix + 'keys'] = own
            state_dict[prefix + 'position'] = position.new_tensor(kept % max(1, len(self)))
            state_dict[prefix + 'filled'] = filled.new_tensor(kept)
            print_log(
                f'the queue of the checkpoint has {len(keys)} places, this one {len(self)}: '
                f'the newest {kept} of its {int(filled)} keys are taken',
                'current',
                level=logging.WARNING,
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, *rest)

    def __len__(self) -> int:
        return self.keys.shape[0]

    def extra_repr(self) -> str:
        """Its size."""
        return f'length={len(self)}, width={self.keys.shape[1]}'

    def mask(self) -> Tensor:
        """bool (length,): which slots hold a key."""
        return torch.arange(len(self), device=self.keys.device) < self.filled

    def fill(self) -> Tensor:
        """The share of the slots that hold a key, a scalar; 0 for a queue of length 0."""
        return self.filled / max(1, len(self))

    @property
    def within_step(self) -> bool:
        """Whether keys of an incomplete step wait."""
        return bool(self._waiting)

    @torch.no_grad()
    def enqueue(self, keys: Tensor, ends_step: bool = True) -> None:
        """Write keys over the oldest ones; without a host sync, for any number of keys.

        Args:
            keys: (B, width). Of more than ``length`` keys the last ones stay.
            ends_step: whether the step is complete; if not, the keys wait for those of the step's other batches.
        """
        self._waiting.append(keys)
        if ends_step:
            self._write(torch.cat(self._waiting))
            self._waiting.clear()

    def _write(self, keys: Tensor) -> None:
        length = len(self)
        if length == 0:
            return
        keys = keys.detach()[-length:].to(self.keys.dtype)
        slots = (self.position + torch.arange(keys.shape[0], device=self.keys.device)) % length
        self.keys[slots] = keys
        self.position.copy_((self.position + keys.shape[0]) % length)
        self.filled.copy_((self.filled + keys.shape[0]).clamp(max=length))
