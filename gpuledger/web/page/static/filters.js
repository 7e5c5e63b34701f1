// Filters, sorting and paging in place; without scripts the same form and links load a page.
(() => {
  "use strict";
  const form = document.getElementById("filters");
  const results = document.getElementById("results");
  let running = null;
  let timer = 0;

  async function show(address, keep) {
    if (running) running.abort();
    running = new AbortController();
    results.setAttribute("aria-busy", "true");
    const asked = new URL(address, location.href);
    asked.searchParams.set("fragment", "1");
    try {
      const answer = await fetch(asked, { signal: running.signal, headers: { accept: "text/html" } });
      const text = await answer.text();
      const found = new DOMParser().parseFromString(text, "text/html");
      const inner = found.getElementById("results") || found.body;
      results.replaceChildren(...inner.childNodes);
      if (keep) history.pushState(null, "", address);
      results.setAttribute("aria-busy", "false");
    } catch (error) {
      if (error.name !== "AbortError") location.assign(address);
    }
  }

  function address() {
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) asked.set(name, value);
    const text = asked.toString();
    return text ? `/?${text}` : "/";
  }

  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    const isTyped = event.target.tagName === "INPUT" && !event.target.list;
    timer = setTimeout(() => show(address(), true), event.target.tagName === "SELECT" ? 0 : isTyped ? 120 : 80);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    show(address(), true);
  });
  results.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-in-place]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.getAttribute("href"), true).then(() => {
      if (link.rel === "next") document.getElementById("main").scrollIntoView();
      const again = results.querySelector(`th a[href^="/"]`);
      if (again && link.closest("th")) {
        const same = [...results.querySelectorAll("th a")].find((one) => one.textContent === link.textContent);
        (same || again).focus();
      }
    });
  });
  addEventListener("popstate", () => show(location.pathname + location.search, false));
})();
