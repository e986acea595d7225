// A manager's pages: where the money comes from, what we break ourselves, whom to protect, and what is held.

import { release } from "./acts.js";
import { lines, table, tabled } from "./charts.js";
import { capital, dateTime, fill, h, hereClock, many, money, percent, span, spaced } from "./dom.js";
import { canAct, get, listen } from "./store.js";

const KINDS = { value_destroyer: "costs exceed margin", gaming_suspected: "many short calls", churn_risk: "risk of leaving", common_cause: "one cause", initial: "an imported past" };
const WIN = { deal_lost: "a deal went elsewhere", buys_less: "buys half of what they did", line_left: "left a product line" };
const link = (customer) => h("a", { href: `#card=${encodeURIComponent(customer)}` }, customer);

/** Each page: its words, what it asks for, and how it is drawn. */
export const PAGES = {
  curve: ["Whale curve", (query) => `/v1/curve${query ? `?customer=${encodeURIComponent(query)}` : ""}`, curve, "insights"],
  problems: ["Our own faults", () => "/v1/problems", problems, "insights"],
  lists: ["Whom to know", () => "/v1/lists", lists, "cards"],
  winback: ["Win back", () => "/v1/win-back", winBack, "insights"],
  holds: ["Holds", () => "/v1/holds", holds, "holds"],
  incidents: ["Incidents", () => "/v1/incidents", incidents, "incidents"],
  figures: ["Figures", () => "/v1/figures", figures, "cards"],
  shadow: ["Shadow", () => "/v1/shadow", shadow, "shadow"],
};

/** Draw one of them and keep it up to date; the way to leave it. */
export function managerPage(main, key, query) {
  const [title, path, drawing, about] = PAGES[key];
  const body = h("div", { class: "page-body" }, h("p", { class: "muted" }, "Looking it up…"));
  fill(main, h("article", { class: "page" }, h("h1", {}, title), body));
  let waiting = 0;
  const load = async () => {
    waiting = 0;
    try {
      const found = await get(path(query));
      if (!body.isConnected) return;
      const open = new Set([...body.querySelectorAll("details[open]")].map((one) => one.dataset.name));
      const focused = body.contains(document.activeElement) ? document.activeElement.id : "";
      fill(body, drawing(found, query));
      for (const one of body.querySelectorAll("details")) if (open.has(one.dataset.name)) one.open = true;
      if (focused) document.getElementById(focused)?.focus();
    } catch (error) {
      fill(body, h("p", { class: "empty" }, error.message));
    }
  };
  load();
  const stop = listen((what, change) => {
    const ours = what === "cards" && (change.whole || change.pages?.includes(about) || about === "cards");
    if ((ours || what === "status") && !waiting && !body.contains(document.activeElement)) waiting = setTimeout(load, ours && about !== "cards" ? 300 : 5_000);
    if (ours && about === "incidents" && !waiting) waiting = setTimeout(load, 300);
  });
  return () => { stop(); clearTimeout(waiting); };
}

const stat = (words, value, more = null) => h("div", { class: "stat" }, h("dt", {}, words), h("dd", {}, value, more ? h("span", { class: "muted" }, more) : null));

