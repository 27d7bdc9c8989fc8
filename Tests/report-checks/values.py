"""Every number of a command's JSON, walked: what a page shows of it, and what it says in words beside.

`checks.py` holds every cell that says where the JSON has it against the JSON. Here it is the other way round: a
number of the JSON is in such a cell, or among those that are known to have none, so that none is lost by mistake;
and numbers in sentences, which say no place, are computed anew from the JSON.
"""

import re

SETTINGS = [r"inputs\..*"]

# Numbers that have no cell of their own: settings, and what sentences or pictures say.
WITHOUT_CELL = {
    "simulate": SETTINGS + [
        r"degrees\..*",
        r"stages\.\d+\.stages\.\d+", r"stages\.\d+\.memory_bytes\.(limit|reserve|reserved)",
        # The same as `stages`, which cells name; `check_step` holds one against the other.
        r"split_seconds_by_position\..*",
        # Kinds of communication without any are left out.
        r"communication_seconds\.(context|tensor)\..*",
        r"memory_bytes\.(activations|communication|gradients|limit|optimizer|parameters|reserved?|workspace)",
        r"(hfu\.causal|mfu\.non_causal|tflops_per_gpu\.(non_)?causal|gpu_hours_per_trillion_tokens)",
        r"(tokens_per_second(_per_gpu)?|tokens_per_step|us_dollars_per_gpu_hour|fullest_position)",
        r"(operations|ranks|seeds|simulated_ranks|step_seconds_deviation)",
    ],
    "decode": SETTINGS + [
        r"(acceptance|batch|context|data_ranks|gpus|parts|us_dollars_per_gpu_hour)",
        r"tokens_per_(sequence|step|second_per_(gpu|node|sequence))",
        r"memory_bytes\.(limit|caches_per_token)", r"split_seconds\.tensor_exchanges",
    ],
    "rollout": SETTINGS + [
        r"(answers|gpus|places|tokens|packed_sequences|gpu_hours_per_step|mean_active|drained_share)",
        r"training_memory_bytes\.(needed|limit)", r"part_seconds\.rewards",
    ],
    "overlap": SETTINGS + [
        r"curve\.\d+\.gap", r"pairs\..*", r"ends\..*", r"(forward_stage|backward_stage|gap|pairwise_seconds)",
    ],
    "schedule": SETTINGS + [
        r"ranks\.\d+\.cells\..*", r"ranks\.\d+\.stages\.\d+", r"stage_share", r"times\..*",
    ],
}


class Different(AssertionError):
    """A page and its JSON do not say the same."""


def expect(condition, message):
    if not condition:
        raise Different(message)


