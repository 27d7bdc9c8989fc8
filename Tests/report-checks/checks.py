"""Reports as a reader uses them, in a headless Chromium: checks.py SLUICE

Every check makes its own report with the program, opens it, and does with it what the check's name says.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import traceback

from browser import Browser, Failure
from reports import REPORTS

LARGEST_FILE = 1_000_000
LONGEST_OPENING = 1.0
WIDTHS = [400, 1600]


def expect(condition, message):
    if not condition:
        raise Failure(message)


def at(document, path):
    """What a JSON document has at `stages.3.memory_bytes.peak`."""
    for part in path.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def page_of(text, case):
    """The page at the end of what a command tells a terminal."""
    if case.begins is None:
        return text
    places = [found.start() for found in re.finditer(case.begins, text, re.M)]
    expect(places, f"no line of the text begins with {case.begins}")
    return text[places[-1]:]


class Report:
    """A report beside the JSON of the same command."""

    def __init__(self, sluice, folder, case):
        self.name = case.name
        self.path = folder / f"{case.name}.html"
        program = [sluice] + case.words(folder) + ["--report", str(self.path)]
        run = subprocess.run(
            program + (case.json_option or []), capture_output=True, text=True, cwd=folder, check=False)
        expect(
            run.returncode == case.status,
            f"{' '.join(program)} ended with {run.returncode}: {run.stderr[-400:]}")
        self.json = json.loads(run.stdout) if case.json_option else None
        # What the same command tells a terminal; it takes the report's place nowhere.
        self.text = None
        if case.has_text and case.json_option is None:
            self.text = page_of(run.stdout, case)
        elif case.has_text:
            told = subprocess.run(
                program[:-2], capture_output=True, text=True, cwd=folder, check=False)
            expect(told.returncode == case.status, f"{' '.join(program[:-2])} ended with {told.returncode}")
            self.text = page_of(told.stdout, case)
        self.log = next(iter(folder.glob("runs/**/*.jsonl")), None)


def check_figures(report, page):
    """All figures are those of --json, and every number on the page is one of them or is derived."""
    figures = json.loads(page.evaluate("document.getElementById('figures').textContent"))
    if report.json is None:
        report.json = figures
    expect(without_clocks(figures) == without_clocks(report.json), "the figures differ from --json")
    cells = page.evaluate(
        "[...document.querySelectorAll('[data-k]')].map(n => [n.dataset.k, +n.dataset.v, n.textContent])")
    expect(cells, "no figure on the page says where the JSON has it")
    for key, value, text in cells:
        found = at(report.json, key)
        expect(
            abs(found - value) <= 1e-12 * abs(found),
            f"{key} is {found} in the JSON and {value} on the page")
        expect(agrees(text, value), f"{key} is {value} and the page says {text!r}")


def check_text(report, page):
    """Whatever number with a point the terminal shows, the page shows, too: both are one page."""
    if report.text is None:
        return
    numbers = re.compile(r"\d[\d,]*\.\d+")
    # Wall time differs from run to run.
    told = re.sub(r"[\d.]+ s on \d+ threads?", "", report.text)
    # What the page holds as JSON is not shown.
    shown = set(numbers.findall(page.evaluate("""(() => {
      const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const parts = [];
      for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
        if (node.parentElement.tagName !== 'SCRIPT') parts.push(node.data);
      }
      return parts.join(' ');
    })()""")))
    found = numbers.findall(told)
    expect(found, "the text shows no figure")
    missing = [number for number in found if number not in shown]
    expect(not missing, f"the text has {missing[:6]} and the page has not")


def without_clocks(figures):
    """Figures less what a watch says, which differs from run to run."""
    if isinstance(figures, dict):
        return {
            key: without_clocks(value) for key, value in figures.items()
            if key not in ("seconds",)}
    if isinstance(figures, list):
        return [without_clocks(value) for value in figures]
    return figures


SCALES = [1, 100, 1e-3, 1e-6, 1e-9, 1e-12, 1e3, 1e6, 1e9, 1e12, 2**-30, 2**-20, 2**-10, 1 / 3600, 1 / 86400]


def agrees(text, value):
    """Whether a text is the value, rounded, in some unit."""
    match = re.match(r"[+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?", text.strip().replace("−", "-"))
    if match is None:
        return False
    shown = float(match[0].replace(",", ""))
    if "e" in match[0]:
        digits, power = match[0].split("e")
        decimals = len(digits.split(".")[1]) if "." in digits else 0
        return abs(value - shown) <= 0.5000001 * 10 ** (int(power) - decimals)
    decimals = len(match[0].split(".")[1]) if "." in match[0] else 0
    return any(
        abs(value * scale - shown) <= 0.5000001 * 10**-decimals + abs(shown) * 5.1e-3 * (decimals == 0 and abs(shown) >= 100)
        for scale in SCALES)


def check_silence(report, page):
    """Nothing is logged, nothing is asked for but the file."""
    expect(not page.complaints, f"the console says {page.complaints[:3]}")
    address = report.path.resolve().as_uri()
    others = [url for url in page.requests if url != address and url != "about:blank"]
    expect(not others, f"the page asks for {others[:3]}")


def check_size(report, page):
    size = report.path.stat().st_size
    expect(size < LARGEST_FILE, f"{size:,} bytes")


def check_opening(report, browser):
    """The fastest of a few openings: what else the machine does is not the page's fault."""
    seconds = []
    for _ in range(4):
        page = browser.page()
        seconds.append(page.open(report.path))
        page.close()
        if min(seconds) < LONGEST_OPENING:
            break
    expect(min(seconds) < LONGEST_OPENING, f"opens in {min(seconds):.2f} s")
    print(f"    {report.name}: {report.path.stat().st_size:,} bytes, {min(seconds):.2f} s to open")


