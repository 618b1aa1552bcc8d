const charts = JSON.parse(document.getElementById("charts").textContent);
const root = document.documentElement;

// An interpreter instead of compiled functions, so that the page's policy can forbid evaluating text as code.
const drawn = Object.entries(charts).map(([id, chart]) =>
  vegaEmbed(document.getElementById(`chart-${id}`), chart, { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false })
);
Promise.all(drawn).then(
  (results) => {
    // What each shows is said in words around it; its parts alone say nothing.
    for (const { view } of results) view.container().querySelector("svg").setAttribute("aria-hidden", "true");
    root.dataset.charts = "drawn";
  },
  (error) => { root.dataset.charts = "failed"; console.error(error); }
);

const theme = document.getElementById("theme");
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches);
const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; showTheme(); });
systemIsDark.addEventListener("change", showTheme);
showTheme();
theme.hidden = false;

const checks = document.getElementById("checks");
for (const choice of checks.querySelectorAll("input[name=shown-checks]")) {
  choice.addEventListener("change", () => checks.classList.toggle("only-failing", choice.value === "failing"));
}
for (const choice of document.querySelectorAll(".views > .choice input")) {
  choice.addEventListener("change", () => {
    for (const view of choice.closest(".views").querySelectorAll(".view")) {
      view.classList.toggle("shown", view.id === choice.value);
    }
  });
}

// On paper nothing can be opened: what is short is opened for it, and closed again afterwards.
const SHORT = 12;
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll(".views details:not([open]), .verdict details:not([open]), #freshness details:not([open])")].filter(
    (part) => part.querySelectorAll("tbody tr").length <= SHORT
  );
  for (const part of opened) part.open = true;
});
addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
