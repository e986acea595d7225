// Small drawings, each with its table: read in light and dark, by eye and by ear.

import { h, s } from "./dom.js";

let ids = 0;

function figure(title, drawing, ...more) {
  const id = `figure-${(ids += 1)}`;
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-labelledby", id);
  return h("figure", { class: "chart" }, h("figcaption", { id }, title), drawing, more);
}

/** A table behind a drawing, folded away. */
export function tabled(title, heads, rows) {
  return h("details", { class: "table", "data-name": title }, h("summary", {}, title),
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, table(heads, rows)));
}

/** A plain table: the first cell of a row names it. */
export function table(heads, rows, caption = null) {
  const numeric = heads.map((_, at) => at > 0 && rows.length > 0 && rows.every((row) => /^[-–+\d£$€¥]|^[A-Z]{3}\s/.test(String(row[at] ?? "–"))));
  return h("table", {}, caption ? h("caption", {}, caption) : null,
    h("thead", {}, h("tr", {}, heads.map((one, at) => h("th", { scope: "col", class: numeric[at] ? "n" : null }, one)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((one, at) => (at === 0 ? h("th", { scope: "row" }, one) : h("td", { class: numeric[at] ? "n" : null }, one)))))));
}

/** A strip of little columns, one a day. */
export function columns(title, names, values) {
  const most = Math.max(1, ...values);
  const wide = 4;
  const drawing = s("svg", { viewBox: `0 0 ${values.length * wide} 30`, preserveAspectRatio: "none", class: "strip" },
    s("line", { x1: 0, x2: values.length * wide, y1: 29.5, y2: 29.5, class: "axis" }),
    values.map((value, at) => (value ? s("rect", { x: at * wide, width: wide - 1, y: 29 - (27 * value) / most, height: (27 * value) / most, class: "bar" }, s("title", {}, `${names[at]}: ${value}`)) : null)));
  const sum = values.reduce((all, one) => all + one, 0);
  return figure(`${title}: ${sum}`, drawing);
}

/** Columns made of parts. */
export function stacks(title, names, parts, words) {
  const sums = names.map((_, at) => parts.reduce((all, [, values]) => all + values[at], 0));
  const most = Math.max(1e-9, ...sums);
  const [width, height, left, below] = [600, 220, 70, 24];
  const step = (width - left) / names.length;
  const drawing = s("svg", { viewBox: `0 0 ${width} ${height + below}` }, grid(most, 0, height, left, width, words));
  for (const [at] of names.entries()) {
    let from = height;
    for (const [which, [, values]] of parts.entries()) {
      const tall = ((height - 12) * values[at]) / most;
      from -= tall;
      if (tall > 0) drawing.append(s("rect", { x: left + at * step + 2, width: step - 4, y: from, height: tall, class: `part part-${which}` }, s("title", {}, `${names[at]}, ${parts[which][0]}: ${words(values[at])}`)));
    }
  }
  for (const at of [0, names.length - 1]) drawing.append(s("text", { x: left + at * step + step / 2, y: height + 18, "text-anchor": at ? "end" : "start", class: "tick" }, names[at]));
  return figure(title, drawing, legend(parts.map(([name], at) => [name, `part-${at}`])));
}

const legend = (items) => h("ul", { class: "legend" }, items.map(([name, key]) => h("li", { class: key }, name)));

/** Lines at round values: 1, 2, 2.5 or 5 of some power of ten apart. */
function grid(most, least, height, left, width, words) {
  const rough = (most - least) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((one) => one * power >= rough) * power;
  const first = Math.ceil(least / step - 1e-9);
  const count = Math.floor(most / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, at) => {
    const value = (first + at) * step;
    const y = height - ((height - 12) * (value - least)) / (most - least);
    return s("g", {}, s("line", { x1: left, x2: width, y1: y, y2: y, class: "grid" }), s("text", { x: left - 6, y: y + 4, "text-anchor": "end", class: "tick" }, words(value)));
  });
}

/** Lines over a common axis; `here` marks a place on the first one. */
export function lines(title, series, { x, y, from = null, dots = false, mark = null, legends = null }) {
  const all = series.flatMap(([, points]) => points);
  const xs = all.map((one) => one[0]);
  const ys = all.map((one) => one[1]);
  const [left, width, height, below] = [70, 640, 300, 26];
  const lowX = Math.min(...xs);
  const highX = Math.max(...xs);
  const low = Math.min(from ?? Infinity, ...ys);
  const high = Math.max(...ys, low + 1e-9);
  const px = (value) => left + ((width - left - 10) * (value - lowX)) / Math.max(1e-9, highX - lowX);
  const py = (value) => height - ((height - 12) * (value - low)) / (high - low);
  const drawing = s("svg", { viewBox: `0 0 ${width} ${height + below}` }, grid(high, low, height, left, width, y));
  if (low < 0 && high > 0) drawing.append(s("line", { x1: left, x2: width, y1: py(0), y2: py(0), class: "axis" }));
  for (const [at, [, points]] of series.entries()) {
    drawing.append(s("polyline", { points: points.map(([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`).join(" "), class: `curve curve-${at}` }));
    if (dots) for (const [a, b] of points) drawing.append(s("circle", { cx: px(a), cy: py(b), r: 4, class: `dot-${at}` }, s("title", {}, `${x(a)}: ${y(b)}`)));
  }
  for (const [value, anchor] of [[lowX, "start"], [highX, "end"]]) drawing.append(s("text", { x: px(value), y: height + 20, "text-anchor": anchor, class: "tick" }, x(value)));
  if (mark) {
    const [at, value] = [px(mark.x), py(mark.y)];
    const end = at > width * 0.7;
    drawing.append(s("line", { x1: at, x2: at, y1: 12, y2: height, class: "mark-line" }), s("circle", { cx: at, cy: value, r: 6, class: "mark-dot" }),
      s("text", { x: at + (end ? -10 : 10), y: height - 12, "text-anchor": end ? "end" : "start", class: "mark-words" }, mark.words));
  }
  return figure(title, drawing, legends ? legend(legends.map((name, at) => [name, `curve-${at}`])) : null);
}
