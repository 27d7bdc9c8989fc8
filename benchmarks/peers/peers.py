"""Searches of Calculon and SimuMax beside `sluice search`, on a model, devices, batch and sequence that both know.

    peers.py [--calculon CLONE] [--simumax CLONE] [--python PYTHON] [--sluice PATH] [--alternations 2] [--threads 2]

CLONE is a clone of github.com/calculon-ai/calculon or github.com/MooreThreads/SimuMax; PYTHON has what these import
(psutil; tqdm, numpy, pandas, sympy, matplotlib, tabulate, graphviz). Peer and sluice run in turn, one process
at a time. Descriptions of devices differ, so steps of two tools are no measure of each other; what is held
side by side is the search: plans decided, processor time, memory and the best plan. sluice searches its
default grid, and then plans of the peer's kind (its schedules, sharding and recomputation; no part of a stage
is computed again); each side's best plan is then priced by the other.

Of Calculon's system only what the case lacks is taken away: memory of hosts, to which it would offload, and the
network between nodes. Its debug log, which is formatted and thrown away, is off: it takes six sevenths of its time.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

QUIET = """
import logging, runpy, sys
logging.disable(logging.DEBUG)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# A search or one plan of SimuMax, by the calls that its own examples make.
SIMUMAX = """
import json, sys
from simumax.core.config import ModelConfig, StrategyConfig, SystemConfig
from simumax.core.perf_llm import PerfLLM
case = json.loads(sys.argv[1])
strategy = StrategyConfig.read_json_file("configs/strategy/tp1_pp2_dp4_mbs1.json")
strategy.update(case["strategy"])
perf = PerfLLM()
perf.configure(
    strategy_config=StrategyConfig.init_from_dict(strategy),
    model_config=ModelConfig.init_from_config_file(f"configs/models/{case['model']}.json"),
    system_config=SystemConfig.init_from_config_file(f"configs/system/{case['system']}.json"))
count, estimate = 0, perf.run_estimate
def counted(*words, **named):
    global count
    count += 1
    return estimate(*words, **named)
perf.run_estimate = counted
if "search" in case:
    best = perf.search_best_parallel_strategy(
        all_search_result={}, use_reserved_memory=False, verbose=False, **case["search"])
else:
    perf.run_estimate()
    peaks = perf.get_pp_stage_peak_mem(perf.analysis_mem(), "peak_mem", toG=True)
    best = {"iter_time": perf.analysis_cost().data["duration_time_per_iter"], "gib": max(peaks.values())}
print("RESULT " + json.dumps({"count": count, "best": best}, default=str))
"""


def measured(words, **named):
    """Output, seconds, processor seconds and the largest process of a command, its children among them."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [str(word) for word in words], stdout=output, stderr=subprocess.STDOUT, **named)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    return process.returncode, text, {
        "seconds": time.monotonic() - start, "cpu": usage.ru_utime + usage.ru_stime,
        "megabytes": usage.ru_maxrss * 1024 / 1e6}


def whole(words, **named):
    """The same of a command that has to succeed."""
    status, text, figures = measured(words, **named)
    if status:
        sys.exit(f"{' '.join(map(str, words))[:400]}: status {status}\n{text[-3000:]}")
    return text, figures


class Sluice:
    """Our side of a case: what `search` and `simulate` are told."""

    def __init__(self, options, folder, model, cluster, gpus, batch, sequence, conditions, peer_grid, margin):
        self.binary, self.folder, self.threads = options.sluice, folder, options.threads
        self.scene = ["--model", model, "--cluster", cluster]
        self.space = ["--gpus", gpus, "--global-batch", batch, "--sequence", sequence]
        self.batch, self.sequence = batch, sequence
        self.conditions, self.peer_grid, self.margin = conditions, peer_grid, margin

    def search(self, is_cut, *more):
        words = [self.binary, "search", *self.scene, *self.space, "--threads", self.threads, "--no-doubt", "--json"]
        words += ["--margin", self.margin] if self.margin else []
        settings = dict(self.conditions)
        settings |= self.peer_grid[0] if is_cut else {}
        for key, value in settings.items():
            words += ["--set", f"plan.{key}={str(value).lower()}"]
        for excluded in self.peer_grid[1] if is_cut else []:
            words += ["--exclude", f"plan.{excluded}"]
        text, figures = whole([*words, *more])
        found = json.loads(text)
        best = found["plans"][0]
        return figures | {
            "count": found["space"]["size"], "best": best["name"], "step": best["step_seconds"],
            "gib": best["memory_bytes"]["peak"] / 2**30, "plan": best["plan"], "found": found}

    def price(self, plan):
        """What `simulate` says of a plan of the peer's, or why it refuses it."""
        path = self.folder / "theirs.yaml"
        plan = {"global-batch": self.batch, "sequence-length": self.sequence} | self.conditions | plan
        # Every JSON file is YAML.
        path.write_text(json.dumps(plan))
        status, text, _ = measured([self.binary, "simulate", *self.scene, "--plan", path, "--json"])
        if status:
            return f"refused: {text.strip()}"
        found = json.loads(text)
        return (f"{found['step_seconds']:.3f} s, {found['memory_bytes']['peak'] / 2**30:.1f} GiB, "
                f"{'fits' if found['fits'] else 'does not fit'}")


