// The page of a release. It begins with latest.json; Parquet is read by ranges when a view needs it, and the database that
// runs SQL is loaded when SQL is asked for.
const main = document.getElementById("main");
const PAGE_ROWS = 200;
const memory = new Map();

const once = (key, make) => {
  if (!memory.has(key)) memory.set(key, make().catch((error) => { memory.delete(key); throw error; }));
  return memory.get(key);
};
const latest = () => once("latest", async () => (await found("latest.json")).json());
const parquet = () => once("parquet", () => import("./vendor/parquet.js"));

async function found(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answers with status ${answer.status}`);
  return answer;
}

async function rows(path, columns) {
  const { asyncBufferFromUrl, cachedAsyncBuffer, parquetReadObjects, compressors } = await parquet();
  const file = cachedAsyncBuffer(await asyncBufferFromUrl({ url: new URL(path, location.href).href }));
  return parquetReadObjects({ file, compressors, columns });
}

// Elements are made, never written as text: prices come from many hands.
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick" || key === "onchange" || key === "onsubmit") made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const usd = (value) => value === null || value === undefined ? "" : Number(value).toFixed(Number(value) < 1 ? 3 : 2);
const day = (value) => value === null || value === undefined ? "" : new Date(value).toISOString().slice(0, 10);
const plain = (value) => {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString().replace("T00:00:00.000Z", "").replace(".000Z", "Z");
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
};

function table(name, heads, body) {
  const head = el("tr", {}, ...heads.map(([label, kind]) => el("th", { scope: "col", class: kind }, label)));
  const lines = body.map((cells) => el("tr", {}, ...cells.map((cell, place) =>
    el(place ? "td" : "th", { class: heads[place][1], scope: place ? null : "row" }, cell instanceof Node ? cell : plain(cell)))));
  return el("div", { class: "wide", role: "region", "aria-label": name, tabindex: "0" },
    el("table", { class: "offers" }, el("thead", {}, head), el("tbody", {}, ...lines)));
}

const badge = (state) => el("span", { class: `state ${state}` }, state.replace("_", " "));

// the same rule as docs/validity.md, about now
function stateOf(row, now = Date.now()) {
  if (new Date(row.lapses_at) < now) return "lapsed";
  if (row.availability === "sold_out") return "sold_out";
  if (row.is_unlisted) return "unlisted";
  return new Date(row.fresh_until) < now ? "stale" : "fresh";
}

async function overview() {
  const content = await latest();
  const options = ["on_demand", "spot", "reserved"];
  const cell = (gpu, option) => {
    const offer = gpu.cheapest[option]?.[0];
    return offer ? el("span", { title: `${offer.instance_type}, ${offer.region}, seen ${day(offer.last_seen_at)}` },
      el("b", { class: "price" }, usd(offer.usd_per_gpu_hour)), ` ${offer.provider} `, badge(offer.price_state)) : "";
  };
  return [
    el("h1", {}, "The cheapest of each accelerator"),
    el("p", { class: "count" }, el("b", {}, String(content.gpus.length)),
      ` accelerators, US dollars per accelerator and hour, as of ${content.published_at}.`),
    table("Accelerators", [["Accelerator", ""], ["Memory GiB", "number"], ["Providers", "number"], ["On demand", ""], ["Spot", ""], ["Reserved", ""]],
      content.gpus.map((gpu) => [
        el("a", { href: `#history/${encodeURIComponent(gpu.gpu_id)}` }, gpu.gpu_id),
        gpu.memory_gib, gpu.providers, ...options.map((option) => cell(gpu, option)),
      ])),
  ];
}

const choice = (name, label, values, chosen, onchange) => el("label", {}, label,
  el("select", { id: name, onchange }, ...values.map((value) => el("option", { value, selected: value === chosen }, value || "any"))));

