// Shared by the interactive figures: layout, axes, legends with buttons, tools for mouse and keyboard.

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star"];
const GLYPHS = ["●", "■", "◆", "▲", "▼", "✚", "✖", "★"];
const coarse = matchMedia("(pointer: coarse)").matches;
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

function layoutOf(x, y, more = {}) {
  const ink = variable("--ink");
  const axis = (given) => ({
    gridcolor: variable("--line"), linecolor: variable("--muted"), tickcolor: variable("--muted"), ticks: "outside",
    ticklen: 4, zeroline: false, tickangle: 0, fixedrange: false, tickfont: { size: 12 },
    ...given, title: { text: given.title, font: { size: 13 }, standoff: 8 },
  });
  return {
    font: { family: variable("--sans"), color: ink, size: 12 }, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 64, r: 12, t: 8, b: 48 }, showlegend: false, hovermode: "closest",
    hoverdistance: 24, dragmode: coarse ? false : "zoom", xaxis: axis(x), yaxis: axis(y), ...more,
  };
}

const OPTIONS = { displayModeBar: false, responsive: true, displaylogo: false, doubleClick: "reset", scrollZoom: false };

// Round numbers on a logarithmic axis, as many as fit.
function roundTicks(low, high, most = 7) {
  for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]]) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const step of steps) {
        const tick = Number((step * 10 ** power).toPrecision(3));
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    }
    const every = Math.max(1, Math.ceil(ticks.length / most));
    if (ticks.length >= Math.min(4, most)) return ticks.filter((_, place) => place % every === 0);
  }
  return null;
}

// An axis of `metric` over `range` (values, not logarithms), logarithmic or linear.
function axisOf(metric, range, logarithmic, width = 600) {
  const axis = { title: metric.label, type: logarithmic ? "log" : "linear" };
  if (!range) return axis;
  axis.range = logarithmic ? range.map(Math.log10) : range;
  const ticks = logarithmic ? roundTicks(range[0], range[1], Math.max(3, Math.min(7, Math.floor(width / 62)))) : null;
  if (ticks) {
    axis.tickmode = "array";
    axis.tickvals = ticks;
    axis.ticktext = ticks.map((tick) => si(tick));
  } else if (metric.scale === "log") {
    axis.tickformat = "~s";
  }
  return axis;
}

function spread(values, logarithmic, pad = 0.05) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!kept(value) || (logarithmic && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return null;
  if (logarithmic) {
    const room = Math.max((high / low) ** pad, 1.05);
    return [low / room, high * room];
  }
  const room = pad * (high - low) || Math.abs(high) * pad || 1;
  return [low - room, high + room];
}

// Buttons that hide and show arms; those of all figures stay in sync.
function legend(place, data, countOf) {
  const buttons = data.arms.map((name, arm) => {
    const n = countOf(arm);
    const glyph = make("span", { class: "glyph", "aria-hidden": "true" }, GLYPHS[arm % GLYPHS.length]);
    glyph.style.color = `var(--arm-${arm % 10})`;
    return make(
      "button",
      {
        type: "button", class: "arm", "data-arm": arm, "aria-pressed": "true", title: "Hide or show this arm",
        onclick: () => {
          if (!selection.hidden.delete(arm)) selection.hidden.add(arm);
          selection.notify("arms");
        },
      },
      glyph, make("span", { class: "name" }, name), make("span", { class: "n" }, n),
    );
  });
  place.replaceChildren(...buttons);
  place.hidden = data.arms.length === 0;
  selection.on("arms", () => {
    buttons.forEach((button, arm) => button.setAttribute("aria-pressed", String(!selection.hidden.has(arm))));
  });
}

function zoom(plot, factor) {
  const { xaxis, yaxis } = plot._fullLayout;
  const around = ([low, high]) => {
    const middle = (low + high) / 2;
    return [middle + (low - middle) * factor, middle + (high - middle) * factor];
  };
  Plotly.relayout(plot, { "xaxis.range": around(xaxis.range), "yaxis.range": around(yaxis.range) });
}

// A figure as a picture of its own: on paper, with the legend that the page shows as buttons.
function withLegend(plot) {
  const data = plot.data.map((trace) => ({ ...trace, showlegend: trace.showlegend === true }));
  const legend = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemsizing: "constant" };
  const layout = { ...plot.layout, showlegend: true, legend, paper_bgcolor: variable("--paper"), margin: { ...plot.layout.margin, t: 48 } };
  return { data, layout };
}

// Tools of a figure: zoom, pan, reset, download.
function tools(place, plot, name, reset) {
  const tool = (label, title, onclick, more = {}) => make("button", { type: "button", title, onclick, ...more }, label);
  const move = tool("Move", "Drag to pan instead of zoom", () => {
    const on = move.getAttribute("aria-pressed") !== "true";
    move.setAttribute("aria-pressed", String(on));
    Plotly.relayout(plot, { dragmode: on ? "pan" : coarse ? false : "zoom" });
  }, { "aria-pressed": "false" });
  const keep = (format) => Plotly.downloadImage(withLegend(plot), { format, filename: name, width: 900, height: 600, scale: 2 });
  place.replaceChildren(
    tool("+", "Zoom in", () => zoom(plot, 0.7), { "aria-label": "Zoom in" }),
    tool("−", "Zoom out", () => zoom(plot, 1 / 0.7), { "aria-label": "Zoom out" }),
    move,
    tool("Reset", "Reset the view (double-click)", reset),
    tool("PNG", "Download this view as PNG", () => keep("png")),
    tool("SVG", "Download this view as SVG", () => keep("svg")),
  );
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, label]) => {
    const option = make("option", { value }, label);
    option.selected = value === chosen;
    return option;
  }));
}

// Position of a value in the figure, in pixels from its upper left corner; null outside the axes. Overlays at such
// positions are cheap, whereas changing traces would redraw thousands of points.
function placeIn(plot, x, y) {
  const { xaxis, yaxis } = plot._fullLayout;
  const [left, top] = [xaxis.l2p(xaxis.d2l(x)), yaxis.l2p(yaxis.d2l(y))];
  const inside = left >= -1 && left <= xaxis._length + 1 && top >= -1 && top <= yaxis._length + 1;
  return inside ? [left + xaxis._offset, top + yaxis._offset] : null;
}

// A tooltip beside the pointer, inside the figure.
function tip(plot, box, event, lines) {
  box.replaceChildren(...lines.map((line, order) => make(order ? "span" : "strong", {}, line)));
  box.hidden = false;
  const frame = plot.getBoundingClientRect();
  const [x, y] = event.at || placeIn(plot, event.points[0].x, event.points[0].y) || [0, 0];
  const left = x + 14 + box.offsetWidth > frame.width ? x - 14 - box.offsetWidth : x + 14;
  box.style.left = `${Math.max(0, Math.min(left, frame.width - box.offsetWidth))}px`;
  box.style.top = `${Math.max(0, Math.min(y + 12, frame.height - box.offsetHeight))}px`;
}
