// Predicted against measured: a point per model, and the line of equality.

function predicted(data) {
  const arrays = data.arrays;
  const plot = byId("predicted-plot");
  const pair = byId("predicted-pair");
  options(pair, data.predictions.map(([name], order) => [String(order), data.metrics[name].title]), "0");
  pair.closest("label").hidden = data.predictions.length < 2;
  let started = false;

  function draw() {
    const [ys, xs] = data.predictions[Number(pair.value)].map((name) => arrays[`model.${name}`]);
    const [ym, xm] = data.predictions[Number(pair.value)].map((name) => data.metrics[name]);
    const places = Array.from(xs.keys()).filter((p) => xs[p] > 0 && ys[p] > 0 && !selection.hidden.has(arrays["model.arm"][p]));
    const range = spread([...places.map((p) => xs[p]), ...places.map((p) => ys[p])], true) || [1, 10];
    const errors = new Map(places.map((p) => [p, Math.abs(Math.log(ys[p] / xs[p]))]));
    const worst = new Set(places.toSorted((one, other) => errors.get(other) - errors.get(one)).slice(0, 50));
    const shown = thin(places, MODELS_DRAWN, worst);
    const traces = [{ x: range, y: range, mode: "lines", line: { color: variable("--muted"), width: 1 }, hoverinfo: "skip", type: "scatter" }];
    data.arms.forEach((name, arm) => {
      const mine = shown.filter((p) => arrays["model.arm"][p] === arm);
      traces.push({
        name: plain(name), showlegend: mine.length > 0,
        x: mine.map((p) => xs[p]), y: mine.map((p) => ys[p]), customdata: mine, type: "scatter", mode: "markers", hoverinfo: "none",
        marker: { size: shown.length > 300 ? 6 : 9, symbol: SYMBOLS[arm % SYMBOLS.length], color: armColour(arm), line: { color: variable("--paper"), width: 0.8 } },
      });
    });
    const layout = layoutOf(axisOf(xm, range, true, plot.clientWidth), axisOf(ym, range, true), { uirevision: pair.value });
    Plotly.react(plot, traces, layout, OPTIONS);
    byId("predicted-said").textContent = shown.length < places.length
      ? `${count(shown.length)} of ${plural(places.length, "model")} drawn; the largest errors are always drawn.`
      : `${plural(places.length, "model")} drawn.`;
    if (!started) listen();
  }

  function listen() {
    started = true;
    plot.on("plotly_hover", (event) => {
      const model = event.points[0].customdata;
      if (model === undefined) return;
      const [ys, xs] = data.predictions[Number(pair.value)].map((name) => arrays[`model.${name}`][model]);
      const [ym, xm] = data.predictions[Number(pair.value)].map((name) => data.metrics[name]);
      const error = 100 * (ys / xs - 1);
      point({ trial: -1, model, from: "model" });
      tip(plot, byId("predicted-tip"), event, [headline(data, { trial: -1, model }).join(" · "), `predicted: ${text(ym, ys)}`,
        `measured: ${text(xm, xs)}`, `error: ${error > 0 ? "+" : ""}${error.toFixed(1)} %`]);
    });
    plot.on("plotly_unhover", () => { byId("predicted-tip").hidden = true; });
    tools(byId("predicted-tools"), plot, `${data.study}_predicted`, draw);
  }

  pair.addEventListener("change", draw);
  selection.on("arms", draw);
  legend(byId("predicted-legend"), data, () => "");
  return draw;
}
