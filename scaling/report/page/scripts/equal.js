// The difference at equal cost, and its mean over the parts of the range as boxes, over the cost that the scatter plot shows.

function equal(data) {
  const plot = byId("equal-plot");
  const said = byId("equal-said");
  const results = () => data.equal.filter(({ cost }) => cost === byId("explore-cost").value);

  function draw() {
    const here = results();
    const metric = data.metrics[byId("explore-cost").value];
    const shown = here.filter(({ arm, x }) => x && !selection.hidden.has(arm));
    const words = (value) => `${value > 0 ? "+" : ""}${value.toFixed(2)}`.replace("-", "−");
    const traces = shown.flatMap(({ arm, x, difference, parts }) => {
      const colour = armColour(arm);
      const named = `${data.arms[arm]} − ${data.arms[0]}`;
      const boxes = parts.map(([from, to, estimate, low, high]) => (
        { type: "scatter", mode: "lines", x: [from, to, to, from, from], y: [high, high, low, low, high], fill: "toself", fillcolor: faint(colour, 0.16),
          line: { color: faint(colour, 0.5), width: 1 }, hoveron: "points", hoverinfo: "none",
          customdata: Array(5).fill([named, `${text(metric, from)} to ${text(metric, to)}: ${words(estimate)} points on average`, `${words(low)} to ${words(high)}`]) }));
      const means = parts.map(([from, to, estimate]) => (
        { type: "scatter", mode: "lines", x: [from, to], y: [estimate, estimate], line: { color: colour, width: 2.5 }, hoverinfo: "skip" }));
      const curve = { type: "scatter", mode: "lines", x, y: difference, line: { color: colour, width: 1, dash: "dot" }, hoverinfo: "none",
        customdata: x.map((cost, at) => [named, `at ${text(metric, cost)}: ${words(difference[at])} points`, "nothing is claimed about single costs"]) };
      return [...boxes, ...means, curve];
    });
    const range = spread(shown.flatMap(({ x }) => x), true) || [1, 10];
    const heights = spread([...shown.flatMap(({ difference, parts }) => [...difference, ...parts.flatMap(([, , , low, high]) => [low, high])]), data.margin, -data.margin], false, 0.08);
    const line = (y, look) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, layer: "below", line: look });
    const shapes = [
      { type: "rect", xref: "paper", x0: 0, x1: 1, y0: -data.margin, y1: data.margin, fillcolor: faint(variable("--muted"), 0.2), line: { width: 0 }, layer: "below" },
      line(0, { color: variable("--ink"), width: 1 }),
    ];
    const x = axisOf(metric, range, true, plot.parentElement.clientWidth);
    const y = { title: "Difference (points)", range: heights };
    plot.hidden = shown.length === 0;
    if (shown.length) Plotly.react(plot, traces, layoutOf(x, y, { shapes, dragmode: false, margin: { l: 64, r: 12, t: 6, b: 48 } }), OPTIONS);
    said.textContent = here.filter(({ arm }) => !selection.hidden.has(arm)).map(({ sentence }) => sentence).join(" ")
      || (here.length ? "" : "The difference at equal cost is not computed for this cost.");
    if (shown.length && !plot.dataset.listens) {
      plot.dataset.listens = "yes";
      plot.on("plotly_hover", (event) => tip(plot, byId("equal-tip"), event, event.points[0].customdata));
      plot.on("plotly_unhover", () => { byId("equal-tip").hidden = true; });
    }
  }

  byId("explore-cost").addEventListener("change", draw);
  selection.on("arms", draw);
  return draw;
}
