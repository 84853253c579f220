"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);

  // Tables: a button in each head sorts by its column; numbers first fall, words first rise.
  const number = (text) => (/^\W?-?[\d.]/.test(text) ? parseFloat(text.replace(/^[^\d.-]/, "")) : NaN);
  const compare = (a, b, sign) => {
    const x = number(a), y = number(b);
    if (Number.isNaN(x) || Number.isNaN(y)) {
      if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1; // without a number: last
      return a < b ? -sign : a > b ? sign : 0;
    }
    return (x - y) * sign;
  };
  for (const table of document.querySelectorAll("table")) {
    for (const button of table.querySelectorAll("thead button")) {
      button.addEventListener("click", () => {
        const head = button.closest("th");
        const before = head.getAttribute("aria-sort");
        const isNumber = head.classList.contains("n");
        const falls = before ? before === "ascending" : isNumber;
        for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falls ? "descending" : "ascending");
        const body = table.tBodies[0];
        const text = (row) => row.cells[head.cellIndex].textContent.trim();
        const rows = [...body.rows].sort((a, b) => compare(text(a), text(b), falls ? -1 : 1));
        body.append(...rows);
      });
    }
  }

  // Charts: each is drawn when it comes near the window.
  const views = [];
  const picker = byId("picker");
  const boxes = picker ? [...picker.querySelectorAll("input")] : [];
  const shown = () => boxes.filter((box) => box.checked).map((box) => data.pruners[box.value]);
  const draw = async (place) => {
    const spec = structuredClone(data.charts.specifications[place.dataset.kind]);
    const rows = data.charts.rows[place.dataset.figure];
    for (const source of spec.data) if (Object.hasOwn(rows, source.name)) source.values = rows[source.name];
    // The interpreter evaluates expressions without eval, which the page's policy forbids.
    // Log level 1 is errors only: where nobody is picked, Vega warns of a chart without rows.
    const { view } = await vegaEmbed(place, spec, { mode: "vega", ast: true, renderer: "svg", actions: false, defaultStyle: false, logLevel: 1 });
    if (!("shown" in view.getState().signals)) return;
    views.push(view);
    await view.signal("shown", shown()).runAsync();
  };
  const pick = () => {
    for (const view of views) view.signal("shown", shown()).runAsync();
  };
  const places = document.querySelectorAll(".chart");
  if (places.length) {
    picker.hidden = false;
    picker.addEventListener("change", pick);
    for (const button of picker.querySelectorAll("[data-pick]")) {
      button.addEventListener("click", () => {
        for (const box of boxes) box.checked = button.dataset.pick === "all" || (button.dataset.pick === "first" && "first" in box.dataset);
        pick();
      });
    }
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        watch.unobserve(entry.target);
        draw(entry.target);
      }
    }, { rootMargin: "600px" });
    for (const place of places) watch.observe(place);
    addEventListener("beforeprint", () => {
      for (const place of places) if (!place.firstChild) draw(place);
    });
  }

  // The network: masks are two bits a parameter, compressed; see drawings.py.
  const viewer = byId("viewer");
  if (!viewer) return;
  viewer.hidden = false;
  const networks = data.networks;
  const choices = ["challenge", "pruner", "density", "seed"].map((name) => byId("net-" + name));
  const [challengeOf, prunerOf, densityOf, seedOf] = choices;
  const boxesOf = Object.fromEntries(["found", "missed", "wrong", "dead"].map((name) => [name, byId("show-" + name)]));
  const fill = (select, names) => {
    const before = select.selectedOptions[0]?.textContent;
    select.replaceChildren(...names.map(([value, text]) => new Option(text, value, false, text === before)));
  };
  const unpack = async (text, total) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bits = new Uint8Array(await new Response(stream).arrayBuffer());
    const bit = (place) => (bits[place >> 3] >> (7 - (place & 7))) & 1;
    return { kept: (place) => bit(place), dead: (place) => bit(total + place) };
  };
  const runsOf = () => networks.challenges[challengeOf.value].runs;
  const unique = (values) => [...new Set(values)];
  const refill = (level) => {
    const runs = runsOf();
    if (level < 1) fill(prunerOf, unique(runs.map((run) => run[0])).map((i) => [i, data.pruners[i]]));
    const mine = runs.filter((run) => run[0] === Number(prunerOf.value));
    if (level < 2) fill(densityOf, unique(mine.map((run) => run[1])).map((text) => [text, text]));
    const seeds = mine.filter((run) => run[1] === densityOf.value);
    if (level < 3) fill(seedOf, seeds.map((run) => [run[2], String(run[2])]));
  };

  const WHY = { "-1": "This run failed; see Failures.", "-2": "This mask was not kept.", "-3": "This mask is left out to keep the file small." };
  let current = null;
  let asked = 0;
  const load = async () => {
    const mine = ++asked;
    const challenge = networks.challenges[challengeOf.value];
    const run = challenge.runs.find((one) => one[0] === Number(prunerOf.value) && one[1] === densityOf.value && one[2] === Number(seedOf.value));
    const { columns, layers, shortcuts, total } = challenge;
    const ticket = await unpack(challenge.ticket, total);
    const mask = run && run[3] >= 0 ? await unpack(networks.masks[run[3]], total) : null;
    if (mine !== asked) return;
    const counts = layers.map(() => ({ ticket: 0, found: 0, missed: 0, wrong: 0, foundLive: 0, wrongLive: 0 }));
    const edges = new Map(); // entries that join the same two channels and fare alike are one line
    const rings = [];
    layers.forEach((one, layer) => {
      const count = counts[layer];
      const [from, to] = [columns[one.source], columns[one.target]];
      const ends = one.biases < 0 ? [] : [[one.biases, to]];
      for (const [start, length] of [[one.weights, from * to * one.taps], ...ends]) {
        for (let place = start; place < start + length; place++) {
          const wanted = ticket.kept(place), kept = mask ? mask.kept(place) : 0;
          if (!wanted && !kept) continue;
          const what = wanted ? (kept ? "found" : "missed") : "wrong";
          const dead = what !== "missed" && mask.dead(place) === 1;
          count.ticket += wanted;
          count[what]++;
          if (what !== "missed" && !dead) count[what + "Live"]++;
          if (start === one.biases) {
            rings.push({ layer, column: one.target, unit: place - start, what, dead });
            continue;
          }
          const pair = Math.floor((place - start) / one.taps);
          const key = [layer, pair, what, dead].join();
          const edge = edges.get(key);
          if (edge) edge.entries++;
          else edges.set(key, { source: one.source, target: one.target, from: pair % from, to: Math.floor(pair / from), what, dead, entries: 1 });
        }
      }
    });
    // Where many tickets are as good, what is kept besides the planted one is not wrong.
    for (const word of document.querySelectorAll("[data-besides]")) word.textContent = challenge.overlap_scored ? "wrong" : "kept besides";
    current = { columns, layers, shortcuts, edges: [...edges.values()], rings };
    const names = ["ticket", "found", "missed", "wrong", "foundLive", "wrongLive"];
    const sum = Object.fromEntries(names.map((name) => [name, counts.reduce((all, one) => all + one[name], 0)]));
    const row = (name, count) => {
      const tr = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      tr.append(head);
      for (const key of names) {
        const cell = document.createElement("td");
        cell.className = "n";
        cell.textContent = mask || key === "ticket" ? count[key] : "";
        tr.append(cell);
      }
      return tr;
    };
    byId("net-counts").tBodies[0].replaceChildren(
      ...layers.map((one, layer) => row(one.name, counts[layer])), row("all", sum));
    byId("net-summary").textContent = mask
      ? `${data.pruners[prunerOf.value]} on ${challenge.id} at ${densityOf.value}, seed ${seedOf.value}: ${sum.found} of the ticket's ${sum.ticket} parameters found, ${sum.missed} missed, ${sum.wrong} others kept; ${sum.foundLive + sum.wrongLive} of the ${sum.found + sum.wrong} kept lie on a path.`
      : WHY[run ? run[3] : -2] + " Only the ticket is drawn.";
    paint();
  };

  const canvas = byId("network");
  const paint = () => {
    if (!current) return;
    const { columns, layers, shortcuts, edges, rings } = current;
    canvas.style.minWidth = `${2 * columns.length}rem`;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue("--" + name).trim();
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const margin = 18;
    const bottom = height - 14;
    const x = (column) => margin + (column * (width - 2 * margin)) / (columns.length - 1);
    const room = (column) => (bottom - margin) / columns[column];
    const y = (column, unit) => margin + (unit + 0.5) * room(column);
    const isShown = (one) => boxesOf[one.what].checked && (!one.dead || boxesOf.dead.checked);
    const visible = edges.filter(isShown);
    const used = columns.map(() => new Set());
    for (const edge of visible) {
      used[edge.source].add(edge.from);
      used[edge.target].add(edge.to);
    }
    pen.strokeStyle = pen.fillStyle = colour("soft");
    pen.lineWidth = 0.8;
    pen.setLineDash([1, 3]);
    pen.beginPath();
    for (const [start, end] of shortcuts) {
      for (const unit of new Set([...used[start], ...used[end]])) {
        pen.moveTo(x(start), y(start, unit));
        pen.lineTo(x(end), y(end, unit));
      }
    }
    pen.stroke();
    const strokes = (what, dead, look) => {
      const mine = visible.filter((edge) => edge.what === what && edge.dead === dead);
      pen.strokeStyle = colour(what);
      const crowd = Math.min(3, Math.max(1, Math.sqrt(mine.length / 300))); // many lines: finer ones
      pen.globalAlpha = look.alpha / crowd;
      pen.setLineDash(look.dash || []);
      for (const [least, most, factor] of [[1, 1, 1], [2, 4, 1.6], [5, Infinity, 2.4]]) {
        pen.lineWidth = (look.width * factor) / crowd;
        pen.beginPath();
        for (const edge of mine) {
          if (edge.entries < least || edge.entries > most) continue;
          const [left, right] = [x(edge.source), x(edge.target)];
          const [start, end] = [y(edge.source, edge.from), y(edge.target, edge.to)];
          pen.moveTo(left, start);
          if (edge.target === edge.source + 1) pen.lineTo(right, end);
          else pen.quadraticCurveTo((left + right) / 2, Math.max(2, Math.min(start, end) - 40), right, end);
        }
        pen.stroke();
      }
    };
    strokes("wrong", true, { width: 0.6, alpha: 0.3 });
    strokes("missed", false, { width: 1, alpha: 0.8, dash: [4, 3] });
    strokes("wrong", false, { width: 1.1, alpha: 0.75 });
    strokes("found", true, { width: 1, alpha: 0.4 });
    strokes("found", false, { width: 2.2, alpha: 1 });
    pen.globalAlpha = 1;
    pen.setLineDash([]);
    pen.fillStyle = colour("ink");
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    columns.forEach((count, column) => {
      const radius = count > 40 ? 1.4 : count > 12 ? 2 : 3.5;
      const isCrowded = room(column) < 3; // dots would run into each other: only those with lines
      if (isCrowded) pen.fillRect(x(column) - 0.25, margin, 0.5, bottom - margin);
      for (let unit = 0; unit < count; unit++) {
        if (isCrowded && !used[column].has(unit)) continue;
        pen.beginPath();
        pen.arc(x(column), y(column, unit), radius, 0, 2 * Math.PI);
        pen.fill();
      }
      pen.fillText(count, x(column), height - 4);
    });
    for (const ring of rings.filter(isShown)) {
      pen.strokeStyle = colour(ring.what);
      pen.lineWidth = 1.3;
      pen.globalAlpha = ring.dead ? 0.4 : 1;
      pen.setLineDash(ring.what === "missed" ? [2, 2] : []);
      pen.beginPath();
      // A second layer that writes the column has a wider ring.
      const before = layers.slice(0, ring.layer).filter((one) => one.target === ring.column).length;
      pen.arc(x(ring.column), y(ring.column, ring.unit), 4.5 + 2.5 * before, 0, 2 * Math.PI);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    pen.setLineDash([]);
  };

  fill(challengeOf, networks.challenges.map((one, place) => [place, one.id]));
  const [start, ...wanted] = networks.start;
  challengeOf.value = start;
  refill(0);
  [prunerOf, densityOf, seedOf].forEach((select, level) => { select.value = wanted[level]; refill(level + 1); });
  choices.forEach((select, level) => select.addEventListener("change", () => { refill(level); load(); }));
  for (const box of Object.values(boxesOf)) box.addEventListener("change", paint);
  new ResizeObserver(paint).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  load();
})();
