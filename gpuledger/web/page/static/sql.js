// Ctrl-Enter runs the query.
(() => {
  "use strict";
  const form = document.getElementById("query");
  document.getElementById("q").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("button[name=run]"));
    }
  });
})();