def check_widths(report, page):
    """Nothing sticks out at the sides, whatever the width and the colours."""
    for width in WIDTHS:
        page.size(width, 900)
        for scheme in ["light", "dark"]:
            page.theme(scheme)
            wide = page.evaluate("document.documentElement.scrollWidth")
            expect(wide <= width, f"the page is {wide} wide at {width}")
    page.size(1600, 1000)
    page.theme("light")


CONTRAST = """(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let place = node; place; place = place.parentElement) {
      const color = getComputedStyle(place).backgroundColor;
      const values = parts(color);
      if (values.length === 3 || values[3] === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility() || /SCRIPT|OPTION/.test(parent.tagName)) continue;
    if (parent.closest(".boxname, svg")) continue;
    const [a, b] = [light(getComputedStyle(parent).color), light(ground(parent))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(parent.className + ": " + node.data.trim().slice(0, 30) + " " + ratio.toFixed(2));
  }
  return found.slice(0, 4);
})()"""


def check_contrast(report, page):
    for scheme in ["light", "dark"]:
        page.theme(scheme)
        found = page.evaluate(CONTRAST)
        expect(not found, f"too pale in {scheme}: {found}")
    page.theme("light")


def check_print(report, page):
    pdf = page.pdf()
    expect(pdf[:4] == b"%PDF" and len(pdf) > 10_000, "cannot be printed")
    page.theme("light", "print")
    seen = page.evaluate(
        "[...document.querySelectorAll('.tools')].filter(n => n.checkVisibility()).length")
    expect(seen == 0, "tools are printed")
    page.theme("light")


def check_readers(report, page):
    """Whatever can be reached has a name, pictures are described, headings begin with one of the first rank."""
    unnamed = [
        role for role, name in page.names()
        if role in ("button", "combobox", "searchbox", "slider", "img", "image", "link", "figure", "table")
        and not name.strip()]
    expect(not unnamed, f"without a name: {unnamed[:4]}")
    ranks = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(n => +n.tagName[1])")
    expect(ranks[0] == 1 and ranks.count(1) == 1, f"headings of the ranks {ranks[:4]}")


def center(page, selector):
    place = page.evaluate(
        f"(() => {{ const n = document.querySelector({json.dumps(selector)}); if (!n) return null;"
        " n.scrollIntoView({block: 'center', behavior: 'instant'}); const b = n.getBoundingClientRect();"
        " return [b.left + b.width / 2, b.top + b.height / 2, b.width, b.height]; })()")
    expect(place is not None, f"there is no {selector}")
    return place


def tip(page):
    return page.evaluate("(() => { const t = document.getElementById('tip'); return t.hidden ? '' : t.textContent; })()")


def view(page, selector):
    return [float(part) for part in page.evaluate(
        f"document.querySelector({json.dumps(selector)}).getAttribute('viewBox')").split()]


def check_sorting(report, page):
    """Every column of every table sorts, up and down."""
    count = page.evaluate("document.querySelectorAll('.table').length")
    expect(count, "there is no table")
    for table in range(count):
        broken = page.evaluate("""((table) => {
          const frame = document.querySelectorAll('.table')[table];
          const value = (row, column) => {
            const cell = row.cells[column];
            return !cell ? "" : cell.dataset.v === undefined ? cell.textContent : +cell.dataset.v;
          };
          const heads = [...frame.querySelectorAll('thead th')];
          for (let column = 0; column < heads.length; column += 1) {
            for (let time = 0; time < 2; time += 1) {
              heads[column].querySelector('button').click();
              const order = heads[column].getAttribute('aria-sort');
              const sign = order === 'ascending' ? 1 : order === 'descending' ? -1 : NaN;
              const numbers = [...frame.querySelectorAll('tbody tr')].map((row) => value(row, column))
                .filter((found) => typeof found === 'number');
              for (let place = 1; place < numbers.length; place += 1) {
                if (!(sign * (numbers[place] - numbers[place - 1]) >= 0)) return heads[column].textContent;
              }
            }
          }
          return null;
        })(""" + str(table) + ")")
        expect(broken is None, f"column {broken} of table {table} does not sort")


