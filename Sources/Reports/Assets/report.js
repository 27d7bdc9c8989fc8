"use strict";
// Hover, zoom, sorting and filters of a report. Everything that is shown comes from the page itself:
// from its shapes, its cells and its two JSON elements. Text is only ever set as text.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const names = JSON.parse(document.getElementById("names").textContent);
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const short = (value) => String(+value.toPrecision(4));
  const time = (seconds) => {
    const size = Math.abs(seconds);
    if (size === 0) return "0";
    if (size < 1e-6) return short(seconds * 1e9) + " ns";
    if (size < 1e-3) return short(seconds * 1e6) + " µs";
    if (size < 1) return short(seconds * 1e3) + " ms";
    return short(seconds) + " s";
  };
  const roundStep = (range, most) => {
    const power = 10 ** Math.floor(Math.log10(range / most));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => range / step <= most);
  };

  // MARK: What is pointed at

  const tip = document.getElementById("tip");
  const show = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const left = Math.min(x + 14, innerWidth - tip.offsetWidth - 8);
    const below = y + 18 + tip.offsetHeight < innerHeight;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = (below ? y + 18 : Math.max(4, y - tip.offsetHeight - 12)) + "px";
  };
  const hide = () => { tip.hidden = true; };
  document.addEventListener("pointermove", (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (target) show(target.dataset.tip, event.clientX, event.clientY);
    else if (!event.target.closest?.(".lanes svg, .areas svg")) hide();
  });
  document.addEventListener("scroll", hide, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // MARK: Pictures over time

  const groups = new Map();
  // What is seen of a time axis, shared by the pictures of a group.
  const range = (figure, full) => {
    const key = figure.dataset.group ?? figure;
    if (!groups.has(key)) groups.set(key, { from: 0, to: full, full, members: [] });
    return groups.get(key);
  };
  const zoom = (seen, center, factor) => {
    const length = Math.min(seen.full, Math.max(seen.full * 1e-5, (seen.to - seen.from) * factor));
    const share = (center - seen.from) / (seen.to - seen.from);
    move(seen, center - share * length, length);
  };
  const move = (seen, from, length) => {
    seen.from = Math.min(Math.max(0, from), seen.full - length);
    seen.to = seen.from + length;
    for (const draw of seen.members) draw();
  };
  const tools = (figure, seen) => {
    const act = {
      in: () => zoom(seen, (seen.from + seen.to) / 2, 0.5),
      out: () => zoom(seen, (seen.from + seen.to) / 2, 2),
      left: () => move(seen, seen.from - (seen.to - seen.from) / 3, seen.to - seen.from),
      right: () => move(seen, seen.from + (seen.to - seen.from) / 3, seen.to - seen.from),
      all: () => move(seen, 0, seen.full),
    };
    figure.addEventListener("click", (event) => act[event.target.dataset?.do]?.());
    figure.addEventListener("keydown", (event) => {
      const key = { "+": "in", "=": "in", "-": "out", Home: "all", PageUp: "left", PageDown: "right" }[event.key];
      if (!key || event.target !== figure) return;
      act[key]();
      event.preventDefault();
    });
    const picture = figure.querySelector("svg");
    const at = (event) => {
      const box = picture.getBoundingClientRect();
      return seen.from + (event.clientX - box.left) / box.width * (seen.to - seen.from);
    };
    picture.addEventListener("wheel", (event) => {
      // A page is scrolled by the wheel until its picture has been chosen.
      if (!event.ctrlKey && !event.shiftKey && !figure.contains(document.activeElement)) return;
      event.preventDefault();
      zoom(seen, at(event), Math.exp((event.deltaY || event.deltaX) * 0.002));
    }, { passive: false });
    let drag = null;
    picture.addEventListener("pointerdown", (event) => {
      figure.focus({ preventScroll: true });
      drag = { at: at(event), x: event.clientX, from: seen.from };
      picture.setPointerCapture?.(event.pointerId);
    });
    picture.addEventListener("pointermove", (event) => {
      if (!drag || Math.abs(event.clientX - drag.x) < 4) return;
      drag.moved = true;
      const width = picture.getBoundingClientRect().width;
      const length = seen.to - seen.from;
      move(seen, drag.from - (event.clientX - drag.x) / width * length, length);
    });
    picture.addEventListener("pointerup", () => { setTimeout(() => { drag = null; }); });
    picture.addEventListener("dblclick", (event) => zoom(seen, at(event), 0.25));
    return { at, wasDragged: () => Boolean(drag?.moved) };
  };
  // Times of a schedule are numbers; a unit of them is kept as a millisecond.
  const told = (figure, seconds) =>
    figure.dataset.plain === undefined ? time(seconds) : short(+(seconds * 1e3).toPrecision(12));
  const axis = (figure, seen, unit) => {
    const place = figure.querySelector(".axis");
    const step = roundStep((seen.to - seen.from) * unit, place.clientWidth < 500 ? 4 : 8);
    place.textContent = "";
    const first = Math.ceil(seen.from * unit / step - 1e-9);
    for (let index = first; index * step <= seen.to * unit * (1 + 1e-9); index += 1) {
      const mark = document.createElement("i");
      const share = (index * step / unit - seen.from) / (seen.to - seen.from);
      mark.style.left = 100 * share + "%";
      if (share > 0.97) mark.className = "end";
      mark.textContent = told(figure, +(index * step).toPrecision(12));
      place.append(mark);
    }
  };

  // The boxes of a row, read from its paths: where each begins, how long it is, what it is called, and
  // whether light words read on it and on what lies below in the same box.
  const boxes = (row) => {
    const list = [];
    const lower = new Map();
    const source = row.dataset.shows ? document.getElementById(row.dataset.shows) : row;
    for (const path of source.querySelectorAll("path")) {
      const labels = path.dataset.i?.split(" ");
      const dark = /^(F0|B0|I0|W0|opt)$/.test(path.getAttribute("class"));
      let start = 0;
      let index = 0;
      for (const part of path.getAttribute("d").matchAll(/m(-?\d+) 0h(\d+)(v?)/g)) {
        start += +part[1];
        if (labels) list.push({ start, length: +part[2], name: names[labels[index]], dark });
        else lower.set(start, dark);
        // A closed box ends where it began, a line where it ends.
        if (!part[3]) start += +part[2];
        index += 1;
      }
    }
    for (const box of list) box.under = lower.get(box.start);
    return list.sort((a, b) => a.start - b.start);
  };

  const lanes = (figure) => {
    const picture = figure.querySelector("svg");
    const unit = +figure.dataset.unit;
    const depth = picture.viewBox.baseVal.height;
    const seen = range(figure, picture.viewBox.baseVal.width);
    const rows = all("g[data-row]", figure).map((row) => {
      const box = row.querySelector(".track");
      const top = +row.getAttribute("transform").match(/0 ([\d.]+)/)[1];
      return { node: row, name: row.dataset.row, top, height: +box.getAttribute("height"), list: null };
    });
    const list = (row) => (row.list ??= boxes(row.node));
    const kinds = new Map((figure.dataset.kinds ?? "").split(";").filter(Boolean).map((text) => {
      const space = text.lastIndexOf(" ");
      return [text.slice(0, space), +text.slice(space + 1)];
    }));
    const said = document.createElement("output");
    said.className = "said";
    figure.append(said);
    const words = (row, box) =>
      `${row.name}: ${box.name}\n${told(figure, box.length * unit)}, from ${told(figure, box.start * unit)}`;
    const find = (row, place) => {
      const boxes = list(row);
      let [low, high] = [0, boxes.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (boxes[middle].start <= place) low = middle + 1; else high = middle;
      }
      const box = boxes[low - 1];
      return box && place <= box.start + box.length ? low - 1 : -1;
    };
    const names_ = document.createElement("div");
    names_.className = "boxnames";
    figure.querySelector(".view").append(names_);
    const label = () => {
      names_.textContent = "";
      const view = figure.querySelector(".view");
      const scale = view.clientWidth / (seen.to - seen.from);
      let count = 0;
      for (const row of rows) {
        if (row.height < 16) continue;
        for (const box of list(row)) {
          if (box.start + box.length < seen.from || box.start > seen.to) continue;
          const left = Math.max(0, (box.start - seen.from) * scale);
          const width = Math.min(view.clientWidth, (box.start + box.length - seen.from) * scale) - left;
          const parts = box.under === undefined ? [box.name] : box.name.split("+");
          const letter = parts.length > 1 ? 5.2 : 6.4;
          if (width < letter * Math.max(...parts.map((part) => part.length)) + 6) continue;
          if ((count += parts.length) > 800) return;
          parts.forEach((part, index) => {
            const text = document.createElement("span");
            text.className = parts.length > 1 ? "boxname half" : "boxname";
            const top = row.top + index * row.height / parts.length;
            text.style.cssText = `left:${left}px;top:${top}px;width:${width}px`;
            if (!(index ? box.under : box.dark)) text.style.color = "#14181d";
            text.textContent = part;
            names_.append(text);
          });
        }
      }
    };
    let picked = null;
    let mark = null;
    const draw = () => {
      if (!figure.offsetParent) return;
      picture.setAttribute("viewBox", `${seen.from} 0 ${seen.to - seen.from} ${depth}`);
      axis(figure, seen, unit);
      const most = Math.max(...rows.map((row) => list(row).length));
      figure.classList.toggle("dense", most * (seen.to - seen.from) / seen.full > 0.7 * picture.clientWidth);
      label();
    };
    seen.members.push(draw);
    const { at, wasDragged } = tools(figure, seen);
    const rowAt = (event) => {
      const box = picture.getBoundingClientRect();
      const y = (event.clientY - box.top) / box.height * depth;
      return rows.find((row) => y >= row.top && y < row.top + row.height + 4);
    };
    const point = (row, index) => {
      mark?.remove();
      picked = row && index >= 0 ? { row, index } : null;
      if (!picked) return;
      const box = list(row)[index];
      mark = svg("rect", { class: "picked", x: box.start, width: box.length, height: row.height });
      mark.style.vectorEffect = "non-scaling-stroke";
      row.node.append(mark);
      said.textContent = words(row, box);
    };
    const open = (box) => {
      const kind = box.name.replace(/([FBIW])\d+/g, "$1");
      const choice = document.querySelector(`[data-choice="${figure.dataset.choose}"]`);
      if (!kinds.has(kind) || !choice) return;
      const select = choice.querySelector("select");
      select.selectedIndex = kinds.get(kind);
      select.dispatchEvent(new Event("change"));
      choice.scrollIntoView({ behavior: "smooth", block: "start" });
    };
    picture.addEventListener("pointermove", (event) => {
      const row = rowAt(event);
      const index = row ? find(row, at(event)) : -1;
      if (index < 0) return hide();
      show(words(row, list(row)[index]), event.clientX, event.clientY);
    });
    picture.addEventListener("pointerleave", hide);
    picture.addEventListener("click", (event) => {
      const row = rowAt(event);
      const index = row ? find(row, at(event)) : -1;
      if (index < 0 || wasDragged()) return;
      point(row, index);
      open(list(row)[index]);
    });
    figure.addEventListener("keydown", (event) => {
      if (event.target !== figure) return;
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (event.key === "Enter" && picked) return open(list(picked.row)[picked.index]);
      if (!step) return;
      event.preventDefault();
      const place = picked ? rows.indexOf(picked.row) : 0;
      const row = rows[Math.min(rows.length - 1, Math.max(0, place + step[0]))];
      const boxes = list(row);
      if (!boxes.length) return point(row, -1);
      let index = picked ? picked.index + step[1] : 0;
      if (step[0] && picked) {
        const old = list(picked.row)[picked.index];
        index = boxes.findIndex((box) => box.start + box.length > old.start);
        if (index < 0) index = boxes.length - 1;
      }
      point(row, Math.min(boxes.length - 1, Math.max(0, index)));
      const box = boxes[picked.index];
      if (box.start < seen.from || box.start + box.length > seen.to) {
        move(seen, box.start + box.length / 2 - (seen.to - seen.from) / 2, seen.to - seen.from);
      }
      const area = picture.getBoundingClientRect();
      const x = (box.start + box.length / 2 - seen.from) / (seen.to - seen.from);
      show(words(row, box), area.left + x * area.width, area.top + (row.top + row.height) / depth * area.height);
    });
    figure.addEventListener("blur", hide);
    return draw;
  };

  const areas = (figure) => {
    const picture = figure.querySelector("svg");
    const unit = +figure.dataset.unit;
    const { width, height } = picture.viewBox.baseVal;
    const seen = range(figure, width);
    // The highest first, as they are drawn: moments with the height from there on.
    const tops = all("path.area", figure).map((path) => {
      const steps = [[0, 0]];
      for (const part of path.getAttribute("d").matchAll(/(H|V)(-?\d+)/g)) {
        if (part[1] === "H") steps.push([+part[2], steps[steps.length - 1][1]]);
        else steps[steps.length - 1][1] = +part[2];
      }
      return { name: path.dataset.name, steps: steps.slice(0, -1) };
    });
    const value = (steps, place) => {
      let [low, high] = [0, steps.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (steps[middle][0] <= place) low = middle + 1; else high = middle;
      }
      return steps[Math.max(0, low - 1)][1];
    };
    const line = svg("path", { class: "cursor", d: "" });
    picture.append(line);
    const draw = () => {
      if (!figure.offsetParent) return;
      picture.setAttribute("viewBox", `${seen.from} 0 ${seen.to - seen.from} ${height}`);
      axis(figure, seen, unit);
    };
    seen.members.push(draw);
    const { at } = tools(figure, seen);
    const tell = (place, x, y) => {
      line.setAttribute("d", `M${place} 0V${height}`);
      const levels = tops.map((top) => value(top.steps, place));
      const gib = (mib) => (mib / 1024).toFixed(1) + " GiB";
      const parts = tops.map((top, index) => `${top.name} ${gib(levels[index] - (levels[index + 1] ?? 0))}`);
      show([`${time(place * unit)}: ${gib(levels[0] ?? 0)}`, ...parts].join("\n"), x, y);
    };
    picture.addEventListener("pointermove", (event) => tell(at(event), event.clientX, event.clientY));
    picture.addEventListener("pointerleave", () => { hide(); line.setAttribute("d", ""); });
    let place = 0;
    figure.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.target !== figure) return;
      event.preventDefault();
      place = Math.min(seen.to, Math.max(seen.from, place + step * (seen.to - seen.from) / 100));
      const box = picture.getBoundingClientRect();
      tell(place, box.left + (place - seen.from) / (seen.to - seen.from) * box.width, box.top + 40);
    });
    return draw;
  };

  const drawings = [
    ...all("figure.lanes").map((figure) => lanes(figure)),
    ...all("figure.areas").map((figure) => areas(figure)),
  ];
  const redraw = () => { for (const draw of drawings) draw(); };
  addEventListener("resize", redraw);

  // MARK: One of several

  for (const choice of all(".choice")) {
    const select = choice.querySelector("select");
    select.addEventListener("change", () => {
      all(":scope > .option", choice).forEach((option, index) => {
        option.hidden = index !== select.selectedIndex;
      });
      redraw();
    });
  }

  // MARK: Tables

  const value = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    return cell.dataset.v === undefined ? cell.textContent : +cell.dataset.v;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b
      : typeof a === "number" ? -1 : typeof b === "number" ? 1
        : a.localeCompare(b, "en", { numeric: true });
  // Every word must occur in a row; `> 1.5` and `< 3` ask for a number in it.
  const fits = (row, words) => words.every((word) => {
    const sign = word.match(/^([<>])(-?[\d.]+(?:e-?\d+)?)$/);
    if (!sign) return row.textContent.toLowerCase().includes(word);
    return [...row.cells].some((cell) => {
      const shown = parseFloat(cell.textContent);
      return cell.dataset.v !== undefined && (sign[1] === ">" ? shown > +sign[2] : shown < +sign[2]);
    });
  });
  for (const frame of all(".table")) {
    const body = frame.querySelector("tbody");
    const heads = all("thead th", frame);
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const isNumber = value(body.rows[0] ?? { cells: [] }, column) !== "" && !head.classList.contains("w");
        const was = head.getAttribute("aria-sort");
        const order = was ? (was === "ascending" ? "descending" : "ascending") : isNumber ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        all("tr.sub", body).forEach((row) => row.remove());
        all("button.open", body).forEach((button) => button.setAttribute("aria-expanded", "false"));
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...body.rows].map((row, index) => ({ row, index, key: value(row, column) }));
        rows.sort((a, b) => sign * compare(a.key, b.key) || a.index - b.index);
        body.append(...rows.map((item) => item.row));
      });
    });
    const more = frame.querySelector("button.more");
    const all_ = () => { all("tr.late", body).forEach((row) => row.classList.remove("late")); more?.remove(); };
    more?.addEventListener("click", all_);
    const box = frame.querySelector("input[type=search]");
    box?.addEventListener("input", () => {
      all_();
      const words = box.value.toLowerCase().replace(/([<>])\s+/g, "$1").split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of all("tr:not(.sub)", body)) {
        const isIn = fits(row, words);
        row.classList.toggle("out", !isIn);
        count += isIn ? 1 : 0;
      }
      frame.querySelector("output").textContent = words.length ? `${count} of ${all("tr:not(.sub)", body).length}` : "";
    });
  }

  // Rows that stand for ranks open to show them.
  for (const row of all("tr[data-ranks]")) {
    const [first, count, stride] = row.dataset.ranks.split(" ").map(Number);
    const cell = row.cells[2];
    const button = document.createElement("button");
    button.type = "button";
    button.className = "open";
    button.textContent = cell.textContent;
    button.setAttribute("aria-expanded", "false");
    button.title = "Show the ranks";
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const isOpen = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) return row.nextElementSibling.remove();
      const mesh = JSON.parse(row.closest("[data-mesh]").dataset.mesh);
      const list = document.createElement("div");
      list.className = "ranks";
      for (let index = 0; index < count; index += 1) {
        const rank = first + index * stride;
        const item = document.createElement("span");
        const local = rank % (mesh.dp * mesh.tp * mesh.cp);
        const parts = [`rank ${rank}`, `node ${Math.floor(rank / mesh.node)}`, `dp ${Math.floor(local / (mesh.tp * mesh.cp))}`];
        if (mesh.cp > 1) parts.push(`cp ${Math.floor(local / mesh.tp) % mesh.cp}`);
        if (mesh.tp > 1) parts.push(`tp ${local % mesh.tp}`);
        if (mesh.ep > 1) parts.push(`ep ${Math.floor(local / mesh.etp) % mesh.ep}`);
        item.textContent = parts.join(", ");
        list.append(item);
      }
      const under = document.createElement("tr");
      under.className = "sub";
      const wide = under.insertCell();
      wide.colSpan = row.cells.length;
      wide.append(list);
      row.after(under);
    });
  }

  // MARK: Lines over several scales

  for (const figure of all("figure.par")) {
    const ways = all(".way", figure);
    const inputs = all("input[type=range]", figure);
    const section = figure.closest("section");
    const filter = () => {
      const bounds = [];
      for (const input of inputs) (bounds[+input.dataset.axis] ??= {})[input.dataset.end] = +input.value;
      const seen = new Set();
      for (const way of ways) {
        const isIn = way.dataset.at.split(" ").every((place, axis) =>
          +place >= bounds[axis].low && +place <= bounds[axis].high);
        way.classList.toggle("out", !isIn);
        if (isIn) seen.add(way.dataset.name);
      }
      for (const row of all("tr[data-name]", section)) row.classList.toggle("out", !seen.has(row.dataset.name));
      figure.querySelector("output").textContent = `${seen.size} of ${ways.length} plans`;
    };
    figure.addEventListener("input", filter);
    figure.querySelector("[data-do=all]").addEventListener("click", () => {
      for (const input of inputs) input.value = input.dataset.end === "low" ? 0 : 1000;
      filter();
    });
    for (const row of all("tr[data-name]", section)) {
      const light = (isOn) => ways.filter((way) => way.dataset.name === row.dataset.name)
        .forEach((way) => way.classList.toggle("on", isOn));
      row.addEventListener("pointerenter", () => light(true));
      row.addEventListener("pointerleave", () => light(false));
    }
    filter();
  }

  addEventListener("beforeprint", () => all("details").forEach((part) => { part.open = true; }));
  redraw();
})();
