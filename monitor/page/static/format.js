// Every number, duration and moment becomes text here.

export const UNKNOWN = "–";

const decimals = [0, 1, 2, 3].map(
	(places) => new Intl.NumberFormat("en", { minimumFractionDigits: places, maximumFractionDigits: places }),
);
const withMinus = (text) => text.replace(/^-/, "\u2212");

export const isKnown = (value) => typeof value === "number" && Number.isFinite(value);

function power(value) {
	const [mantissa, exponent] = value.toExponential(1).split("e");
	return `${mantissa}·10${exponent.replace("+", "").replace(/./g, (sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? "⁻")}`;
}

/** With so many decimals, so that a column lines up; what they cannot show is a power of ten. */
export function fixed(value, places = 2) {
	if (!isKnown(value)) return UNKNOWN;
	const size = Math.abs(value);
	const shown = size < 1e12 && (!size || size >= 0.5 * 10 ** -places);
	return withMinus(shown ? decimals[size < 1000 ? places : 0].format(value) : power(value));
}

/** A count or a rate: 99,812; below a thousand to so many figures. */
export function number(value, figures = 3) {
	const size = Math.abs(value);
	if (!isKnown(value) || Number.isInteger(value) || size >= 1000 || size < 1e-3) return fixed(value, 0);
	return withMinus(String(Number(value.toPrecision(figures))));
}

const isSmall = (value) => isKnown(value) && Math.abs(value) < 0.005;
export const signed = (value) => (isSmall(value) ? "0.00" : (value > 0 ? "+" : "") + fixed(value));
export const percent = (share, places = 0) => `${fixed(100 * share, places)} %`;
export const rate = (value, estimated) => (estimated && value > 0 ? "≈ " : "") + number(value);
export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

export function duration(seconds) {
	if (!isKnown(seconds)) return UNKNOWN;
	if (seconds < 0.05) return "0 s";
	if (seconds < 9.95) return `${fixed(seconds, 1)} s`;
	const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit));
	if (!minutes) return `${Math.floor(seconds)} s`;
	if (!hours) return `${minutes} min`;
	return days ? `${number(days)} d ${hours % 24} h` : `${hours} h ${minutes % 60} min`;
}

export const ago = (ms) => (ms < 1000 ? "now" : `${duration(Math.floor(ms / 1000)).replace(".0", "")} ago`);

const dates = (options) => new Intl.DateTimeFormat("en-GB", options);
const [seconds, minutes] = [dates({ timeStyle: "medium" }), dates({ timeStyle: "short" })];
const days = dates({ day: "numeric", month: "short" });
const exact = dates({ dateStyle: "medium", timeStyle: "long" });

/** Whether a Date can hold it: of others it would throw. */
export const isMoment = (ms) => isKnown(ms) && Math.abs(ms) < 8.64e15;
export const clock = (ms) => (isMoment(ms) ? seconds.format(ms) : UNKNOWN);
export const moment = (ms) => exact.format(ms);

/** A tick of a time axis, `step` milliseconds from the next. */
export function tick(ms, step) {
	if (step < 60_000) return clock(ms);
	return (step < 86_400_000 ? minutes : days).format(ms);
}

/** Text from a stream. What cannot be printed the server has spelt out. */
export function plain(value, limit = 2000) {
	const text = String(value);
	return text.length > limit ? `${text.slice(0, limit)}…` : text.trim() || "(empty)";
}
