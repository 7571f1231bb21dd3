// Asks for the state while somebody looks, and says whether what is shown is fresh.

import { announce, at, setProse, setText } from "./dom.js";
import { clock, duration } from "./format.js";

const EVERY_MS = 1000;
const LONGEST_PAUSE_MS = 5000;
const TIMEOUT_MS = 4000;
/** A monitor looks once a second, under load every four. */
const STALE_S = 6;
/** See monitor/live/state.py. */
const FORMAT = 1;

let state = null;
let contact = "starting";
let failures = 0;
let since = performance.now();
let version;

async function fetchState() {
	try {
		const answer = await fetch("api/state", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
		return answer.ok ? await answer.json() : null;
	} catch {
		return null;
	}
}

/** Calls `show` with each answer, and where none came. A hidden page asks for nothing. */
export function poll(show) {
	let timer = 0;
	let asking = false;
	async function ask() {
		clearTimeout(timer);
		if (asking || document.hidden) return;
		asking = true;
		const answer = await fetchState();
		asking = false;
		failures = answer ? 0 : failures + 1;
		timer = setTimeout(ask, Math.min(EVERY_MS * Math.max(failures, 1), LONGEST_PAUSE_MS));
		if (answer) [state, since] = [answer, performance.now()];
		version ??= answer?.version;
		show();
	}
	document.addEventListener("visibilitychange", ask);
	ask();
}

/** The newest state, and seconds since the server was read or this page was opened; no clocks are compared. */
export function newest() {
	return { state, age_s: (state?.age_s ?? 0) + (performance.now() - since) / 1000 };
}

export function showContact() {
	const { age_s } = newest();
	const age = duration(age_s);
	const lost = failures > 0 || (state && age_s > STALE_S);
	const before = contact;
	contact = lost ? "lost" : state ? "live" : "starting";
	if (lost && before !== contact) announce("Contact with the monitor is lost.");
	if (!lost && before === "lost") announce("Contact with the monitor is back.");
	document.documentElement.dataset.contact = contact;
	setText("status", { starting: "connecting", live: "live", lost: "lost contact" }[contact]);
	const known = state?.now_ms;
	for (const stamp of document.querySelectorAll(".stamp")) setText(stamp, lost && known ? `${age} old` : "");
	const who = failures ? "The monitor does not answer" : "The monitor cannot read the server";
	const shown = known ? `What is shown is of ${clock(known)}, ${age} ago` : `Nothing was read for ${age}`;
	showBanner("contact", lost && `${who}. ${shown}. Asking again.`);
	const changed = state && (state.format !== FORMAT || state.version !== version);
	showBanner("problem", changed ? "The monitor is another version now: load the page again." : state?.problem);
	showBanner("waiting", state?.waiting);
}

function showBanner(id, sentence) {
	at(id).hidden = !sentence;
	if (sentence) setProse(at(id).lastChild, sentence);
}
