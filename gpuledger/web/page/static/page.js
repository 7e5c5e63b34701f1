// What every page does: copying, parts that come later, and filters that answer in place.
// Without scripts the same forms and links load a page.
(() => {
  "use strict";
  document.documentElement.classList.add("js");
  async function copy(text, button) {
    await navigator.clipboard.writeText(text);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = before), 1500);
  }

  function dress(root) {
    if (navigator.clipboard) {
      for (const button of root.querySelectorAll("[data-copy-link], [data-copy]")) button.hidden = false;
    }
    for (const part of root.querySelectorAll("[data-late]")) later(part);
  }

  // A part that takes longer than its page comes after it; its place is reserved.
  async function later(part) {
    const asked = new URL(part.dataset.late, location.href);
    delete part.dataset.late;
    asked.searchParams.set("fragment", "1");
    try {
      const answer = await fetch(asked, { headers: { accept: "text/html" } });
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      part.replaceChildren(...found.getElementById("part").childNodes);
      dress(part);
    } catch {
      // the link in its place still leads there
    }
  }

  // ---- filters in place
  let running = null;
  let timer = 0;

  const work = () => document.getElementById("work");
  const form = () => work()?.querySelector("form#filters");

  function asked() {
    const values = new Map();
    for (const [name, value] of new FormData(form())) {
      if (!value) continue;
      values.set(name, values.has(name) ? `${values.get(name)},${value}` : value);
    }
    const text = new URLSearchParams([...values]).toString();
    const path = form().getAttribute("action");
    return text ? `${path}?${text}` : path;
  }

  function focusOf() {
    const at = document.activeElement;
    if (!at || !form()?.contains(at) || !at.name) return null;
    const isText = at.matches("input:not([type=checkbox]):not([type=radio]):not([type=date]), textarea");
    return { name: at.name, value: at.value, type: at.type, isText, from: isText ? at.selectionStart : null };
  }

  function refocus(was) {
    if (!was) return;
    const same = [...form().elements].filter((one) => one.name === was.name && one.type === was.type);
    const at = same.find((one) => one.value === was.value) || same[0];
    if (!at) return;
    if (was.isText) at.value = was.value;
    at.focus({ preventScroll: true });
    if (was.isText && was.from !== null) at.setSelectionRange(was.from, was.from);
  }

  // keep: push a settled question; restore: the form is that of the address; soft: half a word is no error
  async function show(address, { keep = false, restore = false, soft = false } = {}) {
    if (running) running.abort();
    running = new AbortController();
    work().setAttribute("aria-busy", "true");
    const url = new URL(address, location.href);
    url.searchParams.set("fragment", "1");
    try {
      const answer = await fetch(url, { signal: running.signal, headers: { accept: "text/html" } });
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      const inner = found.getElementById("work");
      const isWrong = Number(answer.headers.get("x-answer-status") || answer.status) >= 400;
      if (!inner || (isWrong && soft)) {
        work().setAttribute("aria-busy", "false");
        if (!inner && !soft) location.assign(address);
        return;
      }
      const was = restore ? null : focusOf();
      const open = new Map([...work().querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
      const scrolls = new Map([...work().querySelectorAll("details[id] ul")].map((one) => [one.parentElement.id, one.scrollTop]));
      if (isWrong) {
        // the table stays; what is wrong stands under the field
        const note = inner.querySelector("#wrong");
        form().querySelector("#wrong")?.replaceWith(note);
        work().setAttribute("aria-busy", "false");
        return;
      }
      work().replaceChildren(...inner.childNodes);
      for (const one of work().querySelectorAll("details[id]")) if (open.has(one.id)) one.open = open.get(one.id);
      for (const one of work().querySelectorAll("details[id] ul")) one.scrollTop = scrolls.get(one.parentElement.id) || 0;
      refocus(was);
      const title = found.querySelector("title");
      if (title && title.textContent !== "rows") document.title = title.textContent;
      if (keep && address !== location.pathname + location.search) history.pushState(null, "", address);
      work().setAttribute("aria-busy", "false");
      dress(work());
      document.dispatchEvent(new Event("replaced"));
    } catch (error) {
      if (error.name !== "AbortError") location.assign(address);
    }
  }

  function start() {
    dress(document);
    document.addEventListener("click", (event) => {
      // where there is little room these begin folded by the style sheet, so that nothing moves while loading
      const fold = event.target.closest(".fold:not([data-touched]) > summary");
      if (fold && getComputedStyle(fold).display !== "none") {
        event.preventDefault();
        fold.parentElement.dataset.touched = "1";
      }
      const link = event.target.closest("[data-copy-link]");
      if (link) copy(location.href, link);
      const button = event.target.closest("[data-copy]");
      if (button) copy(document.getElementById(button.dataset.copy).textContent, button);
    });
    // empty fields stay out of the address
    document.addEventListener("submit", (event) => {
      const sent = event.target;
      // `sent.method` is its field of that name where it has one, as the plan's form does
      if (sent.getAttribute("method") !== "get" || event.defaultPrevented) return;
      // but for parameters of a query, where empty is null
      for (const field of sent.elements) if (field.name && !field.value && !field.name.startsWith("p_")) field.disabled = true;
      setTimeout(() => { for (const field of sent.elements) field.disabled = false; });
    });
    if (!form()) return;
    const isTyped = (field) => field.matches("input:not([type=checkbox]):not([type=radio]):not([type=date])");
    document.addEventListener("input", (event) => {
      if (!form().contains(event.target) || !isTyped(event.target)) return;
      clearTimeout(timer);
      timer = setTimeout(() => show(asked(), { keep: true, soft: true }), 450);
    });
    document.addEventListener("change", (event) => {
      if (!form().contains(event.target) || isTyped(event.target)) return;
      clearTimeout(timer);
      if (event.target.name === "gpu" && event.target.type === "checkbox") form().elements.namedItem("gpu")[0].value = "";
      show(asked(), { keep: true });
    });
    document.addEventListener("submit", (event) => {
      if (event.target !== form()) return;
      event.preventDefault();
      for (const field of form().elements) field.disabled = false;
      clearTimeout(timer);
      show(asked(), { keep: true });
    }, true);
    work().addEventListener("click", (event) => {
      const link = event.target.closest("a[data-in-place]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const heading = link.closest("th") && link.textContent;
      show(link.getAttribute("href"), { keep: true, restore: true }).then(() => {
        if (link.rel === "next") document.getElementById("main").scrollIntoView();
        if (heading) [...work().querySelectorAll("th a")].find((one) => one.textContent === heading)?.focus();
      });
    });
    addEventListener("popstate", () => {
      clearTimeout(timer);
      show(location.pathname + location.search, { restore: true });
    });
  }
  document.addEventListener("DOMContentLoaded", start);
})();
