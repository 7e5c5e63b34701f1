// Receipts in a drawer, and the address of the quote on the clipboard.
(() => {
  "use strict";
  for (const button of document.querySelectorAll("[data-receipt]")) {
    button.addEventListener("click", () => document.getElementById(button.dataset.receipt).showModal());
  }
  for (const drawer of document.querySelectorAll("dialog.drawer")) {
    drawer.addEventListener("click", (event) => {
      if (event.target === drawer) drawer.close();
    });
  }
  const share = document.getElementById("share");
  if (share && navigator.clipboard) {
    share.hidden = false;
    share.addEventListener("click", async () => {
      await navigator.clipboard.writeText(location.href);
      share.textContent = "Copied";
    });
  }
  // The frontier takes longer than the ranking, so it comes after it; its place is reserved.
  const frontier = document.getElementById("frontier");
  if (frontier) {
    fetch(frontier.dataset.address, { headers: { accept: "text/html" } }).then(async (answer) => {
      if (!answer.ok) return;
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      frontier.replaceChildren(...found.body.childNodes);
    });
  }
  // Empty fields stay out of the address.
  const form = document.getElementById("plan");
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const field of form.elements) field.disabled = false;
  });
})();
