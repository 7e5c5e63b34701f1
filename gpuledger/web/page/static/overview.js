// Rows beyond the first are shown on a click; at most four accelerators are compared.
(() => {
  "use strict";
  const table = document.getElementById("market");
  const button = document.getElementById("more");
  button?.addEventListener("click", () => {
    table.classList.add("all");
    button.hidden = true;
    table.querySelector("tr[data-more] a")?.focus();
  });
  const form = document.getElementById("compare");
  form.addEventListener("change", () => {
    const ticked = form.querySelectorAll("input:checked").length;
    for (const box of form.querySelectorAll("input[type=checkbox]")) box.disabled = ticked >= 4 && !box.checked;
  });
  form.addEventListener("submit", (event) => {
    const ticked = [...form.querySelectorAll("input:checked")].map((box) => box.value);
    event.preventDefault();
    const now = new URLSearchParams(location.search);
    const asked = new URLSearchParams();
    if (ticked.length) asked.set("gpu", ticked.join(","));
    if (now.get("as_of")) asked.set("as_of", now.get("as_of"));
    location.assign(`${new URL(form.action).pathname}?${asked}`);
  });
})();
