// Elements from plain values: text is always text, so that nothing anybody wrote can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; children are nodes, texts, or nothing. */
export function h(tag, given = {}, ...children) {
  return filled(document.createElement(tag), given, children);
}

/** The same for a drawing. */
export function s(tag, given = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), given, children);
}

function filled(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** Put new children in place of the old ones. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false));
}

export const $ = (id) => document.getElementById(id);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration as people say it. */
export function span(ms) {
  const long = Math.abs(ms);
  if (long < MINUTE) return "less than a minute";
  if (long < HOUR) return `${Math.floor(long / MINUTE)} min`;
  if (long < 2 * DAY) {
    const minutes = Math.floor((long % HOUR) / MINUTE);
    return `${Math.floor(long / HOUR)} h${long < 10 * HOUR && minutes ? ` ${minutes} min` : ""}`;
  }
  return `${Math.floor(long / DAY)} days`;
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const local = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const localClock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** When something happened to a customer, in UTC as the events have it. */
export const date = (ms) => day.format(ms);
export const dateTime = (ms) => `${day.format(ms)}, ${clock.format(ms)}`;
/** When somebody here did something, by this machine's zone. */
export const here = (ms) => local.format(ms);
export const hereClock = (ms) => localClock.format(ms);

/** An amount of money; whole units where it is large. */
export function money(cents, currency) {
  const digits = Math.abs(cents) >= 100_000 ? 0 : 2;
  const format = new Intl.NumberFormat("en", {
    style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
  return format.format(cents / 100);
}

/** Parts per million as a percentage; what is not nothing is never called 0 %. */
export function percent(ppm) {
  if (ppm > 0 && ppm < 10_000) return "less than 1 %";
  return `${Math.round(ppm / 10_000)} %`;
}

export const many = (count, one, more = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
export const spaced = (code) => code.replaceAll("_", " ");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
