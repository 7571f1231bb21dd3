// Drift: the verdict in words, the newest window, what happened, what detectors read.

import { largest } from "./chart.js";
import { announce, at, make, makeSvg, set, setNote, setProse, setShares } from "./dom.js";
import { setText, setTime, showItems, showRows } from "./dom.js";
import { fixed, isKnown, number, plain, plural, signed } from "./format.js";
import { showTimeline, STATES } from "./timeline.js";

const SHOWN_FEATURES = 20;
const SHOWN_EVENTS = 6;
/** Features in bold while an episode is open. */
const BLAMED = 3;
/** A bar of a reading ends here, in thresholds. */
const LONGEST_READING = 1.5;

let before = null;

export function showDrift({ drift }, now) {
	showVerdict(drift, now);
	showShift(drift.window);
	showEvents(drift.marks, now);
	showReadings(drift.readings);
	showTimeline(drift);
}

function showVerdict({ window, words, false_alarm_records }, now) {
	const state = window?.state ?? "none";
	if (before && before !== state) {
		if (state === "drift") announce(`Drift alarm. ${plain(words, 300)}`);
		else if (before === "drift") announce(`The drift alarm has ended: ${STATES[state]}.`);
	}
	before = state;
	setText("drift-state", STATES[state] ?? "no window yet");
	set("drift-state", { "data-state": state, class: state });
	setProse(at("drift-words"), words);
	at("drift-window").hidden = !window;
	if (!window) return;
	const [what, time, rest] = at("drift-window").children;
	const alarmed = window.alarmed.length ? ` (${plain(window.alarmed.join(", "), 200)})` : "";
	const episode = isKnown(window.episode) ? `, episode since window ${number(window.episode)}${alarmed}` : "";
	setText(what, `Window ${number(window.window)} of ${plural(window.n, "record")}, ended `);
	setTime(time, window.ts_ms, now);
	setText(rest, `${episode}. Budget: one false alarm in ${number(false_alarm_records)} records.`);
}

function showShift(window) {
	const shown = Object.entries(window?.z ?? {})
		.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
		.slice(0, SHOWN_FEATURES);
	const end = largest(shown.map(([, z]) => z), 1);
	const blamed = isKnown(window?.episode) ? window.blame.slice(0, BLAMED) : [];
	showRows("shift-rows", shown, "tr th.name td.bar td.value", ([feature, z], row) => {
		set(row, { "data-blamed": blamed.includes(feature) ? "" : null, class: z < 0 ? "low" : "high" });
		setShares(row.children[1], { from: 0.5 + Math.min(z, 0) / end / 2, size: Math.abs(z) / end / 2 });
		return [feature, "", signed(z)];
	});
	const rest = (window?.features ?? 0) - shown.length;
	setNote("shift-left", shown.length && rest > 0 && `${plural(rest, "feature")} that moved less are not shown.`);
}

function showEvents(marks, now) {
	showItems("events", marks.slice(-SHOWN_EVENTS).reverse(), makeEvent, (item, { kind, text, ts_ms }) => {
		showEvent(item, kind, text, ts_ms, now);
	});
}

export function makeEvent() {
	const glyph = makeSvg("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" });
	glyph.append(makeSvg("use"));
	return make("li", glyph, make("p", make("b"), make("time"), make("code.name")), make("p"));
}

export function showEvent(item, kind, sentence, ms, now, run = null) {
	const [glyph, line, text] = item.children;
	const [name, time, code] = line.children;
	set(glyph, { class: `glyph ${kind}` });
	set(glyph.firstChild, { href: `#glyph-${kind}` });
	setText(name, kind === "other" ? "no change" : kind);
	setTime(time, ms, now);
	setNote(code, run && plain(run));
	setText(text, plain(sentence, 600));
}

function showReadings(readings) {
	showRows("readings", readings, "tr th td td td.share", ({ detector, words, statistic, threshold, alarm }, row) => {
		set(row, { "data-alarm": alarm ? "" : null });
		setShares(row.lastChild, { size: threshold ? statistic / threshold / LONGEST_READING : 0 });
		return [`${alarm ? "▲ " : ""}${detector}: ${plain(words, 200)}`, fixed(statistic), fixed(threshold)];
	});
}