class Calculon:
    """Megatron 22B on eight A100s with sequences of 2,048 tokens: `llm-optimal-execution`."""

    name = "Calculon"
    case = "Megatron 22B, 8 A100-80GB, 8 sequences of 2,048 tokens"

    def __init__(self, options, folder):
        self.clone, self.python, self.threads = options.calculon.resolve(), options.python, options.threads
        self.environment = dict(os.environ, PYTHONPATH=os.pathsep.join(
            filter(None, [str(self.clone), os.environ.get("PYTHONPATH")])))
        self.folder = folder
        system = json.loads((self.clone / "systems/a100_80g.json").read_text())
        system["mem2"]["GiB"] = 0
        system["networks"] = system["networks"][:1]
        self.system = folder / "system.json"
        self.system.write_text(json.dumps(system))
        # Its attention has scores in memory, and its states the sizes of the published runs.
        self.ours = Sluice(
            options, folder, "megatron-22b", "a100-selene", 8, 8, 2048, {"fused-attention": False}, (
                {"schedule": "1f1b,interleaved-1f1b", "zero-stage": "0,1", "layers-per-stage": "even",
                 "recompute": "none,[attention-core],full", "microbatch-size": "1,2,4,8",
                 "sequence-parallel": "true,false"},
                ["overlap.tensor-exchange=bulk"]), None)

    def run(self, *words):
        return measured(
            [self.python, "-c", QUIET, "bin/calculon", *words], cwd=self.clone, env=self.environment)

    def search(self):
        output = self.folder / "calculon.json"
        status, text, figures = self.run(
            "llm-optimal-execution", "models/megatron-22B.json", 8, 8, "float16", self.system, output,
            "-c", self.threads)
        if status:
            sys.exit(text[-3000:])
        best = json.loads(output.read_text())["0"]
        run, stats = best["execution"], best["stats"]
        return figures | {
            "count": int(re.search(r"Total executions: (\d+)", text)[1]), "step": stats["total_time"],
            "gib": stats["proc_mem_tier1_cap_req"] / 2**30, "plan": self.translated(run),
            "best": ", ".join(f"{key} {run[key]}" for key in (
                "tensor_par", "pipeline_par", "data_par", "microbatch_size", "pipeline_interleaving",
                "activation_recompute", "optimizer_sharding", "tensor_par_comm_type", "tensor_par_overlap"))}

    @staticmethod
    def translated(run):
        """Their execution as a plan of ours: the same degrees, schedule, sharding and recomputation."""
        loops = run["pipeline_interleaving"]
        plan = {
            "tensor-parallel": run["tensor_par"], "pipeline-parallel": run["pipeline_par"],
            "data-parallel": run["data_par"], "microbatch-size": run["microbatch_size"],
            "schedule": "interleaved-1f1b" if loops > 1 else "1f1b",
            "sequence-parallel": run["tensor_par_comm_type"] == "rs_ag",
            "zero-stage": int(run["optimizer_sharding"]),
            "recompute": {"none": "none", "full": "full", "attn_only": ["attention-core"]}[
                run["activation_recompute"]]}
        plan |= {"stages-per-rank": loops} if loops > 1 else {}
        if run["tensor_par_overlap"] != "none":
            plan["overlap"] = {"tensor-exchange": "chunked"}
        return plan

    def price(self, plan):
        """What Calculon says of a plan of ours that it can write."""
        template = json.loads((self.clone / "examples/3072_t4_p64_d12_mbs4_full.json").read_text())
        parts = plan["recompute"]
        recompute = parts if isinstance(parts, str) else "attn_only"
        is_sequence, data = plan.get("sequence-parallel", False), plan["data-parallel"]
        chunks = plan.get("overlap", {}).get("tensor-exchange") == "chunked"
        run = template | {
            "num_procs": 8, "tensor_par": plan["tensor-parallel"], "pipeline_par": plan["pipeline-parallel"],
            "data_par": data, "tensor_par_net": 0, "pipeline_par_net": 0, "data_par_net": 0, "batch_size": 8,
            "microbatch_size": plan["microbatch-size"], "datatype": "float16", "fused_activation": True,
            "attention_type": "multihead", "activation_recompute": recompute,
            "pipeline_interleaving": plan.get("stages-per-rank", 1),
            "optimizer_sharding": plan["zero-stage"] == 1 and data > 1,
            "tensor_par_comm_type": "rs_ag" if is_sequence else "ar",
            "tensor_par_overlap": "ring" if chunks else "none",
            "seq_par_ag_redo": is_sequence and recompute != "full", "data_par_overlap": data > 1,
            "weight_offload": False, "activations_offload": False, "optimizer_offload": False, "training": True}
        path, output = self.folder / "ours.json", self.folder / "stats.json"
        path.write_text(json.dumps(run))
        status, text, _ = self.run("llm", "models/megatron-22B.json", path, self.system, output)
        if status:
            return f"refused: {text.strip().splitlines()[-1]}"
        stats = json.loads(output.read_text())
        return f"{stats['total_time']:.3f} s, {stats['proc_mem_tier1_cap_req'] / 2**30:.1f} GiB"


