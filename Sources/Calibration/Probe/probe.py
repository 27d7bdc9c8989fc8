#!/usr/bin/env python3
"""Measures what one node does with the kernels of a training step, and writes one CSV.

Needs PyTorch only; takes under five minutes. Run it on an idle machine:

    python3 probe.py -o probe.csv

Lines that begin with "#" state the conditions: device, driver, versions, power cap. A row is one measurement:
the median of several runs, alone on the device, random normal operands, inputs rotated past the cache, launches
replayed from a graph where the device has graphs. What a device or a version cannot do is a row without a time and
with the reason. Settings of the device are read and never changed.
"""

import argparse
import csv
import glob
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time

try:
    import torch
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel
    MISSING = None
except ImportError as error:
    # What the options are can be said without it.
    torch, MISSING = None, error

COLUMNS = [
    "part", "name", "library", "direction", "format", "shape", "microseconds", "fastest", "slowest", "runs",
    "flops", "bytes", "clock_mhz", "watts", "note",
]
PARTS = [
    "products", "attention", "streaming", "grouped", "host", "issue", "blocks", "units", "copies", "sustained",
    "compiled", "collectives",
]


class Device:
    """What the kernels run on: CUDA and ROCm alike, or the CPU as a check of this script."""

    def __init__(self):
        self.is_gpu = torch.cuda.is_available()
        self.type = "cuda" if self.is_gpu else "cpu"
        self.is_rocm = self.is_gpu and torch.version.hip is not None
        properties = torch.cuda.get_device_properties(0) if self.is_gpu else None
        self.name = properties.name if self.is_gpu else platform.processor() or platform.machine()
        self.cache_bytes = getattr(properties, "L2_cache_size", 0) or (1 << 25)
        self.memory_bytes = properties.total_memory if self.is_gpu else 1 << 31
        self.float8 = self._float8()

    def _float8(self):
        if self.is_rocm and "gfx94" in getattr(torch.cuda.get_device_properties(0), "gcnArchName", ""):
            return torch.float8_e4m3fnuz
        return torch.float8_e4m3fn

    def synchronize(self):
        if self.is_gpu:
            torch.cuda.synchronize()

    def conditions(self):
        said = {"device": self.name, "torch": torch.__version__, "python": platform.python_version()}
        said["processor"] = processor_name()
        if not self.is_gpu:
            said["threads"] = torch.get_num_threads()
            return said
        said["devices"] = torch.cuda.device_count()
        said["multiprocessors"] = torch.cuda.get_device_properties(0).multi_processor_count
        said["memory"] = self.memory_bytes
        said["cache"] = self.cache_bytes
        said["runtime"] = f"ROCm {torch.version.hip}" if self.is_rocm else f"CUDA {torch.version.cuda}"
        try:
            said["cudnn"] = torch.backends.cudnn.version()
        except RuntimeError:
            pass
        fields = ["driver_version", "power.limit", "clocks.max.sm", "clocks.max.mem", "temperature.gpu", "pstate"]
        said.update(zip(fields, query_smi(fields)))
        if self.is_rocm:
            said.update(amd_conditions())
        return said


def processor_name():
    """The host's processor, which issues everything; what the platform says where Linux does not."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "?"


def query_smi(fields):
    """One reading of the driver's own tool; empty where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits", "--id=0"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [cell.strip() for cell in answer.stdout.strip().split(",")] if answer.returncode == 0 else []


# AMD's driver shows clock and power as files; power in microwatts, clocks in hertz.
AMD_FOLDERS = os.environ.get("PROBE_AMD_HWMON", "/sys/class/drm/card*/device/hwmon/hwmon*")


def amd_reading(*names):
    """The first of some files of the first card that has one, as a number; None where there is none."""
    for folder in sorted(glob.glob(AMD_FOLDERS)):
        for name in names:
            try:
                with open(os.path.join(folder, name)) as file:
                    return float(file.read())
            except (OSError, ValueError):
                continue
    return None


def amd_conditions():
    said = {}
    cap = amd_reading("power1_cap")
    if cap is not None:
        said["power.limit"] = f"{cap / 1e6:.2f}"
    heat = amd_reading("temp1_input")
    if heat is not None:
        said["temperature.gpu"] = f"{heat / 1e3:.0f}"
    try:
        with open("/sys/module/amdgpu/version") as file:
            said["driver_version"] = file.read().strip()
    except OSError:
        pass
    return said


