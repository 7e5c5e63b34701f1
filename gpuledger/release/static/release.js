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

async function opened(path) {
  const { asyncBufferFromUrl, cachedAsyncBuffer } = await parquet();
  return cachedAsyncBuffer(await asyncBufferFromUrl({ url: new URL(path, location.href).href }));
}

const fieldsOf = async (file) => (await (await parquet()).parquetMetadataAsync(file)).schema.slice(1);

async function columnsOf(path, columns) {
  const { parquetReadObjects, compressors } = await parquet();
  const file = await opened(path);
  const fields = (await fieldsOf(file)).filter((field) => !columns || columns.includes(field.name));
  return { fields, content: await parquetReadObjects({ file, compressors, columns }) };
}

const rows = async (path, columns) => (await columnsOf(path, columns)).content;

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

// as every page shows a number: two decimals from 0.10 on, four below; a half goes to the even neighbour
const inPlaces = (places) => new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places, roundingMode: "halfEven" });
const PLACES = [0, 1, 2, 3, 4].map(inPlaces);
const usd = (value) => value === null || value === undefined ? "" : PLACES[Math.abs(Number(value)) >= 0.1 ? 2 : 4].format(String(value));
const percent = (value, places = 0) => value === null || value === undefined ? "" : `${value < 0 ? "-" : "+"}${PLACES[places].format(Math.abs(100 * value))} %`;
const words = (name) => name.replaceAll("_", " ");
const day = (value) => value === null || value === undefined ? "" : new Date(value).toISOString().slice(0, 10);
const plain = (value) => {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString().replace("T00:00:00.000Z", "").replace(".000Z", "Z");
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
};

// A column is a label and its classes; the letters place a cell in the card that a row becomes on a phone.
function table(name, heads, body, kind = "lines2") {
  const head = el("tr", {}, ...heads.map(([label, css]) => el("th", { scope: "col", class: css }, label)));
  const lines = body.map((cells) => el("tr", {}, ...cells.map((cell, place) =>
    el(place ? "td" : "th", { class: heads[place][1], scope: place ? null : "row" }, ...(Array.isArray(cell) ? cell : [cell instanceof Node ? cell : plain(cell)])))));
  return el("div", { class: kind === "lines2" ? "wide cards" : "wide", role: "region", "aria-label": name, tabindex: "0" },
    el("table", { class: kind }, el("thead", {}, head), el("tbody", {}, ...lines)));
}

const small = (text) => text ? el("small", {}, text) : null;
const phone = (text) => el("span", { class: "only-phone" }, text);
const badge = (state) => el("span", { class: `state ${state}` }, words(state));

// the same rule as docs/validity.md, about now
function stateOf(row, now = Date.now()) {
  if (new Date(row.lapses_at) < now) return "lapsed";
  if (row.availability === "sold_out") return "sold_out";
  if (row.is_unlisted) return "unlisted";
  return new Date(row.fresh_until) < now ? "stale" : "fresh";
}

