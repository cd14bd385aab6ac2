// Shared by all scripts: the unpacked data, the reader's selections, formatted numbers, elements.
// Text from records is inserted with textContent only, never as HTML.

async function inflate(base64) {
  const letters = atob(base64.trim());
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const KINDS = {
  f4: Float32Array, f8: Float64Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i4: Int32Array,
};

// The layout is that of packing.py.
async function unpack(base64) {
  const buffer = await inflate(base64);
  const length = new DataView(buffer).getUint32(0, true);
  const data = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  for (const [name, [kind, at, entries]] of Object.entries(data.arrays)) {
    const wide = KINDS[kind].BYTES_PER_ELEMENT;
    const stored = new Uint8Array(buffer, 4 + length + at, entries * wide);
    const bytes = new Uint8Array(entries * wide);
    for (let byte = 0; byte < wide; byte++) {
      for (let entry = 0; entry < entries; entry++) bytes[entry * wide + byte] = stored[byte * entries + entry];
    }
    data.arrays[name] = new KINDS[kind](bytes.buffer);
  }
  for (const [name, of] of Object.entries(data.complements)) { // errors, from accuracies
    for (const what of ["trial", "model"]) data.arrays[`${what}.${name}`] = data.arrays[`${what}.${of}`].map((v) => 100 - v);
  }
  data.trials = data.arrays["trial.cell"].length;
  data.models = data.arrays["model.cell"].length;
  return data;
}

// The reader's selections. A part that changes one calls `notify`, and all parts that show it update.
const selection = {
  hidden: new Set(), // arms, by index
  matches: null, // Uint8Array over trials, or null without a filter
  matching: 0,
  focus: null, // {model, trial}: the one pointed at; either may be -1
  listeners: {},
  on(what, react) {
    (this.listeners[what] ||= []).push(react);
  },
  notify(what) {
    for (const react of this.listeners[what] || []) react();
  },
};

function point(focus) {
  const old = selection.focus;
  if (old?.model === focus?.model && old?.trial === focus?.trial && old?.from === focus?.from) return;
  selection.focus = focus;
  selection.notify("focus");
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const byId = (id) => document.getElementById(id);
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const armColour = (arm) => variable(`--arm-${arm % 10}`);

function faint(colour, alpha) {
  const value = parseInt(colour.slice(1), 16);
  return `rgba(${value >> 16},${(value >> 8) & 255},${value & 255},${alpha})`;
}

const PREFIXES = [[1e24, "Y"], [1e21, "Z"], [1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

function si(value, digits = 3) {
  const rounded = Number(value.toPrecision(digits));
  for (const [factor, prefix] of PREFIXES) {
    const least = factor > 1e15 ? 10 * factor : factor; // 1000 P, but 10 E, as in study/metrics/metric.py
    if (Math.abs(rounded) >= least) return `${Number((rounded / factor).toPrecision(digits))} ${prefix}`;
  }
  return `${rounded}`;
}

// Same format as Metric.number and Metric.text in study/metrics/metric.py.
function number(metric, value) {
  if (!Number.isFinite(value)) return "–";
  if (metric.scale === "linear") return value.toFixed(2);
  if (["s", "ms"].includes(metric.unit) && value >= 100) return Math.round(value).toLocaleString("en");
  return si(value);
}

function text(metric, value) {
  const written = number(metric, value);
  if (written === "–") return "unknown";
  const joined = metric.unit === "B" && /[a-zA-Z]$/.test(written);
  return joined ? written + metric.unit : `${written} ${metric.unit}`;
}

// Text for plotly.js, which reads some HTML in its labels.
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const count = (value) => value.toLocaleString("en");
const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
const kept = (value) => Number.isFinite(value);

// A pseudo-random number that is the same for the same index on every load.
function lot(place) {
  let mixed = Math.imul(place + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

// A subset of `places` with at most `most` entries that includes all of `must`.
function thin(places, most, must) {
  if (places.length <= most) return places;
  const always = places.filter((place) => must.has(place));
  const rest = places.filter((place) => !must.has(place));
  rest.sort((one, other) => lot(one) - lot(other));
  return always.concat(rest.slice(0, Math.max(0, most - always.length))).sort((one, other) => one - other);
}
