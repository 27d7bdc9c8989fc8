"""A stand-in for PyTorch with devices that compute nothing: the probe's branches for CUDA and ROCm run on any machine.

FAKE_DEVICE is cuda or rocm, FAKE_DEVICES how many there are. An event is 0.25 ms after the one before. A collective takes
FAKE_COLLECTIVE_SECONDS; with FAKE_HANGING=1 its ranks never come back.
"""

import os
import sys
import time
import types

IS_ROCM = os.environ.get("FAKE_DEVICE") == "rocm"
__version__ = "2.11.0+fake"
float32, bfloat16, float16, uint8, int32 = "float32", "bfloat16", "float16", "uint8", "int32"
float8_e4m3fn, float8_e4m3fnuz = "float8_e4m3fn", "float8_e4m3fnuz"
SIZES = {float32: 4, int32: 4, bfloat16: 2, float16: 2, uint8: 1, float8_e4m3fn: 1, float8_e4m3fnuz: 1}
USED = set()


class Tensor:
    def __init__(self, count=1, dtype=float32):
        self.count, self.dtype, self.grad = count, dtype, None
        USED.add(dtype)

    def numel(self):
        return self.count

    def element_size(self):
        return SIZES[self.dtype]

    def to(self, dtype):
        return Tensor(self.count, dtype)

    def chunk(self, parts, dim=0):
        return [Tensor(self.count // parts, self.dtype) for _ in range(parts)]

    def __iter__(self):
        raise TypeError("a tensor of this stand-in has no rows")

    def item(self):
        return 0.0

    def __getitem__(self, key):
        if isinstance(key, slice) and isinstance(key.stop, int):
            return Tensor(key.stop, self.dtype)
        return self

    def _same(self, *_, **__):
        return Tensor(self.count, self.dtype)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._same

    __add__ = __sub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __neg__ = __radd__ = _same


def tensor(values, device=None):
    made_tensor = Tensor(len(values))
    made_tensor.item = lambda: values[0]
    return made_tensor


def product(shape):
    count = 1
    for side in shape:
        count *= side[0] if isinstance(side, tuple) else side
    return count


def made(*shape, dtype=float32, **_):
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    return Tensor(product(shape), dtype)


randn = empty = zeros = ones = made


def alike(other, *_, **__):
    return Tensor(getattr(other, "count", 1), getattr(other, "dtype", float32))


empty_like = zeros_like = randn_like = rsqrt = cat_one = alike
mm = softmax = sigmoid = alike


def split(whole, sizes, dim=0):
    return [Tensor(size, whole.dtype) for size in sizes]


def _into(*_, out=None, **__):
    return out


split_with_sizes_copy = _chunk_cat = _foreach_copy_ = _into


def _scaled_mm(left, right, *_, **__):
    # Only the format of this device is multiplied.
    if left.dtype != (float8_e4m3fnuz if IS_ROCM else float8_e4m3fn):
        raise RuntimeError(f"{left.dtype} is not this device's")
    return alike(left)


def _grouped_mm(left, right, offs=None):
    return alike(left)


def cat(parts, dim=0):
    return Tensor(sum(part.count for part in parts), parts[0].dtype)


def arange(start, end=None, step=1, **_):
    return Tensor(len(range(start, end, step)) if end is not None else start, int32)


def randint(low, high, shape, **_):
    return Tensor(product(shape), int32)


def randperm(count, **_):
    return Tensor(count, int32)


def manual_seed(_):
    pass


def compile(function, **_):
    return function


def get_num_threads():
    return 1


class Namespace(types.SimpleNamespace):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: Tensor()


def module(name, **members):
    made_module = types.ModuleType(f"torch.{name}")
    made_module.__dict__.update(members)
    sys.modules[f"torch.{name}"] = made_module
    return made_module


class Event:
    def __init__(self, **_):
        pass

    def record(self):
        pass

    def synchronize(self):
        pass

    def elapsed_time(self, _):
        return 0.25


class Stream:
    def wait_stream(self, _):
        pass


class Nothing:
    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


class CUDAGraph:
    def replay(self):
        pass


def properties(_):
    return types.SimpleNamespace(
        name="AMD Instinct MI300X" if IS_ROCM else "NVIDIA H100 80GB HBM3", L2_cache_size=4 << 20,
        total_memory=192 << 30 if IS_ROCM else 80 << 30, multi_processor_count=304 if IS_ROCM else 132,
        gcnArchName="gfx942:sramecc+:xnack-" if IS_ROCM else "")


cuda = module(
    "cuda", is_available=lambda: True, get_device_properties=properties, synchronize=lambda: None,
    device_count=lambda: int(os.environ.get("FAKE_DEVICES", "1")), Event=Event, Stream=Stream, CUDAGraph=CUDAGraph,
    graph=Nothing, stream=Nothing, current_stream=Stream, set_stream=lambda _: None, set_device=lambda _: None,
    empty_cache=lambda: None)
version = types.SimpleNamespace(hip="6.2.41133" if IS_ROCM else None, cuda=None if IS_ROCM else "13.0")
backends = types.SimpleNamespace(
    cudnn=types.SimpleNamespace(version=lambda: 91900),
    cuda=types.SimpleNamespace(matmul=types.SimpleNamespace(allow_tf32=False)))


def gradients(outputs, inputs, *_, **__):
    return [alike(value) for value in ([inputs] if isinstance(inputs, Tensor) else inputs)]


autograd = module("autograd", grad=gradients)
linalg = module("linalg", vector_norm=alike)
_dynamo = module("_dynamo", reset=lambda: None)
ops = types.SimpleNamespace(aten=types.SimpleNamespace(
    addmm=types.SimpleNamespace(dtype_out=lambda total, *_, **__: total),
    _flash_attention_forward=lambda query, *_, **__: (alike(query),) * 5,
    _flash_attention_backward=lambda gradient, *_, **__: alike(gradient)))


class Optimizer:
    def __init__(self, parameters, **_):
        self.parameters = parameters

    def step(self):
        pass


optim = module("optim", AdamW=Optimizer)


class Ranks:
    """What runs ranks: one after the other, before anybody waits for them."""

    def __init__(self, function, args, nprocs):
        self.processes = [types.SimpleNamespace(kill=lambda: None) for _ in range(nprocs)]
        self.is_hanging = os.environ.get("FAKE_HANGING") == "1"
        for rank in range(nprocs):
            function(rank, *args)

    def join(self, timeout=None):
        return not self.is_hanging


def spawn(function, args, nprocs, join):
    assert not join
    return Ranks(function, args, nprocs)


def collective(whole, *_, **__):
    time.sleep(float(os.environ.get("FAKE_COLLECTIVE_SECONDS", "0")))
    return alike(whole)


multiprocessing = module("multiprocessing", spawn=spawn)
GROUP = []
distributed = module(
    "distributed", init_process_group=lambda backend, **_: GROUP.append(backend), barrier=lambda: None,
    destroy_process_group=lambda: None, all_reduce=collective, all_gather_into_tensor=collective,
    reduce_scatter_tensor=collective, all_to_all_single=collective, HashStore=Nothing,
    ReduceOp=types.SimpleNamespace(MAX="max"))

from . import nn  # noqa: E402