function curve({ curve: found, here, currency }, query) {
  const amount = (cents) => money(cents, currency);
  const form = h("form", { class: "find", role: "search", onsubmit: (event) => { event.preventDefault(); location.hash = `curve=${encodeURIComponent(event.target.customer.value.trim())}`; } },
    h("label", { for: "curve-customer" }, "Where does a customer stand?"), h("input", { id: "curve-customer", name: "customer", type: "search", value: query || "", autocomplete: "off" }), h("button", { type: "submit", class: "quiet" }, "Show"));
  if (!found) return [h("p", { class: "empty" }, "There is no curve yet: the first comes with a midnight."), form];
  const [all, faultless] = [found.curve, found.faultless];
  const facts = h("dl", { class: "stats" }, stat("Customers", all.customers.toLocaleString("en"), `${all.below_zero.toLocaleString("en")} below zero`), stat("The year brought", amount(all.net_cents)),
    stat("Without our own faults", amount(faultless.net_cents)), stat("The prize for fixing them", amount(found.prize_cents)));
  if (!all.points_ppm) return [facts, h("p", { class: "empty" }, `No curve can be drawn: ${all.undefined}.`), form];
  const points = (one, net) => one.points_ppm.map((ppm, at) => [(100 * at) / (one.points_ppm.length - 1), (ppm / 1e6) * (net / all.net_cents) * 100]);
  const whole = points(all, all.net_cents);
  const second = faultless.points_ppm ? points(faultless, faultless.net_cents) : null;
  let mark = null;
  if (here) {
    const at = 100 - here.below_ppm / 10_000;
    const step = Math.min(whole.length - 2, Math.floor((at / 100) * (whole.length - 1)));
    const part = (at - whole[step][0]) / (whole[step + 1][0] - whole[step][0]);
    mark = { x: at, y: whole[step][1] + part * (whole[step + 1][1] - whole[step][1]), words: query };
  }
  const series = [["all", whole], ...(second ? [["faultless", second]] : [])];
  return [facts,
    lines("Profit of the year brought by the best customers, added up", series, { x: (value) => `${Math.round(value)} % of customers`, y: (value) => `${Math.round(value)} %`, from: 0, mark, legends: ["as it is", "without the cost that we caused"].slice(0, series.length) }),
    tabled("The curve as a table", ["Best customers", "bring of the profit", "without our faults"], whole.map(([at, value], row) => [`${Math.round(at)} %`, `${value.toFixed(1)} %`, second ? `${second[row][1].toFixed(1)} %` : "–"])),
    form,
    here ? h("p", {}, `${query} brought ${amount(here.net_cents)} in the year; ${percent(here.below_ppm)} of customers bring less. We caused them ${amount(here.company_cents)} of cost. Without them the profit were ${amount(here.profit_without_cents)}: a what-if, not a forecast.`) : query ? h("p", {}, "Nobody has heard of this customer.") : null,
    h("p", { class: "muted" }, `As of ${dateTime(found.as_of_ms)} UTC${found.missing ? `; ${found.missing} of ${found.partitions} partitions have not spoken yet` : ""}. The best fifth brings ${percent(all.top_ppm.top_20)}; the last quarter ${percent(all.bottom_ppm)}.`)];
}

function problems({ problems: found, total, currency }) {
  if (!found.length) return h("p", { class: "empty" }, "No problem of our own making is known. That is how it should be.");
  const most = Math.max(1, ...found.map((one) => one.money_cents));
  return [h("p", {}, `${many(total, "problem")}, most money first. One fix is worth more than all alerts about it.`),
    h("ol", { class: "ranked" }, found.map((one) => h("li", {},
      h("div", { class: "bar-line" }, h("h2", {}, [one.fault_id, one.sku, one.reason && spaced(one.reason)].filter(Boolean).join(" · ") || "No name"), h("strong", {}, money(one.money_cents, currency))),
      h("meter", { min: 0, max: most, value: String(one.money_cents), "aria-label": `Money in it: ${money(one.money_cents, currency)}` }),
      h("p", { class: "muted" }, `${many(one.customers, "customer")}, ${one.open_customers} with an open case; cost ${money(one.cost_cents, currency)} in ${one.window_days} days, ${money(one.at_risk_cents, currency)} may leave${one.failures.length ? `; ${one.failures.map(spaced).join(", ")}` : ""}`)))),
    tabled("The same as a table", ["Problem", "Money", "Cost", "At risk", "Customers", "Open"], found.map((one) => [one.fault_id || [one.sku, one.reason].filter(Boolean).join(" ") || one.problem_id, money(one.money_cents, currency), money(one.cost_cents, currency), money(one.at_risk_cents, currency), one.customers, one.open_customers]))];
}