const SVG = "http://www.w3.org/2000/svg";
function drawn(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function spark(weeks) {
  const points = (weeks ?? []).map((value, place) => [place, value]).filter(([, value]) => value !== null).map(([place, value]) => [place, Number(value)]);
  if (points.length < 2) return "history";
  const values = points.map(([, value]) => value), low = Math.min(...values), high = Math.max(...values);
  const x = (place) => (place / 52 * 84).toFixed(1), y = (value) => high === low ? 10 : (2 + (high - value) / (high - low) * 16).toFixed(1);
  const picture = drawn("svg", { width: 84, height: 20, viewBox: "0 0 84 20", role: "img", "aria-label": "median price of 52 weeks" });
  picture.append(drawn("path", { d: `M${x(points[0][0])} ${y(points[0][1])}${points.slice(1).map(([place, value]) => `H${x(place)}V${y(value)}`).join("")}H84` }));
  return picture;
}

async function overview() {
  const content = await latest();
  return [
    el("h1", {}, "What GPU clouds charge"),
    el("p", { class: "lead" }, el("b", {}, String(content.overview.length)),
      ` accelerators, US dollars per GPU-hour, as of ${content.published_at.slice(0, 16).replace("T", " ")} UTC. Of each the prices in its most reliable state; whole cards.`),
    table("Accelerators", [["Accelerator", "a"], ["On demand", "number c price"], ["Median of providers", "number not-phone"], ["Spot", "number d"],
      ["Reserved", "number not-phone"], ["Providers", "number b"], ["30 days", "number not-phone"], ["Year", "spark e"],
      ["per PFLOP-hour", "number not-phone"], ["per GB-hour", "number not-phone"], ["State", "f"]],
      content.overview.map((row) => [
        [el("a", { href: `#prices/${encodeURIComponent(row.gpu_id)}` }, row.name), " ", small(`${Number(row.memory_gib)} GB`)],
        [usd(row.usd_per_gpu_hour_on_demand), " ", small(row.provider_on_demand)],
        usd(row.median_usd_per_gpu_hour_on_demand),
        row.usd_per_gpu_hour_spot === null ? "" : [phone("spot "), usd(row.usd_per_gpu_hour_spot), " ", small(`${row.provider_spot} ${percent(row.spot_saving === null ? null : -row.spot_saving)}`)],
        usd(row.usd_per_gpu_hour_reserved),
        [String(row.providers), phone(row.providers === 1 ? " provider" : " providers")],
        percent(row.index_change_of_30_days, 1),
        el("a", { href: `#history/${encodeURIComponent(row.gpu_id)}`, "aria-label": `History of ${row.name}` }, spark(row.median_usd_per_gpu_hour_of_52_weeks)),
        usd(row.usd_per_peak_petaflop_hour), usd(row.usd_per_gib_hour), badge(row.price_state),
      ])),
    el("p", { class: "caption" }, "PFLOP-hour: dense bf16 rate of the data sheet. 30 days: the index of matched offers. Empty: no such price in that state."),
  ];
}

const choice = (name, label, values, chosen, onchange) => el("label", {}, label,
  el("select", { id: name, onchange }, ...values.map((value) => el("option", { value, selected: value === chosen }, value ? words(value) : "any"))));

// as the database sorts: by code points, what is not given last
const inOrder = (one, other) => one === other ? 0 : one === null || one === undefined ? 1 : other === null || other === undefined ? -1 : one < other ? -1 : 1;

async function prices([gpu = "", option = "on_demand", provider = ""]) {
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
      || Number(one.usd_per_gpu_hour) - Number(other.usd_per_gpu_hour) || Number(one.usd_per_hour) - Number(other.usd_per_hour)
      || new Date(other.last_seen_at) - new Date(one.last_seen_at)
      || ["provider", "region", "tier", "offer_id"].reduce((order, key) => order || inOrder(one[key], other[key]), 0));
  return [
    el("h1", {}, "Prices"),
    el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      choice("gpu", "Accelerator", names("gpu_id"), gpu, go),
      choice("option", "Bought", ["", "on_demand", "spot", "reserved", "capacity_block"], option, go),
      choice("provider", "Provider", names("provider"), provider, go)),
    el("p", { class: "count" }, el("b", { id: "total" }, String(shown.length)), " offers",
      shown.length > PAGE_ROWS ? `, the first ${PAGE_ROWS} are shown` : ""),
    table("Offers", [["Accelerator", "a"], ["GPUs", "number not-phone"], ["Provider", "b"], ["$/GPU/h", "number price c"], ["$/h", "number not-phone"],
      ["Pricing", "d"], ["Region", "e"], ["State", "f"], ["Seen", "number not-phone"]],
      shown.slice(0, PAGE_ROWS).map((row) => [
        [row.gpu_id ? el("a", { href: `#history/${encodeURIComponent(row.gpu_id)}/${row.purchase_option}` }, row.gpu_name ?? row.gpu_id) : row.gpu_label, " ",
          el("small", {}, phone(`${Number(row.gpu_count)} x `), row.gpu_memory_gib === null ? "" : `${Number(row.gpu_memory_gib)} GB`, row.tier ? `, ${row.tier}` : "")],
        Number(row.gpu_count), [row.via ? `${row.provider} via ${row.via}` : row.provider, " ", small(row.instance_type)],
        el("span", { title: `${row.usd_per_gpu_hour} USD` }, usd(row.usd_per_gpu_hour)), usd(row.usd_per_hour),
        words(row.purchase_option) + (row.term_months ? ` ${Number(row.term_months)} mo` : ""),
        [row.region, " ", small(row.country)], badge(row.state), day(row.last_seen_at),
      ])),
  ];
}