async function prices(words) {
  const [gpu = "", option = "on_demand", provider = ""] = words;
  const offers = await once("offers", () => rows("offers.parquet"));
  const names = (key) => ["", ...new Set(offers.map((row) => row[key]).filter(Boolean))].sort();
  const go = () => {
    const value = (id) => encodeURIComponent(document.getElementById(id).value);
    location.hash = `#prices/${value("gpu")}/${value("option")}/${value("provider")}`;
  };
  const order = ["fresh", "stale", "unlisted", "sold_out", "lapsed"];
  const now = Date.parse((await latest()).published_at);
  const shown = offers
    .filter((row) => row.usd_per_gpu_hour !== null && (!gpu || row.gpu_id === gpu)
      && (!option || row.purchase_option === option) && (!provider || row.provider === provider))
    .map((row) => ({ ...row, state: stateOf(row, now) }))
    .sort((one, other) => order.indexOf(one.state) - order.indexOf(other.state)
      || Number(one.usd_per_gpu_hour) - Number(other.usd_per_gpu_hour));
  return [
    el("h1", {}, "Prices"),
    el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      choice("gpu", "Accelerator", names("gpu_id"), gpu, go),
      choice("option", "Bought", ["", "on_demand", "spot", "reserved", "capacity_block"], option, go),
      choice("provider", "Provider", names("provider"), provider, go)),
    el("p", { class: "count" }, el("b", { id: "total" }, String(shown.length)), " offers",
      shown.length > PAGE_ROWS ? `, the first ${PAGE_ROWS} are shown` : ""),
    table("Offers", [["Accelerator", ""], ["GPUs", "number"], ["Provider", ""], ["Instance type", ""], ["$/GPU/h", "number price"],
      ["$/h", "number"], ["Bought", ""], ["Region", ""], ["State", ""], ["Seen", ""]],
      shown.slice(0, PAGE_ROWS).map((row) => [
        row.gpu_id ?? row.gpu_label, Number(row.gpu_count), row.via ? `${row.provider} via ${row.via}` : row.provider,
        row.instance_type, usd(row.usd_per_gpu_hour), usd(row.usd_per_hour), row.purchase_option.replace("_", " "),
        row.region, badge(row.state), day(row.last_seen_at),
      ])),
  ];
}

async function history(words) {
  const content = await latest();
  const index = await once("index", () => rows("index/v2.parquet",
    ["price_date", "gpu_id", "purchase_option", "segment", "state", "price_index", "floor_usd_per_gpu_hour", "median_usd_per_gpu_hour"]));
  const ids = [...new Set(index.map((row) => row.gpu_id))].sort();
  const gpu = words[0] || content.gpus[0]?.gpu_id || ids[0];
  const option = words[1] || "on_demand";
  const days = index
    .filter((row) => row.gpu_id === gpu && row.purchase_option === option && (row.segment ?? "all") === "all"
      && row.floor_usd_per_gpu_hour !== null)
    .sort((one, other) => new Date(one.price_date) - new Date(other.price_date));
  const go = () => {
    const value = (id) => encodeURIComponent(document.getElementById(id).value);
    location.hash = `#history/${value("gpu")}/${value("option")}`;
  };
  const months = new Map();
  for (const row of days) {
    const month = day(row.price_date).slice(0, 7);
    const before = months.get(month);
    if (!before || Number(row.floor_usd_per_gpu_hour) < Number(before.floor_usd_per_gpu_hour)) months.set(month, row);
  }
  return [
    el("h1", {}, `History of ${gpu}`),
    el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      choice("gpu", "Accelerator", ids, gpu, go), choice("option", "Bought", ["on_demand", "spot", "reserved"], option, go)),
    days.length ? chart(days) : el("p", {}, "No price of it was seen in this way."),
    table("Months", [["Month", ""], ["Cheapest $/GPU/h", "number price"], ["Median of providers", "number"], ["Index", "number"]],
      [...months].reverse().map(([month, row]) => [month, usd(row.floor_usd_per_gpu_hour), usd(row.median_usd_per_gpu_hour),
        row.state === "published" ? Number(row.price_index).toFixed(1) : ""])),
  ];
}

const SVG = "http://www.w3.org/2000/svg";
function chart(days) {
  const [width, height, left, top] = [960, 260, 48, 12];
  const times = days.map((row) => new Date(row.price_date).getTime());
  const values = days.map((row) => Number(row.floor_usd_per_gpu_hour));
  const most = Math.max(...values), [first, last] = [Math.min(...times), Math.max(...times)];
  const x = (time) => left + (width - left - 8) * (last === first ? 0 : (time - first) / (last - first));
  const y = (value) => top + (height - top - 24) * (1 - value / most);
  const svg = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  };
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img", "aria-label": "cheapest price by day" });
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    picture.append(svg("line", { x1: left, x2: width - 8, y1: y(most * part), y2: y(most * part), stroke: "var(--grid)" }),
      svg("text", { x: left - 6, y: y(most * part) + 4, "text-anchor": "end", "font-size": 12, fill: "var(--soft)" }, usd(most * part)));
  }
  for (let year = new Date(first).getUTCFullYear() + 1; Date.UTC(year) <= last; year += 1) {
    picture.append(svg("text", { x: x(Date.UTC(year)), y: height - 4, "text-anchor": "middle", "font-size": 12, fill: "var(--soft)" }, String(year)));
  }
  // a day without a price breaks the line
  let path = "", before = null;
  days.forEach((row, place) => {
    const gap = before === null || times[place] - before > 86_400_000 * 1.5;
    path += gap ? `M${x(times[place])},${y(values[place])}` : `H${x(times[place])}V${y(values[place])}`;
    before = times[place];
  });
  picture.append(svg("path", { d: path, fill: "none", stroke: "var(--f0)", "stroke-width": 2 }));
  return picture;
}

