"use strict";
// Draws what the element #drawing holds; everything else on the page stands without it.
(() => {
  const byId = (id) => document.getElementById(id);
  const drawing = JSON.parse(byId("drawing").textContent);
  const runs = drawing.runs;
  const COLOURS = 10;
  const HEIGHT = { loss: 360, perplexity: 280 };
  const FEW_RUNS = 4; // with more of them, what lies behind the smoothed lines is only a haze
  const measures = ["loss", "perplexity"];
  const form = byId("controls");
  const slider = byId("cursor");
  const plots = {};
  let pressed = null; // the chart on which a drag began
  let window_ = null; // what is zoomed to, as [low, high] along the axis; null is everything

  const state = () => {
    const data = new FormData(form);
    return {
      shown: new Set(data.getAll("run").map(Number)),
      smoothed: data.get("curves") === "smoothed",
      axis: data.get("axis"),
      log: data.get("scale") === "log",
    };
  };

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (run) => css(`--run-${run % COLOURS}`);
  const shortest = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });
  // Four digits, also where the last is a nought, so that columns of numbers stand even.
  const exact = (value) =>
    value === null ? "no number" : value.toLocaleString("en", { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
  const count = (value) => Math.round(value).toLocaleString("en");

  // Where a step stands along the axis. Epochs are known by their first steps, and where the last
  // one ends; between those the steps are taken to be even.
  const along = (run, step, axis) => {
    const knots = runs[run].epochs;
    if (axis !== "epoch" || knots.length === 0) return step;
    let low = 0;
    let high = knots.length - 1;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (knots[middle][0] <= step) low = middle;
      else high = middle;
    }
    const [from, first] = knots[low];
    const [to, last] = knots[Math.min(low + 1, knots.length - 1)];
    return to === from ? first : first + ((step - from) / (to - from)) * (last - first);
  };

  const hasAxis = (run, axis) => axis !== "epoch" || runs[run].epochs.length > 0;

  // The lines of one chart, as the controls ask for them.
  const linesFor = (measure, want) => {
    const found = [];
    runs.forEach((run, index) => {
      if (!want.shown.has(index) || !hasAxis(index, want.axis)) return;
      const smoothable = new Set(run.lines.filter((line) => line.smoothed).map((line) => line.curve));
      for (const line of run.lines) {
        if (line.measure !== measure) continue;
        if (line.smoothed && !want.smoothed) continue;
        const behind = !line.smoothed && want.smoothed && smoothable.has(line.curve);
        if (behind && want.shown.size > FEW_RUNS) continue;
        found.push({ run: index, line, behind });
      }
    });
    // What was measured lies behind what is smoothed, of every run.
    return found.sort((a, b) => Number(b.behind) - Number(a.behind));
  };

  const faint = (value) => `color-mix(in srgb, ${value} 28%, ${css("--paper")})`;

  const seriesOf = (one) => {
    const stroke = colour(one.run);
    const few = one.line.values.length < 60;
    return {
      label: `${runs[one.run].name}, ${one.line.curve}`,
      stroke: one.behind ? faint(stroke) : stroke,
      width: one.behind ? 1 : 2,
      dash: one.line.kind === "validation" && !one.behind ? [7, 4] : undefined,
      points: { show: few && !one.behind, size: 5, fill: stroke },
    };
  };

  const MARKS = { best: "◆", diverged: "✕", overfitted: "▲", worsened: "▲" };
  const SAYS = { diverged: "diverged from here", overfitted: "overfits from here", worsened: "validation worsened from here" };

  const drawMarks = (measure, want) => (plot) => {
    const context = plot.ctx;
    const ratio = devicePixelRatio || 1;
    const labels = [];
    context.save();
    for (const index of want.shown) {
      if (!hasAxis(index, want.axis)) continue;
      for (const mark of runs[index].marks) {
        const x = plot.valToPos(along(index, mark.step, want.axis), "x", true);
        const value = mark[measure];
        // A mark on the edge is drawn whole: nothing is clipped here.
        const y = value === null ? plot.bbox.top + 12 * ratio : plot.valToPos(value, "y", true);
        if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
        if (y < plot.bbox.top || y > plot.bbox.top + plot.bbox.height) continue;
        context.fillStyle = context.strokeStyle = colour(index);
        if (mark.kind !== "best") {
          context.lineWidth = ratio;
          context.setLineDash([3 * ratio, 3 * ratio]);
          context.beginPath();
          context.moveTo(x, plot.bbox.top);
          context.lineTo(x, plot.bbox.top + plot.bbox.height);
          context.stroke();
          context.setLineDash([]);
          labels.push({ x, index, text: `${MARKS[mark.kind]} ${SAYS[mark.kind]}` });
          if (mark.kind !== "diverged") continue;
        }
        context.font = `${(mark.kind === "best" ? 17 : 15) * ratio}px system-ui, sans-serif`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.lineWidth = 4 * ratio;
        context.strokeStyle = css("--paper");
        context.strokeText(MARKS[mark.kind], x, y);
        context.fillText(MARKS[mark.kind], x, y);
      }
    }
    drawLabels(plot, context, labels, ratio);
    context.restore();
  };

  // Each label in the first row where it meets no other, left of its line where it would not fit.
  const drawLabels = (plot, context, labels, ratio) => {
    const rows = [];
    context.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    context.textBaseline = "top";
    context.textAlign = "left";
    context.lineWidth = 4 * ratio;
    for (const label of labels.sort((a, b) => a.x - b.x)) {
      const width = context.measureText(label.text).width;
      const right = plot.bbox.left + plot.bbox.width;
      const left = label.x + width + 8 * ratio > right ? label.x - width - 5 * ratio : label.x + 5 * ratio;
      let row = rows.findIndex((taken) => taken.every(([from, to]) => left > to || left + width < from));
      if (row < 0) row = rows.push([]) - 1;
      rows[row].push([left - 8 * ratio, left + width + 8 * ratio]);
      const top = plot.bbox.top + (4 + row * 16) * ratio;
      context.strokeStyle = css("--paper");
      context.fillStyle = colour(label.index);
      context.strokeText(label.text, left, top);
      context.fillText(label.text, left, top);
    }
  };

  const span = (want) => {
    let low = Infinity;
    let high = -Infinity;
    runs.forEach((run, index) => {
      if (!want.shown.has(index) || !hasAxis(index, want.axis)) return;
      for (const { steps } of run.lines) {
        low = Math.min(low, along(index, steps[0], want.axis));
        high = Math.max(high, along(index, steps[steps.length - 1], want.axis));
      }
    });
    return low < high ? [low, high] : [Number.isFinite(low) ? low - 0.5 : 0, Number.isFinite(high) ? high + 0.5 : 1];
  };

  const zoom = (range) => {
    window_ = range;
    const [low, high] = range || span(state());
    for (const measure of measures) plots[measure]?.setScale("x", { min: low, max: high });
    aim();
  };

  const build = (measure, want) => {
    const box = byId(measure).querySelector(".chart");
    plots[measure]?.destroy();
    const lines = linesFor(measure, want);
    const tables = lines.map((one) => [
      one.line.steps.map((step) => along(one.run, step, want.axis)),
      want.log ? one.line.values.map((value) => (value > 0 ? value : null)) : one.line.values,
    ]);
    // Nulls stay breaks; where only other lines have a point, a line goes on.
    const data = tables.length ? uPlot.join(tables, tables.map(() => [1, 1])) : [[0]];
    const axis = { stroke: css("--soft"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--rule"), width: 1 }, font: "12px system-ui, sans-serif" };
    const [low, high] = window_ || span(want);
    plots[measure] = new uPlot(
      {
        width: Math.max(280, box.clientWidth),
        height: HEIGHT[measure],
        legend: { show: false },
        padding: [12, 12, 0, 0],
        scales: { x: { time: false, min: low, max: high, auto: false }, y: { distr: want.log ? 3 : 1 } },
        cursor: {
          y: false,
          points: { show: false },
          drag: { x: true, y: false, setScale: false },
          sync: { key: "metrics", scales: ["x", null] },
          bind: { dblclick: () => () => zoom(null) },
        },
        axes: [
          { ...axis, label: want.axis, labelSize: 18, labelFont: axis.font, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : want.axis === "epoch" ? shortest(tick) : "")) },
          { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : shortest(tick))) },
        ],
        series: [{}, ...lines.map(seriesOf)],
        hooks: {
          ready: [(plot) => plot.over.addEventListener("pointerdown", () => { pressed = measure; })],
          draw: [drawMarks(measure, want)],
          // Only a pointer has an event: what the slider sets is not to move the slider.
          setCursor: [(plot) => { if (plot.cursor.event && plot.cursor.left >= 0) moved(plot.posToVal(plot.cursor.left, "x")); }],
          setSelect: [(plot) => {
            const { left, width } = plot.select;
            // The other chart follows the pointer and would zoom once more, into what is zoomed.
            if (pressed !== measure || width < 5) return;
            const dragged = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
            pressed = null;
            for (const one of measures) plots[one].setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            zoom(dragged);
          }],
        },
      },
      data,
      box,
    );
  };

  // The slider stands for a place on the axis, in thousandths of what is shown.
  const STOPS = 1000;
  const range = () => window_ || span(state());
  const place = () => {
    const [low, high] = range();
    return low + (Number(slider.value) / STOPS) * (high - low);
  };
  const moved = (at) => {
    const [low, high] = range();
    slider.value = String(Math.round(((at - low) / (high - low)) * STOPS));
    readOut(at);
  };
  const aim = () => {
    const at = place();
    for (const measure of measures) {
      const plot = plots[measure];
      if (plot) plot.setCursor({ left: plot.valToPos(at, "x"), top: 10 }, false);
    }
    readOut(at);
  };

  const nearest = (line, at, run, axis) => {
    let low = 0;
    let high = line.steps.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (along(run, line.steps[middle], axis) < at) low = middle + 1;
      else high = middle;
    }
    const before = Math.max(0, low - 1);
    const distance = (index) => Math.abs(along(run, line.steps[index], axis) - at);
    return distance(before) <= distance(low) ? before : low;
  };

  const readOut = (at) => {
    const want = state();
    const unit = want.axis === "epoch" ? "epoch" : "step";
    const where = `${unit} ${unit === "epoch" ? at.toFixed(2) : count(at)}`;
    const rows = [];
    const spoken = [];
    for (const index of want.shown) {
      if (!hasAxis(index, want.axis)) continue;
      const run = runs[index];
      for (const curve of new Set(run.lines.map((line) => line.curve))) {
        const lines = run.lines.filter((line) => line.curve === curve);
        const smoothed = want.smoothed && lines.some((line) => line.smoothed);
        const of = (measure) => lines.find((line) => line.measure === measure && line.smoothed === smoothed);
        const loss = of("loss");
        const perplexity = of("perplexity");
        const point = nearest(loss, at, index, want.axis);
        const other = nearest(perplexity, at, index, want.axis);
        const cells = [run.name, curve, count(loss.steps[point]), exact(loss.values[point]), exact(perplexity.values[other])];
        rows.push({ index, cells });
        spoken.push(`${run.name} ${curve} loss ${cells[3]}`);
      }
    }
    const body = byId("readout").querySelector("tbody");
    body.replaceChildren(...rows.map(({ index, cells }) => {
      const row = document.createElement("tr");
      cells.forEach((text, column) => {
        const cell = document.createElement(column === 0 ? "th" : "td");
        if (column === 0) {
          cell.scope = "row";
          const swatch = document.createElement("span");
          swatch.className = `swatch run-${index % COLOURS}`;
          cell.append(swatch);
        }
        if (column > 1) cell.className = "number";
        cell.append(text);
        row.append(cell);
      });
      return row;
    }));
    byId("readout").querySelector("caption").textContent =
      `At ${where}, the nearest drawn point of each ${want.smoothed ? "smoothed " : ""}curve`;
    slider.setAttribute("aria-valuetext", [where, ...spoken].join("; "));
  };

  const rebuild = () => {
    const want = state();
    for (const measure of measures) build(measure, want);
    aim();
  };

  const zoomBy = (factor) => {
    const [low, high] = range();
    const [least, most] = span(state());
    const middle = place();
    const half = ((high - low) * factor) / 2;
    if (2 * half >= most - least) zoom(null);
    else {
      const from = Math.min(Math.max(least, middle - half), most - 2 * half);
      zoom([from, from + 2 * half]);
      moved(middle);
    }
  };

  const anyEpochs = runs.some((run) => run.epochs.length > 0);
  for (const radio of form.elements.axis) if (radio.value === "epoch") radio.disabled = !anyEpochs;
  const anySmoothed = runs.some((run) => run.lines.some((line) => line.smoothed));
  for (const radio of form.elements.curves) {
    if (!anySmoothed) radio.disabled = true;
    radio.addEventListener("change", rebuild);
  }
  slider.max = String(STOPS);
  slider.value = String(STOPS);
  slider.addEventListener("input", aim);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["run", "scale"]) {
    for (const input of form.querySelectorAll(`[name=${name}]`)) input.addEventListener("change", rebuild);
  }
  for (const radio of form.elements.axis) {
    radio.addEventListener("change", () => { window_ = null; rebuild(); });
  }
  byId("nearer").addEventListener("click", () => zoomBy(0.5));
  byId("farther").addEventListener("click", () => zoomBy(2));
  byId("whole").addEventListener("click", () => zoom(null));

  for (const id of ["controls", "loss", "perplexity", "key", "readout"]) byId(id).hidden = false;
  rebuild();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rebuild);
  new ResizeObserver(() => {
    for (const measure of measures) {
      const width = Math.max(280, byId(measure).querySelector(".chart").clientWidth);
      if (plots[measure].width !== width) plots[measure].setSize({ width, height: HEIGHT[measure] });
    }
  }).observe(document.querySelector("main"));
})();
