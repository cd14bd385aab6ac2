// The filter of trials: words that must occur, and conditions such as `depth=4`, `macs>1e6`, `status!=failed`.

const CONDITION = /^([^<>=!:]+)(<=|>=|!=|=|<|>|:)(.+)$/;
const COMPARE = {
  "<": (one, other) => one < other, ">": (one, other) => one > other, "<=": (one, other) => one <= other,
  ">=": (one, other) => one >= other, "=": (one, other) => one === other, "!=": (one, other) => one !== other,
};
const UNITS = { k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

// Every column of the table of trials, by name: {label, value(trial), words (possible values of text), metric}.
function columnsOf(data) {
  const arrays = data.arrays;
  const coded = (label, words, codes) => ({ label, words, codes, value: (trial) => words[codes[trial]] });
  const columns = {
    key: { label: "key", words: null, value: (trial) => data.keys[trial] },
    cell: coded("cell", data.cells, arrays["trial.cell"]),
    arm: coded("arm", data.arms, arrays["trial.arm"]),
    repetition: { label: "repetition", value: (trial) => arrays["trial.repetition"][trial] },
    status: coded("status", data.statuses, arrays["trial.status"]),
    epochs: { label: "epochs", value: (trial) => arrays["trial.epochs"][trial] },
  };
  for (const [name, metric] of Object.entries(data.metrics)) {
    columns[name] = { label: metric.label, metric, value: (trial) => arrays[`trial.${name}`][trial] };
  }
  columns.reason = coded("reason", data.reasons, arrays["trial.reason"]);
  columns.device = coded("device", data.devices, arrays["trial.device"]);
  data.settings.forEach(({ name, values }, order) => {
    columns[name] = coded(name, values, arrays[`setting.${order}`]);
  });
  return columns;
}

function resolve(columns, name) {
  const wanted = name.trim().toLowerCase();
  const names = Object.keys(columns);
  return names.find((known) => known.toLowerCase() === wanted) || names.find((known) => known.toLowerCase().endsWith(`.${wanted}`));
}

const quantity = (word) => {
  const found = /^(-?[\d.]+(?:e[+-]?\d+)?)\s*([kmgt]?)b?$/i.exec(word.trim());
  return found ? Number(found[1]) * (UNITS[found[2].toLowerCase()] || 1) : NaN;
};

// Mark the words of a column that satisfy a condition, so that each word is tested once.
function wordsThat(words, test) {
  return Uint8Array.from(words, (word) => (test(word) ? 1 : 0));
}

function condition(columns, name, sign, wanted) {
  const column = columns[name];
  const numeric = quantity(wanted);
  if (column.words) {
    const lower = wanted.toLowerCase();
    const test = (word) => {
      if (sign === ":") return word.toLowerCase().includes(lower);
      const value = kept(numeric) && word !== "" && kept(Number(word)) ? Number(word) : NaN;
      return kept(value) ? COMPARE[sign](value, numeric) : COMPARE[sign](word.toLowerCase(), lower);
    };
    const good = wordsThat(column.words, test);
    return (trial) => good[column.codes[trial]] === 1;
  }
  if (name === "key") return (trial) => keyFits(column.value(trial), wanted, sign);
  if (!kept(numeric)) return null;
  const compare = COMPARE[sign === ":" ? "=" : sign];
  return (trial) => {
    const value = column.value(trial);
    return kept(value) && compare(column.metric ? Number(value.toPrecision(7)) : value, numeric);
  };
}

function keyFits(value, wanted, sign) {
  return (sign === "!=") !== value.toLowerCase().includes(wanted.toLowerCase());
}

function word(columns, wanted) {
  const lower = wanted.toLowerCase();
  const good = ["cell", "arm", "status", "reason", "device"].map((name) => [
    columns[name].codes, wordsThat(columns[name].words, (one) => one.toLowerCase().includes(lower))]);
  return (trial) => good.some(([codes, words]) => words[codes[trial]]) || columns.key.value(trial).toLowerCase().includes(lower);
}

// Parse a query: {tests, problems}.
function parse(columns, query) {
  const [tests, problems] = [[], []];
  for (const token of query.trim().split(/\s+/).filter(Boolean)) {
    const found = CONDITION.exec(token);
    const name = found && resolve(columns, found[1]);
    const test = name ? condition(columns, name, found[2], found[3]) : null;
    if (found && !name) problems.push(`there is no column “${found[1]}”`);
    else if (name && !test) problems.push(`${name} is a number, “${found[3]}” is not`);
    else tests.push(test || word(columns, token));
  }
  return { tests, problems };
}