def leaves(value, path=""):
    """Every number of a JSON document with its place."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield path, value
        return
    for key, part in parts:
        yield from leaves(part, f"{path}.{key}" if path else str(key))


def check_every_value(report, page):
    """Every number of the JSON has a cell, but for those that are known to have none."""
    keys = set(page.evaluate("[...document.querySelectorAll('[data-k]')].map(n => n.dataset.k)"))
    known = [re.compile(pattern) for pattern in WITHOUT_CELL[report.name]]
    numbers = [place for place, _ in leaves(report.json)]
    expect(len(numbers) > 30, f"the JSON has {len(numbers)} numbers")
    lost = [
        place for place in numbers
        if place not in keys and not any(pattern.fullmatch(place) for pattern in known)]
    expect(not lost, f"no cell shows {lost[:6]}")
    # A pattern that matches nothing would hide what it was written for.
    for pattern in known:
        expect(any(pattern.fullmatch(place) for place in numbers), f"nothing is {pattern.pattern}")


def words(page):
    """What the page says above its sections, as one line."""
    # Headings begin lines; sentences may have their words.
    text = page.evaluate(
        "document.body.innerText.split('\\n' + document.querySelector('h2').textContent)[0]")
    return " ".join(text.replace("\u2212", "-").split())


def claims(page, *expected):
    """Holds numbers in sentences, by the words around them, against values."""
    text = words(page)
    for pattern, values in expected:
        found = re.search(pattern, text)
        expect(found is not None, f"nothing says {pattern!r} in {text[:1500]!r}")
        for shown, value in zip(found.groups(), values, strict=True):
            number, _, unit = shown.partition(" ")
            scale = {"": 1, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[unit]
            digits = number.replace(",", "")
            decimals = len(digits.partition(".")[2])
            # Whole numbers from 100 on are three figures.
            step = 10.0 ** -decimals if decimals else 10.0 ** max(0, len(digits) - 3)
            expect(
                abs(float(digits) - value / scale) <= 0.5000001 * step,
                f"{found[0]!r} says {shown}, the JSON {value}")


NUMBER = r"([\d,.]+(?: [kMBT](?![a-zA-Z]))?)"


def check_step(report, page):
    """What a step's page says in words is what its JSON says in numbers."""
    figures = report.json
    step, memory = figures["step_seconds"], figures["memory_bytes"]
    kinds = figures["communication_seconds"].values()
    spent = {
        "kernels": figures["busy_seconds"],
        "exposed communication": sum(kind["exposed"] for kind in kinds),
        "waiting for peers": sum(kind["waiting"] for kind in kinds),
    }
    spent["between kernels"] = step - sum(spent.values())
    spent["bubble"] = figures["split_seconds"]["bubble"]
    spent = {name: seconds for name, seconds in spent.items() if seconds >= 0.0005 * step}
    claims(
        page,
        (rf"A step of .*? takes {NUMBER} s on {NUMBER} GPUs", [step, figures["ranks"]]),
        (rf"fits: {NUMBER} of {NUMBER} GiB", [memory["peak"] / 2**30, memory["limit"] / 2**30]),
        *[(rf"{NUMBER} % {name}", [100 * seconds / step]) for name, seconds in spent.items()],
        (rf"s {NUMBER} tokens", [figures["tokens_per_step"]]),
        (
            rf"tokens a day, {NUMBER} a second, {NUMBER} a second and GPU",
            [figures["tokens_per_second"], figures["tokens_per_second_per_gpu"]]),
        (
            rf"{NUMBER} TFLOPS per GPU, non-causal {NUMBER}, {NUMBER} %; HFU {NUMBER} %",
            [
                figures["tflops_per_gpu"]["causal"], figures["tflops_per_gpu"]["non_causal"],
                100 * figures["mfu"]["non_causal"], 100 * figures["hfu"]["causal"]]),
        (
            rf"a trillion tokens, {NUMBER} GPU-hours at {NUMBER} US",
            [figures["gpu_hours_per_trillion_tokens"], figures["us_dollars_per_gpu_hour"]]),
        (
            rf"of {NUMBER} at position {NUMBER}, {NUMBER} reserved: fits beside {NUMBER}",
            [
                memory["limit"] / 2**30, figures["fullest_position"], memory["reserved"] / 2**30,
                memory["reserve"] / 2**30]),
    )
    # The JSON has some numbers twice.
    for stage, split in zip(figures["stages"], figures["split_seconds_by_position"], strict=True):
        for part, seconds in split.items():
            if part in stage["split_seconds"]:
                expect(stage["split_seconds"][part] == seconds, f"{part} of {stage['position']}")
    whole = sum(figures["split_seconds"].values())
    expect(abs(whole - step) < 1e-6 * step, f"parts of {whole} s make a step of {step} s")
    for rate, seconds in (("tokens_per_second", 1), ("tokens_per_day", 86400)):
        wanted = figures["tokens_per_step"] / step * seconds
        expect(abs(figures[rate] - wanted) < 1e-9 * wanted, f"{rate} is not that of the step")


def check_shares(report, page):
    """Columns without a place in the JSON are sums and shares of those that have one."""
    tables = page.evaluate("""(() => [...document.querySelectorAll('.table')].map((frame) => ({
      title: frame.querySelector('caption').textContent,
      heads: [...frame.querySelectorAll('thead th')].map((head) => head.textContent.trim()),
      rows: [...frame.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) =>
        [cell.textContent.trim(), cell.dataset.v === undefined ? null : +cell.dataset.v])),
    })))()""")
    split = next(table for table in tables if table["title"] == "Seconds of a step")
    share, seconds = split["heads"].index("share"), 1
    for row in split["rows"]:
        wanted = row[seconds][1] / report.json["step_seconds"]
        expect(
            abs(float(row[share][0].rstrip("% \u00a0")) - 100 * wanted) <= 0.0500001,
            f"{row[0][0]} is {row[share][0]} of the step, not {100 * wanted}")
    kernels = next(table for table in tables if table["title"] == "Seconds of the compute stream")
    total = len(kernels["heads"]) - 2
    for row in kernels["rows"]:
        wanted = sum(cell[1] for cell in row[1:total])
        expect(
            abs(float(row[total][0]) - wanted) <= 0.000500001,
            f"{row[0][0]} takes {row[total][0]} s, not {wanted}")


