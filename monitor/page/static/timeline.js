// Drift over time: the score against its threshold, the marks of what happened, and the heat map, on one time axis.

import { addCursor, addParts, largest, place, showTicks, timeTicks, valueTicks, watchWidth } from "./chart.js";
import { at, make, makeSvg, set, setName, setNote, setText, showItems } from "./dom.js";
import { clock, fixed, isKnown, number, plain, plural, signed, tick } from "./format.js";

const HEIGHT = 190;
const LANE = 17;
const KINDS = ["alarm", "retrain", "promotion", "refusal"];
export const STATES = { ok: "✓ in control", insufficient: "… too few records", drift: "▲ drift", recovering: "↻ recovering" };
/** Up to so many points, each has a dot. */
const DOTTED = 48;
/** Between two labels of the time axis. */
const TICK_PX = 84;
/** A point reaches back to the one before it, or over this share of the time: gaps stay open. */
const REACH = 1 / 8;
/** In pixels, as in page.css. */
const HEAT_ROW = 18;
/** Where steps of colour end, in SD: always the same, so that pictures compare. */
const STEPS = [0.1, 0.25, 0.5, 1, 2];
const classes = Array.from({ length: 2 * STEPS.length + 1 }, (_, level) => {
	return `${level < STEPS.length ? "low" : "high"} step-${Math.abs(level - STEPS.length)}`;
});

const [swatches, limits] = at("heat-legend").querySelectorAll("p");
swatches.append(...classes.map((name) => make(`i.${name}`)));
limits.append(...[...STEPS.toReversed(), ...STEPS].map((limit) => make("span", String(limit).replace("0.", "."))));

const chart = at("score-chart");
const heatChart = at("heat-chart");
const [score, heat, lanes, time] = [chart.firstChild, heatChart.firstChild, at("mark-chart"), at("time-axis")];
const NAMES = [...Object.keys(STATES), "grid", "upright", "threshold", "score", "dots"];
const lines = addParts(score, "path", ...NAMES);
const steps = classes.map((name) => heat.appendChild(makeSvg("path", { class: name })));
const [values, marks, moments] = [score, lanes, time].map((svg) => addParts(svg, "g", "ticks").ticks);
const crosshairs = [score, lanes, heat].map((svg) => addParts(svg, "path", "crosshair").crosshair);

let drift = null;
let width = 0;
let rights = [];
let lefts = [];
let chosen = null;
let chosenRow = null;

function pointAt({ clientX }) {
	const x = clientX - score.getBoundingClientRect().left;
	const after = rights.findIndex((right) => right >= x);
	return after < 0 ? rights.length - 1 : after;
}
const rowAt = ({ clientY }) => Math.floor((clientY - heat.getBoundingClientRect().top) / HEAT_ROW);

function choose(point, row = null) {
	chosen = point;
	chosenRow = point === null || row === null ? null : Math.min(Math.max(row, 0), drift.heat.features.length - 1);
	tell();
}
const tellScore = addCursor(chart, (event) => [pointAt(event)], (point) => choose(point));
const tellShift = addCursor(
	heatChart,
	(event) => [pointAt(event), 0, rowAt(event)],
	(point, across, row = (chosenRow ?? 0) + across) => choose(point, row),
);

watchWidth(chart, (now) => {
	width = now;
	draw();
});

export function showTimeline(view) {
	if (view === drift) return;
	drift = view;
	at("plot").hidden = !view.history.ts_ms.length;
	if (at("plot").hidden) setText("readout", "");
	if (chosen >= view.history.ts_ms.length) chosen = chosenRow = null;
	showHeatNames(view.heat);
	draw();
}

function draw() {
	if (!drift?.history.ts_ms.length || !width) return;
	const { from_ms, to_ms, ts_ms } = drift.history;
	const xOf = (ms) => place((width * (ms - from_ms)) / Math.max(to_ms - from_ms, 1));
	rights = ts_ms.map(xOf);
	lefts = rights.map((right, index) => Math.max(rights[index - 1] ?? 0, place(right - REACH * width)));
	const { ticks, step } = timeTicks(from_ms, to_ms, Math.max(2, width / TICK_PX));
	drawScore(ticks.map(xOf), drift.marks.map((mark) => xOf(mark.ts_ms)));
	drawMarks(xOf);
	drawHeat();
	showTicks(moments, ticks, (ms) => Math.min(Math.max(xOf(ms), 24), width - 24), () => 12, (ms) => tick(ms, step), "middle");
	tell();
}

