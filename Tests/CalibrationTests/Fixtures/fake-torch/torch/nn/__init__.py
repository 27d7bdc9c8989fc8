import sys
import types

import torch

functional = types.ModuleType("torch.nn.functional")
functional.__dict__.update({
    name: torch.alike for name in (
        "rms_norm", "layer_norm", "silu", "gelu", "relu", "dropout", "cross_entropy", "logsigmoid",
        "scaled_dot_product_attention")})
sys.modules["torch.nn.functional"] = functional


class SDPBackend:
    CUDNN_ATTENTION, FLASH_ATTENTION, MATH = "cudnn", "flash", "math"


class sdpa_kernel:
    def __init__(self, backend):
        self.backend = backend

    def __enter__(self):
        # cuDNN belongs to NVIDIA's devices.
        if torch.IS_ROCM and self.backend == SDPBackend.CUDNN_ATTENTION:
            raise RuntimeError("No available kernel. Aborting execution.")

    def __exit__(self, *_):
        return False


attention = types.ModuleType("torch.nn.attention")
attention.SDPBackend, attention.sdpa_kernel = SDPBackend, sdpa_kernel
sys.modules["torch.nn.attention"] = attention


class Linear:
    def __init__(self, *_, **__):
        pass

    def __call__(self, value):
        return torch.alike(value)


class Parameter(torch.Tensor):
    def __init__(self, value):
        super().__init__(value.count, value.dtype)