function lists({ lists: found, currency }) {
  const words = { vulnerable_best_customer: ["Protect", "The best customers who are in danger."], hidden_gem: ["Hidden gems", "They bring much, ask for little, and hear from us too seldom."], referral_ready: ["Ready for a referral", "Well served, on their own word; ask for one introduction and sell nothing in it."] };
  return Object.entries(words).map(([key, [title, why]]) => h("section", { class: "block" }, h("h2", {}, title), h("p", { class: "muted" }, why),
    found[key].length ? scroll(title, table(["Customer", "Worth", "Risk", "Owner", "Since"], found[key].map((one) => [link(one.customer), money(one.worth_cents, currency), percent(one.risk_ppm), spaced(one.owner), dateTime(one.since_ms)])))
      : h("p", { class: "empty" }, "Nobody now.")));
}

const scroll = (title, inner) => h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, inner);

function winBack({ prospects: found, total, currency }) {
  if (!found.length) return h("p", { class: "empty" }, "Nobody is to be won back as of last midnight.");
  return [h("p", {}, `${many(total, "customer")}, most money first. Nobody is listed who must be left in peace.`),
    scroll("Win back", table(["Customer", "Money", "Why"], found.map((one) => [link(one.customer_id), money(one.cents, currency), one.reasons.map((why) => WIN[why] || spaced(why)).join("; ") + (one.product_line ? `: ${one.product_line}` : "")])))];
}

function holds({ holds: found, total }) {
  if (!found.length) return h("p", { class: "empty" }, "Everybody may be written to.");
  const broken = found.reduce((all, one) => all + (one.violations || 0), 0);
  return [h("p", {}, `${many(total, "customer")} must be left in peace for now.`, broken ? h("strong", {}, ` It was broken ${many(broken, "time")}.`) : ""),
    scroll("Holds", table(["Customer", "Since", "What, and why", "Broken"], found.map((one) => [link(one.customer_id), dateTime(one.since_ms), one.say.join(" "), one.violations ?? "–"])))];
}

function incidents({ incidents: found }) {
  if (!found.length) return h("p", { class: "empty" }, "No wave of alerts is held.");
  return h("ul", { class: "incidents" }, found.map((one) => h("li", { class: one.released_ms === null ? "held" : "released" },
    h("h2", {}, `${many(one.count, "alert")}: ${one.cause || KINDS[one.kind] || spaced(one.kind)}`),
    h("p", {}, `Since ${dateTime(one.since_ms)} UTC; ${one.allowed ? `more than ${one.allowed} (${spaced(one.limit)})` : spaced(one.limit)}. When many cross a border at once, a cause of ours is likelier than theirs: look for it first.`),
    h("p", { class: "muted" }, one.incident_id),
    one.released_ms !== null ? h("p", {}, `Released by ${one.released_by}: ${one.released_because}`)
      : one.releasing ? h("p", { class: "mark" }, "The release is on its way; the judge has not read it yet.")
        : h("button", { type: "button", id: `release-${one.incident_id}`, class: "danger", disabled: !canAct(), onclick: () => release(one) }, "Release…"),
    one.held.length ? h("details", { class: "table", "data-name": one.incident_id }, h("summary", {}, `The first ${many(one.held.length, "alert")}`),
      scroll(one.incident_id, table(["Customer", "Alert"], one.held.map((it) => [it.customer, capital(spaced(it.kind))])))) : null)));
}