async function history([chosenGpu, option = "on_demand"]) {
  const content = await latest();
  const index = await once("index", () => rows("index/v2.parquet",
    ["price_date", "gpu_id", "purchase_option", "segment", "state", "price_index", "floor_usd_per_gpu_hour", "median_usd_per_gpu_hour"]));
  const ids = [...new Set(index.map((row) => row.gpu_id))].sort();
  const gpu = chosenGpu || content.overview[0]?.gpu_id || ids[0];
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
    el("h1", {}, `History of ${content.overview.find((row) => row.gpu_id === gpu)?.name ?? gpu}`),
    el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      choice("gpu", "Accelerator", ids, gpu, go), choice("option", "Bought", ["on_demand", "spot", "reserved"], option, go)),
    days.length ? chart(days) : el("p", {}, "No price of it was seen in this way."),
    el("p", { class: "caption" }, "US dollars per GPU-hour, the cheapest of each day. Index: matched offers, 100 on the first published day; empty where it is withheld."),
    table("Months", [["Month", "month"], ["Cheapest", "number price"], ["Median", "number"], ["Index", "number"]],
      [...months].reverse().map(([month, row]) => [month, usd(row.floor_usd_per_gpu_hour), usd(row.median_usd_per_gpu_hour),
        row.state === "published" ? PLACES[1].format(row.price_index) : ""]), "numbers"),
  ];
}

// drawn in the pixels of the page, so that its words can be read on a phone
function chart(days) {
  const box = el("div", { class: "chart" });
  const draw = () => {
    const width = Math.max(280, (main.clientWidth || 960) - 40);
    if (width !== box.drawnWidth) box.replaceChildren(picture(days, width, width < 600 ? 300 : 400));
    box.drawnWidth = width;
  };
  draw();
  new ResizeObserver(draw).observe(main);
  return box;
}

function picture(days, width, height) {
  const [left, top] = [52, 14];
  const times = days.map((row) => new Date(row.price_date).getTime());
  const values = days.map((row) => Number(row.floor_usd_per_gpu_hour));
  const most = Math.max(...values), [first, last] = [Math.min(...times), Math.max(...times)];
  const x = (time) => left + (width - left - 8) * (last === first ? 0 : (time - first) / (last - first));
  const y = (value) => top + (height - top - 24) * (1 - value / most);
  const made = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "cheapest price by day" });
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    made.append(drawn("line", { x1: left, x2: width - 8, y1: y(most * part), y2: y(most * part), class: "grid" }),
      drawn("text", { x: left - 6, y: y(most * part) + 4, "text-anchor": "end", class: "soft" }, part ? `$${usd(most * part)}` : "0"));
  }
  const years = new Date(last).getUTCFullYear() - new Date(first).getUTCFullYear();
  const step = Math.max(1, Math.ceil(years / (width / 60)));
  for (let year = new Date(first).getUTCFullYear() + 1; Date.UTC(year) <= last; year += step) {
    made.append(drawn("line", { x1: x(Date.UTC(year)), x2: x(Date.UTC(year)), y1: top, y2: height - 24, class: "grid" }),
      drawn("text", { x: Math.min(x(Date.UTC(year)), width - 22), y: height - 6, "text-anchor": "middle", class: "soft" }, String(year)));
  }
  // a day without a price breaks the line; a price of one day alone is a stroke as wide as it is thick
  let path = "", before = null;
  days.forEach((row, place) => {
    const gap = before === null || times[place] - before > 86_400_000 * 1.5;
    path += gap ? `M${x(times[place])},${y(values[place])}h1` : `H${x(times[place])}V${y(values[place])}`;
    before = times[place];
  });
  made.append(drawn("path", { d: path, class: "line line-0" }));
  return made;
}

const database = () => once("database", async () => {
  const { AsyncDuckDB, VoidLogger } = await import("./vendor/duckdb.js");
  const worker = new Worker(new URL("vendor/duckdb-browser-eh.worker.js", location.href));
  const engine = new AsyncDuckDB(new VoidLogger(), worker);
  await engine.instantiate(new URL("vendor/duckdb-eh.wasm", location.href).href);
  const connection = await engine.connect();
  const manifest = await (await found("manifest.json")).json();
  const months = manifest.files.map((file) => file.path).filter((path) => path.startsWith("prices/"));
  const at = { opened: engine, connection, months, columns: new Set() };
  await load(at, "offers", ["offers.parquet"]);
  await load(at, "price_index", ["index/v2.parquet"]);
  return at;
});

const quoted = (value) => value === null || value === undefined ? "" : `"${plain(value).replaceAll('"', '""')}"`;

// What a column of Parquet is in the database; numbers are told apart from texts by the file, not by what is in it.
function kindOf(field) {
  const logical = field.logical_type?.type ?? field.converted_type;
  if (logical === "DATE") return "DATE";
  if (String(logical).startsWith("TIMESTAMP")) return "TIMESTAMP";
  if (field.type === "BOOLEAN") return "BOOLEAN";
  return logical === "DECIMAL" || ["INT32", "INT64", "FLOAT", "DOUBLE"].includes(field.type) ? "DOUBLE" : "VARCHAR";
}

