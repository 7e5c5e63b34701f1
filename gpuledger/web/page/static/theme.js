// Light or dark as the system says, until the button says otherwise. Runs before the page is drawn.
(() => {
  "use strict";
  // a browser may forbid storage; the button still works then
  const stored = (act) => {
    try {
      return act(localStorage);
    } catch {
      return null;
    }
  };
  const kept = stored((storage) => storage.getItem("theme"));
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const isDark = document.documentElement.dataset.theme
        ? document.documentElement.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      const next = isDark ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      stored((storage) => storage.setItem("theme", next));
      document.dispatchEvent(new Event("theme"));
    });
  });
})();
