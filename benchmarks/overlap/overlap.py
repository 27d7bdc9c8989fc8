"""What a planned order of merged pairs hides, for real: two CPU ranks on two hosts with a slow cable between them.

    overlap.py [--sluice PATH] [--share 0.75] [--rounds 3] [--steps 5] [-o figures.json] [--smoke]

The hosts are network namespaces with a host name each, the cable a pair of virtual Ethernet devices that `tc` holds to
a rate: so much that the expert exchanges of a step take `--share` of its computation. Both are measured first, on the
unshaped cable. Then three orders of the same pairs train the same model in turn, `--rounds` times:

  naive      every exchange is waited for where it is posted: all segments of the forward, then all of the backward;
  published  the order of DeepSeek's trace;
  planned    what `sluice overlap` writes for a cluster of two such devices and such a cable.

Exposed is the time that the slowest rank stands and waits for an expert exchange, as the run's log has it. Printed are
the medians of steps, the ratio of naive to planned, and a checksum of the losses, which are those of every order to
the last bit. Needs root, Linux, Open MPI, `ip` and `tc`; whatever it made is removed behind it, on Ctrl-C too.
"""
import argparse
import hashlib
import json
import math
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETWORK = "10.78.0"
PREFIX = "sluice-overlap-"
KINDS = ["dispatch", "combine", "combine_backward", "dispatch_backward"]
FORWARD = ["f:attention", "f:dispatch", "f:shared", "f:experts", "f:combine"]
BACKWARD = ["b:attention", "b:combine", "b:experts", "b:dispatch"]
LAYERS = 4
EXPERTS, CHOSEN = 8, 4


class Failed(Exception):
    """What went wrong, in words for whoever called."""


