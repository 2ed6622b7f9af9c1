"use strict";
// Opens what a link leads to: it may lie in closed details.
const follow = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target.scrollIntoView();
  if (target.hasAttribute("tabindex")) target.focus({ preventScroll: true });
};
addEventListener("hashchange", follow);
follow();

// Paper has nothing to open.
const opened = [];
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details:not([open], .evidence)")) {
    one.open = true;
    opened.push(one);
  }
});
addEventListener("afterprint", () => {
  for (const one of opened.splice(0)) one.open = false;
});

const table = document.getElementById("table");
if (table) {
  const page = 150;
  const form = document.querySelector(".filters");
  const more = document.getElementById("more");
  const said = document.getElementById("shown");
  const columns = { who: 0, does: 1, to: 2, source: 3, was: 5 };
  const rows = [...table.tBodies[0].rows].map((row) => {
    const cells = [...row.cells].map((cell) => cell.textContent);
    return { row, cells, text: cells.join(" ").toLowerCase() };
  });
  let most = page;
  const show = () => {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = Object.entries(columns).filter(([name]) => form.elements[name].value);
    const wrong = form.elements.holds.value === "no";
    let found = 0;
    for (const { row, cells, text } of rows) {
      const fits =
        chosen.every(([name, at]) => cells[at] === form.elements[name].value) &&
        (!wrong || row.classList.contains("wrong")) &&
        words.every((word) => text.includes(word));
      if (fits) found += 1;
      row.hidden = !fits || found > most;
    }
    said.textContent = `${Math.min(found, most)} of ${found} decisions that fit, ${rows.length} in all`;
    more.hidden = found <= most;
  };
  const begin = () => {
    most = page;
    show();
  };
  form.addEventListener("input", begin);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(begin));
  more.addEventListener("click", () => {
    most += page * 2;
    show();
  });
  form.hidden = false;
  show();
}
