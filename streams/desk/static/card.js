// One card with everything behind it: what to do, what not, what happened, and why.

import { ACTS, fitting, perform, undo } from "./acts.js";
import { columns, lines, stacks, tabled } from "./charts.js";
import { capital, date, dateTime, fill, h, here, many, money, percent, spaced } from "./dom.js";
import { marks, uncover } from "./queue.js";
import { canAct, get, may, store } from "./store.js";

const DAY = 86_400_000;
const PURPOSES = { marketing: "advertising", review_ask: "ask for a review", referral_ask: "ask for a referral" };
const VERBS = {
  acknowledge: "acknowledged it", assign: "gave it to", snooze: "put it off", disagree: "says it was not right", resolve: "settled it",
  override: "decided otherwise", cause: "named the cause", undo: "took something back",
};
let drawn = { customer: null, told: null };

/** What stands there before a card is chosen. */
export function emptyCard(place) {
  drawn = { customer: null, told: null };
  fill(place, h("div", { class: "hello" },
    h("p", {}, "Choose a card to see what happened, what to do and what to leave alone."),
    h("dl", { class: "keys" }, [["J K", "next, previous"], ["A", "acknowledge"], ["T", "take it"], ["S", "put off"], ["R", "settled"], ["N", "not right"], ["U", "take back"], ["/", "search"], ["?", "all keys"]]
      .map(([key, words]) => h("div", {}, h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, words))))));
}

/** Draw a card; what is behind it comes a moment later. */
export function drawCard(place, customer, card, again) {
  const same = drawn.customer === customer;
  if (!same) drawn = { customer, told: null };
  draw(place, card || drawn.told?.card);
  if (!same || again) {
    get(`/v1/card?customer=${encodeURIComponent(customer)}`).then((told) => {
      if (drawn.customer !== customer || !place.isConnected) return;
      drawn.told = told;
      draw(place, store.cards.get(customer) || told.card);
    }).catch((error) => {
      if (drawn.customer === customer) fill(place, h("p", { class: "empty" }, error.message));
    });
  }
}

function draw(place, card) {
  if (!card) return fill(place, h("p", { class: "empty" }, "…"));
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.act : null;
  const top = place.scrollTop;
  const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.name));
  const told = drawn.told;
  fill(place,
    h("header", { class: "head" },
      h("button", { type: "button", class: "quiet back", onclick: uncover }, "‹ Cards"),
      h("p", { class: "who" }, card.customer, h("span", { class: "muted" }, ` · ${spaced(card.floor)}${card.skill ? ` · ${card.skill}` : ""}`)),
      h("h2", {}, capital(card.title)),
      card.also.length ? h("p", { class: "also" }, `Also: ${card.also.join("; ")}.`) : null,
      h("p", { class: "marks" }, marks(card)),
      card.why ? h("p", { class: "why" }, card.why) : null),
    h("div", { class: "acts", role: "group", "aria-label": "What to do with this card" }, buttons(card)),
    h("div", { class: "body" },
      card.do.length ? block("Do now", h("ol", { class: "todo" }, card.do.map((one) => h("li", {}, one)))) : null,
      card.not_do.length ? block("Leave alone", h("ul", { class: "dont" }, card.not_do.map((one) => h("li", {}, one)))) : null,
      block("What happened", h("ol", { class: "dated" }, card.lines.map((one) => h("li", { class: one.over ? "over" : null },
        h("time", {}, date(one.ts_ms)), h("span", {}, capital(one.text))))), card.happened.map((one) => h("p", {}, one)),
      card.clears.map((one) => h("p", { class: "clears" }, one))),
      told ? behind(card, told) : h("p", { class: "muted" }, "Looking up the rest…")));
  place.scrollTop = top;
  for (const one of place.querySelectorAll("details")) if (open.has(one.dataset.name)) one.open = true;
  if (focused) place.querySelector(`[data-act="${focused}"]`)?.focus();
}

