// Brings the parts together: each state that comes is shown, and while none comes the ages of the last one grow.

import { newest, poll, showContact } from "./contact.js";
import { setName, setText } from "./dom.js";
import { showDrift } from "./drift.js";
import { plain } from "./format.js";
import { showModel } from "./model.js";
import { showNow } from "./now.js";
import { showPredictions } from "./predictions.js";

function showHead({ pipeline, version, drift }) {
	setName("pipeline", pipeline);
	setText("version", `streamgauge ${plain(version, 40)}`);
	document.title = `${drift.window?.state === "drift" ? "▲ Drift · " : ""}${plain(pipeline, 60)} · streamgauge`;
}

/** Below "now" every third look is drawn, at a third of the cost, and at once where this changes. */
const newsOf = ({ drift, model }) => [drift.window?.state, drift.marks.length, model?.run_id].join();
let news = "";
let looks = 0;

function show() {
	showContact();
	const { state, age_s } = newest();
	if (!state?.now_ms) return;
	looks = news === newsOf(state) ? looks + 1 : 0;
	news = newsOf(state);
	for (const part of looks % 3 ? [showNow] : [showHead, showNow, showDrift, showPredictions, showModel]) {
		try {
			part(state, state.now_ms + 1000 * age_s);
		} catch (error) {
			reportError(error); // a part that cannot be shown does not take the others with it
		}
	}
}

poll(show);

setInterval(() => {
	if (!document.hidden && document.documentElement.dataset.contact !== "live") show();
}, 1000);