function figures({ all, floors, kinds }) {
  const time = (ms) => (ms === null ? "–" : span(ms));
  const share = (ppm) => (ppm === null ? "–" : percent(ppm));
  return [h("dl", { class: "stats" }, stat("Cards open", all.live.toLocaleString("en"), `${all.open} not acknowledged, ${all.overdue} too late`), stat("Acknowledged within, usually", time(all.acknowledge_median_ms), `nine of ten within ${time(all.acknowledge_p90_ms)}`),
    stat("Called not right", share(all.disagree_ppm), `${all.disagreed} of ${all.closed}`), stat("Freed by what was settled", `${all.minutes_saved.toLocaleString("en")} min`, "as estimated")),
  scroll("Floors", table(["Floor", "Open", "Not acknowledged", "Too late", "Usually within", "9 of 10 within", "Not right", "Minutes freed"],
    Object.entries(floors).map(([name, one]) => [spaced(name), one.live, one.open, one.overdue, time(one.acknowledge_median_ms), time(one.acknowledge_p90_ms), share(one.disagree_ppm), one.minutes_saved]))),
  kinds.length ? scroll("Called right", table(["Alert", "Decided on", "Called right", "19 times of 20 between"],
    kinds.map((one) => [capital(spaced(one.moment ?? one.kind)), one.labelled, percent(one.precision_ppm), `${percent(one.low_ppm)} and ${percent(one.high_ppm)}`]))) : null,
  h("p", { class: "muted" }, `Of all cards that the topics still hold, at ${hereClock(Date.now())}. Nobody is counted by name. Of alerts that nobody decided on, no one knows whether they were right.`)];
}

function shadow({ shadow: found, of_partitions: of }) {
  if (!found) return [h("p", { class: "empty" }, "No second policy is judged beside the one in force."),
    h("p", {}, "A shadow judges what happens now under another policy, and nobody acts on it. To start one, beside the workers:"),
    h("pre", {}, "whaleline shadow topics\nwhaleline shadow run new.toml")];
  const { policy, alerts, alerts_per_day: daily, capacity_per_day: capacity, kinds } = found;
  const whole = (count) => count.toLocaleString("en");
  const side = (words, name) => stat(words, daily[name] === null ? whole(alerts[name]) : daily[name].toLocaleString("en"),
    `${daily[name] === null ? "in all; a day is not over yet" : `${whole(alerts[name])} in all`}${daily[name] !== null && daily[name] > capacity ? ", more than the floor can take" : ""}`);
  const sum = (name) => kinds.reduce((all, one) => all + one[name], 0);
  const who = (title, some, count) => some.length ? h("details", { class: "table", "data-name": title }, h("summary", {}, `${title}: ${whole(count)}`),
    scroll(title, table(["Customer", "When"], some.map((one) => [link(one.customer), dateTime(one.since_ms)])))) : null;
  const unlike = sum("only_shadow") + sum("only_live") + sum("differs");
  return [h("p", {}, `${policy.file || "The policy"}, version ${policy.version}, is judged in the shadow`, found.since_ms ? ` since ${dateTime(found.since_ms)} UTC` : "", found.until_ms ? `; it has come to ${dateTime(found.until_ms)} UTC.` : ".",
      found.partitions < of ? h("strong", {}, ` It has begun in ${found.partitions} of ${of} partitions.`) : ""),
    h("dl", { class: "stats" }, side("Alerts a day, live", "live"), side("Alerts a day, shadow", "shadow"), stat("The floor can take", whole(capacity), "a day"),
      stat("Stand otherwise", whole(sum("differs")), "customers, by kind of alert")),
    !kinds.length ? h("p", { class: "empty" }, "Nobody has been entered since, by either policy.") : scroll("By kind", table(["Alert", "Entered by both", "Would enter", "Would not", "Stand otherwise"],
      kinds.map((one) => [capital(spaced(one.kind)), whole(one.both), whole(one.only_shadow), whole(one.only_live), whole(one.differs)]))),
    kinds.length && !unlike ? h("p", {}, "So far the two policies say the same.") : null,
    kinds.map((one) => [who(`${capital(spaced(one.kind))}, would enter`, one.enters, one.only_shadow), who(`${capital(spaced(one.kind))}, would not enter`, one.leaves, one.only_live)]),
    h("p", {}, "To make it the policy that counts, for everybody from then on:"),
    h("pre", {}, `whaleline policy push ${policy.file || "new.toml"} --author YOU --reason "WHY"`),
    h("p", { class: "muted" }, "Who would enter is entered by the shadow alone, who would not by the live policy alone. A shadow that has not come as far as the live judges has yet to say what they said.")];
}
