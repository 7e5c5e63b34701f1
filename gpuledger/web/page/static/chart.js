// Prices over time on a canvas: steps, a band of percentiles, marks where a price changed; zoom by dragging, by
// wheel with Ctrl, by buttons or by keys. Numbers come from /history/data; nothing is computed here but places.
(() => {
  "use strict";
  const box = document.getElementById("chart");
  const form = document.getElementById("picker");
  const readout = document.getElementById("readout");
  const legend = document.getElementById("legend");
  const table = document.querySelector("#latest tbody");
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const most = 10; // lines shown at first, the cheapest providers
  let data = null;
  let view = [0, 1]; // first and last step shown
  let hidden = new Set();
  let cursor = null;
  let drag = null;
  let running = null;
  box.replaceChildren(canvas);

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (index) => css(`--f${index % 10}`);
  const money = (value) => (value === null || value === undefined ? "–" : value.toFixed(value < 0.1 ? 4 : 2));
  const day = (step) => new Date((data.start + step * data.step_seconds) * 1000).toISOString();

  function places() {
    const width = canvas.clientWidth, height = canvas.clientHeight;
    const left = 52, right = width - 12, top = 12, bottom = height - 26;
    const shown = data.providers.filter((one) => !hidden.has(one.provider));
    let low = Infinity, high = -Infinity;
    const [a, b] = [Math.floor(view[0]), Math.ceil(view[1])];
    const see = (values) => {
      for (let i = a; i <= b && values && i < values.length; i++) {
        const value = values[i];
        if (value !== null && value !== undefined) { low = Math.min(low, value); high = Math.max(high, value); }
      }
    };
    for (const one of shown) see(one.usd);
    see(data.overall.usd_p25);
    see(data.overall.usd_p75);
    if (low === Infinity) { low = 0; high = 1; }
    const pad = (high - low || high || 1) * 0.08;
    low = Math.max(0, low - pad);
    high += pad;
    return {
      left, right, top, bottom, low, high, shown,
      x: (step) => left + ((step - view[0]) / (view[1] - view[0] || 1)) * (right - left),
      y: (usd) => bottom - ((usd - low) / (high - low || 1)) * (bottom - top),
      step: (x) => view[0] + ((x - left) / (right - left)) * (view[1] - view[0]),
    };
  }

  function ticks(low, high, count) {
    const raw = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const size = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
    const found = [];
    for (let at = Math.ceil(low / size) * size; at <= high; at += size) found.push(at);
    return found;
  }

  function line(values, p, first, last) {
    pen.beginPath();
    let isDown = false;
    for (let i = first; i <= last && i < values.length; i++) {
      const value = values[i];
      if (value === null || value === undefined) { isDown = false; continue; }
      const x = p.x(i), y = p.y(value);
      if (isDown) pen.lineTo(x, p.y(values[i - 1]));
      isDown ? pen.lineTo(x, y) : pen.moveTo(x, y);
      isDown = true;
      if (i === values.length - 1) pen.lineTo(p.x(i + 1), y);
    }
    pen.stroke();
  }

  function band(low, high, p, first, last) {
    if (!low || !high) return;
    pen.fillStyle = css("--band");
    let from = -1;
    const fill = (a, b) => {
      pen.beginPath();
      for (let i = a; i <= b; i++) { pen.lineTo(p.x(i), p.y(high[i])); pen.lineTo(p.x(i + 1), p.y(high[i])); }
      for (let i = b; i >= a; i--) { pen.lineTo(p.x(i + 1), p.y(low[i])); pen.lineTo(p.x(i), p.y(low[i])); }
      pen.fill();
    };
    for (let i = first; i <= last; i++) {
      const has = low[i] !== null && low[i] !== undefined;
      if (has && from < 0) from = i;
      if (from >= 0 && (!has || i === last)) { fill(from, has ? i : i - 1); from = -1; }
    }
  }

  function draw() {
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn || 0) + 1);
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    if (!data || data.steps < 1) {
      pen.fillStyle = css("--soft");
      pen.font = "14px sans-serif";
      pen.fillText("No price in that time.", 60, 40);
      return;
    }
    const p = places();
    const first = Math.max(0, Math.floor(view[0])), last = Math.min(data.steps - 1, Math.ceil(view[1]));
    pen.font = "12px sans-serif";
    pen.lineWidth = 1;
    pen.strokeStyle = css("--grid");
    pen.fillStyle = css("--soft");
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const usd of ticks(p.low, p.high, 6)) {
      pen.beginPath();
      pen.moveTo(p.left, Math.round(p.y(usd)) + 0.5);
      pen.lineTo(p.right, Math.round(p.y(usd)) + 0.5);
      pen.stroke();
      pen.fillText(usd.toFixed(p.high - p.low < 0.5 ? 3 : 2), p.left - 6, p.y(usd));
    }
    pen.textBaseline = "top";
    pen.textAlign = "center";
    const wanted = Math.max(2, Math.floor((p.right - p.left) / 110));
    for (let n = 0; n < wanted; n++) {
      const step = view[0] + ((n + 0.5) / wanted) * (view[1] - view[0]);
      const text = day(Math.floor(step));
      const isHourly = (view[1] - view[0]) / wanted * data.step_seconds < 86400;
      pen.fillText(isHourly ? text.slice(5, 16).replace("T", " ") : text.slice(0, 10), p.x(step), p.bottom + 8);
    }
    pen.save();
    pen.beginPath();
    pen.rect(p.left, p.top - 4, p.right - p.left, p.bottom - p.top + 8);
    pen.clip();
    band(data.overall.usd_p25, data.overall.usd_p75, p, first, last);
    pen.lineWidth = 1.5;
    if (data.overall.usd_median) {
      pen.strokeStyle = css("--soft");
      pen.setLineDash([5, 4]);
      line(data.overall.usd_median, p, first, last);
      pen.setLineDash([]);
    }
    pen.lineWidth = 1.8;
    for (const one of p.shown) {
      pen.strokeStyle = pen.fillStyle = colour(one.rank);
      line(one.usd, p, first, last);
      const marks = [];
      for (let i = Math.max(1, first); i <= last && i < one.usd.length; i++) {
        if (one.usd[i] !== null && one.usd[i - 1] !== null && one.usd[i] !== one.usd[i - 1]) marks.push(i);
      }
      // more marks than places tell nothing
      if (marks.length * 9 < p.right - p.left) {
        for (const i of marks) {
          pen.beginPath();
          pen.arc(p.x(i), p.y(one.usd[i]), 3, 0, 7);
          pen.fill();
        }
      }
    }
    if (drag) {
      pen.fillStyle = css("--focus");
      pen.globalAlpha = 0.15;
      pen.fillRect(Math.min(drag.from, drag.to), p.top, Math.abs(drag.to - drag.from), p.bottom - p.top);
      pen.globalAlpha = 1;
    }
    if (cursor !== null) {
      pen.strokeStyle = css("--soft");
      pen.lineWidth = 1;
      const x = Math.round(p.x(cursor + 0.5)) + 0.5;
      pen.beginPath();
      pen.moveTo(x, p.top);
      pen.lineTo(x, p.bottom);
      pen.stroke();
    }
    pen.restore();
  }

  function tell() {
    if (cursor === null || !data || data.steps < 1) { readout.textContent = "\u00a0"; return; }
    const at = data.providers
      .filter((one) => !hidden.has(one.provider) && one.usd[cursor] !== null && one.usd[cursor] !== undefined)
      .sort((a, b) => a.usd[cursor] - b.usd[cursor]);
    const text = day(cursor).slice(0, data.step_seconds < 86400 ? 16 : 10).replace("T", " ");
    const median = data.overall.usd_median && data.overall.usd_median[cursor];
    const named = at.slice(0, 4).map((one) => `${one.provider} ${money(one.usd[cursor])}`).join(", ");
    readout.textContent = `${text}: ${named || "no price"}; median of ${data.overall.offers[cursor] || 0} offers ${money(median)}`;
  }

  function look(first, last) {
    const least = Math.min(6, Math.max(1, data.steps));
    const width = Math.min(data.steps, Math.max(least, last - first));
    const from = Math.min(Math.max(0, first), data.steps - width);
    view = [from, from + width];
    draw();
  }

  function zoom(factor, around) {
    if (!data || data.steps < 1) return;
    const middle = around ?? (cursor ?? (view[0] + view[1]) / 2);
    look(middle - (middle - view[0]) * factor, middle + (view[1] - middle) * factor);
  }

  function all() {
    if (data) look(0, data.steps);
  }

  function listed() {
    legend.replaceChildren(...data.providers.map((one) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      const swatch = document.createElement("span");
      swatch.className = `swatch fill-${one.rank % 10}`;
      button.append(swatch, one.provider);
      button.setAttribute("aria-pressed", String(!hidden.has(one.provider)));
      button.addEventListener("click", () => {
        hidden.has(one.provider) ? hidden.delete(one.provider) : hidden.add(one.provider);
        button.setAttribute("aria-pressed", String(!hidden.has(one.provider)));
        draw();
      });
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
  }

  function tabled() {
    table.replaceChildren(...data.providers.map((one) => {
      const row = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = one.provider;
      const cells = [one.usd.find((usd) => usd !== null), one.usd[one.usd.length - 1]].map((usd) => {
        const cell = document.createElement("td");
        cell.className = "number";
        cell.textContent = money(usd);
        return cell;
      });
      const until = document.createElement("td");
      until.textContent = one.usd.length === data.steps ? "now" : day(one.usd.length - 1).slice(0, 10);
      row.append(name, ...cells, until);
      return row;
    }));
  }

  function take(found) {
    data = found;
    data.overall = data.overall || {};
    // the cheapest of now are shown, each in a colour of its own, then those that were the cheapest once
    const last = (one) => (one.usd.length === data.steps ? 0 : 1e6) + (one.usd.findLast((usd) => usd !== null) ?? 1e9);
    [...data.providers].sort((a, b) => last(a) - last(b)).forEach((one, rank) => { one.rank = rank; });
    hidden = new Set(data.providers.filter((one) => one.rank >= most).map((one) => one.provider));
    cursor = null;
    view = [0, data.steps];
    listed();
    draw();
    tell();
  }

  async function load(address) {
    if (running) running.abort();
    running = new AbortController();
    box.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { signal: running.signal });
      const found = await answer.json();
      if (!answer.ok) {
        readout.textContent = found.detail || "This cannot be answered as asked.";
        return false;
      }
      take(found);
      box.setAttribute("aria-busy", "false");
      return true;
    } catch (error) {
      if (error.name !== "AbortError") readout.textContent = "The prices could not be loaded.";
      return false;
    } finally {
      box.setAttribute("aria-busy", "false");
    }
  }

  function address() {
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) asked.set(name, value);
    return asked.toString();
  }

  async function pick() {
    const text = address();
    if (!(await load(`/history/data?${text}`))) return;
    tabled();
    history.replaceState(null, "", `/history?${text}`);
    document.title = `${form.elements.gpu.value} over time · gpuledger`;
    const link = new URLSearchParams();
    for (const name of ["gpu", "provider", "region"]) if (form.elements[name].value) link.set(name, form.elements[name].value);
    if (form.elements.option.value !== "any") link.set("purchase_option", form.elements.option.value);
    link.set("from", new Date(data.start * 1000).toISOString().slice(0, 10));
    for (const format of ["csv", "parquet"]) {
      document.getElementById(`as-${format}`).href = `/v1/history?${link}&format=${format}&limit=100000`;
    }
  }

  const inside = (event) => event.clientX - canvas.getBoundingClientRect().left;
  const point = (x) => Math.min(data.steps - 1, Math.max(0, Math.floor(places().step(x))));
  box.addEventListener("pointermove", (event) => {
    if (!data || data.steps < 1) return;
    cursor = point(inside(event));
    if (drag) drag.to = inside(event);
    draw();
    tell();
  });
  box.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch") return;
    box.setPointerCapture(event.pointerId);
    drag = { from: inside(event), to: inside(event) };
  });
  box.addEventListener("pointerup", () => {
    if (drag && Math.abs(drag.to - drag.from) > 8) {
      const p = places();
      const [a, b] = [p.step(drag.from), p.step(drag.to)].sort((x, y) => x - y);
      drag = null;
      look(a, b);
    }
    drag = null;
    draw();
  });
  box.addEventListener("pointerleave", () => { if (!drag) { cursor = null; draw(); tell(); } });
  box.addEventListener("dblclick", all);
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey || !data) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, places().step(inside(event)));
  }, { passive: false });
  box.addEventListener("keydown", (event) => {
    if (!data || data.steps < 1) return;
    const moved = { ArrowLeft: -1, ArrowRight: 1, PageUp: -14, PageDown: 14 }[event.key];
    if (moved) {
      cursor = Math.min(data.steps - 1, Math.max(0, (cursor ?? Math.floor((view[0] + view[1]) / 2)) + moved));
      if (cursor < view[0] || cursor >= view[1]) look(view[0] + moved, view[1] + moved);
    } else if (event.key === "+" || event.key === "=") zoom(0.7);
    else if (event.key === "-") zoom(1.4);
    else if (event.key === "0" || event.key === "Escape") all();
    else if (event.key === "Home") cursor = 0;
    else if (event.key === "End") cursor = data.steps - 1;
    else return;
    event.preventDefault();
    draw();
    tell();
  });
  document.getElementById("zoom-in").addEventListener("click", () => zoom(0.6));
  document.getElementById("zoom-out").addEventListener("click", () => zoom(1.6));
  document.getElementById("zoom-all").addEventListener("click", all);
  document.addEventListener("theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(draw).observe(box);
  form.addEventListener("submit", (event) => { event.preventDefault(); pick(); });
  form.addEventListener("change", pick);
  take(JSON.parse(document.getElementById("drawn").textContent));
})();