function drawScore(ticks, happened) {
	const { history } = drift;
	const end = 1.08 * largest([...history.score, ...history.threshold], 1e-6);
	const yOf = (value) => place(HEIGHT - ((HEIGHT - 6) * value) / end);
	const scale = valueTicks(end);
	const columns = (places) => places.map((x) => `M${x} 0V${HEIGHT}`).join("");
	const paths = Object.fromEntries(NAMES.map((name) => [name, ""]));
	paths.upright = columns(happened);
	paths.grid = columns(ticks) + scale.map((value) => `M0 ${yOf(value)}H${width}`).join("");
	let join = "M";
	rights.forEach((x, index) => {
		const [left, value, threshold] = [lefts[index], history.score[index], history.threshold[index]];
		paths[history.state[index]] += `M${left} 0H${x}V${HEIGHT}H${left}Z`;
		const apart = left !== rights[index - 1];
		const begins = apart || !isKnown(history.threshold[index - 1]);
		if (isKnown(threshold)) paths.threshold += `${begins ? `M${left} ` : "V"}${yOf(threshold)}H${x}`;
		if (apart) join = "M";
		if (isKnown(value)) {
			paths.score += `${join}${x} ${yOf(value)}`;
			if (join === "M" || rights.length <= DOTTED || value >= threshold) paths.dots += `M${x} ${yOf(value)}h0`;
		}
		join = isKnown(value) ? "L" : "M";
	});
	for (const [name, d] of Object.entries(paths)) set(lines[name], { d });
	set(score, { height: HEIGHT });
	showTicks(values, scale, () => -8, yOf, (value) => number(value, 2), "end");
}

function drawMarks(xOf) {
	set(lanes, { height: LANE * KINDS.length });
	const create = () => makeSvg("use").appendChild(makeSvg("title")).parentNode;
	showItems(marks, drift.marks, create, (mark, { kind, ts_ms, text }) => {
		const y = LANE * (KINDS.indexOf(kind) + 0.5);
		set(mark, { class: `mark ${kind}`, "data-kind": kind, href: `#glyph-${kind}`, x: xOf(ts_ms), y });
		setText(mark.firstChild, `${clock(ts_ms)}: ${plain(text, 400)}`);
	});
}

const levelOf = (z) => STEPS.length + Math.sign(z) * STEPS.filter((step) => Math.abs(z) >= step).length;

function showHeatNames({ features, features_total: total }) {
	showItems("heat-features", features, () => make("li.name"), setName);
	const some = `The map has the ${plural(features.length, "feature")} of ${number(total)} that moved most.`;
	setNote("heat-rest", total > features.length && some);
}

/** Equal neighbours become one rectangle. */
function drawHeat() {
	set(heat, { height: drift.heat.z.length * HEAT_ROW });
	const drawn = steps.map(() => "");
	drift.heat.z.forEach((row, index) => {
		const levels = row.map((z) => (isKnown(z) ? levelOf(z) : null));
		let start = 0;
		levels.forEach((level, column) => {
			if (level === levels[column + 1] && lefts[column + 1] === rights[column]) return;
			const x = lefts[start];
			start = column + 1;
			if (level !== null) drawn[level] += `M${x} ${index * HEAT_ROW}H${rights[column]}v${HEAT_ROW - 1}H${x}Z`;
		});
	});
	steps.forEach((path, level) => set(path, { d: drawn[level] }));
}

/** The line of words above the charts, and the crosshair: of the point that is chosen, else the newest. */
function tell() {
	const { history, heat: shifts } = drift;
	const point = chosen ?? rights.length - 1;
	const [row, left, x] = [chosenRow ?? 0, lefts[point], rights[point]];
	const worst = history.windows[point] > 1 ? `, worst of ${plural(history.windows[point], "window")}` : "";
	const where = `${clock(history.ts_ms[point])}, window ${number(history.window[point])}${worst}`;
	const scored = `, score ${fixed(history.score[point])} against ${fixed(history.threshold[point])} SD`;
	const words = `${where}: ${STATES[history.state[point]]}${isKnown(history.score[point]) ? scored : ""}`;
	const shift = `${plain(shifts.features[row], 60)} ${signed(shifts.z[row]?.[point])} SD`;
	setText("readout", chosenRow === null ? words : `${where}: ${shift}`);
	tellScore(rights.length, point, words);
	tellShift(rights.length, point, `${shift}; ${where}`);
	const heights = [HEIGHT, LANE * KINDS.length, HEAT_ROW * shifts.features.length];
	const shapes = heights.map((height) => (chosen === null ? "" : `M${x} 0V${height}`));
	if (chosenRow !== null) shapes[2] = `M${left} ${row * HEAT_ROW}H${x}v${HEAT_ROW}H${left}Z`;
	crosshairs.forEach((line, index) => set(line, { d: shapes[index] }));
}
