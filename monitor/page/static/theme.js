// No module (those run later), so that a remembered theme is there at the first paint. Storage may be forbidden.
{
	const themes = ["system", "light", "dark"];
	const { dataset } = document.documentElement;
	try {
		const theme = localStorage.getItem("streamgauge-theme");
		if (themes.includes(theme)) dataset.theme = theme;
	} catch {}
	addEventListener("click", ({ target }) => {
		if (target.id !== "theme") return;
		dataset.theme = themes[(themes.indexOf(dataset.theme) + 1) % 3];
		try {
			localStorage.setItem("streamgauge-theme", dataset.theme);
		} catch {}
	});
}