class AMDSampler:
    """Clock and power while something runs, from the driver's files, ten times a second."""

    def __enter__(self):
        self.samples, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()
        return self

    def sample(self):
        while not self.over.wait(0.1 if self.samples else 0):
            clock = amd_reading("freq1_input")
            watts = amd_reading("power1_input", "power1_average")
            heat = amd_reading("temp1_input")
            self.samples.append(tuple(value / unit if value is not None else None for value, unit in (
                (clock, 1e6), (watts, 1e6), (heat, 1e3))))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def late_half(self):
        rows = self.samples[len(self.samples) // 2 :]
        def middle(place):
            values = sorted(row[place] for row in rows if row[place] is not None)
            return values[len(values) // 2] if values else ""
        heat = middle(2)
        return middle(0), middle(1), f"{heat:.0f} C" if heat != "" else ""


def sampler(probe):
    return AMDSampler() if probe.device.is_rocm else Sampler()


class Sampler:
    """Clock and power while something runs, by the driver's own tool in a process beside."""

    FIELDS = "timestamp,clocks.sm,power.draw.instant,temperature.gpu,clocks_throttle_reasons.active"

    def __enter__(self):
        tool = shutil.which("nvidia-smi")
        self.file = tempfile.TemporaryFile("w+")
        self.process = None
        if tool is not None:
            command = [tool, "--query-gpu=" + self.FIELDS, "--format=csv,noheader,nounits", "--id=0", "-lms", "100"]
            self.process = subprocess.Popen(command, stdout=self.file, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        self.file.seek(0)
        self.rows = [line.split(",") for line in self.file.read().splitlines() if line.count(",") == 4]
        self.file.close()

    def late_half(self):
        """Medians of clock and watts and the last reasons of throttling, over the second half of the samples."""
        rows = self.rows[len(self.rows) // 2 :]
        clocks = sorted(number(row[1]) for row in rows if number(row[1]) is not None)
        watts = sorted(number(row[2]) for row in rows if number(row[2]) is not None)
        middle = lambda values: values[len(values) // 2] if values else ""
        reasons = f"{rows[-1][3].strip()} C, throttle {rows[-1][4].strip()}" if rows else ""
        return middle(clocks), middle(watts), reasons


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


class Probe:
    """Writes rows, and stops each part when its time is over."""

    def __init__(self, device, writer, seconds, small):
        self.device, self.writer, self.small = device, writer, small
        self.end = time.monotonic() + seconds
        self.part, self.part_end, self.left_out = "", self.end, {}

    def begin(self, part, share):
        left = self.end - time.monotonic()
        self.part, self.part_end = part, time.monotonic() + max(0, left * share)

    def is_over(self, measurements=1):
        """Whether the part's time is over; then what would have been measured is counted as left out."""
        if time.monotonic() <= self.part_end:
            return False
        self.leave_out(measurements)
        return True

    def leave_out(self, measurements):
        self.left_out[self.part] = self.left_out.get(self.part, 0) + measurements

    def row(self, **cells):
        self.writer.writerow({"part": self.part, **cells})

    def cell(self, name, make, **facts):
        """Times what `make` returns: a list of calls, each on inputs of its own. A failure is a row as well."""
        if self.is_over():
            return None
        calls = None
        try:
            calls = make()
            times, note = self.time(calls)
        except Exception as error:  # A version without an operation says so in many ways.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            self.row(name=name, note=reason, **facts)
            return None
        finally:
            del calls
        middle = sorted(times)[len(times) // 2]
        self.row(
            name=name, microseconds=f"{middle:.3f}", fastest=f"{min(times):.3f}", slowest=f"{max(times):.3f}",
            runs=len(times), note=note, **facts)
        return middle

    def time(self, calls):
        """Microseconds a call takes, several times, and how it was launched."""
        if not self.device.is_gpu:
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                calls[0]()
                times.append((time.perf_counter() - begin) * 1e6)
            return times, "loop"
        calls[0]()
        once = self.between_events(lambda: calls[-1]())
        many = min(40, math.ceil(2000 / max(once, 1)))
        replay, note = self.captured(calls, many) if once < 20000 else (None, "loop")
        if replay is None:
            def replay():
                for index in range(many):
                    calls[index % len(calls)]()
        replay()
        times = [self.between_events(replay) / many for _ in range(3 if once > 20000 else 5)]
        torch.cuda.synchronize()
        return times, note

    def captured(self, calls, many):
        """A graph of calls, on the stream that all of this script runs on: gradients run on that of their forward."""
        try:
            graph = torch.cuda.CUDAGraph()
            torch.cuda.synchronize()
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
                for index in range(many):
                    calls[index % len(calls)]()
            return graph.replay, "graph"
        except Exception:
            torch.cuda.synchronize()
            return None, "loop"

    def between_events(self, work):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1e3

    def normal(self, *shape, dtype=None):
        return torch.randn(*shape, device=self.device.type, dtype=torch.float32).to(dtype or torch.bfloat16)

    def rotated(self, bytes_of_one, most=6):
        """How many sets of inputs push one another out of the cache."""
        if not self.device.is_gpu:
            return 1
        return max(1, min(most, math.ceil(2 * self.device.cache_bytes / max(bytes_of_one, 1))))


def said(**parts):
    return " ".join(f"{key}={value}" for key, value in parts.items())


# Products: y[m,n] = x[m,k] w[n,k]^T, its two gradients, sums in 16 and in 32 bits.

def product_shapes(small):
    if small:
        return [(64, 64, 64)]
    layers = [
        (8192, 6144, 4096), (8192, 4096, 4096), (8192, 28672, 4096), (8192, 4096, 14336),
        (4096, 10240, 8192), (4096, 8192, 8192), (4096, 57344, 8192), (4096, 8192, 28672),
        (8192, 1280, 8192), (8192, 8192, 1024), (8192, 7168, 8192), (8192, 8192, 3584),
        (4096, 1536, 7168), (4096, 576, 7168), (4096, 24576, 1536), (4096, 32768, 512), (4096, 7168, 16384),
        (4096, 4096, 7168), (4096, 7168, 2048), (2048, 128256, 4096), (8192, 50304, 2048),
    ]
    grid = [
        (m, n, k)
        for m in (512, 2048, 8192, 32768)
        for n in (1024, 2048, 5120, 12288)
        for k in (1024, 2048, 5120, 12288)
    ]
    order = sorted(grid, key=lambda shape: (shape[0] * 7 + shape[1] * 3 + shape[2]) % 1013)
    return layers + order


def products(probe):
    for m, n, k in product_shapes(probe.small):
        for direction in ("forward", "input-gradient", "weight-gradient"):
            for format in ("bf16", "fp8"):
                product(probe, m, n, k, direction, format)
        product(probe, m, n, k, "weight-gradient", "bf16", sums="float32")
    for m, n, k in [(8192, 4096, 4096), (2048, 4096, 4096), (8192, 12288, 4096)] if not probe.small else []:
        for format in ("fp16", "tf32"):
            product(probe, m, n, k, "forward", format)
            product(probe, m, n, k, "weight-gradient", format)


def product(probe, m, n, k, direction, format, sums=None):
    rows, columns, depth = {
        "forward": (m, n, k), "input-gradient": (m, k, n), "weight-gradient": (n, k, m)}[direction]
    size = {"bf16": 2, "fp16": 2, "tf32": 4, "fp8": 1}[format]
    result = 4 if sums == "float32" or format == "tf32" else 2
    moved = size * (rows * depth + depth * columns) + result * rows * columns * (2 if sums else 1)

    def make():
        sets = [operands(probe, m, n, k, direction, format, sums) for _ in range(probe.rotated(moved))]
        return sets

    probe.cell(
        "product", make, library="vendor", direction=direction, format=format + ("+" + sums if sums else ""),
        shape=said(m=m, n=n, k=k), flops=2 * m * n * k, bytes=moved)


def operands(probe, m, n, k, direction, format, sums):
    if format == "fp8":
        return float8_operands(probe, m, n, k, direction)
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16, "tf32": torch.float32}[format]
    x, w, y = (probe.normal(*shape, dtype=kind) for shape in ((m, k), (n, k), (m, n)))
    if direction == "forward":
        out = torch.empty(m, n, device=x.device, dtype=kind)
        return lambda: torch.mm(x, w.t(), out=out)
    if direction == "input-gradient":
        out = torch.empty(m, k, device=x.device, dtype=kind)
        return lambda: torch.mm(y, w, out=out)
    if sums is None:
        out = torch.empty(n, k, device=x.device, dtype=kind)
        return lambda: torch.mm(y.t(), x, out=out)
    total = torch.zeros(n, k, device=x.device, dtype=torch.float32)
    if not probe.device.is_gpu:
        return lambda: total.add_(torch.mm(y.t(), x))
    in_place = torch.ops.aten.addmm.dtype_out
    return lambda: in_place(total, y.t(), x, torch.float32, out=total)


def float8_operands(probe, m, n, k, direction):
    """Hopper multiplies FP8 in one layout: both gradients take transposed copies, summed without shortcuts."""
    rows, columns, depth = {
        "forward": (m, n, k), "input-gradient": (m, k, n), "weight-gradient": (n, k, m)}[direction]
    left = probe.normal(rows, depth, dtype=torch.bfloat16).to(probe.device.float8)
    right = probe.normal(columns, depth, dtype=torch.bfloat16).to(probe.device.float8)
    one = torch.ones((), device=left.device, dtype=torch.float32)
    fast = direction == "forward"
    return lambda: torch._scaled_mm(
        left, right.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=fast)


# Grouped products of experts.

def grouped(probe):
    cells = [(8, rows, n, k) for rows in (128, 512, 2048, 8192) for n, k in (
        (4096, 7168), (7168, 2048), (28672, 4096), (4096, 14336), (2816, 2048), (2048, 1408))]
    cells += [(32, rows, n, k) for rows in (128, 512) for n, k in ((4096, 7168), (7168, 2048), (3072, 4096))]
    for groups, rows, n, k in [(2, 16, 32, 32)] if probe.small else cells:
        for direction in ("forward", "input-gradient", "weight-gradient"):
            probe.cell(
                "grouped-product", lambda: grouped_operands(probe, groups, rows, n, k, direction), library="torch",
                direction=direction, format="bf16", shape=said(groups=groups, m=rows, n=n, k=k),
                flops=2 * groups * rows * n * k,
                bytes=2 * groups * (rows * k + n * k + rows * n))


def grouped_operands(probe, groups, rows, n, k, direction):
    x, w, y = probe.normal(groups * rows, k), probe.normal(groups, n, k), probe.normal(groups * rows, n)
    ends = torch.arange(1, groups + 1, device=x.device, dtype=torch.int32) * rows
    if direction == "forward":
        return [lambda: torch._grouped_mm(x, w.transpose(1, 2), offs=ends)]
    if direction == "input-gradient":
        return [lambda: torch._grouped_mm(y, w, offs=ends)]
    return [lambda: torch._grouped_mm(y.t(), x, offs=ends)]


# Attention.

def attention_cells():
    cells = []
    for length in (4096, 16384, 1024, 65536, 2048, 8192, 32768, 131072):
        for causal in (True, False):
            for widths in ((128, 128), (64, 64), (192, 128), (256, 256)):
                for sharing in (1, 4):
                    if widths[0] != 128 and sharing == 4 and not (causal and widths[0] == 64):
                        continue
                    if not causal and (length > 32768 or sharing == 4):
                        continue
                    cells.append((length, widths, causal, sharing))
    return cells


def attention(probe):
    libraries = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash-2": SDPBackend.FLASH_ATTENTION}
    if probe.small:
        libraries = {"unfused": SDPBackend.MATH}
        shapes = [(64, (16, 16), True, 1)]
    else:
        shapes = attention_cells()
    for length, widths, causal, sharing in shapes:
        for library, backend in libraries.items():
            if library == "flash-2" and widths == (192, 128):
                continue
            for direction in ("forward", "backward"):
                attend(probe, library, backend, length, widths, causal, sharing, direction)
    if not probe.small:
        for length in (1024, 2048, 4096):
            for direction in ("forward", "backward"):
                attend(probe, "unfused", SDPBackend.MATH, length, (128, 128), True, 1, direction)
        packed(probe)


def attend(probe, library, backend, length, widths, causal, sharing, direction):
    query, value = widths
    batch = 1 if probe.small else max(1, 16384 // length)
    heads = 2 if probe.small else max(4 * sharing, (2048 if length <= 16384 else 512) // query)
    pairs = length * (length + 1) // 2 if causal else length * length
    products = 2 * (query + value) if direction == "forward" else 2 * (3 * query + 2 * value)

    def make():
        q = probe.normal(batch, length, heads, query).transpose(1, 2).requires_grad_()
        k = probe.normal(batch, length, heads // sharing, query).transpose(1, 2).requires_grad_()
        v = probe.normal(batch, length, heads // sharing, value).transpose(1, 2).requires_grad_()
        def forward():
            with sdpa_kernel(backend):
                # PyTorch before 2.5 has no such argument.
                shared = {"enable_gqa": True} if sharing > 1 else {}
                return F.scaled_dot_product_attention(q, k, v, is_causal=causal, **shared)
        if direction == "forward":
            return [lambda: forward()]
        out = forward()
        gradient = torch.randn_like(out)
        return [lambda: torch.autograd.grad(out, (q, k, v), gradient, retain_graph=True)]

    probe.cell(
        "attention", make, library=library, direction=direction, format="bf16",
        shape=said(batch=batch, heads=heads, kv_heads=heads // sharing, length=length, query=query, value=value,
                   causal="yes" if causal else "no"),
        flops=batch * heads * pairs * products)


def packed(probe):
    """Documents side by side in one row, and windows: FlashAttention 2 as PyTorch carries it."""
    for length, document, window in (
        (16384, 16384, None), (16384, 4096, None), (16384, 1024, None), (16384, 256, None),
        (16384, 16384, 4096), (16384, 16384, 1024), (65536, 65536, 4096), (65536, 8192, None)):
        for direction in ("forward", "backward"):
            pack(probe, length, document, window, direction)


def pack(probe, length, document, window, direction):
    heads, width = 16, 128
    reach = document if window is None else min(document, window)
    pairs = (length // document) * sum(min(row + 1, reach) for row in range(document))
    products = 4 * width if direction == "forward" else 10 * width

    def make():
        q, k, v, gradient = (probe.normal(length, heads, width) for _ in range(4))
        ends = torch.arange(0, length + 1, document, device=q.device, dtype=torch.int32)
        sides = {} if window is None else {"window_size_left": window - 1, "window_size_right": 0}
        def forward():
            return torch.ops.aten._flash_attention_forward(
                q, k, v, ends, ends, document, document, 0.0, True, False, **sides)
        if direction == "forward":
            return [lambda: forward()]
        out, sums, state, unused = forward()[:4]
        return [lambda: torch.ops.aten._flash_attention_backward(
            gradient, q, k, v, out, sums, ends, ends, document, document, 0.0, True, state, unused, **sides)]

    probe.cell(
        "attention", make, library="flash-2", direction=direction, format="bf16",
        shape=said(batch=1, heads=heads, kv_heads=heads, length=length, query=width, value=width, causal="yes",
                   document=document, window=window or 0), flops=heads * pairs * products)


# Streaming kernels, operator by operator as PyTorch runs them, or fused by its compiler.

def rms_composed(x, w):
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * w


def swiglu(x):
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


def rotate(x, cosine, sine):
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine


def float8_cast(x, kind):
    scale = 448 / x.abs().amax().float()
    return (x.float() * scale).clamp(-448, 448).to(kind)


def float8_cast_both(x, kind):
    scaled = float8_cast(x, kind)
    return scaled, scaled.t().contiguous()


def float32_loss(logits, labels):
    return F.cross_entropy(logits.float(), labels)


def streaming_kernels(probe, rows, columns):
    """Name, forward, inputs, which of them have gradients, bytes a value of the first input counts forward, backward."""
    n = probe.normal
    kind = probe.device.float8
    width = min(128, columns)
    heads = columns // width
    shaped = (rows, heads, width)
    turn = lambda: probe.normal(rows, 1, width)
    labels = torch.randint(0, columns, (rows,), device=probe.device.type)
    order = torch.randperm(rows, device=probe.device.type)
    return [
        ("copy", lambda x: x.clone(), [n(rows, columns)], 0, 4, 0),
        ("residual", lambda x, y: x + y, [n(rows, columns), n(rows, columns)], 0, 6, 0),
        ("rms-norm", lambda x, w: F.rms_norm(x, (columns,), w), [n(rows, columns), n(columns)], 2, 4, 8),
        ("rms-norm-composed", rms_composed, [n(rows, columns), n(columns)], 2, 4, 8),
        ("layer-norm", lambda x, w, b: F.layer_norm(x, (columns,), w, b),
         [n(rows, columns), n(columns), n(columns)], 3, 4, 8),
        ("swiglu", swiglu, [n(rows, 2 * columns)], 1, 3, 5),
        ("gelu", lambda x: F.gelu(x, approximate="tanh"), [n(rows, columns)], 1, 4, 6),
        ("relu-squared", lambda x: F.relu(x).square(), [n(rows, columns)], 1, 4, 6),
        ("rotation", rotate, [n(*shaped), turn(), turn()], 1, 4, 4),
        ("dropout", lambda x: F.dropout(x, 0.1), [n(rows, columns)], 1, 4, 5),
        ("to-float32", lambda x: x.float(), [n(rows, columns)], 0, 6, 0),
        ("absolute-maximum", lambda x: x.abs().amax(), [n(rows, columns)], 0, 2, 0),
        ("fp8-cast", lambda x: float8_cast(x, kind), [n(rows, columns)], 0, 5, 0),
        ("fp8-cast-both", lambda x: float8_cast_both(x, kind), [n(rows, columns)], 0, 6, 0),
        ("fp8-cast-scaled", lambda x: (x * 0.5).to(kind), [n(rows, columns)], 0, 3, 0),
        ("transpose-8", lambda x: x.t().contiguous(), [n(rows, columns).to(kind)], 0, 2, 0),
        ("gather-rows", lambda x: x[order], [n(rows, columns)], 1, 4, 4),
        ("accumulate", lambda x, y: x.add_(y), [n(rows, columns, dtype=torch.float32), n(rows, columns)], 0, 10, 0),
        ("accumulate-32", lambda x, y: x.add_(y), [n(rows, columns, dtype=torch.float32) for _ in range(2)], 0, 12, 0),
        ("square-norm", lambda x: torch.linalg.vector_norm(x), [n(rows, columns, dtype=torch.float32)], 0, 4, 0),
        ("softmax", lambda x: torch.softmax(x, -1, dtype=torch.float32), [n(rows, columns)], 1, 6, 0),
    ], labels


COMPILED = ["rms-norm-composed", "swiglu", "rotation", "fp8-cast", "fp8-cast-both", "gelu"]


def streaming_shapes(small):
    return [(16, 64)] if small else [(16384, 4096), (4096, 8192), (4096, 7168), (16384, 14336), (1024, 4096)]


def streaming(probe):
    for rows, columns in streaming_shapes(probe.small):
        kernels, _ = streaming_kernels(probe, rows, columns)
        for kernel in kernels:
            stream(probe, *kernel, rows, columns, "eager")
        kernels = None
    losses(probe, "eager")
    adamw(probe)


def compiled(probe):
    if not probe.device.is_gpu:
        return
    for rows, columns in streaming_shapes(probe.small)[:2]:
        for kernel in streaming_kernels(probe, rows, columns)[0]:
            if kernel[0] in COMPILED:
                torch._dynamo.reset()
                name, forward, *rest = kernel
                stream(probe, name, torch.compile(forward, dynamic=False), *rest, rows, columns, "compiled")
    losses(probe, "compiled")


def stream(probe, name, forward, inputs, differentiated, ahead, back, rows, columns, library):
    values = inputs[0].numel()
    for direction in ("forward", "backward")[: 2 if differentiated and back else 1]:
        def make():
            fresh = lambda: [x.detach().clone() for x in inputs]
            sets = [fresh() for _ in range(probe.rotated(ahead * values, most=4))]
            if direction == "forward":
                return [lambda own=own: forward(*own) for own in sets]
            calls = []
            for own in sets:
                chosen = [x.requires_grad_() for x in own[:differentiated]]
                out = forward(*own)
                gradient = torch.randn_like(out)
                calls.append(lambda out=out, chosen=chosen, gradient=gradient: torch.autograd.grad(
                    out, chosen, gradient, retain_graph=True))
            return calls

        probe.cell(
            name, make, library=library, direction=direction, format="bf16", shape=said(rows=rows, columns=columns),
            bytes=values * (ahead if direction == "forward" else back))


def losses(probe, library):
    for rows, vocabulary in [(16, 64)] if probe.small else [(4096, 128256), (8192, 50304)]:
        loss = torch.compile(float32_loss, dynamic=False) if library == "compiled" else float32_loss
        for direction in ("forward", "backward"):
            def make():
                logits = probe.normal(rows, vocabulary).requires_grad_()
                labels = torch.randint(0, vocabulary, (rows,), device=logits.device)
                if direction == "forward":
                    return [lambda: loss(logits, labels)]
                out = loss(logits, labels)
                return [lambda: torch.autograd.grad(out, logits, retain_graph=True)]
            probe.cell(
                "loss", make, library=library, direction=direction, format="bf16",
                shape=said(rows=rows, columns=vocabulary), bytes=rows * vocabulary * (2 if direction == "forward" else 4))


def adamw(probe):
    for count in [1 << 10] if probe.small else [1 << 28]:
        for style in ("fused", "foreach"):
            def make():
                parameters = [torch.nn.Parameter(probe.normal(count // 8, dtype=torch.float32)) for _ in range(8)]
                for parameter in parameters:
                    parameter.grad = torch.randn_like(parameter)
                options = {"fused": True} if style == "fused" else {"foreach": True}
                if probe.device.is_gpu:
                    options["capturable"] = True
                optimizer = torch.optim.AdamW(parameters, lr=1e-3, **options)
                optimizer.step()
                return [optimizer.step]
            probe.cell("adamw", make, library=style, direction="update", format="fp32",
                       shape=said(parameters=count), bytes=28 * count)


# The host: what a launch costs, and what waiting for a number costs.

def host(probe):
    tiny = probe.normal(16, 16)
    layer = torch.nn.Linear(16, 16, device=probe.device.type, dtype=torch.bfloat16)
    def clocked(name, work, many, note=""):
        if probe.is_over():
            return
        work()
        probe.device.synchronize()
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            for _ in range(many):
                work()
            issued = time.perf_counter() - begin
            probe.device.synchronize()
            times.append((issued / many * 1e6, (time.perf_counter() - begin) / many * 1e6))
        issued, whole = sorted(times)[2]
        probe.row(name=name, library="eager", microseconds=f"{whole:.3f}", runs=5 * many,
                  note=note or f"issued every {issued:.3f} us")
    many = 20 if probe.small else 300
    clocked("launch", lambda: tiny.add_(1), many)
    clocked("launch-product", lambda: torch.mm(tiny, tiny), many)
    clocked("launch-linear", lambda: layer(tiny), many)
    def both():
        layer(tiny).sum().backward()
    clocked("launch-linear-backward", both, many)
    clocked("wait-for-a-number", lambda: tiny.sum().item(), many)
    if probe.device.is_gpu:
        probe.cell("gap-in-graph", lambda: [lambda: tiny.add_(1)], library="graph", shape=said(values=256))


# What the host takes to issue operators, forward and backward apart: chains of two lengths, whose difference counts.

def issue(probe):
    kind = probe.device.type
    x = lambda: probe.normal(16, 64).requires_grad_()
    linear = torch.nn.Linear(64, 64, bias=False, device=kind, dtype=torch.bfloat16)
    biased = torch.nn.Linear(64, 64, device=kind, dtype=torch.bfloat16)
    gain = torch.nn.Parameter(probe.normal(64))
    other = probe.normal(16, 64)
    heads = lambda y: y.view(1, 16, 1, 64).transpose(1, 2)
    def attended(y):
        backend = SDPBackend.FLASH_ATTENTION if probe.device.is_gpu else SDPBackend.MATH
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(heads(y), heads(y), heads(y), is_causal=True).reshape(16, 64)
    steps = {
        "product-of-numbers": lambda y: y * other, "sum": lambda y: y + other, "silu": F.silu,
        "linear": linear, "linear-with-bias": biased, "rms-norm": lambda y: F.rms_norm(y, (64,), gain),
        "rms-norm-composed": lambda y: rms_composed(y, gain), "attention": attended,
    }
    for name, step in steps.items():
        chain(probe, name, step, x)
    chain(probe, "layer", layer(probe), x)
    alone(probe)


def layer(probe):
    """A layer of Llama's operators, as eager PyTorch issues them: 64 wide, one head."""
    make = lambda rows, columns: torch.nn.Linear(
        columns, rows, bias=False, device=probe.device.type, dtype=torch.bfloat16)
    query, key, value, output = (make(64, 64) for _ in range(4))
    gate, up, down = make(128, 64), make(128, 64), make(64, 128)
    gains = [torch.nn.Parameter(probe.normal(64)) for _ in range(2)]
    cosine, sine = probe.normal(16, 1, 64), probe.normal(16, 1, 64)
    backend = SDPBackend.FLASH_ATTENTION if probe.device.is_gpu else SDPBackend.MATH
    def forward(y):
        normed = F.rms_norm(y, (64,), gains[0])
        q, k = (rotate(map(normed).view(16, 1, 64), cosine, sine) for map in (query, key))
        q, k, v = (part.view(1, 16, 1, 64).transpose(1, 2) for part in (q, k, value(normed)))
        with sdpa_kernel(backend):
            core = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y + output(core.transpose(1, 2).reshape(16, 64))
        normed = F.rms_norm(y, (64,), gains[1])
        return y + down(F.silu(gate(normed)) * up(normed))
    return forward


def chain(probe, name, step, make):
    if probe.is_over():
        return
    short, long = (1, 2) if probe.small else (8, 40)
    taken = {}
    try:
        for count in (short, long):
            rounds = []
            for _ in range(3 if probe.small else 25):
                y = make()
                probe.device.synchronize()
                begin = time.perf_counter()
                for _ in range(count):
                    y = step(y)
                between = time.perf_counter()
                probe.device.synchronize()
                gradient = torch.randn_like(y)
                probe.device.synchronize()
                behind = time.perf_counter()
                y.backward(gradient)
                rounds.append((between - begin, time.perf_counter() - behind))
                probe.device.synchronize()
            taken[count] = [sorted(times)[len(rounds) // 2] * 1e6 for times in zip(*rounds)]
    except Exception as error:
        probe.row(name=name, library="eager", note=(str(error).strip().splitlines() or ["?"])[0][:160])
        return
    try:
        launched = kernels(probe, step, make, short, long)
    except Exception:  # No rights to look, or no library that does.
        launched = None
    for place, direction in enumerate(("forward", "backward")):
        one = (taken[long][place] - taken[short][place]) / (long - short)
        counted = said(kernels=f"{launched[place]:g}") + " " if launched else ""
        probe.row(name=name, library="eager", direction=direction, microseconds=f"{max(one, 0):.3f}",
                  shape=counted + said(chain=long),
                  note=f"beside a chain of {short}, which takes {taken[short][place]:.3f} us")


def kernels(probe, step, make, short, long):
    """Kernels, copies and fills that a step of the chain launches, forward and backward; nothing without a GPU."""
    if not probe.device.is_gpu:
        return None
    counts = []
    for count in (short, long):
        y = make()
        gradient = torch.randn_like(y)
        both = []
        for backward in (False, True):
            probe.device.synchronize()
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
                if backward:
                    y.backward(gradient)
                else:
                    for _ in range(count):
                        y = step(y)
                probe.device.synchronize()
            events = profile.profiler.kineto_results.events()
            both.append(sum(str(event.device_type()).endswith("CUDA") for event in events))
        counts.append(both)
    return [(late - early) / (long - short) for early, late in zip(*counts)]


def alone(probe):
    """Collectives of a group of one: what the host takes to issue them."""
    if probe.is_over(4):
        return
    import torch.distributed as distributed

    distributed.init_process_group(
        "nccl" if probe.device.is_gpu else "gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        whole, part = probe.normal(1024, dtype=torch.float32), probe.normal(1024, dtype=torch.float32)
        works = {
            "all-reduce": lambda: distributed.all_reduce(whole),
            "all-gather": lambda: distributed.all_gather_into_tensor(whole, part),
            "reduce-scatter": lambda: distributed.reduce_scatter_tensor(part, whole),
            "all-gather-beside": lambda: distributed.all_gather_into_tensor(whole, part, async_op=True).wait(),
        }
        for name, work in works.items():
            times = []
            for _ in range(4 if probe.small else 60):
                probe.device.synchronize()
                begin = time.perf_counter()
                work()
                times.append((time.perf_counter() - begin) * 1e6)
            probe.device.synchronize()
            probe.row(name=name, library="eager", microseconds=f"{sorted(times)[len(times) // 2]:.3f}",
                      runs=len(times), note="issued in a group of one")
    finally:
        distributed.destroy_process_group()


# Blocks of attention, as context ranks compute them, and what merges their results.

def blocks(probe):
    libraries = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash-2": SDPBackend.FLASH_ATTENTION}
    if not probe.device.is_gpu:
        libraries = {"unfused": SDPBackend.MATH}
    for length in (64,) if probe.small else (4096, 8192, 32768):
        heads = 2 if probe.small else 32 if length < 32768 else 8
        for queries, keys, causal in (
            (length, length, True), (length, length, False), (length, length // 2, False),
            (length // 2, length, False)):
            for library, backend in libraries.items():
                for direction in ("forward", "backward"):
                    block(probe, library, backend, heads, queries, keys, causal, direction)
        merge(probe, heads, length)


def block(probe, library, backend, heads, queries, keys, causal, direction):
    width = 16 if probe.small else 128
    pairs = queries * (queries + 1) // 2 if causal else queries * keys

    def make():
        q, k, v = (probe.normal(1, rows, heads, width).transpose(1, 2).requires_grad_()
                   for rows in (queries, keys, keys))
        def forward():
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        if direction == "forward":
            return [lambda: forward()]
        out = forward()
        gradient = torch.randn_like(out)
        return [lambda: torch.autograd.grad(out, (q, k, v), gradient, retain_graph=True)]

    probe.cell(
        "attention", make, library=library, direction=direction, format="bf16",
        shape=said(batch=1, heads=heads, kv_heads=heads, length=queries, keys=keys, query=width, value=width,
                   causal="yes" if causal else "no"),
        flops=heads * pairs * width * (4 if direction == "forward" else 10))


def merge(probe, heads, length):
    """Two partial results by their sums of exponentials, in 32 bits, operator by operator."""
    width = 16 if probe.small else 128

    def make():
        out = probe.normal(1, heads, length, width, dtype=torch.float32)
        total = probe.normal(1, heads, length, 1, dtype=torch.float32)
        fresh, part = probe.normal(1, heads, length, width), probe.normal(1, heads, length, 1, dtype=torch.float32)
        def one():
            wide = fresh.to(torch.float32)
            merged = out - torch.sigmoid(part - total) * (out - wide)
            return merged, total - F.logsigmoid(total - part)
        return [one]

    probe.cell("merge", make, library="eager", direction="forward", format="fp32",
               shape=said(heads=heads, length=length, value=width), bytes=38 * heads * length * width)


# Copies around the gathers and scatters of a unit of parameters, as fully sharded training has them.

def units(probe):
    ranks = 8
    shapes = [(64, 32), (32, 64)] if probe.small else [
        (4096, 4096), (1024, 4096), (1024, 4096), (4096, 4096), (14336, 4096), (14336, 4096), (4096, 14336)]
    sizes = [rows * columns for rows, columns in shapes]
    count = sum(sizes)
    parts = [size // ranks for size in sizes]
    kind = probe.device.type

    def into():
        shards = [torch.ones(part, device=kind, dtype=torch.float32) for part in parts]
        whole = torch.empty(sum(parts), device=kind, dtype=torch.bfloat16)
        pieces = list(torch.split(whole, parts))
        return [lambda: torch._foreach_copy_(pieces, shards)]

    def out_of():
        whole = torch.empty(ranks, sum(parts), device=kind, dtype=torch.bfloat16)
        wholes = [torch.empty(ranks, part, device=kind, dtype=torch.bfloat16) for part in parts]
        return [lambda: torch.split_with_sizes_copy(whole, parts, dim=1, out=wholes)]

    def gradients():
        formed = [torch.ones(shape, device=kind, dtype=torch.bfloat16) for shape in shapes]
        joined = torch.empty(ranks, sum(parts), device=kind, dtype=torch.float32)
        return [lambda: torch._chunk_cat(formed, dim=0, num_chunks=ranks, out=joined)]

    said_shape = said(parameters=count, ranks=ranks)
    probe.cell("unit-in", into, library="eager", format="bf16", shape=said_shape, bytes=6 * count // ranks)
    probe.cell("unit-out", out_of, library="eager", format="bf16", shape=said_shape, bytes=4 * count)
    probe.cell("unit-gradients", gradients, library="eager", format="bf16", shape=said_shape, bytes=6 * count)


def copies(probe):
    if not probe.device.is_gpu:
        return
    size = 1 << 28
    away = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    back = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    here, there = (torch.empty(size, dtype=torch.uint8, device="cuda") for _ in range(2))
    def loop(name, work, bytes):
        if probe.is_over():
            return
        for _ in range(2):
            work()
        torch.cuda.synchronize()
        times = sorted(probe.between_events(work) for _ in range(5))
        probe.row(name=name, library="vendor", microseconds=f"{times[2]:.3f}", fastest=f"{times[0]:.3f}",
                  slowest=f"{times[-1]:.3f}", runs=5, bytes=bytes, shape=said(bytes=size))
    loop("host-to-device", lambda: here.copy_(away, non_blocking=True), size)
    loop("device-to-host", lambda: back.copy_(there, non_blocking=True), size)
    loop("device-to-device", lambda: there.copy_(here), 2 * size)
    side = torch.cuda.Stream()
    def together():
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            back.copy_(there, non_blocking=True)
        here.copy_(away, non_blocking=True)
        torch.cuda.current_stream().wait_stream(side)
    loop("both-ways", together, 2 * size)


# Sustained loads: power, not duration, sets the clock.

def sustained_loads(probe):
    n = 64 if probe.small else 8192
    loads = [("product", "bf16", lambda: operands(probe, n, n, n, "forward", "bf16", None), 2 * n**3, 6 * n * n)]
    loads.append(("product", "fp8", lambda: float8_operands(probe, n, n, n, "forward"), 2 * n**3, 4 * n * n))
    loads.append(("weight-gradient", "bf16+float32", lambda: operands(
        probe, n, n, n, "weight-gradient", "bf16", "float32"), 2 * n**3, 12 * n * n))
    def zeros():
        x = torch.zeros(n, n, device=probe.device.type, dtype=torch.bfloat16)
        return lambda: torch.mm(x, x.t())
    loads.append(("product-of-zeros", "bf16", zeros, 2 * n**3, 6 * n * n))
    loads.append(("product", "tf32", lambda: operands(probe, n, n, n, "forward", "tf32", None), 2 * n**3, 12 * n * n))
    def copying():
        x = probe.normal(n * n)
        y = torch.empty_like(x)
        return lambda: y.copy_(x)
    loads.append(("copy", "bf16", copying, 0, 4 * n * n))
    def small_products():
        return operands(probe, max(64, n // 2), n // 4 or 64, n // 4 or 64, "forward", "bf16", None)
    m = max(64, n // 2)
    k = n // 4 or 64
    loads.append(("product-small", "bf16", small_products, 2 * m * k * k, 2 * (2 * m * k + k * k)))
    length, heads, width = (64, 2, 16) if probe.small else (8192, 32, 128)
    pairs = length * (length + 1) // 2
    def attending(backward):
        q, k, v = (probe.normal(2, heads, length, width).requires_grad_(backward) for _ in range(3))
        def forward():
            with sdpa_kernel(SDPBackend.CUDNN_ATTENTION if probe.device.is_gpu else SDPBackend.MATH):
                return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        if not backward:
            return forward
        out = forward()
        gradient = torch.randn_like(out)
        return lambda: torch.autograd.grad(out, (q, k, v), gradient, retain_graph=True)
    loads.append(("attention", "bf16", lambda: attending(False), 2 * heads * pairs * 4 * width, 0))
    loads.append(("attention-backward", "bf16", lambda: attending(True), 2 * heads * pairs * 10 * width, 0))
    return loads


def sustained(probe, seconds):
    idle(probe, seconds)
    for name, format, make, flops, moved in sustained_loads(probe):
        if probe.is_over():
            continue
        try:
            sustain(probe, name, format, make(), flops, moved, seconds)
        except Exception as error:
            probe.row(name=name, format=format, note=(str(error).splitlines() or ["?"])[0][:160])


def idle(probe, seconds):
    if not probe.device.is_gpu or probe.is_over():
        return
    with sampler(probe) as samples:
        time.sleep(min(seconds, 2))
    clock, watts, reasons = samples.late_half()
    probe.row(name="idle", clock_mhz=clock, watts=watts, note=reasons)


def sustain(probe, name, format, call, flops, moved, seconds):
    """The same call for seconds; the mean of the later half counts, the first tenth of a second is the burst."""
    call()
    probe.device.synchronize()
    begin = time.perf_counter()
    call()
    probe.device.synchronize()
    many = max(1, int(0.05 / max(time.perf_counter() - begin, 1e-5)))
    if probe.device.is_gpu and not probe.small:
        time.sleep(0.5)
    periods = []
    with sampler(probe) as samples:
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            begin = time.perf_counter()
            for _ in range(many):
                call()
            probe.device.synchronize()
            periods.append((time.perf_counter() - begin) / many * 1e6)
    clock, watts, reasons = samples.late_half()
    late = sorted(periods[len(periods) // 2 :])
    probe.row(
        name=name, library="vendor", direction="forward", format=format, microseconds=f"{late[len(late) // 2]:.3f}",
        fastest=f"{min(periods):.3f}", slowest=f"{max(periods):.3f}", runs=len(periods) * many, flops=flops,
        bytes=moved, clock_mhz=clock, watts=watts, note=f"first {periods[0]:.3f} us; {reasons}",
        shape=said(seconds=seconds))


# Collectives between the devices of this node.

# What ranks may take beyond the end to stop: they look at the clock between rounds, of which one may be long.
COLLECTIVE_GRACE = 20

COLLECTIVES = ["all-reduce", "all-gather", "reduce-scatter", "all-to-all"]


def collective_sizes(small):
    return [1 << exponent for exponent in ([12, 14, 16] if small else range(12, 31, 2))]


def collectives(probe):
    count = torch.cuda.device_count() if probe.device.is_gpu else 2
    wanted = len(collective_sizes(probe.small)) * len(COLLECTIVES)
    if count < 2 or probe.is_over(wanted):
        return
    with tempfile.TemporaryDirectory() as folder:
        answer = os.path.join(folder, "rows.csv")
        arguments = (
            count, os.path.join(folder, "meeting"), answer, probe.device.is_gpu, probe.small, probe.part_end)
        context = torch.multiprocessing.spawn(collective_rank, args=arguments, nprocs=count, join=False)
        try:
            wait_for(context, probe.part_end + COLLECTIVE_GRACE)
        finally:
            rows = []
            if os.path.exists(answer):
                with open(answer, newline="") as file:
                    rows = list(csv.DictReader(file))
            for row in rows:
                probe.row(**row)
            if len(rows) < wanted:
                probe.leave_out(wanted - len(rows))


def wait_for(context, end):
    """Ends ranks that do not come back: one that failed alone leaves the others waiting for it."""
    while not context.join(timeout=0.2):
        if time.monotonic() > end:
            for process in context.processes:
                process.kill()
            raise TimeoutError("ranks did not come back from a collective")


def collective_rank(rank, count, meeting, answer, is_gpu, small, end):
    """Writes each row as it is measured. `end` is a time of the machine's clock, which all processes share."""
    import torch.distributed as distributed

    if is_gpu:
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        "nccl" if is_gpu else "gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    library = "gloo" if not is_gpu else "rccl" if torch.version.hip is not None else "nccl"
    place = "cuda" if is_gpu else "cpu"
    is_over = lambda: agreed(time.monotonic() > end, place, distributed)
    with open(answer if rank == 0 else os.devnull, "w", newline="") as file:
        writer = csv.DictWriter(file, ["name", "library", "microseconds", "shape", "note"])
        writer.writeheader()
        for size in collective_sizes(small):
            values = size // 2
            whole = torch.ones(values, dtype=torch.bfloat16 if is_gpu else torch.float32, device=place)
            part = whole[: values // count].clone()
            even = whole[: values // count * count]
            works = [
                lambda: distributed.all_reduce(whole),
                lambda: distributed.all_gather_into_tensor(even, part),
                lambda: distributed.reduce_scatter_tensor(part, even),
                lambda: distributed.all_to_all_single(torch.empty_like(even), even),
            ]
            for name, work in zip(COLLECTIVES, works):
                try:
                    micros = timed_collective(work, is_gpu, is_over, small)
                except Exception as error:
                    writer.writerow({"name": name, "note": (str(error).splitlines() or ["?"])[0][:160]})
                    continue
                if micros is None:
                    break
                writer.writerow({"name": name, "library": library, "microseconds": f"{micros:.3f}",
                                 "shape": said(ranks=count, bytes=values * whole.element_size())})
                file.flush()
            else:
                continue
            break
    distributed.barrier()
    distributed.destroy_process_group()


def agreed(is_true, place, distributed):
    """Whether it is so for any rank: all stop together, since a collective waits for each. It is a barrier, too."""
    flag = torch.tensor([float(is_true)], device=place)
    distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
    return flag.item() > 0


def timed_collective(work, is_gpu, is_over, small):
    """The median of rounds without the first; nothing where the time ends before two are done."""
    times = []
    for _ in range(3 if small else 8):
        if is_gpu:
            torch.cuda.synchronize()
        if is_over():
            break
        begin = time.perf_counter()
        many = 1 if small else 5
        for _ in range(many):
            work()
        if is_gpu:
            torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) / many * 1e6)
    return sorted(times[1:])[len(times[1:]) // 2] if len(times) > 1 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", default="probe.csv", help="the file to write")
    parser.add_argument("--seconds", type=float, default=280, help="when to stop, at the latest about then")
    parser.add_argument("--parts", default=",".join(PARTS), help="which parts, of: " + ", ".join(PARTS))
    parser.add_argument("--small", action="store_true", help="tiny shapes, to try the script")
    arguments = parser.parse_args()
    chosen = arguments.parts.split(",")
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        sys.exit(f"probe: no part is called {unknown[0]!r}; there are: {', '.join(PARTS)}")
    if torch is None:
        sys.exit(f"probe: needs PyTorch 2.3 or later, which {sys.executable} cannot import ({MISSING}): run it with "
                 "the Python that has it, or install it (pip install torch)")
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = True
    device = Device()
    if device.is_gpu:
        torch.cuda.set_stream(torch.cuda.Stream())
    with open(arguments.output, "w", newline="") as file:
        for key, value in device.conditions().items():
            file.write(f"# {key}: {value}\n")
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        probe = Probe(device, writer, arguments.seconds, arguments.small or not device.is_gpu)
        measure(probe, chosen, file)
        for part, count in probe.left_out.items():
            file.write(f"# left out for want of time: {count} of {part}\n")


def measure(probe, chosen, file):
    """Shares are of the time that is left, so that each part's savings serve the next."""
    shares = {"host": 0.1, "issue": 0.1, "copies": 0.1, "products": 0.36, "attention": 0.5, "blocks": 0.15,
              "units": 0.1, "streaming": 0.4, "grouped": 0.25, "sustained": 0.6, "compiled": 0.9, "collectives": 1.0}
    works = {"host": host, "issue": issue, "blocks": blocks, "units": units, "copies": copies, "products": products,
             "attention": attention, "streaming": streaming, "grouped": grouped, "compiled": compiled,
             "collectives": collectives, "sustained": lambda probe: sustained(probe, 0.1 if probe.small else 4)}
    for part, share in shares.items():
        if part not in chosen:
            continue
        begin = time.monotonic()
        probe.begin(part, share)
        try:
            works[part](probe)
        except Exception as error:
            probe.row(name=part, note=(str(error).splitlines() or ["?"])[0][:160])
        if probe.device.is_gpu:
            torch.cuda.empty_cache()
        file.flush()
        print(f"{part}: {time.monotonic() - begin:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