class SimuMax:
    """Llama 3 70B on 64 A100s of PCIe: `search_best_parallel_strategy`."""

    name = "SimuMax"
    case = "Llama 3 70B, 64 A100-PCIe, 128 sequences of 4,096 tokens, microbatches of 1, 4 to 16 pipeline ranks"
    degrees = [4, 8, 16]

    def __init__(self, options, folder):
        self.clone, self.python, self.folder = options.simumax.resolve(), options.python, folder
        self.environment = dict(os.environ, PYTHONPATH=os.pathsep.join(
            filter(None, [str(self.clone), os.environ.get("PYTHONPATH")])))
        # 6 GiB of a device stay free on both sides, as its example has it.
        self.ours = Sluice(
            options, folder, "llama-3-70b", "a100-pcie", 64, 128, 4096,
            {"microbatch-size": "1", "pipeline-parallel": ",".join(map(str, self.degrees)),
             "context-parallel": "1"},
            ({"schedule": "1f1b", "zero-stage": "1", "layers-per-stage": "even", "recompute": "none,full",
              "overlap.tensor-exchange": "false"}, []), "6GiB")

    def run(self, case):
        named = {"model": "llama3-70b", "system": "a100_pcie"}
        text, figures = whole(
            [self.python, "-W", "ignore", "-c", SIMUMAX, json.dumps(named | case)], cwd=self.clone,
            env=self.environment)
        return json.loads(re.search(r"^RESULT (.*)", text, re.MULTILINE)[1]), figures

    def search(self):
        found, figures = self.run({"strategy": {}, "search": {
            "world_size": 64, "gmi_error": 6, "micro_batch_size": 1, "global_batch_size": 128,
            "pp_search_list": self.degrees}})
        best = found["best"]
        peaks = [float(value.split()[0]) for value in best["peak_mem"].values()]
        return figures | {
            "count": found["count"], "step": float(best["iter_time"].split()[0]), "gib": max(peaks),
            "best": f"{best['parallelism']}, {best['recompute_status']}", "plan": self.translated(best)}

    @staticmethod
    def translated(best):
        degree = {key: int(value) for key, value in re.findall(
            r"\b(tp|pp|dp)(\d+)\b", best["parallelism"])}
        plan = {
            "tensor-parallel": degree["tp"], "pipeline-parallel": degree["pp"], "data-parallel": degree["dp"],
            "sequence-parallel": degree["tp"] > 1, "microbatch-size": 1, "zero-stage": 1, "schedule": "1f1b",
            "recompute": "none"}
        status = best["recompute_status"]
        if "selective" in status:
            sys.exit(f"its best plan has parts of layers recomputed that have no counterpart: {status}")
        if layers := re.search(r"full_block.*recompute_layer_num=(\d+)", status):
            if int(layers[1]):
                plan |= {"recompute": "full", "recompute-layers": int(layers[1])}
        return plan

    def price(self, plan):
        layers = 80 // plan["pipeline-parallel"]
        is_full = plan["recompute"] == "full"
        found, _ = self.run({"strategy": {
            "world_size": 64, "tp_size": plan["tensor-parallel"], "pp_size": plan["pipeline-parallel"],
            "micro_batch_num": 128 // plan["data-parallel"], "enable_recompute": is_full,
            "recompute_granularity": "full_block" if is_full else None,
            "recompute_layer_num": plan.get("recompute-layers", layers) if is_full else 0}})
        return f"{found['best']['iter_time']}, {float(found['best']['gib']):.1f} GiB"


