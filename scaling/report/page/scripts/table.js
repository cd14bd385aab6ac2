// The table of trials: paged, sorted and filtered; downloadable as CSV.

const ROWS = 25;
const NARROW = new Set(["cell", "arm", "status", "key", "reason"]);
const RATE = "recipe.learning_rate"; // a column if trials differ in it: rates were tuned, or follow the width

function table(data) {
  const columns = columnsOf(data);
  const inTable = (name) => data.metrics[name].in_table; // others are shown in the details only
  const shown = ["cell", "arm", "repetition", "status", ...data.scores.filter(inTable),
    ...[RATE].filter((name) => columns[name]), ...data.costs.filter(inTable), "epochs", ...(data.reasons.some(Boolean) ? ["reason"] : []), "key"];
  const [query, arm, status, said, body, head] =
    ["trials-query", "trials-arm", "trials-status", "trials-said", "trials-body", "trials-head"].map(byId);
  const order = { name: null, up: true };
  let rows = Array.from({ length: data.trials }, (_, trial) => trial);
  let page = 0;
  let current = 0; // the row of this page in the tab order

  options(arm, [["", "every arm"], ...data.arms.map((name, place) => [String(place), name])], "");
  options(status, [["", "every status"], ...data.statuses.filter((_, place) => data.arrays["trial.status"].includes(place))
    .map((name) => [name, name])], "");

  const buttons = shown.map((name) => {
    const button = make("button", { type: "button", onclick: () => sortBy(name) }, headingOf(columns[name]));
    head.append(make("th", { scope: "col", "data-column": name, "aria-sort": "none", class: NARROW.has(name) ? "" : "number" }, button));
    return button;
  });

  function headingOf({ label, metric }) {
    if (!metric) return label === RATE ? "learning rate" : label;
    return ["%", "s", "ms", "nats", "B"].includes(metric.unit) ? `${metric.title} (${metric.unit})` : metric.title;
  }

  function sortBy(name) {
    const metric = columns[name].metric;
    if (order.name === name) order.up = !order.up;
    else [order.name, order.up] = [name, !(metric && metric.direction === "higher")]; // best first
    sort();
    page = current = 0;
    write();
  }

  function sort() {
    if (!order.name) return;
    const { value } = columns[order.name];
    const values = rows.map(value);
    const numeric = (key) => typeof key === "string" && key.trim() && Number.isFinite(Number(key)); // settings are strings
    const keys = values.every(numeric) ? values.map(Number) : values;
    const sign = order.up ? 1 : -1;
    const words = typeof keys[0] === "string";
    const collator = new Intl.Collator("en", { numeric: true });
    const places = rows.map((_, place) => place);
    places.sort((one, other) => {
      const [a, b] = [keys[one], keys[other]];
      if (words) return sign * collator.compare(a, b) || rows[one] - rows[other];
      if (!kept(a) || !kept(b)) return Number(!kept(a)) - Number(!kept(b)) || rows[one] - rows[other]; // missing last
      return sign * (a - b) || rows[one] - rows[other];
    });
    rows = places.map((place) => rows[place]);
  }

  function filter() {
    const { tests, problems } = parse(columns, query.value);
    if (arm.value) tests.push((trial) => data.arrays["trial.arm"][trial] === Number(arm.value));
    if (status.value) tests.push((trial) => columns.status.value(trial) === status.value);
    query.setAttribute("aria-invalid", String(problems.length > 0));
    const matches = tests.length ? new Uint8Array(data.trials) : null;
    rows = [];
    for (let trial = 0; trial < data.trials; trial++) {
      if (tests.every((test) => test(trial))) {
        rows.push(trial);
        if (matches) matches[trial] = 1;
      }
    }
    [selection.matches, selection.matching] = [matches, rows.length];
    sort();
    page = current = 0;
    write(problems);
    selection.notify("filter");
  }

  function cell(name, trial) {
    const column = columns[name];
    const value = column.value(trial);
    return column.metric ? number(column.metric, value) : String(value);
  }

  function write(problems = []) {
    const pages = Math.max(1, Math.ceil(rows.length / ROWS));
    page = Math.min(page, pages - 1);
    const here = rows.slice(page * ROWS, (page + 1) * ROWS);
    current = Math.min(current, Math.max(0, here.length - 1));
    shown.forEach((name, place) => {
      const sorted = order.name === name ? (order.up ? "ascending" : "descending") : "none";
      head.children[place].setAttribute("aria-sort", sorted);
      buttons[place].dataset.sorted = sorted;
    });
    body.replaceChildren(...here.map((trial, place) => make(
      "tr", { tabindex: place === current ? "0" : "-1", "data-trial": trial, "aria-rowindex": page * ROWS + place + 2 },
      ...shown.map((name) => make("td", { class: NARROW.has(name) ? `of-${name}` : "number" }, ...mark(name, trial))))));
    byId("trials-table").setAttribute("aria-rowcount", rows.length + 1);
    const from = rows.length ? `${count(page * ROWS + 1)} to ${count(page * ROWS + here.length)} of ` : "";
    const whole = selection.matches ? `${plural(rows.length, "trial")} of ${count(data.trials)} match` : plural(rows.length, "trial");
    said.textContent = [...problems, `${rows.length ? from : ""}${whole}`].join("; ");
    byId("trials-before").disabled = page === 0;
    byId("trials-after").disabled = page >= pages - 1;
    byId("trials-page").textContent = `page ${count(page + 1)} of ${count(pages)}`;
    byId("trials-some").hidden = !selection.matches;
    highlight();
  }

  function mark(name, trial) {
    if (name !== "arm") return [cell(name, trial)];
    const place = data.arrays["trial.arm"][trial];
    const glyph = make("span", { class: "glyph", "aria-hidden": "true" }, GLYPHS[place % GLYPHS.length]);
    glyph.style.color = `var(--arm-${place % 10})`;
    return [glyph, " ", cell(name, trial)];
  }

  function highlight() {
    const focus = selection.focus;
    for (const row of body.children) {
      const trial = Number(row.dataset.trial);
      const same = focus && (focus.trial >= 0 && focus.from !== "model" ? trial === focus.trial
        : focus.model >= 0 && data.arrays["trial.model"][trial] === focus.model);
      row.classList.toggle("pointed", Boolean(same));
      if (same) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  function showRow(trial, move = true) {
    let at = rows.indexOf(trial);
    if (at < 0) { // the filter hides it
      [query.value, arm.value, status.value] = ["", "", ""];
      filter();
      at = rows.indexOf(trial);
    }
    page = Math.floor(at / ROWS);
    current = at % ROWS;
    write();
    if (!move) return;
    body.children[current].scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
    body.children[current].focus({ preventScroll: true });
  }

  function turn(by) {
    page += by;
    current = 0;
    write();
  }

  const trialOf = (event) => event.target.closest("tr")?.dataset.trial;
  function pointAt(event) {
    const trial = trialOf(event);
    if (trial === undefined) return;
    const model = data.arrays["trial.model"][trial];
    point({ trial: Number(trial), model: model < data.models ? model : -1, from: "row" });
  }
  body.addEventListener("mouseover", pointAt);
  body.addEventListener("focusin", pointAt);
  body.addEventListener("click", (event) => event.target.closest("tr")?.focus({ preventScroll: true }));
  body.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && body.children[current + step]) current += step;
    else if ((step === 1 || event.key === "PageDown") && (page + 1) * ROWS < rows.length) turn(1);
    else if ((step === -1 || event.key === "PageUp") && page > 0) {
      turn(-1);
      if (step) current = ROWS - 1;
    } else if (event.key === "Enter" && byId("explore-plot")) byId("explore").scrollIntoView({ behavior: still ? "auto" : "smooth" });
    else if (!step) return;
    event.preventDefault();
    [...body.children].forEach((row, place) => row.setAttribute("tabindex", place === current ? "0" : "-1"));
    body.children[current].focus();
  });
  byId("trials-before").addEventListener("click", () => turn(-1));
  byId("trials-after").addEventListener("click", () => turn(1));
  let waiting = 0;
  query.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, data.trials > 5000 ? 200 : 60);
  });
  arm.addEventListener("change", filter);
  status.addEventListener("change", filter);
  byId("trials-clear").addEventListener("click", () => {
    [query.value, arm.value, status.value] = ["", "", ""];
    filter();
  });
  const everything = () => Array.from({ length: data.trials }, (_, trial) => trial);
  byId("trials-all").addEventListener("click", () => keepCsv(data, columns, everything(), `${data.study}_trials.csv`));
  byId("trials-some").addEventListener("click", () => keepCsv(data, columns, rows, `${data.study}_trials_filtered.csv`));
  selection.on("focus", highlight);
  write();
  return showRow;
}

function quoted(value) {
  return /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

// A number with the digits that it was stored with: seven, or all of a whole number.
function stored(value) {
  if (typeof value === "string") return quoted(value);
  if (!kept(value)) return "";
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(7)));
}

function csvOf(columns, rows) {
  const names = Object.keys(columns);
  const lines = [names.map(quoted).join(",")];
  for (const trial of rows) lines.push(names.map((name) => stored(columns[name].value(trial))).join(","));
  return `${lines.join("\n")}\n`;
}

function keepCsv(data, columns, rows, name) {
  const address = URL.createObjectURL(new Blob([csvOf(columns, rows)], { type: "text/csv" }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