def check_decode(report, page):
    """What the page of a step of serving says in words is what its JSON says in numbers."""
    figures = report.json
    step, memory = figures["step_seconds"], figures["memory_bytes"]
    needed = sum(memory[part] for part in ("weights", "caches", "activations", "reserve"))
    claims(
        page,
        (
            rf"decodes {NUMBER} sequences a data rank against {NUMBER} positions takes {NUMBER} ms on "
            rf"{NUMBER} GPUs", [figures["batch"], figures["context"], 1e3 * step, figures["gpus"]]),
        (rf"fits: {NUMBER} of {NUMBER} GiB", [needed / 2**30, memory["limit"] / 2**30]),
        (rf"{NUMBER} data ranks with", [figures["data_ranks"]]),
        (rf"by turns in {NUMBER} parts", [figures["parts"]]),
        (
            rf"for {NUMBER} tokens, {NUMBER} a sequence with drafts kept at {NUMBER} %",
            [figures["tokens_per_step"], figures["tokens_per_sequence"], 100 * figures["acceptance"]]),
        (
            rf"tokens a second, {NUMBER} a GPU, {NUMBER} a node; {NUMBER} a sequence",
            [figures[f"tokens_per_second_per_{whose}"] for whose in ("gpu", "node", "sequence")]),
        (rf"at {NUMBER} US", [figures["us_dollars_per_gpu_hour"]]),
        (rf"{NUMBER} KiB of caches a token", [memory["caches_per_token"] / 2**10]),
    )
    for parts in ("split_seconds", "phase_seconds"):
        whole = sum(figures[parts].values())
        expect(abs(whole - step) < 1e-6 * step, f"{parts} of {whole} s make a step of {step} s")


def check_rollout(report, page):
    """What the page of a step of reinforcement learning says in words is what its JSON says in numbers."""
    figures = report.json
    memory = figures["training_memory_bytes"]
    claims(
        page,
        (rf"takes {NUMBER} s on {NUMBER} GPUs", [figures["step_seconds"], figures["gpus"]]),
        (rf"fits: {NUMBER} GiB of {NUMBER} GiB", [memory["needed"] / 2**30, memory["limit"] / 2**30]),
        (
            rf"for {NUMBER} answers, {NUMBER} tokens in {NUMBER} sequences",
            [figures["answers"], figures["tokens"], figures["packed_sequences"]]),
        (rf"tokens a second and GPU; {NUMBER} GPU-hours", [figures["gpu_hours_per_step"]]),
        (
            rf"{NUMBER} answers at a time on a data rank; {NUMBER} in the mean over steps, {NUMBER} % of",
            [figures["places"], figures["mean_active"], 100 * figures["drained_share"]]),
    )


def check_drain(report, page):
    """The batch drains until the last answer ends, and lies below half as long as the JSON says."""
    rows = page.evaluate("""(() => {
      const frame = [...document.querySelectorAll('.table')].find((table) =>
        table.querySelector('caption').textContent.startsWith('Answers that are decoded'));
      return [...frame.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => +cell.dataset.v));
    })()""")
    # Sorting is another check's; here rows stand in the order of time.
    rows.sort()
    expect(len(rows) > 2, f"{len(rows)} spans are shown")
    generation = report.json["part_seconds"]["generation"]
    for (_, end, _, _), (start, _, _, _) in zip(rows, rows[1:]):
        expect(abs(end - start) < 1e-9 * generation, f"a span ends at {end}, the next begins at {start}")
    expect(abs(rows[-1][1] - generation) < 1e-9 * generation, f"the last ends at {rows[-1][1]}")
    drained = sum(end - start for start, end, _, active in rows if 2 * active < rows[0][3])
    share = report.json["drained_share"]
    expect(abs(drained / generation - share) < 1e-6, f"{drained / generation} is drained, not {share}")


def check_pair(report, page):
    """What the page of a planned pair says in words is what its JSON says in numbers."""
    figures = report.json
    pair = figures["pair_seconds"]
    claims(
        page,
        (rf"to take {NUMBER} ms in place of {NUMBER}, with", [1e3 * pair["planned"], 1e3 * pair["published"]]),
        (
            rf"forward of stage {NUMBER} beside backward of stage {NUMBER},",
            [figures["forward_stage"], figures["backward_stage"]]),
        *[
            (
                rf"the {end['end']} end of its range says, the pair takes {NUMBER} ms as it is and {NUMBER} "
                rf"planned; known beforehand, the best were {NUMBER} multiprocessors and {NUMBER} ms",
                [
                    1e3 * end["pair_seconds"]["published"], 1e3 * end["pair_seconds"]["planned"],
                    end["best"]["multiprocessors"], 1e3 * end["best"]["planned_seconds"]])
            for end in figures["ends"]],
        (rf"{NUMBER} % below the planned pair", [100 * figures["gap"]]),
    )
