"""The reports that are looked at, each with what only it has to show."""

import dataclasses
import json
import pathlib
import subprocess
import typing

from values import (
    check_decode, check_drain, check_every_value, check_pair, check_rollout, check_shares, check_step,
)

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


class Missing(AssertionError):
    """Something that this report alone has is not there."""


def expect(condition, message):
    if not condition:
        raise Missing(message)


@dataclasses.dataclass
class Case:
    name: str
    words: typing.Callable
    checks: list = dataclasses.field(default_factory=list)
    prepare: typing.Callable = lambda folder, sluice: None
    opens_quickly: bool = False
    status: int = 0
    # What makes the command print JSON; None where a log holds the figures.
    json_option: list | None = dataclasses.field(default_factory=lambda: ["--json"])
    # Whether what the command tells a terminal ends with the page; of a run it is that run's own, since no
    # other takes the same time.
    has_text: bool = True
    # Where the page begins in the text, if something stands in front of it.
    begins: str | None = None


# MARK: A step

def check_choice(report, page):
    """A box that is chosen shows the kernels of its kind."""
    page.evaluate("document.querySelector('figure.lanes').focus()")
    page.press("Home")
    page.press("ArrowDown")
    page.press("Enter")
    kind = page.evaluate("""(() => {
      const said = document.querySelector('figure.lanes .said').textContent;
      const choice = document.querySelector('[data-choice=actions]');
      const seen = [...choice.querySelectorAll('.option')].filter((option) => !option.hidden);
      return [said, seen.length, choice.querySelector('select').selectedIndex,
        seen[0].querySelector('figcaption span').textContent];
    })()""")
    expect(kind[1] == 1, f"{kind[1]} actions are shown at once")
    expect("position" in kind[3], f"no action is shown: {kind}")


def check_ranks(report, page):
    """Folded classes open to show every rank once."""
    ranks = page.evaluate("""(() => {
      const found = [];
      for (const button of document.querySelectorAll('tr[data-ranks] button.open')) {
        button.click();
        const row = button.closest('tr').nextElementSibling;
        for (const item of row.querySelectorAll('.ranks span')) found.push(+item.textContent.match(/rank (\\d+)/)[1]);
        button.click();
        if (button.closest('tr').nextElementSibling?.classList.contains('sub')) return 'a row stays open';
      }
      return found.sort((a, b) => a - b);
    })()""")
    expect(ranks == list(range(report.json["ranks"])), f"{str(ranks)[:80]} are not the ranks of the world")


def check_memory(report, page):
    """The highest moment of the memory of the fullest position is its peak."""
    heights = page.evaluate("""[...document.querySelectorAll('figure.areas')].map((figure) =>
      Math.max(...[...figure.querySelectorAll('path.area')].flatMap((path) =>
        [...path.getAttribute('d').matchAll(/V(\\d+)/g)].map((part) => +part[1]))))""")
    peak = report.json["memory_bytes"]["peak"] / 2**20
    expect(any(0 <= height - peak <= 8 for height in heights), f"{peak} MiB is none of {heights}")


def check_timeline(report, page):
    """What the overview draws lasts as long as the split says, position by position."""
    rows = page.evaluate("""[...document.querySelectorAll('figure.lanes')[0].querySelectorAll('g[data-row]')].map((row) => {
      let sum = 0;
      for (const path of row.querySelectorAll('path[data-i]:not(.opt)')) {
        for (const part of path.getAttribute('d').matchAll(/h(\\d+)v/g)) sum += +part[1];
      }
      return sum * 1e-6;
    })""")
    for seconds, stage in zip(rows, report.json["stages"]):
        split = stage["split_seconds"]
        parts = ["forward", "backward", "backward_input", "backward_weight", "overlapped"]
        wanted = sum(split[part] for part in parts)
        expect(
            abs(seconds - wanted) < 0.002 * wanted + 0.001,
            f"position {stage['position']} has {seconds} s of actions and {wanted} s in the JSON")


STEP = [
    check_choice, check_ranks, check_memory, check_timeline, check_every_value, check_step, check_shares,
]

# MARK: Names that would be more than names

EVIL = "</script><img src=x onerror=\"document.title='hostile'\"><b id=hostile>'&\u202e"


