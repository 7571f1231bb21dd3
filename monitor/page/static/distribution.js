// Predicted probabilities: bars for now, an outline for training, the threshold marked.

import { addCursor, addParts, largest, place, showTicks, valueTicks, watchWidth } from "./chart.js";
import { at, set, setNote, setText } from "./dom.js";
import { fixed, number, percent, plain, plural } from "./format.js";

const HEIGHT = 200;
const LEFT = 40;

const chart = at("distribution");
const svg = chart.firstElementChild;
const paths = addParts(svg, "path", "grid", "now", "chosen", "training", "cut");
const { left, below } = addParts(svg, "g", "left", "below");

let view = null;
let bars = [];
let width = 0;
let chosen = null;

/** Where the threshold is in terms of what is drawn. */
const cutOf = ({ raw_threshold, threshold }) => raw_threshold ?? threshold;
const xOf = (probability) => place(LEFT + (width - LEFT) * probability);

function binAt({ clientX }) {
	const share = (clientX - svg.getBoundingClientRect().left - LEFT) / (width - LEFT);
	return [Math.min(Math.max(Math.floor(share * view.now.length), 0), view.now.length - 1)];
}
const tellPoint = addCursor(chart, binAt, (bin) => {
	chosen = bin;
	tell();
});

watchWidth(chart, (now) => {
	width = now;
	draw();
});

export function showDistribution(predictions) {
	const { now, sampled, raw, classes } = predictions;
	chart.hidden = !now.length;
	const which = `probability of ${plain(classes[1], 60)}${raw ? " before calibration" : ""}`;
	setNote("distribution-note", now.length && `Shares of ${plural(sampled, "sampled record")}, by ${which}.`);
	if (!now.length || view === predictions) return;
	view = predictions;
	draw();
}

function draw() {
	if (!view || !width) return;
	const { now, training, edges } = view;
	const end = largest([...now, ...(training ?? [])], 0.05);
	const yOf = (share) => place(HEIGHT - ((HEIGHT - 10) * share) / end);
	const ticks = valueTicks(end);
	const outline = (training ?? []).map((share, bin) => `${bin ? "V" : `M${xOf(0)} `}${yOf(share)}H${xOf(edges[bin + 1])}`);
	bars = now.map((share, bin) => `M${xOf(edges[bin]) + 2} ${HEIGHT}V${yOf(share)}H${xOf(edges[bin + 1]) - 2}V${HEIGHT}Z`);
	set(svg, { height: HEIGHT + 22 });
	set(paths.grid, { d: ticks.map((share) => `M${LEFT} ${yOf(share)}H${width}`).join("") });
	set(paths.now, { d: bars.join("") });
	set(paths.training, { d: outline.join("") });
	set(paths.cut, { d: `M${xOf(cutOf(view))} 0V${HEIGHT}` });
	showTicks(left, ticks, () => LEFT - 8, yOf, (share) => percent(share), "end");
	const tenths = [0, 0.2, 0.4, 0.6, 0.8, 1];
	showTicks(below, tenths, (p) => Math.min(xOf(p), width - 4), () => HEIGHT + 14, (p) => number(p), "middle");
	tell();
}

function tell() {
	const { now, training, edges } = view;
	const bin = chosen ?? 0;
	const usual = training ? `, ${percent(training[bin], 1)} in training` : "";
	const words = `${fixed(edges[bin], 1)} to ${fixed(edges[bin + 1], 1)}: ${percent(now[bin], 1)} now${usual}`;
	set(paths.chosen, { d: bars[chosen] ?? "" });
	setText("distribution-readout", chosen === null ? `threshold ${fixed(cutOf(view))}` : words);
	tellPoint(now.length, bin, words);
}
