// Accuracy against any cost: models (means over repetitions) with the step fronts of their arms, and single trials behind.

const MODELS_DRAWN = 2500;
const TRIALS_DRAWN = 1500;
const LABELLED = 80; // models up to which each has a label, a size and a bar
const PUBLISHED = [["x-thin-open", "×"], ["cross-thin-open", "+"], ["asterisk-open", "✳"]]; // published series; distinct from the symbols of arms
const SPREADS = {
  test_accuracy: "model.test_sd", test_error: "model.test_sd", val_accuracy: "model.val_sd", val_error: "model.val_sd",
};

function explore(data, showRow) {
  const arrays = data.arrays;
  const plot = byId("explore-plot");
  const said = byId("explore-said");
  const box = byId("explore-tip");
  const [cost, score, logCost, logScore, single, lines] =
    ["explore-cost", "explore-score", "explore-log-cost", "explore-log-score", "explore-trials", "explore-lines"].map(byId);
  options(cost, data.costs.map((name) => [name, data.metrics[name].title]), data.costs[0]);
  options(score, data.scores.map((name) => [name, data.metrics[name].title]), data.scores[0]);
  const several = arrays["model.n"].some((n) => n > 1);
  single.closest("label").hidden = !several;
  lines.closest("label").hidden = !data.joined || data.models > LABELLED;
  let view = null; // the zoomed range: {x, y}, or null for everything
  let drawn = []; // visible models in order of cost
  let started = false;
  const hiddenSeries = new Set(); // of published numbers, by index
  const mark = (place) => data.marks[arrays["model.cell"][place]]; // short label, line, size

  // Published numbers that have the selected cost and score: a list per series, in the order of `data.published`.
  function published() {
    const scoreOf = { test_accuracy: (p) => p.test_accuracy, test_error: (p) => 100 - p.test_accuracy }[score.value];
    if (!scoreOf) return data.published.map(() => []);
    return data.published.map((series, order) => (hiddenSeries.has(order) ? [] : series.points
      .filter((p) => p[cost.value] > 0)
      .map((p) => ({ ...p, series: series.series, x: p[cost.value], y: scoreOf(p) }))));
  }

  const publishedTrace = (points, order) => ({
    name: plain(points[0].series), showlegend: true,
    x: points.map((p) => p.x), y: points.map((p) => p.y), customdata: points.map((p) => ["published", p]),
    type: "scatter", mode: "markers", hoverinfo: "none",
    marker: { size: 10, symbol: PUBLISHED[order % PUBLISHED.length][0], color: variable("--muted"), line: { color: variable("--muted"), width: 1.8 } },
  });

  const xs = (of) => arrays[`${of}.${cost.value}`];
  const ys = (of) => arrays[`${of}.${score.value}`];

  function matched() {
    if (!selection.matches) return null;
    const models = new Uint8Array(data.models + 1);
    for (let trial = 0; trial < data.trials; trial++) if (selection.matches[trial]) models[arrays["trial.model"][trial]] = 1;
    return models;
  }

  function eligible(of, chosen) {
    const [x, y, arm] = [xs(of), ys(of), arrays[`${of}.arm`]];
    const places = [];
    for (let place = 0; place < arm.length; place++) {
      if (selection.hidden.has(arm[place]) || (chosen && !chosen[place])) continue;
      if (!kept(x[place]) || !kept(y[place])) continue;
      if ((logCost.checked && x[place] <= 0) || (logScore.checked && y[place] <= 0)) continue;
      places.push(place);
    }
    return places;
  }

  function seen(of, places) {
    if (!view) return places;
    const [x, y] = [xs(of), ys(of)];
    return places.filter((place) =>
      x[place] >= view.x[0] && x[place] <= view.x[1] && y[place] >= view.y[0] && y[place] <= view.y[1]);
  }

  // Members of fronts, and the extremes of each arm in cost and score: always drawn.
  function essential(of, places) {
    const [x, y, arm] = [xs(of), ys(of), arrays[`${of}.arm`]];
    const must = new Set();
    if (of === "model") for (const place of places) if (arrays[`front.${cost.value}`][place]) must.add(place);
    const ends = {};
    for (const place of places) {
      const mine = (ends[arm[place]] ||= [place, place, place, place]);
      if (x[place] < x[mine[0]]) mine[0] = place;
      if (x[place] > x[mine[1]]) mine[1] = place;
      if (y[place] < y[mine[2]]) mine[2] = place;
      if (y[place] > y[mine[3]]) mine[3] = place;
    }
    for (const mine of Object.values(ends)) mine.forEach((place) => must.add(place));
    if (selection.focus?.[of] >= 0) must.add(selection.focus[of]);
    return must;
  }

  const cloud = (of, places) => ({
    x: places.map((place) => xs(of)[place]), y: places.map((place) => ys(of)[place]),
    customdata: places.map((place) => [of, place]), type: "scatter", mode: "markers", hoverinfo: "none",
  });

  // The front's step line: the highest score of its members up to each cost, level to the last cost of all arms.
  function steps(front, end) {
    const better = data.metrics[score.value].direction === "lower" ? Math.min : Math.max;
    const [x, y] = [[], []];
    for (const place of front) {
      x.push(xs("model")[place]);
      y.push(y.length ? better(y.at(-1), ys("model")[place]) : ys("model")[place]);
    }
    return { x: [...x, Math.max(end, x.at(-1))], y: [...y, y.at(-1)] };
  }

  // Thin lines between cells that differ in one axis alone.
  function joins(places, colour) {
    const lines = new Map();
    for (const place of places) {
      const line = mark(place)[1];
      if (!lines.has(line)) lines.set(line, []);
      lines.get(line).push(place);
    }
    const [x, y] = [[], []];
    for (const line of lines.values()) {
      if (line.length < 2) continue;
      line.sort((one, other) => xs("model")[one] - xs("model")[other]);
      x.push(...line.map((place) => xs("model")[place]), null);
      y.push(...line.map((place) => ys("model")[place]), null);
    }
    return { x, y, mode: "lines", line: { color: faint(colour, 0.8), width: 1, dash: "dot" }, hoverinfo: "skip", type: "scatter", meta: "join" };
  }

  function tracesOf(arm, models, shown, trials, few, end) {
    const colour = armColour(arm);
    const symbol = SYMBOLS[arm % SYMBOLS.length];
    const mine = (places, of = "model") => places.filter((place) => arrays[`${of}.arm`][place] === arm);
    const isFront = (place) => (arrays[`front.${cost.value}`][place] & 1) === 1;
    const front = mine(models).filter(isFront).sort((one, other) => xs("model")[one] - xs("model")[other]);
    const sd = arrays[SPREADS[score.value]];
    const spreads = (places) => places.map((place) => (sd && kept(sd[place]) ? sd[place] : 0));
    const traces = [];
    if (trials.length) {
      traces.push({ ...cloud("trial", mine(trials, "trial")), marker: { size: 4, color: faint(colour, 0.3), symbol } });
    }
    if (few && data.joined && lines.checked) traces.push(joins(mine(shown), colour));
    if (front.length) {
      traces.push({ ...steps(front, end), mode: "lines", line: { color: colour, width: 2.2, shape: "hv" }, hoverinfo: "skip", type: "scatter", meta: "front" });
    }
    const off = mine(shown).filter((place) => !isFront(place));
    const on = mine(shown).filter(isFront);
    for (const [places, fill] of [[off, variable("--paper")], [on, colour]]) {
      const inLegend = places === on ? on.length > 0 : on.length === 0;
      const sizes = few ? places.map((place) => 8 + 6 * mark(place)[2]) : 6;
      traces.push({
        ...cloud("model", places), showlegend: inLegend,
        marker: { size: sizes, symbol, color: fill, line: { color: colour, width: 1.4 }, opacity: few ? 1 : 0.85 },
        ...(few && sd ? { error_y: { array: spreads(places), color: faint(colour, 0.5), thickness: 1, width: 0 } } : {}),
      });
    }
    return traces;
  }

  // The name of each cell beside its point, and of each arm at the end of its front, where there is room.
  function labels(places, traces, few) {
    const { xaxis, yaxis } = plot._fullLayout;
    const at = (x, y) => [xaxis.l2p(xaxis.d2l(x)), yaxis.l2p(yaxis.d2l(y))];
    const points = places.map((place) => at(xs("model")[place], ys("model")[place]));
    const taken = points.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
    const fronts = traces.filter((trace) => trace.meta === "front").flatMap((trace) => trace.x.slice(1).flatMap((x, i) => {
      const [[x0, y0], [x1, y1]] = [at(trace.x[i], trace.y[i]), at(x, trace.y[i + 1])];
      return [[x0, y0 - 1, x1, y0 + 1], [x1 - 1, Math.min(y0, y1), x1 + 1, Math.max(y0, y1)]];
    }));
    const clash = (box, boxes) => boxes.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3]);
    const inside = (box) => box[0] >= 0 && box[1] >= 0 && box[2] <= xaxis._length && box[3] <= yaxis._length;
    const notes = [];
    const write = (text, [x, y], colour, size, others, sides, weight = 400) => {
      const [wide, high] = [0.56 * size * text.length + 2, 1.2 * size];
      const boxes = sides.map(([right, above]) => {
        const [left, top] = [right > 0 ? x + 6 : x - 6 - wide, above > 0 ? y - 3 - high : y + 3];
        return [left, top, left + wide, top + high];
      }).filter((box) => inside(box) && !clash(box, others));
      const box = boxes.find((one) => !clash(one, fronts)) || boxes[0];
      if (!box) return;
      taken.push(box);
      notes.push({ xref: "x", yref: "y", x: xaxis.p2l(box[0]), y: yaxis.p2l((box[1] + box[3]) / 2), text, showarrow: false, xanchor: "left", yanchor: "middle",
        font: { size, color: colour, weight }, captureevents: false, borderpad: 0 });
    };
    const corners = [[1, 1], [1, -1], [-1, 1], [-1, -1]];
    for (const trace of traces.filter((one) => one.meta === "front")) {
      const end = at(trace.x.at(-1), trace.y.at(-1));
      write(trace.name, [end[0] - 4, end[1]], trace.line.color, 13, taken, [[-1, 1], [-1, -1]], 600);
    }
    if (few) {
      places.forEach((place, i) => {
        const label = mark(place)[0];
        if (label) write(plain(label), points[i], armColour(arrays["model.arm"][place]), 10.5, taken.filter((_, j) => j !== i), corners);
      });
    }
    return notes;
  }

  function ring() {
    const focus = selection.focus;
    const of = focus?.trial >= 0 && several ? "trial" : "model";
    const place = focus ? focus[of] : -1;
    const hidden = place < 0 || selection.hidden.has(arrays[`${of}.arm`][place]);
    const known = !hidden && kept(xs(of)[place]) && kept(ys(of)[place]);
    const at = known ? placeIn(plot, xs(of)[place], ys(of)[place]) : null;
    const circle = byId("explore-ring");
    circle.hidden = at === null;
    if (at) [circle.style.left, circle.style.top] = at.map((value) => `${value}px`);
  }

  function draw() {
    const chosen = matched();
    const models = eligible("model", chosen);
    const inView = seen("model", models);
    const shown = thin(inView, MODELS_DRAWN, essential("model", inView));
    const all = several && single.checked ? eligible("trial", selection.matches) : [];
    const trialsInView = seen("trial", all);
    const trials = thin(trialsInView, TRIALS_DRAWN, essential("trial", trialsInView));
    drawn = shown.toSorted((one, other) => xs("model")[one] - xs("model")[other]);
    const few = models.length <= LABELLED;
    const end = Math.max(...models.map((place) => xs("model")[place]));
    const traces = data.arms.flatMap((name, arm) => (selection.hidden.has(arm) ? []
      : tracesOf(arm, models, shown, trials, few, end).map((trace) => ({ ...trace, name: plain(name) }))));
    const papers = published();
    papers.forEach((points, order) => { if (points.length) traces.push(publishedTrace(points, order)); });
    const every = [...papers.flat().map((p) => p.x), ...models.map((p) => xs("model")[p]), ...all.map((p) => xs("trial")[p])];
    const sd = few ? arrays[SPREADS[score.value]] : null;
    const bars = sd ? models.filter((p) => kept(sd[p])).flatMap((p) => [ys("model")[p] - sd[p], ys("model")[p] + sd[p]]) : [];
    const heights = [...bars, ...papers.flat().map((p) => p.y), ...models.map((p) => ys("model")[p]), ...all.map((p) => ys("trial")[p])];
    const x = axisOf(data.metrics[cost.value], view?.x || spread(every, logCost.checked), logCost.checked, plot.clientWidth);
    const y = axisOf(data.metrics[score.value], view?.y || spread(heights, logScore.checked), logScore.checked);
    const layout = layoutOf(x, y, { dragmode: plot._fullLayout?.dragmode ?? (coarse ? false : "zoom") });
    Plotly.react(plot, traces, layout, OPTIONS);
    Plotly.relayout(plot, { annotations: labels(shown, traces, few) });
    said.textContent = saying(shown.length, inView.length, models.length, trials.length, trialsInView.length);
    plot.dataset.models = shown.length;
    plot.dataset.published = papers.flat().length;
    if (!started) listen();
    ring();
  }

  function saying(shown, inView, models, trials, trialsInView) {
    if (!models) return "Nothing to draw: every arm is hidden, or no trial matches the filter.";
    const thinned = (n, of, noun) => (n < of ? `${count(n)} of ${plural(of, noun)} drawn` : `${plural(of, noun)} drawn`);
    const parts = [thinned(shown, inView, "model")];
    if (trialsInView) parts.push(thinned(trials, trialsInView, "single trial"));
    const rest = shown < inView || trials < trialsInView;
    return `${parts.join(", ")}${view ? ` in this view, of ${count(models)}` : ""}.${
      rest ? " Fronts and extremes are always drawn; zoom in to see the rest." : ""}`;
  }

  function focusOn(of, place) {
    point(of === "trial"
      ? { trial: place, model: arrays["trial.model"][place] < data.models ? arrays["trial.model"][place] : -1, from: "trial" }
      : { trial: -1, model: place, from: "model" });
  }

  const publishedLines = (p) => [
    `${p.series} · ${p.model} (published)`,
    ...[score.value, cost.value].map((name, order) => `${data.metrics[name].title}: ${text(data.metrics[name], order ? p.x : p.y)}`),
    p.said,
  ];

  function linesAt(of, place) {
    const [arm, cell] = headline(data, of === "trial" ? { trial: place, model: -1 } : { trial: -1, model: place });
    const trial = of === "trial" ? place : arrays["model.trial"][place];
    const config = settingsOf(data, trial).filter(([name]) => of === "trial" || name !== "seed");
    return [
      `${arm} · ${cell}`,
      ...[score.value, cost.value].map((name) => `${data.metrics[name].title}: ${text(data.metrics[name], arrays[`${of}.${name}`][place])}`),
      ...config.map(([name, value]) => `${name} = ${value}`),
    ];
  }

  function listen() {
    started = true;
    plot.on("plotly_hover", (event) => {
      const [of, place] = event.points[0].customdata || [];
      if (of === undefined) return;
      if (of === "published") {
        tip(plot, box, event, publishedLines(place));
        return;
      }
      focusOn(of, place);
      tip(plot, box, event, linesAt(of, place));
    });
    plot.on("plotly_unhover", () => { box.hidden = true; });
    plot.on("plotly_click", (event) => {
      const [of, place] = event.points[0].customdata || [];
      if (of !== undefined && of !== "published") showRow(of === "trial" ? place : arrays["model.trial"][place], false);
    });
    let waiting = 0;
    plot.on("plotly_relayout", (change) => {
      const changed = Object.keys(change);
      if (changed.some((name) => name.includes("autorange"))) view = null;
      else if (changed.some((name) => name.includes("range"))) {
        const { xaxis, yaxis } = plot._fullLayout;
        const ends = (axis) => (axis.type === "log" ? axis.range.map((v) => 10 ** v) : [...axis.range]);
        view = { x: ends(xaxis), y: ends(yaxis) };
      } else return;
      clearTimeout(waiting);
      waiting = setTimeout(draw, 120);
    });
    plot.on("plotly_afterplot", ring);
    plot.on("plotly_doubleclick", () => { reset(); return false; });
    tools(byId("explore-tools"), plot, `${data.study}_accuracy`, reset);
  }

  function reset() {
    view = null;
    draw();
  }

  byId("explore-keys").addEventListener("keydown", (event) => {
    const at = drawn.indexOf(selection.focus?.model ?? -1);
    const step = { ArrowRight: at + 1, ArrowLeft: at < 0 ? drawn.length - 1 : at - 1, Home: 0, End: drawn.length - 1 }[event.key];
    if (step !== undefined && drawn.length) {
      const model = drawn[(step + drawn.length) % drawn.length];
      focusOn("model", model);
      const at = placeIn(plot, xs("model")[model], ys("model")[model]);
      if (at) tip(plot, box, { at }, linesAt("model", model));
    } else if (event.key === "Enter" && selection.focus?.model >= 0) showRow(arrays["model.trial"][selection.focus.model]);
    else if (event.key === "+" || event.key === "=") zoom(plot, 0.7);
    else if (event.key === "-") zoom(plot, 1 / 0.7);
    else if (event.key === "0") reset();
    else if (event.key === "Escape") box.hidden = true;
    else return;
    event.preventDefault();
  });
  byId("explore-keys").addEventListener("blur", () => { box.hidden = true; });
  for (const control of [cost, score, logCost, logScore]) control.addEventListener("change", reset);
  single.addEventListener("change", draw);
  lines.addEventListener("change", draw);
  selection.on("arms", draw);
  selection.on("filter", draw);
  selection.on("focus", () => {
    if (started) ring();
  });
  legend(byId("explore-legend"), data, (arm) => plural(arrays["model.arm"].filter((a) => a === arm).length, "model"));
  byId("explore-legend").append(...data.published.map((series, order) => {
    const button = make("button", {
      type: "button", class: "arm published", "aria-pressed": "true", title: "Hide or show these published numbers",
      onclick: () => {
        if (!hiddenSeries.delete(order)) hiddenSeries.add(order);
        button.setAttribute("aria-pressed", String(!hiddenSeries.has(order)));
        draw();
      },
    },
    make("span", { class: "glyph", "aria-hidden": "true" }, PUBLISHED[order % PUBLISHED.length][1]),
    make("span", { class: "name" }, series.series), make("span", { class: "n" }, "published"));
    return button;
  }));
  return draw;
}
