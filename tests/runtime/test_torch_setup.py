from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from lss.errors import LssError
from lss.runtime.torch_setup import resolve_device


def test_torchvision_can_be_imported_after_it():
    subprocess.run([sys.executable, "-c", "import lss.runtime.torch_setup, torchvision.ops"], check=True)


def test_bitsandbytes_is_imported_without_dynamo_and_inductor():
    code = "import sys, lss.runtime.torch_setup, torch; print(torch.compile.__module__, *sys.modules)"
    compile_module, *modules = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert compile_module == "torch"  # given back
    assert "bitsandbytes" in modules and not {"torch._dynamo", "torch._inductor"} & set(modules)


def test_device_by_name():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(LssError, match="device: cuda"):
        resolve_device("cuda")