function buttons(card) {
  const fit = new Set(fitting(card));
  const out = ACTS.filter((one) => fit.has(one)).map((one) => h("button", {
    type: "button", class: one.main ? "main" : "quiet", "data-act": one.id || one.verb, disabled: !canAct(), onclick: () => perform(one, card),
  }, one.words, " ", h("kbd", {}, one.key.toUpperCase())));
  if (card.last && may("undo") && card.last.author === store.me?.name && !["undo", "cause"].includes(card.last.verb)) {
    out.push(h("button", { type: "button", class: "quiet", "data-act": "undo", disabled: !canAct(), onclick: () => {
      store.done.push({ ...card.last, customer: card.customer });
      undo();
    } }, "Take back ", h("kbd", {}, "U")));
  }
  return out;
}

const block = (title, ...inner) => h("section", { class: "block" }, h("h3", {}, title), inner);

function fold(title, ...inner) {
  return h("details", { class: "block", "data-name": title }, h("summary", {}, h("h3", {}, title)), inner);
}

function behind(card, told) {
  const row = told.row;
  return [
    told.say.length ? block("To say", h("blockquote", {}, told.say.map((one) => h("p", {}, one)))) : null,
    card.money ? moneyBlock(card.money, told) : null,
    row ? block("The last 90 days", days(row.days)) : null,
    row && (row.cases.length || row.callbacks_due_ms.length || row.repair_since_ms) ? block("Open with us", openWith(row)) : null,
    row ? block("May we write?", h("ul", { class: "may" }, Object.entries(row.may_contact).map(([purpose, one]) => h("li", { class: one.allowed ? "yes" : "no" },
      `${one.allowed ? "Yes" : "No"}: ${PURPOSES[purpose] || spaced(purpose)}`, one.reasons.length ? h("span", { class: "muted" }, ` (${one.reasons.map(spaced).join(", ")})`) : null)))) : null,
    told.actions.length ? block("Done here", h("ol", { class: "dated" }, told.actions.map((one) => h("li", { class: one.refused ? "refused" : null },
      h("time", {}, here(one.ts_ms)), h("span", {}, deed(one)))))) : null,
    row?.heard.length ? fold("Events heard last", h("ol", { class: "dated" }, row.heard.map((one) => h("li", {},
      h("time", {}, dateTime(one.ts_ms)), h("span", {}, capital(one.text), " ", h("code", { title: "digest of the event" }, one.event_digest)))))) : null,
    card.money && told.evidence.length ? fold("Evidence", evidence(told.evidence)) : null,
    card.money && row?.books?.length ? fold("Cost by whose fault it was", books(row.books, card.money.currency)) : null,
    card.money && told.alerts.length > 1 ? fold("Risk over time", risk(told.alerts)) : null,
  ];
}

function deed(one) {
  const words = one.verb === "assign" ? (one.owner ? `gave it to ${one.owner}` : "gave it back") : VERBS[one.verb] || one.verb;
  return [`${one.author} ${words}`, one.cause ? ` of ${one.case_id}: ${one.cause}` : "", one.reason ? `: “${one.reason}”` : "",
    one.refused ? h("span", { class: "muted" }, ` (${one.refused})`) : null];
}

function moneyBlock(it, told) {
  const amount = (cents) => (cents === null || cents === undefined ? "–" : money(cents, it.currency));
  const facts = [
    ["Can still be saved", amount(it.savable_cents)], ["At risk", amount(it.at_risk_cents)], ["Chance to lose them in 90 days", percent(it.risk_ppm)],
    ["Worth, if they stay", amount(it.worth_cents)], ["A year is expected to bring", amount(it.expected_year_cents)],
    ["The year brought", amount(it.raw_net_year_cents)], ["of its cost, caused by us", percent(it.company_share_ppm)], ["Loyalty", it.loyalty_stage],
  ];
  const known = it.actions.filter((one) => one.cost_cents !== null || one.minutes !== null);
  return h("section", { class: "block money" }, h("h3", {}, "Money"),
    h("p", { class: "label" }, capital(it.words[0].replace(/^.*?: /, ""))),
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    known.length ? h("table", {}, h("caption", {}, "What each action costs and frees"), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Action"), h("th", { scope: "col", class: "n" }, "Cost"), h("th", { scope: "col", class: "n" }, "Frees"))),
      h("tbody", {}, known.map((one) => h("tr", {}, h("th", { scope: "row" }, one.words), h("td", { class: "n" }, amount(one.cost_cents)), h("td", { class: "n" }, one.minutes === null ? "–" : `${one.minutes} min`))))) : null,
    it.gesture ? h("p", { class: "sum" }, `A gesture (${spaced(it.gesture.name)}): saves ${amount(it.gesture.saved_cents)} at a chance of ${percent(it.gesture.chance_ppm)}, costs ${amount(it.gesture.cost_cents)}, leaves ${amount(it.gesture.net_cents)}.${it.gesture.hold_out ? " Held out, to learn what gestures do." : it.gesture.recommended ? "" : " Not recommended."}`) : null,
    it.problem ? h("p", {}, "One case of ", h("a", { href: "#problems" }, it.problem), ".") : null,
    told.row?.hold_violations ? h("p", {}, `We wrote to them against a hold ${many(told.row.hold_violations, "time")}.`) : null);
}

