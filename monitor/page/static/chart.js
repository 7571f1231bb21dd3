// What the pictures have in common: places and axes, and a cursor whose values are told.

import { makeSvg, set, setText, showItems } from "./dom.js";
import { isKnown } from "./format.js";

/** Of a time axis, in seconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];

export const largest = (values, least = 0) =>
	values.reduce((most, value) => (isKnown(value) ? Math.max(most, Math.abs(value)) : most), least);

export const place = (value) => Math.round(10 * value) / 10;

/** Ticks from 0 on in steps of 1, 2 or 5, about `count` of them up to `end`. */
export function valueTicks(end, count = 4) {
	const rough = end / count;
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = power * [1, 2, 5, 10].find((factor) => factor * power > 0.999 * rough);
	return Array.from({ length: Math.floor(end / step + 1.001) }, (_, index) => index * step);
}

/** Round moments in this computer's time zone, at most `count` of them. */
export function timeTicks(from, to, count) {
	const step = 1000 * (STEPS.find((s) => (to - from) / s <= 1000 * count) ?? 2_592_000);
	const zone = new Date(to).getTimezoneOffset() * 60_000;
	const first = Math.ceil((from - zone) / step) * step + zone;
	const length = Math.max(0, Math.floor((to - first) / step + 1));
	return { step, ticks: Array.from({ length }, (_, index) => first + index * step) };
}

/** Labels of an axis. */
export function showTicks(group, ticks, xOf, yOf, words, anchor) {
	const create = () => makeSvg("text", { "text-anchor": anchor, dy: "0.32em" });
	showItems(group, ticks, create, (text, value) => {
		set(text, { x: xOf(value), y: yOf(value) });
		setText(text, words(value));
	});
}

/** Adds to a picture what it is drawn of; the names are their classes. */
export function addParts(svg, tag, ...names) {
	return Object.fromEntries(names.map((name) => [name, svg.appendChild(makeSvg(tag, { class: name }))]));
}

/** Calls `draw` with each new width of a node, outside of its layout. */
export function watchWidth(node, draw) {
	new ResizeObserver(([{ contentRect }]) => {
		const width = Math.floor(contentRect.width);
		if (width) requestAnimationFrame(() => draw(width));
	}).observe(node);
}

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Makes a picture a slider of its points. `choose` gets what `pointAt(event)` gives, or a point and a step up or down, or
 * null: none is chosen. The answer tells how many points there are, and which one in which words.
 */
export function addCursor(node, pointAt, choose) {
	let last = -1;
	let value = 0;
	const focused = () => node.matches(":focus-visible");
	for (const type of ["pointermove", "pointerdown"]) {
		node.addEventListener(type, (event) => last >= 0 && choose(...pointAt(event)));
	}
	node.addEventListener("pointerleave", () => focused() || choose(null));
	node.addEventListener("focus", () => last >= 0 && focused() && choose(value, 0));
	node.addEventListener("blur", () => choose(null));
	node.addEventListener("keydown", (event) => {
		const end = { Home: 0, End: last }[event.key];
		const [along, across] = KEYS[event.key] ?? [end - value, 0];
		if (Number.isNaN(along) || last < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
		event.preventDefault();
		choose(Math.min(Math.max(value + along, 0), last), across);
	});
	return (count, point, words) => {
		[last, value] = [count - 1, point];
		set(node, { "aria-valuemax": last, "aria-valuenow": value, "aria-valuetext": words });
	};
}
