// The page: which part is shown, who looks, whether what is shown can be believed, and keys.

import { undo } from "./acts.js";
import { ask } from "./ask.js";
import { $, fill, h, hereClock } from "./dom.js";
import { managerPage, PAGES } from "./pages.js";
import { queueKey, queuePage, select } from "./queue.js";
import { become, connect, listen, store, whoAmI } from "./store.js";

const KEYS = [
  ["J K", "next card, previous card"], ["Enter", "into the card"], ["Esc", "back to the cards"], ["A", "acknowledge"], ["T", "take it"], ["G", "give it to somebody"],
  ["S", "put off"], ["R", "settled"], ["N", "not right"], ["O", "override (managers)"], ["C", "name the cause (managers)"], ["U", "take back"], [".", "let new cards in"],
  ["/", "search"], ["1 … 5", "queue, mine, nobody’s, put off, done"], ["D", "light or dark"], ["?", "this list"],
];
let leave = () => {};

function route() {
  const [key, query = ""] = location.hash.slice(1).split("=").map(decodeURIComponent);
  leave();
  document.body.classList.remove("covered");
  if (key in PAGES && store.me?.money) leave = managerPage($("main"), key, query);
  else {
    leave = queuePage($("main"));
    if (key === "card" && query) select(query, true);
  }
  drawPages();
}

function drawPages() {
  const key = location.hash.slice(1).split("=")[0];
  const here = key in PAGES ? key : "queue";
  const pages = [["queue", "Cards"], ...(store.me?.money ? Object.entries(PAGES).map(([name, [words]]) => [name, words]) : [])];
  fill($("pages"), pages.length > 1 ? pages.map(([name, words]) => h("li", {}, h("a", { href: `#${name}`, "aria-current": name === here ? "page" : null }, words))) : []);
  document.title = `${pages.find(([name]) => name === here)?.[1] || "Cards"} · whaleline`;
}

function drawStatus() {
  const { away_since_ms: away, caught_up: caughtUp } = store.status;
  const [state, words] = !store.connected ? ["off", "no connection to the desk; trying again"]
    : away !== null ? ["off", `no Kafka since ${hereClock(away)}`] : caughtUp ? ["on", "live"] : ["wait", "reading what has happened"];
  if ($("status-words").textContent !== words) $("status-words").textContent = words;
  $("status").dataset.state = state;
  document.body.classList.toggle("gone", state === "off");
  const since = away !== null && store.connected ? `Kafka has not answered since ${hereClock(away)}. What you see is as of then, and nothing can be done until it is back.`
    : !store.connected && store.me ? "This page has lost the desk. What you see may be old; it tries again by itself." : "";
  $("away").hidden = !since;
  if ($("away").textContent !== since) $("away").textContent = since;
}

function drawMe() {
  const me = store.me;
  $("me").textContent = `${me.name} · ${me.role}`;
  $("me").setAttribute("aria-label", `You are ${me.name}, as ${me.role}. Change it.`);
}

async function whoAreYou() {
  const roles = [["", "all that I may"], ["manager", "as a manager"], ["agent", "as an agent"], ["viewer", "as a viewer"]];
  const fields = [{ name: "role", label: "Look at the desk with", type: "select", options: roles, value: store.role }];
  if (store.me.chooses_name) fields.unshift({ name: "name", label: "Your name, as others see it", required: true, value: store.name || store.me.name });
  const asked = await ask({ title: "Who are you?", fields, yes: "Go on", words: store.me.chooses_name ? "This desk serves one machine, and believes what you say." : "You can look with less than you may, never with more." });
  if (!asked) return;
  await become(asked.name ?? store.name, asked.role);
  route();
}

function showKeys() {
  const dialog = $("dialog");
  fill(dialog, h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, "Keys"), h("dl", { class: "keys" }, KEYS.map(([key, words]) => h("div", {}, h("dt", {}, key.split(" ").map((one) => (one === "…" ? "…" : h("kbd", {}, one)))), h("dd", {}, words)))),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Close"))));
  dialog.showModal();
}

function theme(turn) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  let chosen = localStorage.getItem("desk-theme");
  if (turn) {
    chosen = (chosen || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
    localStorage.setItem("desk-theme", chosen);
  }
  if (chosen) document.documentElement.dataset.theme = chosen;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog").open) return;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const own = { u: undo, "?": showKeys, d: () => theme(true) }[event.key];
  if (own) own();
  else if (!document.querySelector(".desk") || !queueKey(event)) return;
  event.preventDefault();
});
$("toast-undo").addEventListener("click", undo);
$("me").addEventListener("click", whoAreYou);
addEventListener("hashchange", route);
listen((what) => {
  if (what === "status") drawStatus();
  if (what === "me") { drawMe(); drawPages(); }
});

theme(false);
try {
  await whoAmI();
  connect();
  route();
} catch (error) {
  fill($("main"), h("p", { class: "empty" }, error.message));
}

