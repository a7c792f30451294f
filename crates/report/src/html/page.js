// Comfort only: everything on the page can be read without it.
"use strict";
(() => {
  const make = (tag, text, onclick) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (onclick) { element.type = "button"; element.addEventListener("click", onclick); }
    return element;
  };

  // Tooltips: one for the page, moved to what the pointer is on.
  const tip = document.getElementById("tip");
  // A cell of a matrix is found by the place of the pointer, and its value stands in the figure's table.
  const cellUnder = (event) => {
    const svg = event.target.closest ? event.target.closest("figure svg") : null;
    const field = svg && svg.querySelector("[data-cell]");
    if (!field) return null;
    const figure = svg.closest("figure");
    const box = field.getBoundingClientRect();
    const scale = box.width / field.getAttribute("width");
    const [width, height] = field.dataset.cell.split(" ").map((side) => side * scale);
    const [column, row] = [Math.floor((event.clientX - box.left) / width), Math.floor((event.clientY - box.top) / height)];
    const table = figure.querySelectorAll("table")[[...figure.querySelectorAll("[data-cell]")].indexOf(field)];
    const cells = table && row >= 0 && column >= 0 && table.tBodies[0].rows[row] ? table.tBodies[0].rows[row].cells : [];
    if (!cells[column + 1]) return null;
    const name = (word, cell) => `${word} ${cell.textContent}`.trim();
    return `${name(field.dataset.row, cells[0])}, ${name(field.dataset.col, table.tHead.rows[0].cells[column + 1])}: ${cells[column + 1].textContent}`;
  };
  const show = (event) => {
    const target = event.target.closest ? event.target.closest("[data-tip]") : null;
    const text = target ? target.dataset.tip : cellUnder(event);
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 18;
    const y = below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 12 : below;
    tip.style.left = Math.max(8, x) + "px";
    tip.style.top = y + "px";
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // Tables sort by a column: first downwards for numbers, upwards for words. Absent values stay last.
  // Where every entry is a <tbody> of several rows, whole entries move.
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = "v" in cell.dataset ? cell.dataset.v : cell.textContent.trim();
    const number = Number(text);
    return text === "" || text === "none" || text === "–" ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", "", () => {
        const was = head.getAttribute("aria-sort");
        const number = head.classList.contains("r");
        const order = was === "descending" ? "ascending" : was === "ascending" ? "descending" : number ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const grouped = table.classList.contains("matches");
        const parent = grouped ? table : table.tBodies[0];
        const entries = [...(grouped ? table.tBodies : parent.rows)].map((entry) => [key(grouped ? entry.rows[0] : entry, column), entry]);
        entries.sort(([a], [b]) => a === null ? (b === null ? 0 : 1) : b === null ? -1 : sign * compare(a, b));
        parent.append(...entries.map(([, entry]) => entry));
      });
      button.append(...head.childNodes);
      head.append(button);
    });
  }

  // Unfold and fold.
  const numbers = document.getElementById("numbers");
  if (numbers) {
    const all = (open) => () => numbers.querySelectorAll("details").forEach((details) => { details.open = open; });
    const tools = make("div", "");
    tools.className = "tools";
    tools.append(make("button", "Unfold all", all(true)), make("button", "Fold all", all(false)));
    numbers.querySelector(".lead").after(tools);
  }
  // Paper shows everything, and the screen is as before when it is done.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => { closed.forEach((details) => { details.open = false; }); });

  // Copy the command.
  const command = document.getElementById("command");
  if (command && navigator.clipboard) {
    const button = make("button", "Copy", () => {
      navigator.clipboard.writeText(command.textContent).then(() => { button.textContent = "On the clipboard"; }, () => { button.textContent = "Select and copy"; });
    });
    button.className = "copy";
    command.after(button);
  }
})();