function days(days) {
  if (!days.contacts.length) return h("p", { class: "muted" }, "Nothing was heard.");
  const names = days.contacts.map((_, at) => date((days.until_day - days.contacts.length + 1 + at) * DAY));
  const series = [["Contacts", "contacts"], ["Let down", "failures"], ["Purchases", "purchases"]];
  return series.map(([title, key]) => columns(title, names, days[key])).concat(
    tabled("Days on which something happened", ["Day", "Contacts", "Let down", "Purchases"],
      names.map((name, at) => [name, days.contacts[at], days.failures[at], days.purchases[at]]).filter((row) => row[1] || row[2] || row[3])));
}

function openWith(row) {
  const out = row.cases.filter((one) => one.open).map((one) => h("li", {}, [one.reason && spaced(one.reason), one.sku].filter(Boolean).join(", ") || "A case",
    ` since ${date(one.opened_ms)}`, one.contacts ? `, ${many(one.contacts, "contact")}` : "",
    one.asked_ms && (!one.answered_ms || one.answered_ms < one.asked_ms) ? h("strong", {}, `; waits for us since ${date(one.asked_ms)}`) : ""));
  for (const due of row.callbacks_due_ms) out.push(h("li", {}, `A callback is promised for ${dateTime(due)}`));
  if (row.repair_since_ms) out.push(h("li", {}, `In repair since ${date(row.repair_since_ms)}`));
  return out.length ? h("ul", {}, out) : h("p", { class: "muted" }, "Nothing is open.");
}

function evidence(found) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Evidence" }, h("table", {}, h("thead", {}, h("tr", {}, ["What", "How much", "Over", "Adds", "Events"].map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, found.map((one) => h("tr", {}, h("th", { scope: "row" }, spaced(one.name)), h("td", {}, `${Number(one.value.toFixed(2))} ${one.unit}`), h("td", {}, one.window),
      h("td", { class: "n" }, Number(one.contribution.toFixed(3))), h("td", {}, one.event_digests.map((digest) => [h("code", {}, digest), " "])))))));
}

function books(found, currency) {
  const names = found.map((one) => date(one.from_ms));
  const parts = [["company", "Caused by us"], ["customer", "by the customer"], ["shared", "ordinary service"], ["unknown", "cause unknown"]];
  return [stacks("Cost of each 28 days, by whose fault it was", names, parts.map(([key, words]) => [words, found.map((one) => one.cost_cents[key] / 100)]), (value) => money(value * 100, currency)),
    tabled("The same as a table", ["28 days from", "Margin", ...parts.map((one) => one[1])],
      found.map((one, at) => [names[at], money(one.margin_cents, currency), ...parts.map(([key]) => money(one.cost_cents[key], currency))]))];
}

function risk(alerts) {
  const points = alerts.map((one) => [one.ts_ms, one.risk_ppm / 10_000]);
  return [lines("Chance to lose them within 90 days, at each alert", [["risk", points]], { x: date, y: (value) => `${Math.round(value)} %`, from: 0, dots: true }),
    tabled("The same as a table", ["When", "Alert", "Risk"], alerts.map((one) => [dateTime(one.ts_ms), capital(one.text), percent(one.risk_ppm)]))];
}
