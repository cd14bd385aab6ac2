// Start the page: the table first, which needs only the data, then the figures, which need plotly.js.
// In a browser that cannot run them, the static figures and tables remain.

const pause = () => new Promise((ready) => setTimeout(ready));

async function start() {
  const data = await unpack(byId("data").textContent);
  const showRow = byId("trials-table") ? table(data) : () => {};
  document.documentElement.dataset.table = "ready";
  await pause();
  const script = make("script");
  script.textContent = new TextDecoder().decode(await inflate(byId("plotly").textContent));
  document.head.append(script);
  if (!window.Plotly) throw new Error("plotly.js did not start");
  const draws = [];
  if (byId("explore-plot")) {
    details(data, byId("explore-details"), showRow);
    draws.push(explore(data, showRow));
  }
  if (byId("equal-plot")) draws.push(equal(data));
  if (byId("curves-plot")) draws.push(curves(data));
  if (byId("predicted-plot")) draws.push(predicted(data));
  const drawAll = () => draws.forEach((draw) => draw());
  for (const draw of draws) {
    draw();
    await pause();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.documentElement.dataset.figures = "ready";
}

start().catch((problem) => {
  document.documentElement.classList.remove("live");
  console.warn(`The interactive figures did not start: ${problem.message}`);
});
