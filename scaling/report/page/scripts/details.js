// Details of the trial or model pointed at.

function facts(pairs) {
  return make("dl", {}, ...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

const settingsOf = (data, trial) => data.settings.map(({ name, values }, order) =>
  [name, values[data.arrays[`setting.${order}`][trial]]]);

function headline(data, { model, trial }) {
  const of = trial >= 0 ? "trial" : "model";
  const place = trial >= 0 ? trial : model;
  const arm = data.arms[data.arrays[`${of}.arm`][place]];
  const cell = data.cells[data.arrays[`${of}.cell`][place]];
  return trial >= 0 ? [arm, `${cell}, repetition ${data.arrays["trial.repetition"][trial]}`] : [arm, cell];
}

// The scores of a trial or model, or its costs.
function numbersOf(data, { model, trial }, isScore) {
  const of = trial >= 0 ? "trial" : "model";
  const place = trial >= 0 ? trial : model;
  const metrics = Object.entries(data.metrics).filter(([name, metric]) =>
    (metric.role === "score") === isScore && kept(data.arrays[`${of}.${name}`][place]));
  return metrics.map(([name, metric]) => {
    const spread = of === "model" && { test_accuracy: "model.test_sd", val_accuracy: "model.val_sd" }[name];
    const sd = spread ? data.arrays[spread][place] : NaN;
    const written = text(metric, data.arrays[`${of}.${name}`][place]);
    return [metric.title, kept(sd) ? `${written} ± ${sd.toFixed(2)} over repetitions` : written];
  });
}

function details(data, place, showRow) {
  const write = () => {
    const focus = selection.focus;
    if (!focus || (focus.model < 0 && focus.trial < 0)) return;
    const arrays = data.arrays;
    const trial = focus.trial >= 0 ? focus.trial : arrays["model.trial"][focus.model];
    const [arm, cell] = headline(data, focus);
    const known = [];
    if (focus.trial >= 0) {
      known.push(["status", data.statuses[arrays["trial.status"][trial]]]);
      const reason = data.reasons[arrays["trial.reason"][trial]];
      if (reason) known.push(["reason", reason]);
    } else {
      known.push(["mean over", plural(arrays["model.n"][focus.model], "repetition")]);
      const on = data.costs.filter((name) => arrays[`front.${name}`][focus.model] & 1);
      known.push(["on the front of its arm", on.map((name) => data.metrics[name].title).join(", ") || "for no cost"]);
      const odds = data.costs.filter((name) => arrays[`odds.${name}`]).map((name) => [name, arrays[`odds.${name}`][focus.model]])
        .filter(([, odd]) => kept(odd)).map(([name, odd]) => `${data.metrics[name].title} ${Math.round(100 * odd)} %`);
      if (odds.length) known.push(["probability of that", odds.join(", ")]);
    }
    const settings = settingsOf(data, trial).filter(([name]) => focus.trial >= 0 || name !== "seed");
    const glyph = make("span", { class: "glyph", "aria-hidden": "true" }, GLYPHS[data.arms.indexOf(arm) % GLYPHS.length]);
    glyph.style.color = `var(--arm-${data.arms.indexOf(arm) % 10})`;
    place.replaceChildren(
      make("h3", {}, glyph, " ", arm, make("span", { class: "of" }, cell)),
      facts(numbersOf(data, focus, true)),
      make("h4", {}, "Costs"),
      facts(numbersOf(data, focus, false)),
      make("h4", {}, focus.trial >= 0 ? "Outcome" : "Among the models of its arm"),
      facts(known),
      make("h4", {}, "Config"),
      facts([...settings, ...Object.entries(data.shared).sort(([one], [other]) => (one < other ? -1 : 1))]),
      make("h4", {}, "Trial"),
      facts([["key", data.keys[trial]], ["device", data.devices[arrays["trial.device"][trial]] || "–"]]),
      make("button", { type: "button", onclick: () => showRow(trial) }, "Show in the table"),
    );
  };
  selection.on("focus", write);
}
