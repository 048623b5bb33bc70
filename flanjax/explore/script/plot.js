// Histograms of lengths, on one axis for all tasks so that they can be compared.

const PLOT_HEIGHT = 84;
const MOST_TICKS = 6;

/** Returns the first and the last bin that any task fills. */
function span(unit, side) {
  const held = TASKS.filter((task) => task.lengths).map((task) => task.lengths[unit][side]);
  const first = Math.min(...held.map((bins) => bins.first));
  return [first, Math.max(...held.map((bins) => bins.first + bins.counts.length - 1))];
}

function told(bins, unit) {
  const { median, p90, max } = bins;
  const most = `90\u00a0% at most ${number(p90)}`;
  return `median ${number(median)}, ${most}, longest ${number(max)} ${unit}`;
}

function histogram(lengths, unit, side) {
  const bins = lengths[unit][side];
  const [first, last] = span(unit, side);
  const width = 100 / (last - first + 1);
  const place = (bin) => `${((bin - first) * width).toFixed(3)}%`;
  const most = Math.max(...bins.counts);
  const columns = bins.counts.map((count, number_) => {
    const bin = bins.first + number_;
    const height = (PLOT_HEIGHT * count) / most;
    const [from, to] = [CONTENT.edges[bin], CONTENT.edges[bin + 1] - 1];
    const label = from === to ? number(from) : `${number(from)} to ${number(to)}`;
    return drawn(
      "rect",
      {
        class: "column",
        x: place(bin),
        y: PLOT_HEIGHT - height,
        width: `${0.92 * width}%`,
        height,
      },
      drawn("title", {}, `${label} ${unit}: ${count} of ${lengths.renders}`),
    );
  });
  const step = Math.ceil((last - first + 1) / MOST_TICKS);
  const ticks = [];
  for (let bin = first; bin <= last; bin += step) {
    const attributes = { class: "tick", x: place(bin), y: PLOT_HEIGHT + 17 };
    ticks.push(drawn("text", attributes, short(CONTENT.edges[bin])));
  }
  const base = drawn("line", {
    class: "grid",
    x1: 0,
    x2: "100%",
    y1: PLOT_HEIGHT,
    y2: PLOT_HEIGHT,
  });
  const label = `${side}: ${told(bins, unit)}`;
  const attributes = { role: "img", "aria-label": label, width: "100%", height: PLOT_HEIGHT + 22 };
  return drawn("svg", attributes, columns, base, ticks);
}