def check_filter(report, page):
    """Words leave the rows that have them all, bounds those with such a number."""
    found = page.evaluate("""(() => {
      const box = document.querySelector('.table input[type=search]');
      if (!box) return null;
      const frame = box.closest('.table');
      const rows = () => [...frame.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility());
      const type = (text) => { box.value = text; box.dispatchEvent(new Event('input')); };
      const word = frame.querySelector('tbody tr').cells[0].textContent.trim().toLowerCase();
      type(word);
      const some = rows();
      const right = some.length > 0 && some.every((row) => row.textContent.toLowerCase().includes(word.split(' ')[0]));
      type('\\u0001 no such row');
      const none = rows().length;
      type('');
      return [right, none, rows().length, frame.querySelectorAll('tbody tr').length];
    })()""")
    if found is None:
        return
    right, none, after, all_rows = found
    expect(right, "a word does not filter")
    expect(none == 0, "words that no row has leave rows")
    expect(after == all_rows, "not all rows come back")


def check_hover(report, page):
    """A box of a picture over time says what it is and how long it takes."""
    if not page.evaluate("document.querySelectorAll('figure.lanes').length"):
        return
    x, y, width, height = center(page, "figure.lanes svg")
    top = y - height / 2
    said = set()
    for row in range(3):
        for place in range(8):
            page.move(x - width / 2 + width * (0.1 + 0.1 * place), top + 9 + 22 * row)
            said.add(tip(page))
    said.discard("")
    expect(len(said) > 2, "boxes say nothing")
    expect(all(re.search(r": .+\n[\d.]+( s| ms| µs| ns)?, from", text) for text in said), f"boxes say {said}")


def check_zoom(report, page):
    """Buttons, keys and the wheel zoom, a drag moves, everything comes back."""
    if not page.evaluate("document.querySelectorAll('figure.lanes').length"):
        return
    picture = "figure.lanes svg"
    whole = view(page, picture)
    page.evaluate("document.querySelector('figure.lanes [data-do=in]').click()")
    half = view(page, picture)
    expect(abs(half[2] - whole[2] / 2) < 1, f"{whole} becomes {half}")
    page.evaluate("document.querySelector('figure.lanes').focus()")
    page.press("+")
    expect(view(page, picture)[2] < half[2] * 0.6, "the key + does not zoom")
    x, y, _, _ = center(page, picture)
    before = view(page, picture)[2]
    page.wheel(x, y, -240)
    page.evaluate("new Promise((done) => setTimeout(done, 60))")
    after = view(page, picture)
    expect(after[2] < before, "the wheel does not zoom")
    page.move(x, y)
    page.mouse("mousePressed", x, y, button="left", clickCount=1)
    page.mouse("mouseMoved", x - 150, y, button="left", buttons=1)
    page.mouse("mouseReleased", x - 150, y, button="left", clickCount=1)
    expect(view(page, picture)[0] > after[0], "a drag does not move")
    page.evaluate("document.querySelector('figure.lanes').focus()")
    page.press("Home")
    expect(view(page, picture) == whole, "the whole does not come back")
    # Walking from box to box says each aloud.
    page.press("ArrowRight")
    first = page.evaluate("document.querySelector('figure.lanes .said').textContent")
    page.press("ArrowRight")
    second = page.evaluate("document.querySelector('figure.lanes .said').textContent")
    expect(first and second and first != second, "arrows do not walk along the boxes")


PAGE_CHECKS = [
    check_silence, check_size, check_figures, check_text, check_widths, check_contrast, check_print,
    check_readers, check_hover, check_zoom, check_sorting, check_filter,
]


def can_train(sluice):
    help = subprocess.run([sluice, "help"], capture_output=True, text=True, check=False).stdout
    return bool(re.search(r"^\s+train\b", help, re.M))


def main():
    sluice = str(pathlib.Path(sys.argv[1]).resolve())
    wanted = sys.argv[2:]
    failures, start = [], time.monotonic()

    def attempt(what, action):
        try:
            action()
        except Exception as error:  # noqa: BLE001: any failure of a check is told, and the next goes on.
            failures.append(f"{what}: {error}")
            if not isinstance(error, Failure):
                traceback.print_exc()

    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        folder = pathlib.Path(folder)
        for case in REPORTS:
            if wanted and case.name not in wanted:
                continue
            if case.name.startswith(("train", "evaluate")) and not can_train(sluice):
                print(f"  {case.name}: left out, this sluice is built without MPI")
                continue
            begun = time.monotonic()
            try:
                case.prepare(folder, sluice)
                report = Report(sluice, folder, case)
            except Failure as error:
                failures.append(f"{case.name}: {error}")
                continue
            page = browser.page()
            page.open(report.path)
            for check in PAGE_CHECKS + case.checks:
                attempt(f"{case.name}: {check.__name__}", lambda: check(report, page))
            attempt(f"{case.name}: silence at the end", lambda: check_silence(report, page))
            page.close()
            if case.opens_quickly:
                attempt(f"{case.name}: check_opening", lambda: check_opening(report, browser))
            print(f"  {case.name}: {time.monotonic() - begun:.1f} s", flush=True)
    print(f"{len(failures)} failures in {time.monotonic() - start:.0f} s")
    for failure in failures:
        print(f"  {failure}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
