// Predictions: their distribution, and the newest ones, each with a waterfall from bias to logit.

import { showDistribution } from "./distribution.js";
import { at, make, set, setName, setShares, setText, setTime, showItems, showRows } from "./dom.js";
import { fixed, isKnown, plain, plural, signed } from "./format.js";

const list = at("newest");
const shown = new WeakMap();
let offered = null;
let held = null;

/** Who reads one must not lose it. */
const isHeld = () => list.querySelector("details[open], summary:hover, summary:focus-visible") !== null;

at("held").lastElementChild.addEventListener("click", () => {
	for (const details of list.children) details.open = false;
	list.focus();
	held = offered;
	showList(held.newest[0]?.ts_ms);
});

export function showPredictions({ predictions }, now) {
	showDistribution(predictions);
	offered = predictions;
	const hold = isHeld();
	at("held").hidden = !hold;
	if (!hold) held = predictions;
	showList(now);
}

function showList(now) {
	showItems(list, held.newest, makePrediction, (details, prediction) => showPrediction(details, prediction, now));
}

function makePrediction() {
	const head = make("tr", make("th", "Part"), make("td"), make("th", "Log-odds"), make("th", "Sum"));
	const table = make("table.waterfall", make("thead", head), make("tbody"));
	const summary = make("summary", make("code.name"), make("span.name"), make("i.share"), make("span"), make("time"));
	const details = make("details", summary, make("p.note"), table);
	details.addEventListener("toggle", () => details.open && showWaterfall(details));
	return details;
}

function showPrediction(details, prediction, now) {
	const { id, pred, p_class1, p_raw, record, row, model, ts_ms } = prediction;
	const [summary, note] = details.children;
	setTime(summary.lastChild, ts_ms, now);
	if (shown.get(details) === prediction) return;
	shown.set(details, prediction);
	const [name, decided, meter, probability] = summary.children;
	setName(name, id);
	setName(decided, held.classes[pred]);
	setShares(meter, { size: p_class1, cut: held.threshold });
	setText(probability, fixed(p_class1, 3));
	const raw = isKnown(p_raw) ? `, ${fixed(p_raw, 3)} before calibration` : "";
	const chance = `Probability of ${plain(held.classes[1], 60)}: ${fixed(p_class1, 3)}${raw}`;
	setText(note, `${chance}. Entry ${plain(record, 60)}, row ${row}, model ${plain(model, 40)}.`);
	if (details.open) showWaterfall(details);
}

/** Each bar begins where the one before it ended. Made only for what is open. */
function showWaterfall(details) {
	const { bias, contributions, rest, rest_features: others, logit } = shown.get(details);
	const steps = [["bias", bias], ...contributions.map(({ feature, value }) => [plain(feature), value])];
	if (others) steps.push([plural(others, "other feature"), rest]);
	let sum = 0;
	const bars = steps.map(([name, value]) => ({ name, value, from: sum, to: (sum += value) }));
	bars.push({ name: "logit", value: null, from: 0, to: logit });
	const ends = bars.map(({ to }) => to);
	const low = Math.min(0, ...ends);
	const span = Math.max(0, ...ends) - low || 1;
	showRows(details.querySelector("tbody"), bars, "tr th.name td.bar td td", ({ name, value, from, to }, row) => {
		set(row, { class: value === null ? "total" : value < 0 ? "low" : "high" });
		const shares = { zero: -low / span, from: (Math.min(from, to) - low) / span, size: Math.abs(to - from) / span };
		setShares(row.children[1], shares);
		return [name, "", value === null ? "" : signed(value), fixed(to)];
	});
}
