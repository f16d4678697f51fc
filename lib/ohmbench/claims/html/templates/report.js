"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const rows = all("tr.claim");
  const toggles = all("button.toggle");
  const paper = one("#paper");
  const family = one("#family");
  const search = one("#search");
  const unfold = one("#unfold");
  const pages = all("section.page");

  const button = (row) => row.querySelector("button.open");
  const more = (row) => document.getElementById(`more-${row.id}`);
  const isOpen = (row) => button(row).getAttribute("aria-expanded") === "true";

  function open(row, wanted) {
    button(row).setAttribute("aria-expanded", String(wanted));
    more(row).hidden = !wanted || row.hidden;
  }

  function filter() {
    const statuses = new Set(
      toggles.filter((t) => t.getAttribute("aria-pressed") === "true").map((t) => t.dataset.status),
    );
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const { status, paper: from, family: kind, text } = row.dataset;
      row.hidden = !(
        (statuses.size === 0 || statuses.has(status)) &&
        (paper.value === "" || paper.value === from) &&
        (family.value === "" || family.value === kind) &&
        words.every((word) => text.includes(word))
      );
      more(row).hidden = row.hidden || !isOpen(row);
      shown += row.hidden ? 0 : 1;
    }
    one("#shown").textContent = `${shown} of ${rows.length} claims`;
    one("#none").hidden = shown > 0 || rows.length === 0;
  }

  function clear() {
    for (const toggle of toggles) toggle.setAttribute("aria-pressed", "false");
    paper.value = family.value = search.value = "";
    filter();
  }

  function showPage(key) {
    for (const page of pages) page.hidden = page.id !== key;
    for (const link of all("nav a")) {
      if (link.dataset.page === key) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  // What stands behind the # is a page or the row of a claim.
  function follow(focus) {
    let key = location.hash.slice(1);
    try {
      key = decodeURIComponent(key);
    } catch {
      return;
    }
    const page = pages.find((candidate) => candidate.id === key);
    const row = rows.find((candidate) => candidate.id === key);
    if (page !== undefined) {
      showPage(key);
      if (focus) page.querySelector("h2").focus();
    } else if (row !== undefined) {
      showPage("claims");
      if (row.hidden) clear();
      open(row, true);
      row.scrollIntoView();
      button(row).focus({ preventScroll: true });
    } else if (key === "") {
      showPage("claims");
    }
  }

  for (const row of rows) button(row).addEventListener("click", () => open(row, !isOpen(row)));
  for (const toggle of toggles) {
    toggle.addEventListener("click", () => {
      toggle.setAttribute("aria-pressed", String(toggle.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  one(".filters").addEventListener("submit", (event) => event.preventDefault());
  for (const field of [paper, family]) field.addEventListener("change", filter);
  search.addEventListener("input", filter);
  one("#clear").addEventListener("click", clear);
  unfold.addEventListener("click", () => {
    const wanted = unfold.getAttribute("aria-pressed") !== "true";
    unfold.setAttribute("aria-pressed", String(wanted));
    for (const row of rows) open(row, wanted);
  });
  one("#csv").addEventListener("click", () => {
    const text = JSON.parse(one("#data").textContent);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = "claims.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  addEventListener("hashchange", () => follow(true));

  // The browser may have kept the fields of the page before.
  filter();
  showPage("claims");
  follow(false);
})();
