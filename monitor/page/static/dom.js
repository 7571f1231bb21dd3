// How the page changes its document. What came from a stream is set as text or as a plain attribute, never parsed as
// markup; what is as it was is not touched. A node may be given by its id.

import { ago, isMoment, moment, plain, UNKNOWN } from "./format.js";

export const at = (node) => (typeof node === "string" ? document.getElementById(node) : node);

export function setText(node, text) {
	const target = at(node);
	if (target.textContent !== text) target.textContent = text;
}

/** null takes the attribute away. */
export function set(node, attributes) {
	const target = at(node);
	for (const [name, value] of Object.entries(attributes)) {
		if (value === null) target.removeAttribute(name);
		else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value);
	}
}

/** Shown with this text, or hidden where there is none. */
export function setNote(node, text) {
	at(node).hidden = !text;
	setText(node, text || "");
}

/** Custom properties in percent, by the object model: the policy allows no style attribute. */
export function setShares(node, shares) {
	for (const [name, share] of Object.entries(shares)) {
		const value = `${Math.round(1000 * Math.min(Math.max(share, 0), 1)) / 10}%`;
		if (node.style.getPropertyValue(`--${name}`) !== value) node.style.setProperty(`--${name}`, value);
	}
}

/** `make("p.note", child, "text")` */
export function make(name, ...children) {
	const [tag, className = ""] = name.split(".");
	const node = document.createElement(tag);
	if (className) node.className = className;
	node.append(...children);
	return node;
}

export function makeSvg(tag, attributes = {}) {
	const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
	set(node, attributes);
	return node;
}

/** One child an item; those that are there are used again. */
export function showItems(parent, items, create, update) {
	const { children } = at(parent);
	while (children.length > items.length) children[items.length].remove();
	items.forEach((item, index) => update(children[index] ?? at(parent).appendChild(create()), item, index));
}

/** A row an item, made like `tr th.name td`, with the texts that `words(item, row)` gives for its cells. */
export function showRows(parent, items, names, words) {
	const create = () => {
		const [row, ...cells] = names.split(" ").map((name) => make(name));
		row.append(...cells);
		return row;
	};
	const fill = (cell, text) => (cell.matches(".name") ? setName : setText)(cell, text);
	const update = (row, item) => words(item, row).forEach((text, index) => fill(row.children[index], text));
	showItems(parent, items, create, update);
}

/** A name that is too long is cut by the style sheet; the title has all of it. */
export function setName(node, name) {
	const title = plain(name);
	setText(node, title);
	set(node, { title });
}

/** A sentence in which `...` is a command. */
export function setProse(node, sentence) {
	const text = plain(sentence);
	if (node.dataset.prose === text) return;
	node.dataset.prose = text;
	node.replaceChildren(...text.split("`").map((part, index) => (index % 2 ? make("code", part) : part)));
}

/** A `time`: how long ago, with the moment itself in its title. */
export function setTime(node, ms, now) {
	const known = isMoment(ms);
	setText(node, known ? ago(now - ms) : UNKNOWN);
	set(node, { title: known ? moment(ms) : null, datetime: known ? new Date(ms).toISOString() : null });
}

const news = [];

/** Has a screen reader say what began or ended; sentences of one moment go together. */
export function announce(sentence) {
	news.push(sentence);
	queueMicrotask(() => news.length && setText("announce", news.splice(0).join(" ")));
}