// The database's own reader of Parquet would be fetched from elsewhere; this page loads nothing that is not beside it.
// File by file, so that a year of a large market need not stand in memory twice.
async function load(at, name, paths, columns) {
  let isFirst = true;
  for (const path of paths) {
    const { fields, content } = await columnsOf(path, columns);
    const text = [fields.map((field) => field.name).join(","), ...content.map((row) => fields.map((field) => quoted(row[field.name])).join(","))].join("\n");
    const types = fields.map((field) => `'${field.name}': '${kindOf(field)}'`).join(", ");
    await at.opened.registerFileText("part.csv", text);
    await at.connection.query(`${isFirst ? `create or replace table ${name} as` : `insert into ${name} by name`} from read_csv('part.csv', header = true, columns = {${types}}, nullstr = '')`);
    await at.opened.dropFile("part.csv");
    isFirst = false;
  }
}

// Of the price events only the columns that a query names are read; a star asks for all of them.
async function needPrices(at, text) {
  const file = await opened(at.months.at(-1));
  const names = (await fieldsOf(file)).map((field) => field.name);
  const isStar = /\*/.test(text.replace(/count\s*\(\s*\*\s*\)/gi, "").replace(/\/\*[^]*?\*\//g, ""));
  const needed = names.filter((name) => isStar || at.columns.has(name) || new RegExp(`\\b${name}\\b`, "i").test(text));
  if (!needed.length) needed.push("observed_at");
  if (needed.every((name) => at.columns.has(name))) return;
  await load(at, "prices", at.months, needed);
  at.columns = new Set(needed);
}

// The database writes each value as text: what Arrow holds for decimals, days and instants is not what people read.
const PLAIN_TYPES = new Set([1, 2, 3, 5, 6]); // null, whole number, float, text, truth, as Arrow numbers them
async function ask(text) {
  const at = await database();
  if (/\bprices\b/i.test(text) && at.months.length) await needPrices(at, text);
  const query = text.replace(/[;\s]+$/, "");
  let answer;
  try {
    answer = await at.connection.query(`select columns(*)::varchar from (${query}\n)`);
  } catch {
    // no question; or a wrong one, which is told about as it was written
    answer = await at.connection.query(query);
    if (!answer.schema.fields.every((field) => PLAIN_TYPES.has(field.type.typeId))) throw new Error("Only one select is shown here.");
  }
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
      result.replaceChildren(el("p", { class: "count" }, el("b", {}, String(lines.length)), lines.length === 1 ? " row" : " rows", lines.length > 1000 ? ", the first 1000 are shown" : ""),
        table("Result", names.map((name) => [name, ""]), lines.slice(0, 1000), "numbers"));
    } catch (error) {
      result.replaceChildren(el("p", { class: "wrong", role: "alert" }, String(error.message ?? error)));
    }
  };
  return [
    el("h1", {}, "SQL"),
    el("p", {}, "DuckDB in this browser over the files of this release: ", el("code", {}, "offers"), ", ", el("code", {}, "price_index"), " and ",
      el("code", {}, "prices"), ". Nothing leaves the page; the first query loads the database, 34 MB or 8 MB where the server compresses."),
    el("form", { onsubmit: run }, el("label", {}, "Query", field), el("p", {}, el("button", {}, "Run"))),
    result,
  ];
}

// states are those of the release's day: a page that nobody renews must not look like today's
function tellAge(publishedAt) {
  const days = Math.floor((Date.now() - Date.parse(publishedAt)) / 86_400_000);
  const banner = document.getElementById("age");
  banner.hidden = days < 2;
  if (days >= 2) banner.textContent = `This release is ${days} days old: prices and their states are those of ${publishedAt.slice(0, 10)}.`;
}

const VIEWS = { overview, prices, history, sql };
let turn = 0;

async function show() {
  const [name, ...choices] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const view = VIEWS[name] ? name : "overview";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const mine = (turn += 1);
  try {
    const parts = await VIEWS[view](choices);
    if (mine === turn) main.replaceChildren(...parts);
    const content = await latest();
    tellAge(content.published_at);
    document.getElementById("edition").textContent = `Snapshot ${content.snapshot} of ${content.published_at}.`;
  } catch (error) {
    if (mine === turn) main.replaceChildren(el("p", { class: "wrong", role: "alert" }, `This view cannot be shown: ${error.message ?? error}`));
  }
}

addEventListener("hashchange", show);
show();
