// The queue: whom to help now. Rows keep their places while somebody is among them.

import { fitting, perform, say } from "./acts.js";
import { drawCard, emptyCard } from "./card.js";
import { $, fill, h, many, span } from "./dom.js";
import { get, listen, now, store } from "./store.js";

const TIERS = { now: "Now", today: "Today", week: "This week", good: "Good news" };
const LIVE = ["open", "acknowledged", "assigned"];
const VIEWS = [["queue", "Queue"], ["mine", "Mine"], ["unowned", "Nobody’s"], ["asleep", "Put off"], ["done", "Done"]];
const PAGE = 100;

const view = {
  which: "queue", floor: localStorage.getItem("desk-floor") || "", about: "", text: "",
  shown: [], listed: null, total: 0, selected: null, open: false, beyond: false,
};
let rows = new Map();
let tiers = new Map();
let list, newer, count, beyond;

/** Draw the page; the way to leave it. */
export function queuePage(main) {
  rows = new Map();
  count = h("p", { class: "count", id: "count" });
  newer = h("button", { class: "newer", type: "button", hidden: true, onclick: () => { settle(); list.querySelector("button")?.focus(); } });
  list = h("div", { class: "list", id: "list" });
  beyond = h("div", { class: "beyond" });
  const card = h("section", { class: "card", id: "card", "aria-label": "Card", tabindex: "-1" });
  fill(main, h("div", { class: "desk" },
    h("section", { class: "queue", "aria-labelledby": "queue-title" },
      h("h1", { id: "queue-title", class: "unseen" }, "Cards"),
      toolbar(), h("div", { class: "line" }, count, newer), list, beyond), card));
  const pause = () => setTimeout(() => { if (!frozen()) settle(); }, 0);
  list.addEventListener("focusout", pause);
  list.addEventListener("pointerleave", pause);
  const stop = listen((what, change) => {
    if (what === "cards") changed(change);
    if (what === "me") { settle(true); drawSelected(); }
    if (what === "status") drawSelected();
  });
  const clock = setInterval(times, 15_000);
  settle(true);
  drawSelected();
  return () => { stop(); clearInterval(clock); };
}

function toolbar() {
  const tabs = VIEWS.map(([key, words]) => h("button", {
    type: "button", "aria-pressed": String(view.which === key), "data-view": key, onclick: () => look(key),
  }, words, h("span", { class: "badge", "data-count": key })));
  const search = h("input", { type: "search", id: "search", placeholder: "Customer, skill…", "aria-label": "Search by customer, skill or words", value: view.text, autocomplete: "off" });
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { view.text = search.value.trim(); settle(true); }, 150);
  });
  const floor = h("select", { id: "floor", "aria-label": "Floor", onchange: (event) => { view.floor = event.target.value; localStorage.setItem("desk-floor", view.floor); settle(true); } });
  const about = h("select", { id: "about", "aria-label": "About", onchange: (event) => { view.about = event.target.value; settle(true); } });
  return h("div", { class: "tools" }, h("div", { class: "views", role: "group", "aria-label": "Which cards" }, tabs),
    h("div", { class: "filters" }, floor, about, search));
}

/** Change to one of the views. */
export function look(which) {
  view.which = which;
  view.beyond = false;
  for (const one of document.querySelectorAll("[data-view]")) one.setAttribute("aria-pressed", String(one.dataset.view === which));
  settle(true);
}

const frozen = () => list.contains(document.activeElement) || list.matches(":hover");
const remote = () => ["asleep", "done"].includes(view.which) || view.text !== "" || view.beyond;
const fits = (card) => card && (!view.floor || card.floor === view.floor) && (!view.about || card.about.includes(view.about))
  && (view.which !== "mine" || card.owner === store.me?.name) && (view.which !== "unowned" || !card.owner);

function changed(change) {
  if (remote() && !change.mine && !change.whole) later();
  else if (change.whole || !frozen()) settle();
  else refresh();
  if (view.selected && change.touched?.includes(view.selected)) drawSelected(true);
  if (!change.mine && !change.whole) {
    const fresh = change.cards?.filter((card) => card.state === "open" && !rows.has(card.customer) && fits(card)) || [];
    if (fresh.length) say(`New: ${fresh[0].title}, ${fresh[0].customer}${fresh.length > 1 ? `, and ${fresh.length - 1} more` : ""}`);
    for (const card of change.cards || []) {
      if (card.state === "cleared" && rows.has(card.customer)) say(`Over: ${card.customer}. ${card.why}`);
    }
  }
}

let due = 0;

/** What the desk must be asked for is asked for once a second at most. */
function later() {
  due ||= setTimeout(() => { due = 0; if (!frozen()) settle(); }, 1_000);
}

let asking = 0;

