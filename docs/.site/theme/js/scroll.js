// What scrolls by itself is reached by the keyboard.
for (const box of document.querySelectorAll('div[role="main"] pre code, div[role="main"] table')) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}