def row(tool, figures):
    return (f"| {tool} | {figures['count']:,} | {figures['cpu']:.1f} ({figures['seconds']:.0f}) | "
            f"{figures['count'] / figures['cpu']:,.0f} | {figures['megabytes']:.0f} | "
            f"{figures['step']:.3f} s, {figures['gib']:.1f} GiB: {figures['best']} |")


def place(found):
    """How many plans of the grid are better than the one it is held against."""
    count = found["against"]["better_plans"]
    return "not counted" if count is None else f"{count} plans are better"


def compare(peer, alternations):
    version = subprocess.run(
        ["git", "-C", str(peer.clone), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout
    print(f"\n{peer.name} {version.strip()}: {peer.case}\n")
    print("| search | plans decided | processor s (clock) | plans a second of it | MB | its best plan |")
    print("|---|---|---|---|---|---|")
    for _ in range(alternations):
        theirs = peer.search()
        print(row(peer.name, theirs), flush=True)
        print(row("sluice", peer.ours.search(False)), flush=True)
        same = peer.ours.search(True)
        print(row(f"sluice, plans of {peer.name}'s kind", same), flush=True)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\nload of the machine {load} on {os.cpu_count()} cores")
    print(f"sluice simulate of {peer.name}'s best, {json.dumps(theirs['plan'])}: {peer.ours.price(theirs['plan'])}")
    held = peer.ours.search(True, "--against", peer.folder / "theirs.yaml")
    print(f"held against it in that grid: {place(held['found'])}")
    print(f"{peer.name} of sluice's best there, {same['best']}: {peer.price(same['plan'])}", flush=True)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calculon", type=pathlib.Path)
    parser.add_argument("--simumax", type=pathlib.Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--sluice", default=root / ".build/release/sluice")
    parser.add_argument("--alternations", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    peers = [kind for kind, clone in ((Calculon, options.calculon), (SimuMax, options.simumax)) if clone]
    if not peers:
        parser.error("--calculon or --simumax names a clone")
    for kind in peers:
        with tempfile.TemporaryDirectory() as folder:
            compare(kind(options, pathlib.Path(folder)), options.alternations)


if __name__ == "__main__":
    main()