/** Let the rows take their places. */
async function settle(anew = false) {
  if (!list.isConnected) return;
  choices();
  if (remote()) {
    const mine = (asking += 1);
    const states = view.which === "asleep" || view.which === "done" ? view.which : view.text ? "all" : "live";
    const query = new URLSearchParams({ states, q: view.text, floor: view.floor, about: view.about, limit: String(PAGE) });
    try {
      const found = await get(`/v1/cards?${query}`);
      if (mine !== asking || !list.isConnected) return;
      view.listed = new Map(found.cards.map((card) => [card.customer, card]));
      view.total = found.total;
      view.shown = found.cards.map((card) => card.customer);
    } catch (error) {
      say(error.message);
    }
  } else {
    asking += 1;
    view.listed = null;
    view.shown = store.order.filter((customer) => fits(store.cards.get(customer)));
    view.total = view.shown.length;
  }
  draw(anew);
}

const cardOf = (customer) => store.cards.get(customer) || view.listed?.get(customer);

function draw(anew) {
  if (anew) {
    rows = new Map();
    tiers = new Map();
    fill(list);
  }
  const focused = document.activeElement?.dataset?.customer;
  const kept = new Map();
  const groups = new Map();
  for (const customer of view.shown) {
    const card = cardOf(customer);
    if (!card) continue;
    const row = rows.get(customer) || newRow(customer);
    fillRow(row, card);
    kept.set(customer, row);
    const key = view.listed ? "" : card.tier;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  rows = kept;
  for (const key of [...tiers.keys()]) if (!groups.has(key)) tiers.delete(key);
  inOrder(list, kept.size ? [...groups].map(([key, members]) => tier(key, members)) : [h("p", { class: "empty" }, emptyWords())]);
  if (focused && rows.has(focused) && document.activeElement !== rows.get(focused).firstChild) rows.get(focused).firstChild.focus({ preventScroll: true });
  refresh();
}

function tier(key, members) {
  if (!tiers.has(key)) {
    const number = h("span", { class: "muted" });
    const section = h("section", { class: `tier ${key || "plain"}`, "aria-label": TIERS[key] || "Cards" }, key ? h("h2", {}, TIERS[key], " ", number) : null, h("ul", {}));
    tiers.set(key, { section, number });
  }
  const { section, number } = tiers.get(key);
  if (number.textContent !== String(members.length)) number.textContent = String(members.length);
  inOrder(section.lastChild, members);
  return section;
}

/** Bring children into an order, moving only those that must. */
function inOrder(parent, wanted) {
  const keep = new Set(wanted);
  for (const one of [...parent.children]) if (!keep.has(one)) one.remove();
  for (const [at, one] of wanted.entries()) if (parent.children[at] !== one) parent.insertBefore(one, parent.children[at] || null);
}

function emptyWords() {
  if (!store.status.caught_up) return "Reading what has happened so far…";
  if (view.text) return "No card is found by this.";
  return { queue: "Nobody waits for you. That is how it should be.", mine: "You have taken nothing on.", unowned: "Everything has an owner.", asleep: "Nothing is put off.", done: "Nothing was settled yet." }[view.which];
}

/** Bring rows up to date in their places; those that came or went wait. */
function refresh() {
  for (const [customer, row] of rows) {
    const card = cardOf(customer);
    if (card) fillRow(row, card);
  }
  const waiting = remote() ? [] : store.order.filter((customer) => !rows.has(customer) && fits(store.cards.get(customer)));
  newer.hidden = waiting.length === 0 || !frozen();
  fill(newer, `${waiting.length} new`, " ", h("kbd", {}, "."));
  const open = [...rows.keys()].filter((customer) => cardOf(customer)?.state === "open").length;
  fill(count, view.listed ? many(view.total, "card") : `${many(rows.size, "card")}, ${open} not acknowledged`);
  badges();
  const more = Object.entries(store.beyond).filter(([floor]) => !view.floor || floor === view.floor);
  const sum = more.reduce((all, [, one]) => all + one, 0);
  fill(beyond, sum && view.which === "queue" && !remote() ? [h("p", {}, `${many(sum, "card")} more ${sum === 1 ? "waits" : "wait"}: a floor is shown no more than it can act on.`),
    h("button", { type: "button", class: "quiet", onclick: () => { view.beyond = true; settle(true); } }, "Show them")] : null);
}

function badges() {
  const sum = (...states) => states.reduce((all, one) => all + (store.counts[one] || 0), 0);
  const mine = store.order.filter((customer) => store.cards.get(customer)?.owner === store.me?.name).length;
  const counts = { queue: sum(...LIVE), mine, asleep: sum("snoozed", "overridden") };
  for (const one of document.querySelectorAll("[data-count]")) one.textContent = counts[one.dataset.count] ? ` ${counts[one.dataset.count].toLocaleString("en")}` : "";
}

function choices() {
  const cards = [...store.cards.values()];
  options($("floor"), "All floors", [...new Set([...cards.map((card) => card.floor), ...Object.keys(store.beyond)])].sort(), view.floor);
  options($("about"), "About anything", [...new Set(cards.flatMap((card) => card.about))].sort(), view.about);
}

function options(select, all, values, chosen) {
  const wanted = chosen && !values.includes(chosen) ? [...values, chosen] : values;
  const key = JSON.stringify(wanted);
  if (select.dataset.key === key) return;
  select.dataset.key = key;
  fill(select, h("option", { value: "" }, all), wanted.map((one) => h("option", { value: one, selected: one === chosen }, one.replaceAll("_", " "))));
}

function newRow(customer) {
  const button = h("button", { type: "button", class: "row", "data-customer": customer, onclick: () => select(customer, true), onfocus: () => select(customer, false) });
  return h("li", {}, button);
}

function fillRow(row, card) {
  const button = row.firstChild;
  const current = card.customer === view.selected;
  button.setAttribute("aria-current", String(current));
  if (row.card === card) return;
  row.card = card;
  button.dataset.state = card.state;
  fill(button,
    h("span", { class: "title" }, card.title),
    h("span", { class: "who" }, card.customer, card.skill ? h("span", { class: "muted" }, ` · ${card.skill}`) : null),
    LIVE.includes(card.state) && card.do.length ? h("span", { class: "do" }, card.do[0]) : h("span", { class: "do" }, card.why || ""),
    h("span", { class: "marks" }, marks(card)));
}

/** The small words on a row or card: its state, its time, and what is odd about it. */
export function marks(card) {
  const out = [];
  if (card.state === "open") out.push(h("span", { class: "mark new" }, "new"));
  else if (card.state === "assigned") out.push(h("span", { class: "mark own" }, card.owner === store.me?.name ? "yours" : card.owner));
  else if (card.state === "acknowledged") out.push(h("span", { class: "mark" }, `seen by ${card.acknowledged_by}`));
  else out.push(h("span", { class: "mark over" }, { snoozed: "put off", overridden: "overridden", resolved: "settled", disagreed: "not right", cleared: "over" }[card.state]));
  if (card.changed) out.push(h("span", { class: "mark new" }, "changed"));
  if (card.climbed) out.push(h("span", { class: "mark late" }, "climbed"));
  if (card.answer_by_ms !== null) out.push(h("span", { class: "time", "data-by": card.answer_by_ms }));
  if (card.until_ms) out.push(h("span", { class: "time", "data-until": card.until_ms }));
  if (!ticking) {
    ticking = true;
    queueMicrotask(times);
  }
  return out;
}

let ticking = false;

function times() {
  ticking = false;
  for (const one of document.querySelectorAll("[data-by]")) {
    const left = Number(one.dataset.by) - now();
    one.textContent = left >= 0 ? `${span(left)} left` : `${span(left)} over`;
    one.classList.toggle("late", left < 0);
  }
  for (const one of document.querySelectorAll("[data-until]")) one.textContent = `back in ${span(Number(one.dataset.until) - now())}`;
}

/** Open a card; on a small screen it covers the queue. */
export function select(customer, cover) {
  const another = customer !== view.selected;
  view.selected = customer;
  if (cover) document.body.classList.add("covered");
  for (const [id, row] of rows) row.firstChild.setAttribute("aria-current", String(id === customer));
  if (another) drawSelected();
}

/** Put the card away on a small screen. */
export function uncover() {
  document.body.classList.remove("covered");
  rows.get(view.selected)?.firstChild.focus();
}

function drawSelected(again = false) {
  const place = $("card");
  if (!place) return;
  const card = view.selected && cardOf(view.selected);
  if (!view.selected) emptyCard(place);
  else drawCard(place, view.selected, card, again);
}

/** Keys of this page; whether the key was one. */
export function queueKey(event) {
  const keys = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };
  if (event.key in keys) {
    const all = [...list.querySelectorAll(".row")];
    const at = all.findIndex((one) => one.dataset.customer === view.selected);
    const next = all[Math.max(0, Math.min(all.length - 1, at + keys[event.key]))] || all[0];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
    return true;
  }
  if (event.key === "/") return $("search").focus(), true;
  if (event.key === ".") return settle().then(() => list.querySelector("button")?.focus()), true;
  if (event.key === "Enter" && view.selected && event.target.classList?.contains("row")) return document.body.classList.add("covered"), $("card").focus(), true;
  if (event.key === "Escape") return uncover(), true;
  const at = Number(event.key);
  if (at >= 1 && at <= VIEWS.length) return look(VIEWS[at - 1][0]), true;
  const card = view.selected && cardOf(view.selected);
  const one = card && fitting(card).find((it) => it.key === event.key);
  if (one) return perform(one, card), true;
  return false;
}