def hostile_plan(folder, sluice):
    text = subprocess.run(
        [sluice, "plan", "deepseek-v3", "--print"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in text.splitlines() if not line.startswith("name:")]
    (folder / "hostile.yaml").write_text(f"name: {json.dumps(EVIL)}\n" + "\n".join(lines) + "\n")


def check_hostile(report, page):
    """What a file calls itself is text: in the title, in cells, in attributes, in the JSON."""
    expect(page.evaluate("document.getElementById('hostile')") is None, "a name became an element")
    expect(page.evaluate("document.images.length") == 0, "a name became an image")
    expect("hostile" not in page.evaluate("document.title").split(), "a name became a program")
    expect(
        page.evaluate("document.body.innerText").count("<b id=hostile>") > 0, "the name is not shown")


# MARK: Several plans

def check_filters(report, page):
    """Handles below a scale leave fewer lines, and the same plans in the table; all come back."""
    counts = page.evaluate("""(() => {
      const figure = document.querySelector('figure.par');
      if (!figure) return null;
      const section = figure.closest('section');
      const seen = () => [figure.querySelectorAll('.way:not(.out)').length,
        section.querySelectorAll('tr[data-name]:not(.out)').length];
      const inputs = figure.querySelectorAll('input[data-end=high]');
      const all = seen();
      const last = inputs[inputs.length - 1];
      last.value = 1;
      last.dispatchEvent(new Event('input', { bubbles: true }));
      const few = seen();
      figure.querySelector('[data-do=all]').click();
      return [all, few, seen()];
    })()""")
    expect(counts is not None, "there are no scales")
    every, few, after = counts
    expect(every[0] == every[1] and every[0] > 1, f"{every} lines and rows")
    expect(0 < few[0] < every[0] and few[0] == few[1], f"{every} become {few}")
    expect(after == every, f"{after} come back of {every}")


def check_points(report, page):
    """A point of a plot says what it is."""
    place = page.evaluate("""(() => {
      const dot = document.querySelector('.plot [data-tip]');
      dot.scrollIntoView({ block: 'center', behavior: 'instant' });
      const box = dot.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    })()""")
    page.move(*place)
    text = page.evaluate("document.getElementById('tip').textContent")
    expect(len(text) > 3, f"a point says {text!r}")


def check_log(report, page):
    """A run's figures are the lines of its log."""
    log = [json.loads(line) for line in report.log.read_text().splitlines()]
    steps = [line for line in log if "step" in line]
    figures = json.loads(page.evaluate("document.getElementById('figures').textContent"))
    expect(steps and figures["steps"] == steps, "the steps differ from the log")


def small_task(folder, sluice):
    """A task with a cold start and some updates by rules, which is done in seconds."""
    subprocess.run(
        [sluice, "data", "--task", "digit-sum", "--seed", "1", "-o", str(folder / "demo/digit-sum"),
         "--demonstrations", "256", "--prompts", "64", "--held-out", "32"],
        check=True, capture_output=True)
    text = (EXAMPLES / "digit-sum.yaml").read_text().replace("../demo", "demo")
    for written, small in (("steps: 700", "steps: 8"), ("warm-up: 20", "warm-up: 2"), ("steps: 60", "steps: 4")):
        text = text.replace(written, small)
    (folder / "digit-sum.yaml").write_text(text.replace("every: 10}", "every: 2}"))


def check_phases(report, page):
    """Both phases are told, with held-out accuracy from before the first update, and samples."""
    figures = json.loads(page.evaluate("document.getElementById('figures').textContent"))
    learnt = figures["phases"][1]["steps"]
    expect([step["step"] for step in learnt] == [0, 1, 2, 3, 4], "updates are missing")
    expect("evaluation_accuracy" in learnt[0], "nothing was asked before the first update")
    titles = page.evaluate("[...document.querySelectorAll('h2')].map(n => n.textContent)")
    for title in ("cold-start: Loss", "rl: Rewards", "rl: Samples"):
        expect(title in titles, f"there is no section {title!r} in {titles}")


def check_bubbles(report, page):
    """What a rank leaves empty is its bubble."""
    shares = page.evaluate("""(() => {
      const picture = document.querySelector('figure.lanes svg');
      const whole = picture.viewBox.baseVal.width;
      return [...picture.querySelectorAll('g[data-row]')].map((row) => {
        let sum = 0;
        for (const path of row.querySelectorAll('path[data-i]')) {
          for (const part of path.getAttribute('d').matchAll(/h(\\d+)v/g)) sum += +part[1];
        }
        return 1 - sum / whole;
      });
    })()""")
    for share, rank in zip(shares, report.json["ranks"]):
        expect(
            abs(share - rank["bubble_rate"]) < 1e-3,
            f"rank {rank['rank']} draws a bubble of {share}, the JSON has {rank['bubble_rate']}")


def rollout_plans(folder, sluice):
    """A plan to train by and one to generate by, of so few answers that no place is refilled."""
    (folder / "training.yaml").write_text(
        "data-parallel: 8\nglobal-batch: 8\nsequence-length: 1024\nprecision: bf16\n")
    (folder / "generator.yaml").write_text("precision: bf16\n")


def check_batches(report, page):
    """Of other batches the one that was asked for is the step itself, and memory grows with them."""
    rows = page.evaluate("""(() => {
      const frame = [...document.querySelectorAll('.table')].find((table) =>
        table.querySelector('caption').textContent === 'Every batch');
      return [...frame.querySelectorAll('tbody tr')].map((row) =>
        [...row.cells].map((cell) => cell.dataset.v === undefined ? cell.textContent.trim() : +cell.dataset.v));
    })()""")
    rows.sort(key=lambda row: row[0])
    own = [row for row in rows if row[-1] == "this one"]
    expect(len(own) == 1 and len(rows) > 3, f"{len(own)} of {len(rows)} batches is the step's")
    wanted = [report.json[key] for key in (
        "batch", "step_seconds", "tokens_per_second_per_gpu", "tokens_per_second_per_sequence")]
    expect(own[0][:4] == wanted, f"{own[0]} is not {wanted}")
    memory = [row[-3] for row in rows]
    expect(memory == sorted(memory), f"memory over batches is {memory}")
    most = report.json["most_sequences"]
    expect(any(row[0] == most for row in rows), f"{most} sequences are not among {rows}")


def answers(folder, sluice):
    """Answers of two models to a few questions of the suite."""
    suite = ["evaluate", "--suite", "rules", "--task", "copy", "--tier", "1", "--questions", "4"]
    subprocess.run(
        [sluice] + suite + ["--prompts", "-o", str(folder / "prompts.jsonl")], check=True,
        capture_output=True)
    lines = [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]
    for name, text in [("a", "no"), ("b", "yes")]:
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps({"id": line["id"], "completion": text}) + "\n" for line in lines))


