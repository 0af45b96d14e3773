const plots = JSON.parse(document.getElementById("plots").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const light = { background: "transparent" };
const night = {
  background: "transparent",
  title: { color: "#e4e7ec" },
  style: { "guide-label": { fill: "#c9ced8" }, "guide-title": { fill: "#e4e7ec" }, "group-title": { fill: "#e4e7ec" } },
  axis: { domainColor: "#6a7180", gridColor: "#333945", tickColor: "#6a7180" },
  legend: { symbolFillColor: "#c9ced8", symbolStrokeColor: "#c9ced8", symbolBaseFillColor: "#c9ced8", symbolBaseStrokeColor: "#c9ced8" },
  header: { labelColor: "#c9ced8", titleColor: "#e4e7ec" },
  view: { stroke: "#3a3f4a" },
};

async function draw(name, colours) {
  const place = document.getElementById(`plot-${name}`);
  const { spec, zoom } = plots[name];
  try {
    const { view } = await vegaEmbed(place, structuredClone(spec), { config: colours, renderer: "svg", actions: false });
    if (zoom) zoomable(place, view, zoom);
    place.dataset.drawn = "yes";
  } catch (error) {
    place.dataset.drawn = "no";
    place.innerHTML = "";
    place.append(Object.assign(document.createElement("p"), { className: "failed", textContent: String(error) }));
  }
}

function zoomable(place, view, [from, to]) {
  const show = (low, high) => {
    const width = Math.min(Math.max(high - low, 8), to - from);
    low = Math.min(Math.max(low, from), to - width);
    view.signal("low", low).signal("high", low + width).runAsync();
  };
  const range = () => [view.signal("low"), view.signal("high")];
  const scaled = (factor, at) => {
    const [low, high] = range();
    show(at - (at - low) * factor, at + (high - at) * factor);
  };
  const moved = (share) => {
    const [low, high] = range();
    show(low + (high - low) * share, high + (high - low) * share);
  };
  const middle = () => (range()[0] + range()[1]) / 2;
  const keys = {
    "+": () => scaled(0.5, middle()), "=": () => scaled(0.5, middle()), "-": () => scaled(2, middle()),
    "0": () => show(from, to), ArrowLeft: () => moved(-0.2), ArrowRight: () => moved(0.2),
  };
  place.onkeydown = (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    keys[event.key]();
    event.preventDefault();
  };
  const cycle = (event) => {
    const [low, high] = range();
    const x = event.clientX - place.querySelector("svg").getBoundingClientRect().left - view.origin()[0];
    return low + (high - low) * x / view.signal("width");
  };
  place.onwheel = (event) => {
    scaled(event.deltaY > 0 ? 1.25 : 0.8, cycle(event));
    event.preventDefault();
  };
  let held = null;
  place.onpointerdown = (event) => { held = cycle(event); };
  place.onpointermove = (event) => {
    if (held === null) return;
    const by = held - cycle(event), [low, high] = range();
    show(low + by, high + by);
  };
  window.addEventListener("pointerup", () => { held = null; });
}

function sortable(table) {
  const heads = [...table.querySelectorAll("th")], body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.querySelector("button").onclick = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const cell = row.cells[column];
        return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
      };
      const order = (a, b) => {
        const [one, two] = [value(a), value(b)];
        if (typeof one === "number" && typeof two === "number") return one - two;
        return String(one).localeCompare(String(two));
      };
      const rows = [...body.rows].sort(order);
      body.append(...(down ? rows.reverse() : rows));
    };
  });
}

document.querySelectorAll("table.sortable").forEach(sortable);
const all = (colours) => Promise.all(Object.keys(plots).map((name) => draw(name, colours)));
await all(dark.matches ? night : light);
document.documentElement.dataset.ready = "yes";
dark.addEventListener("change", () => all(dark.matches ? night : light));
addEventListener("beforeprint", () => { if (dark.matches) all(light); });
addEventListener("afterprint", () => { if (dark.matches) all(night); });
