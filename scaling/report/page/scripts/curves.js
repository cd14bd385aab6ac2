// Learning curves: a faint line per trial, and the bold mean of each arm.

const EPOCHS_DRAWN = 12000;

function curves(data) {
  const arrays = data.arrays;
  const plot = byId("curves-plot");
  const said = byId("curves-said");
  const field = byId("curves-field");
  options(field, Object.entries(data.curves).map(([name, { label }]) => [name, label]), "val_accuracy");
  const [trials, ends] = [arrays["curve.trial"], arrays["curve.end"]];
  const start = (place) => (place ? ends[place - 1] : 0);
  const places = Array.from(trials.keys());
  const placeOf = new Map(places.map((place) => [trials[place], place]));
  let started = false;

  function line(place) {
    const values = arrays[`curve.${field.value}`].subarray(start(place), ends[place]);
    return { x: Array.from(values, (_, epoch) => epoch + 1), y: Array.from(values) };
  }

  function bundle(chosen, look) {
    const [x, y, customdata] = [[], [], []];
    for (const place of chosen) {
      const one = line(place);
      x.push(...one.x, null);
      y.push(...one.y, null);
      customdata.push(...one.x.map(() => trials[place]), null);
    }
    return { x, y, customdata, type: "scatter", mode: "lines", connectgaps: false, hoverinfo: "none", ...look };
  }

  function focused() {
    const focus = selection.focus;
    if (!focus) return [];
    if (focus.trial >= 0) return placeOf.has(focus.trial) ? [placeOf.get(focus.trial)] : [];
    return places.filter((place) => arrays["trial.model"][trials[place]] === focus.model).slice(0, 20);
  }

  // Overlay the curves of the trial or model pointed at.
  function over() {
    const lines = focused().map((place) => {
      const { x, y } = line(place);
      return x.map((epoch, at) => placeIn(plot, epoch, y[at])).filter(Boolean).map((at) => at.join(",")).join(" ");
    });
    const drawing = byId("curves-over");
    const made = lines.map((points) => {
      const polyline = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      polyline.setAttribute("points", points);
      return polyline;
    });
    drawing.replaceChildren(...made);
  }

  function draw() {
    const logarithmic = data.curves[field.value].scale === "log";
    const eligible = places.filter((place) =>
      !selection.hidden.has(arrays["trial.arm"][trials[place]]) && (!selection.matches || selection.matches[trials[place]]));
    const longest = eligible.reduce((most, place) => Math.max(most, ends[place] - start(place)), 1);
    const shown = thin(eligible, Math.max(40, Math.floor(EPOCHS_DRAWN / longest)), new Set());
    const dots = longest === 1 ? { mode: "markers" } : {};
    const traces = [];
    data.arms.forEach((name, arm) => {
      if (selection.hidden.has(arm)) return;
      const colour = armColour(arm);
      const mine = shown.filter((place) => arrays["trial.arm"][trials[place]] === arm);
      const whole = (place) => data.statuses[arrays["trial.status"][trials[place]]] === "finished";
      const alpha = mine.length > 60 ? 0.16 : 0.34;
      const inLegend = { name: plain(name), showlegend: true };
      traces.push(bundle(mine.filter(whole), { ...(selection.matches ? inLegend : {}), line: { color: faint(colour, alpha), width: 1 }, ...dots }));
      const broken = mine.filter((place) => !whole(place));
      if (broken.length) traces.push(bundle(broken, { line: { color: faint(colour, 0.6), width: 1, dash: "dot" }, ...dots }));
      const mean = Array.from(arrays[`mean.${arm}.${field.value}`]);
      if (!selection.matches) {
        traces.push({
          x: mean.map((_, epoch) => epoch + 1), y: mean, type: "scatter", mode: mean.length > 1 ? "lines" : "markers",
          line: { color: colour, width: 2.6 }, hoverinfo: "skip", ...inLegend,
        });
      }
    });
    const values = eligible.flatMap((place) => [start(place), ends[place] - 1]);
    const y = { title: data.curves[field.value].label, type: logarithmic ? "log" : "linear" };
    const x = { title: "Epoch", range: spread([1, longest], false, 0.02), tickformat: "d" };
    if (longest <= 10) x.dtick = 1;
    Plotly.react(plot, traces, layoutOf(x, y, { uirevision: field.value }), OPTIONS);
    const part = trials.length < data.with_curves ? ` The page holds the curves of ${count(trials.length)} of ${plural(data.with_curves, "trial")}.` : "";
    said.textContent = values.length
      ? `${shown.length < eligible.length ? `${count(shown.length)} of ` : ""}${plural(eligible.length, "trial")} drawn.${part}`
      : `No curves match.${part}`;
    if (!started) listen();
  }

  function listen() {
    started = true;
    plot.on("plotly_hover", (event) => {
      const trial = event.points[0].customdata;
      if (trial === null || trial === undefined) return;
      const at = event.points[0];
      point({ trial, model: arrays["trial.model"][trial] < data.models ? arrays["trial.model"][trial] : -1, from: "trial" });
      tip(plot, byId("curves-tip"), event, [headline(data, { trial, model: -1 }).join(" · "),
        `epoch ${at.x}: ${Number(at.y.toPrecision(4))}`, ...settingsOf(data, trial).map(([name, value]) => `${name} = ${value}`)]);
    });
    plot.on("plotly_unhover", () => { byId("curves-tip").hidden = true; });
    plot.on("plotly_afterplot", over);
    tools(byId("curves-tools"), plot, `${data.study}_curves`, () =>
      Plotly.relayout(plot, { "xaxis.autorange": true, "yaxis.autorange": true }));
  }

  field.addEventListener("change", draw);
  for (const what of ["arms", "filter"]) selection.on(what, draw);
  selection.on("focus", () => {
    if (started) over();
  });
  legend(byId("curves-legend"), data, (arm) =>
    plural(places.filter((place) => arrays["trial.arm"][trials[place]] === arm).length, "trial"));
  return draw;
}