def call(*words, check=True, **options):
    """The output of a command."""
    done = subprocess.run(
        [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        **options)
    if check and done.returncode:
        raise Failed(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


class TwoHosts:
    """Two namespaces with a cable between them, and a way to start one rank on each."""

    def __init__(self, folder):
        remove_leftovers()
        self.names = [f"{PREFIX}{os.getpid()}-{number}" for number in (1, 2)]
        self.agent = folder / "agent"
        # What mpirun calls in place of ssh: the address of a host and a command for its shell.
        self.agent.write_text(f"""#!/bin/sh
number=${{1##*.}}
shift
exec ip netns exec {PREFIX}{os.getpid()}-$number unshare --uts \\
  sh -c 'hostname "{PREFIX}$1"; shift; eval "$*"' sh "$number" "$@"
""")
        self.agent.chmod(0o755)

    def __enter__(self):
        try:
            for name in self.names:
                call("ip", "netns", "add", name)
            one, two = self.names
            call("ip", "link", "add", "cable", "netns", one, "type", "veth",
                 "peer", "name", "cable", "netns", two)
            for number, name in enumerate(self.names, 1):
                call("ip", "-n", name, "address", "add", f"{NETWORK}.{number}/24", "dev", "cable")
                call("ip", "-n", name, "link", "set", "cable", "up")
                call("ip", "-n", name, "link", "set", "lo", "up")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        """Ends what runs on the hosts, and them."""
        for name in self.names:
            end_host(name)

    def shape(self, rate):
        """Holds both ends of the cable to so many bits a second; the queue is long enough to drop nothing."""
        for name in self.names:
            call("tc", "-n", name, "qdisc", "replace", "dev", "cable", "root", "tbf",
                 "rate", f"{round(rate)}bit", "burst", "64kb", "limit", "64mb")

    def run(self, *words):
        """Starts a program with one rank on each host, mpirun itself on the first."""
        net = f"{NETWORK}.0/24"
        environment = os.environ | {
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OPENBLAS_NUM_THREADS": "1"}
        return call(
            self.agent, f"{NETWORK}.1", "exec", "mpirun", "--oversubscribe", "-n", 2,
            "--host", f"{NETWORK}.1:1,{NETWORK}.2:1", "-x", "OPENBLAS_NUM_THREADS",
            "--mca", "plm_rsh_agent", self.agent, "--mca", "oob_tcp_if_include", net,
            "--mca", "btl_tcp_if_include", net, "--mca", "btl", "tcp,vader,self",
            *words, env=environment)


def end_host(name):
    """Kills what runs in a namespace and removes it."""
    for pid in call("ip", "netns", "pids", name, check=False).split():
        if pid.isdigit():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
    call("ip", "netns", "delete", name, check=False)


def remove_leftovers():
    """Removes the hosts of runs of this program that were killed before they could."""
    for line in call("ip", "netns", "list", check=False).splitlines():
        found = re.match(rf"{PREFIX}(\d+)-\d+", line)
        if found and not pathlib.Path(f"/proc/{found[1]}").exists():
            end_host(found[0])


def lacking():
    """What is not here; none where all is."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "root on Linux"
    for program in ("ip", "tc", "unshare", "mpirun"):
        if shutil.which(program) is None:
            return program
    name = f"{PREFIX}{os.getpid()}-9"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return "the right to make network namespaces"
    call("ip", "netns", "delete", name)
    return None


# MARK: The run


def naive_order():
    """All segments of a pass, then all of the other: what is posted is waited for with nothing between but what the
    pass itself computes there, shared experts beside the forward's dispatch."""
    layers = LAYERS + 1
    return FORWARD * layers + ["f:attention"] + BACKWARD * layers + ["b:attention"]


def shape_of(smoke):
    """The model's width, its experts' and the tokens of a microbatch, and microbatches of a step."""
    return (64, 64, 32, 3) if smoke else (256, 256, 256, 8)


def model_file(folder, smoke):
    """A mixture of DeepSeek-V3's kind whose every layer has experts."""
    width, experts, _, _ = shape_of(smoke)
    config = json.loads((ROOT / "examples/models/tiny-deepseek-v3.json").read_text())
    config |= {
        "hidden_size": width, "moe_intermediate_size": experts, "num_hidden_layers": LAYERS,
        "first_k_dense_replace": 0, "num_nextn_predict_layers": 0, "n_group": 1, "topk_group": 1,
        "n_routed_experts": EXPERTS, "num_experts_per_tok": CHOSEN, "max_position_embeddings": 256}
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def plan(smoke, order):
    """Two ranks that share every mixture's experts."""
    _, _, tokens, microbatches = shape_of(smoke)
    return {
        "data-parallel": 2, "expert-parallel": 2, "schedule": "1f1b", "microbatch-size": 1,
        "global-batch": 2 * microbatches, "sequence-length": tokens, "zero-stage": 1,
        "overlap": {"expert-exchange": True}, "pair-order": order}


def run_file(folder, config, name, plan, steps):
    """A run of the model on the text of the licence, and where its log lies."""
    log = folder / f"{name}.jsonl"
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({
        "model": {"config": str(config), "balance-loss": 1e-4, "bias-speed": 0.02},
        "data": {"training": str(ROOT / "README.md"), "tokenizer": "bytes"},
        "plan": plan, "learning-rate": 1e-3, "steps": steps, "seed": 1, "log": {"file": str(log)},
    }, indent=1))
    return path, log


def steps_of(log):
    """The steps of a log, the first left out: it finds nothing warm."""
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    return [step for step in steps if "seconds" in step and step.get("times")][1:]


def exposed(step):
    """Seconds of a step in which the slowest rank waits for expert exchanges."""
    return sum(step["times"].get(f"wait_{kind}", {"seconds": 0})["seconds"] for kind in KINDS)


def train(hosts, options, folder, config, name, order, steps):
    """One run: its timed steps and all its losses."""
    path, log = run_file(folder, config, name, plan(options.smoke, order), steps)
    hosts.run(options.sluice, "train", path, "--overwrite")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    if len(losses) < steps:
        raise Failed(f"{log} has {len(losses)} of {steps} steps")
    return steps_of(log), losses


def exchanged(smoke):
    """Bytes that a rank sends to the other in the expert exchanges of a step where experts are equally full: rows of
    tokens of which not all experts lie on their own rank, four exchanges a layer, 32-bit numbers."""
    width, _, tokens, microbatches = shape_of(smoke)
    away = 1 - math.comb(EXPERTS // 2, CHOSEN) / math.comb(EXPERTS, CHOSEN)
    return away * tokens * width * 4 * 4 * LAYERS * microbatches


# MARK: The plan


def cluster_file(folder, rate):
    """Two devices with a cable: an H800 slowed down to a core of a processor, its memory to what that streams. What
    decides an order are the proportions: which segments take how long, and how long an exchange takes beside them."""
    path = folder / "hosts.yaml"
    path.write_text(json.dumps({
        "name": "two-hosts", "nodes": 2,
        "device": {
            "like": "h800-2048", "name": "core", "multiprocessors": 4,
            "peak": {"fp8": "328 GFLOPS", "bf16": "164 GFLOPS", "fp16": "164 GFLOPS",
                     "tf32": "82 GFLOPS", "fp32": "11 GFLOPS"},
            "clock": {"boost": "10 MHz", "loaded": "10 MHz"},
            "memory": {"size": "16 GiB", "bandwidth": "40 GB/s", "reached": "30 GB/s"}},
        "node": {
            "like": "h800-2048", "devices": 1,
            "adapters": {"name": "cable", "count": 1, "bandwidth": f"{rate / 1e6:.6g} MB/s",
                         "reached": f"{rate / 1e6:.6g} MB/s"},
            "exchange": {"like": "h800-2048", "multiprocessors": 1}},
        "network": {"like": "h800-2048", "planes": 1},
    }, indent=1))
    return path


def planned_order(options, folder, config):
    """The order that `sluice overlap` finds where exchanges take `--share` of the pair's kernels."""
    path = folder / "plan.yaml"
    path.write_text(json.dumps(plan(options.smoke, "published") | {"precision": "bf16", "communication-sms": 1}))
    rate = 1e9
    for _ in range(3):
        cluster = cluster_file(folder, rate)
        found = json.loads(call(
            options.sluice, "overlap", "--plan", path, "--cluster", cluster, "--model", config,
            "--multiprocessors", 1, "--no-step", "--json"))
        own = next(
            point for point in found["curve"]
            if point["multiprocessors"] == found["multiprocessors"]["published"])
        rate *= own["moving_seconds"] / own["computing_seconds"] / options.share
    return found["order"]


# MARK: The comparison


def compare(hosts, options, folder, config):
    """Shapes the cable, trains every order in turn, and says what came out."""
    orders = {
        "naive": naive_order(), "published": "published",
        "planned": planned_order(options, folder, config)}
    timed, _ = train(hosts, options, folder, config, "free", orders["naive"], options.steps)
    compute = statistics.median(step["times"]["compute"]["seconds"] for step in timed)
    rate = exchanged(options.smoke) / (options.share * compute)
    hosts.shape(8 * rate)
    print(
        f"{compute:.3f} s of computation a step, {exchanged(options.smoke) / 1e6:.2f} MB of exchanges:"
        f" the cable carries {8 * rate / 1e6:.1f} Mbit/s, {options.share:g} of the computation")
    steps = {name: [] for name in orders}
    losses = {}
    for number in range(options.rounds):
        for name, order in orders.items():
            timed, found = train(
                hosts, options, folder, config, f"{name}-{number}", order, options.steps)
            steps[name] += timed
            losses.setdefault(name, found)
            if found != losses["naive"]:
                raise Failed(f"losses of {name} differ: {found} and {losses['naive']}")
    figures = {"share": options.share, "rate_bits_per_second": 8 * rate, "order": orders["planned"]}
    for name, timed in steps.items():
        def median(value):
            return statistics.median(value(step) for step in timed)
        figures[name] = {
            "step_seconds": median(lambda step: step["seconds"]),
            "exposed_seconds": median(exposed),
            "compute_seconds": median(lambda step: step["times"]["compute"]["seconds"]),
            "progress_seconds": median(lambda step: step["times"]["progress"]["seconds"])}
        print(
            f"{name:<10} step {figures[name]['step_seconds']:.3f} s, exposed"
            f" {figures[name]['exposed_seconds']:.3f} s, computing"
            f" {figures[name]['compute_seconds']:.3f} s, driving messages"
            f" {figures[name]['progress_seconds']:.3f} s; {len(timed)} steps")
    for name in ("published", "planned"):
        figures[f"naive_over_{name}"] = (
            figures["naive"]["exposed_seconds"] / max(1e-9, figures[name]["exposed_seconds"]))
        print(f"naive over {name}: {figures[f'naive_over_{name}']:.2f} times as much exposed")
    text = json.dumps(losses["naive"])
    figures["checksum"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    print(f"checksum {figures['checksum']}, the losses of every order and round")
    return figures


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sluice", default=ROOT / ".build/release/sluice")
    parser.add_argument("--share", type=float, default=0.75)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("-o", dest="output")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.steps = 1, 2
    if not 0 < options.share <= 10 or options.rounds < 1 or options.steps < 2:
        parser.error("--share above 0, --rounds of 1 and --steps of 2 at least")
    missing = lacking()
    if missing:
        print(f"left out: needs {missing}")
        return
    # Whoever ends this program otherwise than by Ctrl-C finds nothing left, either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
            folder = pathlib.Path(name)
            config = model_file(folder, options.smoke)
            with TwoHosts(folder) as hosts:
                figures = compare(hosts, options, folder, config)
    except Failed as failed:
        sys.exit(str(failed))
    except KeyboardInterrupt:
        sys.exit(130)
    if options.output:
        pathlib.Path(options.output).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