const database = () => once("database", async () => {
  const { AsyncDuckDB, VoidLogger } = await import("./vendor/duckdb.js");
  const worker = new Worker(new URL("vendor/duckdb-browser-eh.worker.js", location.href));
  const opened = new AsyncDuckDB(new VoidLogger(), worker);
  await opened.instantiate(new URL("vendor/duckdb-eh.wasm", location.href).href);
  const connection = await opened.connect();
  await load(opened, connection, "offers", await once("offers", () => rows("offers.parquet")));
  await load(opened, connection, "price_index", await rows("index/v2.parquet"));
  const manifest = await (await found("manifest.json")).json();
  const months = manifest.files.map((file) => file.path).filter((path) => path.startsWith("prices/"));
  return { opened, connection, months, hasPrices: false };
});

const quoted = (value) => {
  const text = plain(value);
  return value === null || value === undefined ? "" : `"${text.replaceAll('"', '""')}"`;
};

// The database's own reader of Parquet would be fetched from elsewhere; this page loads nothing that is not beside it.
async function load(opened, connection, name, content) {
  if (!content.length) return;
  const columns = Object.keys(content[0]);
  const kind = (column) => {
    const value = content.find((row) => row[column] !== null && row[column] !== undefined)?.[column];
    if (value instanceof Date) return content.every((row) => !(row[column] instanceof Date) || row[column].getTime() % 86_400_000 === 0) ? "DATE" : "TIMESTAMP";
    if (typeof value === "boolean") return "BOOLEAN";
    return typeof value === "number" || typeof value === "bigint" ? "DOUBLE" : "VARCHAR";
  };
  const text = [columns.join(","), ...content.map((row) => columns.map((column) => quoted(row[column])).join(","))].join("\n");
  await opened.registerFileText(`${name}.csv`, text);
  const types = columns.map((column) => `'${column}': '${kind(column)}'`).join(", ");
  await connection.query(`create table ${name} as from read_csv('${name}.csv', header = true, columns = {${types}}, nullstr = '')`);
}

async function ask(text) {
  const at = await database();
  if (/\bprices\b/i.test(text) && !at.hasPrices) {
    const parts = await Promise.all(at.months.map((path) => rows(path)));
    await load(at.opened, at.connection, "prices", parts.flat());
    at.hasPrices = true;
  }
  const answer = await at.connection.query(text);
  const names = answer.schema.fields.map((field) => field.name);
  return { names, lines: answer.toArray().map((row) => names.map((name) => row[name])) };
}

const EXAMPLE = "select provider, count(*) as offers, min(usd_per_gpu_hour) as cheapest\nfrom offers\nwhere gpu_id = 'h100-sxm-80gb' and purchase_option = 'on_demand'\ngroup by provider order by cheapest";

async function sql() {
  const field = el("textarea", { id: "query", rows: "6", spellcheck: "false" }, EXAMPLE);
  const result = el("div", { id: "result", "aria-live": "polite" });
  const run = async (event) => {
    event.preventDefault();
    result.replaceChildren(el("p", {}, "Loading the database and the tables …"));
    try {
      const { names, lines } = await ask(field.value);
      result.replaceChildren(el("p", { class: "count" }, el("b", {}, String(lines.length)), " rows"),
        table("Result", names.map((name) => [name, ""]), lines.slice(0, 1000)));
    } catch (error) {
      result.replaceChildren(el("p", { class: "wrong", role: "alert" }, String(error.message ?? error)));
    }
  };
  return [
    el("h1", {}, "SQL"),
    el("p", {}, "DuckDB in this browser over the files of this release: ", el("code", {}, "offers"), ", ", el("code", {}, "price_index"), " and ",
      el("code", {}, "prices"), ". Nothing leaves the page; the first query loads about 9 MB."),
    el("form", { onsubmit: run }, el("label", {}, "Query", field), el("p", {}, el("button", {}, "Run"))),
    result,
  ];
}

const VIEWS = { overview, prices, history, sql };
let turn = 0;

async function show() {
  const [name, ...words] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const view = VIEWS[name] ? name : "overview";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const mine = (turn += 1);
  try {
    const parts = await VIEWS[view](words);
    if (mine === turn) main.replaceChildren(...parts);
    const content = await latest();
    document.getElementById("edition").textContent = `Snapshot ${content.snapshot} of ${content.published_at}.`;
  } catch (error) {
    if (mine === turn) main.replaceChildren(el("p", { class: "wrong", role: "alert" }, `This view cannot be shown: ${error.message ?? error}`));
  }
}

addEventListener("hashchange", show);
show();
