"""Steps of CPU ranks as `sluice train --predict` says them, beside the steps themselves.

    predict.py [--sluice PATH] [--alternations 5] [--steps 8] [-o figures.json] [--smoke] [--cluster here.yaml]

An alternation measures the machine anew (`sluice calibrate --here`) and then trains each plan for some steps, so
that slow minutes of the machine fall on both. A plan's error is that of the median prediction against the median
of the measured steps; the run's own scatter is the largest distance of one alternation's step from that median.
Nothing that is measured here goes into a constant. With --cluster nothing is calibrated; --smoke is three plans,
once, with a quick calibration.
"""
import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = {"microbatch-size": 2, "global-batch": 16, "sequence-length": 128}
TWO = {"pipeline-parallel": 2}
# Name, model, ranks, plan.
PLANS = [
    ("gpt2, one rank", "tiny-gpt2", 1, {}),
    ("gpt2, dp 2", "tiny-gpt2", 2, {"data-parallel": 2}),
    ("gpt2, pp 2, gpipe", "tiny-gpt2", 2, TWO | {"schedule": "gpipe"}),
    ("gpt2, pp 2, 1f1b", "tiny-gpt2", 2, TWO | {"schedule": "1f1b"}),
    ("gpt2, pp 2, interleaved-1f1b", "tiny-gpt2", 2,
     TWO | {"schedule": "interleaved-1f1b", "stages-per-rank": 2}),
    ("gpt2, pp 2, zb-h1", "tiny-gpt2", 2, TWO | {"schedule": "zb-h1"}),
    ("llama, one rank", "tiny-llama", 1, {}),
    ("llama, dp 2", "tiny-llama", 2, {"data-parallel": 2}),
    ("llama, dp 2, zero 1, microbatches of 4", "tiny-llama", 2,
     {"data-parallel": 2, "zero-stage": 1, "microbatch-size": 4}),
    ("llama, pp 2, 1f1b", "tiny-llama", 2, TWO | {"schedule": "1f1b"}),
    ("deepseek, one rank", "tiny-deepseek-v3", 1, {}),
    ("deepseek, dp 2", "tiny-deepseek-v3", 2, {"data-parallel": 2}),
    ("deepseek, dp 2, ep 2", "tiny-deepseek-v3", 2, {"data-parallel": 2, "expert-parallel": 2}),
    ("deepseek, pp 2, dualpipe", "tiny-deepseek-v3", 2, TWO | {"schedule": "dualpipe"}),
]


def run(*words):
    """The output of a command, or the end of this one with its words."""
    done = subprocess.run(
        [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def run_file(folder, number, model, plan, steps):
    """A run of the model on the text of this script's neighbours, without anything beside its steps."""
    # The three words of DeepSeek-V3's run beside its plan: a prediction module needs a weight.
    config = ROOT / "examples" / "models" / f"{model}.json"
    text = {
        "model": {"config": str(config)}, "data": {"training": str(ROOT / "README.md")},
        "plan": SMALL | plan, "learning-rate": 1e-3, "steps": steps, "seed": 1,
    }
    if "deepseek" in model:
        text["model"] |= {
            "multi-token-prediction": 0.3, "balance-loss": 1e-4, "bias-speed": 0.02}
    path = folder / f"{number}.yaml"
    # Every JSON file is YAML.
    path.write_text(json.dumps(text, indent=1))
    return path


def ranked(plans):
    """Pairs of plans of one model in the measured order, of all and of those further apart than their scatter."""
    right = total = clear_right = clear = 0
    for one, other in itertools.combinations(plans, 2):
        if one["model"] != other["model"]:
            continue
        agrees = ((one["predicted"] < other["predicted"]) == (one["measured"] < other["measured"]))
        apart = abs(one["measured"] - other["measured"]) / min(one["measured"], other["measured"])
        total += 1
        right += agrees
        if apart > one["scatter"] + other["scatter"]:
            clear += 1
            clear_right += agrees
    return right, total, clear_right, clear


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sluice", default=ROOT / ".build" / "release" / "sluice")
    parser.add_argument("--alternations", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--cluster", help="predict by this file, and calibrate nothing")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("-o", "--output", help="all figures as JSON")
    options = parser.parse_args()
    # As the runs that other benchmarks time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    chosen = [PLANS[0], PLANS[3], PLANS[12]] if options.smoke else PLANS
    alternations, steps = (1, 3) if options.smoke else (options.alternations, options.steps)
    plans = [dict(name=name, model=model, ranks=ranks, plan=plan, predictions=[], steps=[], parts=[])
             for name, model, ranks, plan in chosen]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        here = options.cluster or folder / "here.yaml"
        files = [run_file(folder, number, plan["model"], plan["plan"], steps)
                 for number, plan in enumerate(plans)]
        for alternation in range(alternations):
            print(f"alternation {alternation + 1} of {alternations}", file=sys.stderr)
            if not options.cluster:
                quick = ["--quick"] if options.smoke else []
                run(options.sluice, "calibrate", "--here", "--ranks", 2, "-o", here, "--overwrite",
                    *quick)
            for plan, file in zip(plans, files):
                figures = folder / "figures.json"
                figures.unlink(missing_ok=True)
                run(options.sluice, "train", file, "--ranks", plan["ranks"], "--predict", here,
                    "--prediction-json", figures)
                found = json.loads(figures.read_text())
                plan["predictions"].append(found["predicted_seconds"])
                plan["steps"].append(found["measured"]["step_seconds"])
                plan["parts"].append([found["parts"], found["measured"]["parts"]])
            report(plans, options.output)


def report(plans, output):
    """The table of what is measured so far, and with an output all figures of it."""
    print("| plan | measured | its scatter | predicted | error | within max(5 %, twice the scatter) |")
    print("|---|---|---|---|---|---|")
    for plan in plans:
        measured = plan["measured"] = statistics.median(plan["steps"])
        plan["predicted"] = statistics.median(plan["predictions"])
        plan["scatter"] = max(abs(step / measured - 1) for step in plan["steps"])
        plan["error"] = plan["predicted"] / measured - 1
        plan["within"] = abs(plan["error"]) <= max(0.05, 2 * plan["scatter"])
        # One alternation says nothing of a scatter.
        scatter = f"{100 * plan['scatter']:.1f} %" if len(plan["steps"]) > 1 else "unknown"
        print(f"| {plan['name']} | {1e3 * measured:.1f} ms | {scatter} "
              f"| {1e3 * plan['predicted']:.1f} ms | {100 * plan['error']:+.1f} % "
              f"| {'yes' if plan['within'] else 'no'} |")
    errors = [abs(plan["error"]) for plan in plans]
    right, total, clear_right, clear = ranked(plans)
    print(f"\nalternations: {len(plans[0]['steps'])}; {sum(plan['within'] for plan in plans)} of {len(plans)} within; "
          f"mean error {100 * statistics.mean(errors):.1f} %, largest {100 * max(errors):.1f} %; pairs of one model "
          f"in the measured order: {right} of {total}, {clear_right} of the {clear} that lie further apart than "
          f"their scatter\n", flush=True)
    if output:
        pathlib.Path(output).write_text(json.dumps(plans, indent=1) + "\n")


main()
