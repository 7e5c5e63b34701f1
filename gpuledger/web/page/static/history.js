// Prices over time by uPlot: steps, calendar ticks, a box with all values at the cursor, names at the ends of the lines.
// Numbers come from the page; nothing is computed here but places. Zoom and hidden lines are in the address.
(() => {
  "use strict";
  const DASHES = [[], [8, 4], [14, 4, 3, 4], [5, 2]];
  const COLOURS = 7;
  let plot = null;
  let drawn = null;
  let spread = null;
  let cursor = -1;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const state = () => new URLSearchParams(location.search);
  const usd = (value) =>
    value === null || value === undefined ? "" : drawn.unit === "index" ? value.toFixed(1) : `$${value >= 0.1 ? value.toFixed(2) : value.toFixed(4)}`;

  function put(name, value) {
    const now = state();
    if (value) now.set(name, value);
    else now.delete(name);
    const text = now.toString();
    history.replaceState(history.state, "", text ? `${location.pathname}?${text}` : location.pathname);
  }

  const hidden = () => new Set((state().get("hide") || "").split(",").filter(Boolean));
  const isLog = () => Boolean(document.querySelector("#filters input[name=log]")?.checked);

  function split(line) {
    // the unconfirmed part is a line of its own, joined to the last price before it
    const loose = new Array(line.usd.length).fill(false);
    for (const [from, to] of line.loose) loose.fill(true, from, to + 1);
    if (!line.loose.length) return [line.usd, null];
    const firm = line.usd.map((value, at) => (loose[at] ? null : value));
    const soft = line.usd.map((value, at) => (loose[at] || loose[at + 1] ? value : null));
    return [firm, soft];
  }

  function series() {
    const x = Array.from({ length: drawn.steps }, (_, step) => drawn.start + step * drawn.step_seconds);
    const stepped = uPlot.paths.stepped({ align: 1 });
    const data = [x];
    const made = [{}];
    const bands = [];
    const off = hidden();
    drawn.lines.forEach((line, number) => {
      const stroke = css(`--f${number % COLOURS}`);
      const dash = DASHES[Math.floor(number / COLOURS) % DASHES.length];
      const [firm, soft] = split(line);
      const show = !off.has(line.key);
      if (line.low) {
        data.push(line.high, line.low);
        const edge = { stroke: "transparent", width: 0, show, points: { show: false }, line: number, part: "edge" };
        made.push({ ...edge }, { ...edge });
        bands.push({ series: [made.length - 2, made.length - 1], fill: stroke + "2a" });
      }
      data.push(firm);
      made.push({ label: line.name, stroke, width: 2, dash, paths: drawn.unit === "index" ? undefined : stepped, points: { show: false }, show, line: number, part: "line", spanGaps: false });
      if (soft) {
        data.push(soft);
        made.push({ label: line.name, stroke, width: 2, dash: [1.5, 4], cap: "round", paths: stepped, points: { show: false }, show, line: number, part: "loose" });
      }
    });
    if (drawn.median.some((value) => value !== null) && !drawn.is_comparison && drawn.lines.length > 2) {
      data.push(drawn.median);
      made.push({ label: "median of providers", stroke: css("--soft"), width: 1.5, dash: [4, 4], paths: stepped, points: { show: false }, part: "median", show: !off.has("~median") });
    }
    return { data, made, bands };
  }

  // Names at the ends of the lines: beside the picture those that go on to its edge, moved apart where they end close to
  // each other, and those that ended before it at their own ends.
  function labels(u) {
    const pen = u.ctx;
    const scale = devicePixelRatio || 1;
    const ends = [];
    const over = [];
    const edge = u.bbox.left + u.bbox.width - 12 * scale;
    drawn.lines.forEach((line, number) => {
      if (hidden().has(line.key)) return;
      let at = Math.min(line.usd.length - 1, Math.floor((u.scales.x.max - drawn.start) / drawn.step_seconds));
      while (at >= 0 && line.usd[at] === null) at--;
      if (at < 0) return;
      const y = u.valToPos(line.usd[at], "y", true);
      if (y < u.bbox.top - 4 || y > u.bbox.top + u.bbox.height + 4) return;
      // a price holds for its step
      const x = u.valToPos(drawn.start + (at + 1) * drawn.step_seconds, "x", true);
      if (x >= edge) ends.push({ y, name: line.name, number });
      else if (x >= u.bbox.left) over.push({ x, y, name: line.name, number });
    });
    const gap = 14 * scale;
    const bottom = u.bbox.top + u.bbox.height;
    // the cheapest first where there is no room for all
    const there = ends.sort((a, b) => b.y - a.y).slice(0, Math.floor(u.bbox.height / gap)).reverse();
    there.forEach((end, place) => { end.at = place ? Math.max(end.y, there[place - 1].at + gap) : end.y; });
    let limit = bottom;
    for (const end of [...there].reverse()) {
      end.at = Math.min(end.at, limit);
      limit = end.at - gap;
    }
    const right = u.bbox.left + u.bbox.width;
    pen.save();
    pen.font = `${12 * scale}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.lineWidth = scale;
    pen.setLineDash([]);
    for (const end of there) {
      pen.fillStyle = pen.strokeStyle = css(`--f${end.number % COLOURS}`);
      pen.beginPath();
      pen.moveTo(right + 1, end.y);
      pen.lineTo(right + 10 * scale, end.at);
      pen.stroke();
      const start = right + 13 * scale;
      let name = end.name;
      for (let kept = name.length; kept > 1 && pen.measureText(name).width > pen.canvas.width - start; kept--) name = `${end.name.slice(0, kept - 1).trimEnd()}…`;
      pen.fillText(name, start, end.at);
    }
    // the latest first where two would cover each other; the other one is in the legend
    const boxes = [];
    const isOnLine = (left, width, y) => {
      const step = (x) => Math.round((u.posToVal(x, "x", true) - drawn.start) / drawn.step_seconds);
      return drawn.lines.some((line) => !hidden().has(line.key) && line.usd.slice(Math.max(0, step(left)), step(left + width) + 1)
        .some((value) => value !== null && Math.abs(u.valToPos(value, "y", true) - y) < gap / 2));
    };
    for (const end of over.sort((a, b) => b.x - a.x)) {
      const width = pen.measureText(end.name).width;
      const left = end.x + 6 * scale + width <= right ? end.x + 6 * scale : end.x - 6 * scale - width;
      // beside the end, or above or below it, best where no line passes; to the left of it stands the line itself
      const places = (left > end.x ? [0, -gap, gap, 2 * gap, -2 * gap] : [-gap, gap, 2 * gap, -2 * gap]).map((far) => end.y + far).filter((y) =>
        left >= u.bbox.left && y >= u.bbox.top + gap / 2 && y <= bottom - gap / 2
        && boxes.every((box) => left > box.right || left + width < box.left || Math.abs(y - box.y) >= gap));
      const at = places.find((y) => !isOnLine(left, width, y)) ?? places[0];
      if (at === undefined) continue;
      boxes.push({ left, right: left + width, y: at });
      pen.strokeStyle = css("--paper");
      pen.lineWidth = 4 * scale;
      pen.lineJoin = "round";
      pen.strokeText(end.name, left, at);
      pen.fillStyle = css(`--f${end.number % COLOURS}`);
      pen.fillText(end.name, left, at);
    }
    pen.restore();
  }

  function tip(u, box) {
    const at = u.cursor.idx;
    if (at === null || at === undefined || u.cursor.left < 0) {
      box.hidden = true;
      return;
    }
    const off = hidden();
    const rows = drawn.lines
      .map((line, number) => ({ line, number, value: line.usd[at] }))
      .filter(({ line, value }) => value !== null && value !== undefined && !off.has(line.key))
      .sort((a, b) => a.value - b.value);
    const when = new Date((drawn.start + at * drawn.step_seconds) * 1000);
    const text = drawn.step_seconds < 86400 ? when.toISOString().slice(0, 16).replace("T", " ") + " UTC" : when.toISOString().slice(0, 10);
    const head = document.createElement("b");
    head.textContent = text;
    const parts = rows.slice(0, 12).map(({ line, number, value }) => {
      const row = document.createElement("div");
      const name = document.createElement("span");
      const mark = document.createElement("span");
      mark.className = `swatch fill-${number % COLOURS}`;
      const isIn = (ranges) => (ranges || []).some(([from, to]) => at >= from && at <= to);
      const state = isIn(line.sold_out) ? " (sold out)" : isIn(line.unlisted) ? " (not listed)" : isIn(line.loose) ? " (not confirmed)" : "";
      name.append(mark, line.name + state);
      const amount = document.createElement("b");
      amount.textContent = usd(value);
      row.append(name, amount);
      return row;
    });
    if (rows.length > 12) {
      const rest = document.createElement("div");
      rest.textContent = `and ${rows.length - 12} more`;
      parts.push(rest);
    }
    if (!drawn.is_comparison && drawn.median[at] != null && rows.length > 2) {
      const row = document.createElement("div");
      const name = document.createElement("span");
      name.textContent = "median of providers";
      const amount = document.createElement("b");
      amount.textContent = usd(drawn.median[at]);
      row.append(name, amount);
      parts.push(row);
    }
    box.replaceChildren(head, ...parts);
    box.hidden = false;
    const room = u.over.clientWidth;
    const left = u.cursor.left + 16 + box.offsetWidth > room ? u.cursor.left - box.offsetWidth - 12 : u.cursor.left + 16;
    box.style.left = `${Math.max(0, left) + u.over.offsetLeft}px`;
    box.style.top = `${u.over.offsetTop + 8}px`;
    document.getElementById("readout").textContent = `${text}: ${rows.slice(0, 4).map(({ line, value }) => `${line.name} ${usd(value)}`).join(", ")}`;
  }

  function zoomOf() {
    const found = /^(\d+)\.\.(\d+)$/.exec(state().get("zoom") || "");
    return found ? [Number(found[1]), Number(found[2])] : null;
  }

  function draw() {
    const box = document.getElementById("chart");
    const holder = document.getElementById("drawn");
    if (plot) plot.destroy();
    plot = null;
    if (!box || !holder) return;
    drawn = JSON.parse(holder.textContent);
    box.querySelectorAll("noscript").forEach((one) => one.remove());
    const { data, made, bands } = series();
    spread = data;
    const note = document.createElement("div");
    note.className = "chart-tip";
    note.hidden = true;
    const isSmall = box.clientWidth < 620;
    const axis = { stroke: css("--soft"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1 }, font: "12px system-ui, sans-serif" };
    const zoomed = zoomOf();
    plot = new uPlot(
      {
        width: box.clientWidth - 8,
        height: isSmall ? 310 : 410,
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
        padding: [10, isSmall ? 84 : 150, 0, 4],
        legend: { show: false },
        cursor: { drag: { x: true, y: false, uni: 12 }, focus: { prox: 24 }, points: { size: 6 } },
        focus: { alpha: 0.35 },
        series: made,
        bands,
        scales: {
          x: { time: true, min: zoomed ? zoomed[0] : undefined, max: zoomed ? zoomed[1] : undefined },
          y: isLog() ? { distr: 3 } : { range: (u, low, high) => uPlot.rangeNum(low, high, 0.08, false) },
        },
        axes: [
          { ...axis, space: isSmall ? 70 : 90 },
          { ...axis, size: 58, values: (u, ticks) => ticks.map((value) => (value === null ? "" : drawn.unit === "index" ? `${value}` : `$${value}`)) },
        ],
        hooks: {
          draw: [labels],
          setCursor: [(u) => tip(u, note)],
          setScale: [(u, key) => {
            if (key !== "x" || !plot) return;
            const { min, max } = u.scales.x;
            const isAll = min <= drawn.start && max >= drawn.start + (drawn.steps - 1) * drawn.step_seconds;
            put("zoom", isAll ? "" : `${Math.round(min)}..${Math.round(max)}`);
            box.dataset.drawn = String(Number(box.dataset.drawn || 0) + 1);
          }],
        },
      },
      data,
      box,
    );
    if (zoomed) plot.setScale("x", { min: zoomed[0], max: zoomed[1] });
    box.append(note);
    box.dataset.drawn = String(Number(box.dataset.drawn || 0) + 1);
    legend();
    for (const name of ["zoom-in", "zoom-out", "zoom-all"]) {
      const button = document.getElementById(name);
      button.hidden = false;
      button.onclick = () => zoom(name);
    }
    box.onkeydown = keys;
  }

  function legend() {
    const off = hidden();
    for (const button of document.querySelectorAll("#legend button")) {
      button.setAttribute("aria-pressed", String(!off.has(button.dataset.key)));
      button.onclick = () => toggle(button.dataset.key, button);
    }
  }

  function toggle(key, button) {
    const off = hidden();
    const show = off.has(key);
    if (show) off.delete(key);
    else off.add(key);
    put("hide", [...off].join(","));
    button.setAttribute("aria-pressed", String(show));
    plot.series.forEach((one, index) => {
      const own = one.part === "median" ? "~median" : one.line === undefined ? null : drawn.lines[one.line].key;
      if (own === key) plot.setSeries(index, { show });
    });
    const box = document.getElementById("chart");
    box.dataset.drawn = String(Number(box.dataset.drawn || 0) + 1);
  }

  function zoom(how) {
    const first = drawn.start;
    const last = drawn.start + (drawn.steps - 1) * drawn.step_seconds;
    let { min, max } = plot.scales.x;
    const centre = cursor >= 0 ? drawn.start + cursor * drawn.step_seconds : (min + max) / 2;
    const factor = how === "zoom-in" ? 0.5 : how === "zoom-out" ? 2 : Infinity;
    min = Math.max(first, centre - (centre - min) * factor);
    max = Math.min(last, centre + (max - centre) * factor);
    if (how === "zoom-all") [min, max] = [first, last];
    plot.setScale("x", { min, max });
  }

  function keys(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (event.key in moves) {
      const last = drawn.steps - 1;
      cursor = Math.max(0, Math.min(last, (cursor < 0 ? last : cursor) + moves[event.key]));
      plot.setCursor({ left: plot.valToPos(spread[0][cursor], "x"), top: 40 });
    } else if (event.key === "+" || event.key === "=") zoom("zoom-in");
    else if (event.key === "-") zoom("zoom-out");
    else if (event.key === "0") zoom("zoom-all");
    else return;
    event.preventDefault();
  }

  addEventListener("resize", () => {
    const box = document.getElementById("chart");
    if (plot && box) plot.setSize({ width: box.clientWidth - 8, height: box.clientWidth < 620 ? 310 : 410 });
  });
  document.addEventListener("theme", draw);
  document.addEventListener("replaced", () => { cursor = -1; draw(); });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", draw);
  else draw();
})();