REPORTS = [
    Case("simulate", lambda folder: ["simulate"], STEP, opens_quickly=True),
    Case(
        "hostile", lambda folder: ["simulate", "--plan", "hostile.yaml"], [check_hostile],
        prepare=hostile_plan),
    Case(
        "decode",
        lambda folder: ["simulate", "--decode", "--batch", "128", "--context", "4989", "--acceptance", "0.85"],
        [check_points, check_every_value, check_decode, check_batches]),
    Case(
        "prefill", lambda folder: ["simulate", "--prefill", "--batch", "4", "--context", "4096"],
        [check_points]),
    Case(
        "rollout",
        lambda folder: [
            "simulate", "--rollout", "--model", "llama-3.1-8b", "--set", "model.num_hidden_layers=2",
            "--plan", "training.yaml", "--generator", "generator.yaml", "--mean-length", "300",
            "--longest", "900", "--questions", "8", "--answers", "8",
        ], [check_points, check_every_value, check_rollout, check_drain], prepare=rollout_plans),
    Case(
        "compare",
        lambda folder: [
            "compare", "megatron-22b-full", "megatron-22b-selective", "--model", "megatron-22b",
            "--cluster", "a100-selene",
        ]),
    Case(
        "sweep",
        lambda folder: ["sweep", "--set", "cluster.node.link.bandwidth=200,300,450 GB/s"],
        [check_points]),
    Case(
        "search",
        lambda folder: [
            "search", "--model", "llama-3.1-8b", "--cluster", "h100-2048", "--gpus", "16",
            "--global-batch", "64", "--sequence", "8192", "--simulations", "40", "--no-doubt",
        ], [check_filters, check_points]),
    Case(
        "forecast",
        lambda folder: [
            "forecast", str(EXAMPLES / "deepseek-v3-run.yaml"), "--step-seconds", "20", "--runs", "200",
        ], [check_points]),
    Case(
        "overlap",
        lambda folder: ["overlap", "--multiprocessors", "8,14,20", "--no-step"],
        [check_points, check_every_value, check_pair]),
    Case(
        "schedule",
        lambda folder: ["schedule", "dualpipe", "--ranks", "8", "--microbatches", "20"],
        [check_bubbles, check_every_value], json_option=["--format", "json"],
        begins=r"^dualpipe on "),
    Case("validate", lambda folder: ["validate", "megatron"], [check_points]),
    Case("calibrate", lambda folder: ["calibrate", "--shipped", "h100"], [check_points]),
    Case(
        "train",
        lambda folder: [
            "train", str(EXAMPLES / "tiny-deepseek-v3.yaml"), "--ranks", "4", "--overwrite", "--set",
            "steps=12",
        ], [check_log, check_points], json_option=None, begins=r"^\S+ trained for "),
    Case(
        "evaluate",
        lambda folder: [
            "evaluate", "--suite", "rules", "--task", "copy", "--tier", "1", "--questions", "4",
            "--answers", "one=a.jsonl", "--answers", "other=b.jsonl",
        ], prepare=answers),
    Case(
        "train-phases",
        lambda folder: ["train", "digit-sum.yaml", "--ranks", "2", "--overwrite"],
        [check_phases, check_points], prepare=small_task, json_option=None, begins=r"^rl made "),
]
