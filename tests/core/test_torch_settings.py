"""Whatever a caller has set in torch is undone inside, and is there again afterwards."""

import threading

import pytest
import torch

from mmqpt.core.torch_settings import default_settings


def found():
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_float32_matmul_precision(),
        torch.get_deterministic_debug_mode(),
        torch.is_autocast_enabled('cpu'),
    )


@pytest.fixture
def strange():
    """Settings that are none of torch's defaults."""
    torch.set_default_dtype(torch.float64)
    torch.set_default_device('meta')
    torch.set_float32_matmul_precision('medium')
    torch.set_deterministic_debug_mode('warn')
    with torch.autocast('cpu', dtype=torch.bfloat16):
        yield found()
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_float32_matmul_precision('highest')
    torch.set_deterministic_debug_mode('default')


def test_undone_inside_and_back_afterwards(strange):
    assert strange == (torch.float64, torch.device('meta'), 'medium', 1, True)
    with default_settings():
        assert found() == (torch.float32, torch.device('cpu'), 'highest', 0, False)
        assert torch.empty(2).device.type == 'cpu'
    assert found() == strange
    with pytest.raises(ZeroDivisionError), default_settings():
        raise ZeroDivisionError
    assert found() == strange


def test_the_last_thread_puts_them_back(strange):
    inside, leave = threading.Event(), threading.Event()

    def work():
        with default_settings():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    with default_settings():
        assert torch.get_default_dtype() == torch.float32
    assert torch.get_default_dtype() == torch.float32  # the other thread is still inside
    leave.set()
    thread.join()
    assert found() == strange


def test_gradients_stay_as_they_are():
    with torch.no_grad(), default_settings():
        assert not torch.is_grad_enabled()
    with default_settings():
        assert torch.is_grad_enabled()
