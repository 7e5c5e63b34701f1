// Ctrl-Enter runs the query; a result can be drawn; questions are saved in this browser.
(() => {
  "use strict";
  const form = document.getElementById("query");
  const editor = document.getElementById("q");
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("button[name=run]"));
    }
  });
  for (const link of document.querySelectorAll("[data-insert]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      editor.setRangeText(link.dataset.insert, editor.selectionStart, editor.selectionEnd, "end");
      editor.focus();
    });
  }

  const own = JSON.parse(localStorage.getItem("questions") || "{}");
  const list = document.getElementById("own");
  function show() {
    list.replaceChildren(
      ...Object.entries(own).map(([name, text]) => {
        const entry = document.createElement("li");
        const link = document.createElement("a");
        link.href = `/sql?${new URLSearchParams({ q: text })}`;
        link.textContent = name;
        const gone = document.createElement("button");
        gone.type = "button";
        gone.className = "quiet";
        gone.textContent = "✕";
        gone.setAttribute("aria-label", `Forget ${name}`);
        gone.addEventListener("click", () => {
          delete own[name];
          localStorage.setItem("questions", JSON.stringify(own));
          show();
        });
        entry.append(link, " ", gone);
        return entry;
      }),
    );
  }
  const save = document.getElementById("save");
  save.hidden = false;
  save.addEventListener("click", () => {
    const head = editor.value.split("\n")[0].replace(/^--\s*/, "").slice(0, 60) || "question";
    own[head] = editor.value;
    localStorage.setItem("questions", JSON.stringify(own));
    show();
  });
  show();

  const button = document.getElementById("draw");
  const holder = document.getElementById("rows-data");
  if (!button || !holder || typeof uPlot === "undefined") return;
  const { columns, rows } = JSON.parse(holder.textContent);
  const numbers = columns.map((_, at) => rows.some((row) => typeof row[at] === "number") && rows.every((row) => row[at] === null || typeof row[at] === "number"));
  const across = numbers.findIndex((isNumber) => !isNumber);
  const up = numbers.map((isNumber, at) => (isNumber ? at : -1)).filter((at) => at >= 0).slice(0, 5);
  if (across < 0 || !up.length || rows.length < 2) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const box = document.getElementById("sql-chart");
    box.hidden = false;
    box.replaceChildren();
    const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const times = rows.map((row) => Date.parse(row[across]) / 1000);
    const isTime = times.every((value) => Number.isFinite(value)) && /^\d{4}-/.test(String(rows[0][across]));
    const shown = isTime ? rows.map((row, at) => [times[at], row]).sort((a, b) => a[0] - b[0]) : rows.slice(0, 40).map((row, at) => [at, row]);
    const data = [shown.map(([x]) => x), ...up.map((at) => shown.map(([, row]) => row[at]))];
    const axis = { stroke: css("--soft"), grid: { stroke: css("--grid") }, ticks: { stroke: css("--grid") }, font: "12px system-ui, sans-serif" };
    const short = (text) => (String(text).length > 14 ? `${String(text).slice(0, 13)}…` : String(text));
    new uPlot(
      {
        width: box.clientWidth - 8,
        height: isTime ? 320 : 380,
        scales: { x: { time: isTime, range: isTime ? undefined : [-0.6, shown.length - 0.4] }, y: { range: (u, low, high) => uPlot.rangeNum(isTime ? low : Math.min(0, low), high, 0.08, false) } },
        axes: [
          isTime ? axis : { ...axis, rotate: -45, size: 84, splits: () => data[0], values: (u, ticks) => ticks.map((at) => short(rows[at]?.[across] ?? "")) },
          { ...axis, size: 62 },
        ],
        series: [
          { label: columns[across], value: (u, x) => (isTime ? (x === null ? "" : new Date(x * 1000).toISOString().slice(0, 10)) : (rows[x]?.[across] ?? "")) },
          ...up.map((at, number) => ({
            label: columns[at], stroke: css(`--f${number % 7}`), width: 2, fill: isTime ? undefined : css(`--f${number % 7}`) + "99",
            paths: isTime ? undefined : uPlot.paths.bars({ size: [0.7, 60] }), points: { show: isTime && shown.length < 60 }, show: isTime || number === 0,
          })),
        ],
      },
      data,
      box,
    );
    box.dataset.drawn = "1";
  });
})();
