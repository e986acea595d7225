// One dialog for everything that needs a word more: a reason, a time, a name.

import { $, fill, h } from "./dom.js";
import { now } from "./store.js";

const HOUR = 3_600_000;

/** Ask for some fields; the values by name, or null when it was put away. */
export function ask({ title, words, fields, yes, danger = false }) {
  const dialog = $("dialog");
  const inputs = fields.map(input);
  return new Promise((answer) => {
    const form = h("form", { method: "dialog" },
      h("h2", { id: "dialog-title" }, title),
      words ? h("p", { class: "muted" }, words) : null,
      inputs.map((one) => one.row),
      h("div", { class: "buttons" },
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"),
        h("button", { type: "submit", class: danger ? "danger" : "main" }, yes)),
    );
    let values = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!form.reportValidity()) return;
      values = Object.fromEntries(inputs.map((one) => [one.name, one.read()]));
      dialog.close();
    });
    dialog.addEventListener("close", () => answer(values), { once: true });
    fill(dialog, form);
    dialog.showModal();
    form.querySelector("textarea, input, select")?.focus();
  });
}

function input({ name, label, type = "text", required = false, options = [], value = "", hint = "", list = [] }) {
  const id = `field-${name}`;
  const about = hint ? `${id}-hint` : null;
  const common = { id, name, required, "aria-describedby": about };
  let element;
  if (type === "reason") {
    element = h("textarea", { ...common, rows: 2, maxlength: 160, value });
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        element.form.requestSubmit();
      }
    });
  } else if (type === "select") {
    element = h("select", common, options.map(([key, words]) => h("option", { value: key, selected: key === value }, words)));
  } else {
    element = h("input", { ...common, type: "text", maxlength: 64, value, autocomplete: "off", list: list.length ? `${id}-list` : null });
  }
  const row = h("div", { class: "field" },
    h("label", { for: id }, label),
    element,
    list.length ? h("datalist", { id: `${id}-list` }, list.map((one) => h("option", { value: one }))) : null,
    hint ? h("p", { id: about, class: "hint" }, hint) : null,
  );
  return { name, row, read: () => element.value.replaceAll(/\s+/g, " ").trim() };
}

/** The times that something may be put off to. */
export const TIMES = [
  ["1", "for an hour"], ["4", "for 4 hours"], ["tomorrow", "until tomorrow, 8:00"],
  ["monday", "until Monday, 8:00"], ["168", "for a week"], ["720", "for 30 days"],
];

/** The end of a chosen time, ms UTC. */
export function until(choice) {
  const at = new Date(now());
  if (choice === "tomorrow" || choice === "monday") {
    const days = choice === "tomorrow" ? 1 : (8 - at.getDay()) % 7 || 7;
    at.setDate(at.getDate() + days);
    at.setHours(8, 0, 0, 0);
    return at.getTime();
  }
  return at.getTime() + Number(choice) * HOUR;
}
