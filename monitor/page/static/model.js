// Model: what is in production, how good it is, how it came there, and the way back.

import { at, setName, setNote, setShares, setText, setTime, showItems, showRows } from "./dom.js";
import { makeEvent, showEvent } from "./drift.js";
import { fixed, isKnown, number, plain } from "./format.js";

const [command, copy] = at("rollback").querySelectorAll("code, button");

copy.addEventListener("click", async () => {
	try {
		await navigator.clipboard.writeText(command.textContent);
		setText(copy, "Copied");
	} catch {
		// Over plain http there is no clipboard: what is selected can be copied by a key.
		getSelection().selectAllChildren(command);
		setText(copy, "Selected");
	}
	setTimeout(() => setText(copy, "Copy"), 2000);
});

export function showModel({ model }, now) {
	at("model-cards").hidden = !model;
	if (!model) return;
	setName("run", model.run_id);
	setTime("since", model.since_ms, now);
	showFacts(model);
	showFigures(model);
	showItems("decisions", model.history, makeEvent, (item, { kind, sentence, reason, ts_ms, run_id }) => {
		showEvent(item, kind, sentence || reason, ts_ms, now, run_id);
	});
	at("rollback").hidden = !model.rollback;
	setText(command, model.rollback ?? "");
}

function showFacts({ epoch, previous, threshold, calibration, features, train_rows }) {
	const facts = {
		Epoch: number(epoch),
		"Run before": previous ?? "none",
		Threshold: fixed(threshold, 3),
		Calibration: calibration ?? "none",
		Features: number(features),
		"Training rows": number(train_rows),
	};
	showRows("facts", Object.entries(facts), "div dt dd.name", (fact) => fact);
}

function showFigures({ figures, figures_of }) {
	setNote("figures-of", figures_of && plain(figures_of, 300));
	showRows("figures", figures, "tr th td td.interval td", ({ name, words, value, low, high }, row) => {
		const known = isKnown(low) && isKnown(high);
		const end = Math.max(1, value, high); // mostly shares
		setShares(row.children[2], { from: low / end, size: (high - low) / end, value: value / end });
		const interval = known ? `${fixed(low, 3)} to ${fixed(high, 3)}` : "not known";
		return [plain(words ? `${name}: ${words}` : name, 200), fixed(value, 3), "", interval];
	});
}
