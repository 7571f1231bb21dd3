// Now: what comes in and goes out, what waits, who works, what was refused.

import { addParts, largest } from "./chart.js";
import { announce, at, set, setNote, setText, setTime, showRows } from "./dom.js";
import { duration, isKnown, number, plain, plural, rate } from "./format.js";

/** Of the small lines of what was seen; their box is one wide and one high. */
const SPAN_MS = 180_000;
/** Longer without a look is a gap in them. */
const GAP_MS = 6000;
const SHOWN_WORKERS = 8;
/** What is wrong comes first. */
const SIGNS = { silent: "!", left: "○", working: "●" };
const ORDER = Object.keys(SIGNS);

const sparks = { in: at("spark-in"), out: at("spark-out") };
for (const svg of Object.values(sparks)) addParts(svg, "path", "spark");
const seen = [];
const presence = new Map();

export function showNow({ flow, now_ms }, now) {
	showRates(flow, now_ms);
	showBacklog(flow);
	showWorkers(flow);
	showRejected(flow, now);
}

function showRates({ records_per_s, predictions_per_s, rejections_per_s, estimated }, ms) {
	const out = isKnown(predictions_per_s) ? predictions_per_s + (rejections_per_s ?? 0) : null;
	const rates = { ms, in: records_per_s, out };
	if (isKnown(records_per_s) && seen.at(-1)?.ms !== ms) seen.push(rates);
	while (seen[0]?.ms < ms - SPAN_MS) seen.shift();
	const end = largest(seen.flatMap((one) => [one.in, one.out]));
	for (const [name, svg] of Object.entries(sparks)) {
		const words = rate(rates[name], estimated);
		setText(`rate-${name}`, words);
		set(svg, { "aria-label": `Records ${name}: ${words} a second now` });
		set(svg.firstChild, { d: sparkPath(name, end) });
	}
	const about = estimated ? " ≈: estimated, as blocks differ in size." : "";
	setText("spark-note", `Out: predicted or rejected. Lines: since you came, up to ${number(end)} /s.${about}`);
}

function sparkPath(name, end) {
	const last = seen.at(-1)?.ms;
	const span = Math.max(last - seen[0]?.ms, SPAN_MS / 3);
	const points = seen.map(({ ms, [name]: value }, index) => {
		const joined = ms - (seen[index - 1]?.ms ?? 0) < GAP_MS;
		return `${joined ? "L" : "M"}${(1 - (last - ms) / span).toFixed(3)} ${(1 - value / (end || 1)).toFixed(3)}`;
	});
	return points.join("");
}

function showBacklog({ backlog_records, backlog_age_s, partitions, groups }) {
	setText("backlog", number(backlog_records));
	const age = backlog_records > 0 ? `the oldest waits ${duration(backlog_age_s)}` : "nothing waits";
	setText("backlog-age", partitions > 1 ? `${age}, ${plural(partitions, "partition")}` : age);
	showRows("groups", groups, "tr th.name td td td", ({ group, not_read_entries, open_window, pending_entries, oldest_s }) => [
		group,
		number(not_read_entries) + (open_window ? "*" : ""),
		number(pending_entries),
		oldest_s ? duration(oldest_s) : "",
	]);
}

function showWorkers({ workers, monitor_behind_s }) {
	const sorted = [...workers].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
	const working = workers.filter(({ state }) => state === "working").length;
	setText("workers", number(working));
	setText("workers-all", workers.length > working ? `of ${number(workers.length)} working` : "working");
	set("workers", { "data-trouble": working && working === workers.length ? null : "" });
	setNote("monitor-behind", monitor_behind_s > 0 && `The monitor is ${duration(monitor_behind_s)} behind`);
	showRows("worker-list", sorted.slice(0, SHOWN_WORKERS), "li i span.name span.soft", (worker, item) => {
		set(item, { "data-state": worker.state });
		return [SIGNS[worker.state], worker.name, workerWords(worker)];
	});
	setNote("worker-rest", workers.length > SHOWN_WORKERS && `and ${number(workers.length - SHOWN_WORKERS)} more`);
	for (const { name, service, state } of workers) {
		if ((presence.get(name) ?? state) !== state) announce(`The ${service} ${plain(name, 60)} is ${state}.`);
		presence.set(name, state);
	}
}

function workerWords({ service, state, seen_s, pending_entries: pending }) {
	if (state === "working") return service;
	const since = state === "left" ? `left ${duration(seen_s)} ago` : `silent for ${duration(seen_s)}`;
	return `${service}, ${since}${pending ? `, holds ${number(pending)} unanswered` : ""}`;
}

function showRejected({ rejected_total, rejected_reasons, rejected_newest, rejections_per_s, estimated }, now) {
	setText("rejected", number(rejected_total));
	setText("rejected-rate", `entries ever${rejections_per_s > 0 ? `, ${rate(rejections_per_s, estimated)} /s now` : ""}`);
	const reasons = Object.entries(rejected_reasons).sort((a, b) => b[1] - a[1]);
	const counts = reasons.map(([reason, rows]) => `${plain(reason, 40)} ${number(rows)}`).join(", ");
	setText("rejected-reasons", counts ? `Newest: ${counts}` : "Nothing was rejected");
	showRows("rejected-list", rejected_newest, "li span.name time", ({ id, reason, detail, ts_ms }, item) => {
		setTime(item.lastChild, ts_ms, now);
		return [`${plain(reason)}: ${plain(detail)}${id === null ? "" : `, record ${plain(id)}`}`];
	});
}
