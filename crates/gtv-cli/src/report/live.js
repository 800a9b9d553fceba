// Charts that answer: values under the pointer, zoom, levels on and off, the reverse process in time, correlation from a point.
// The static figures say the same without scripts; numbers come from the record, packed into #live-numbers.
(() => {
  const source = document.getElementById("live-numbers");
  if (!source) return;
  const data = JSON.parse(source.textContent);

  // v = lo + (hi − lo) (q / 65534)^(1/power); 65535 stands for no number.
  function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed.q), (c) => c.charCodeAt(0));
    const codes = new DataView(bytes.buffer);
    return Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
      const q = codes.getUint16(2 * i, true);
      return q === 65535 ? NaN : packed.lo + (packed.hi - packed.lo) * (q / 65534) ** (1 / packed.power);
    });
  }
  const spread = ([lo, hi, n]) => Array.from({ length: n }, (_, i) => lo + ((hi - lo) * (i + 0.5)) / n);
  const nearest = (list, value) =>
    list.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(list[best] - value) ? i : best), 0);
  const shown = (v) => (Number.isFinite(v) ? String(Number(v.toPrecision(3))).replace("-", "−") : "–");

  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }
  const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

  function ticks(lo, hi, most) {
    const rough = (hi - lo) / most;
    const decade = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * decade).find((s) => s >= rough * 0.999);
    const first = Math.ceil(lo / step - 1e-9);
    return Array.from({ length: Math.floor(hi / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
  }

  // Buttons for what the pointer does too.
  function zoomButtons(chart) {
    const button = (text, label, act) => {
      const b = make("button", { type: "button", textContent: text, onclick: act });
      b.setAttribute("aria-label", label);
      return b;
    };
    return make("span", { className: "zoom" },
      button("+", "zoom in", () => chart.scale(0.5)),
      button("−", "zoom out", () => chart.scale(2)),
      button("whole", "the whole range", () => chart.whole()));
  }

  // Lines over x: drag to zoom, move to read.
  class LineChart {
    constructor(label, xLabel, yLabel, whole, home = whole) {
      Object.assign(this, { label, xLabel, yLabel, full: whole, range: home, series: [], marks: [] });
      this.picture = make("div", { className: "chart" });
      this.output = make("output", { className: "reading" });
      this.box = make("div", {}, this.picture, make("p", { className: "under" }, zoomButtons(this), " ", this.output));
      this.picture.addEventListener("pointermove", (e) => this.move(e));
      this.picture.addEventListener("pointerdown", (e) => { this.from = this.x(e); });
      this.picture.addEventListener("pointerup", (e) => this.drop(e));
      this.picture.addEventListener("pointerleave", () => { this.from = undefined; this.at = undefined; this.draw(); });
      new ResizeObserver(() => this.draw()).observe(this.picture);
    }
    set(series, marks = []) { this.series = series; this.marks = marks; this.draw(); }
    scale(factor) {
      const [lo, hi] = this.range, middle = (lo + hi) / 2, half = (factor * (hi - lo)) / 2;
      this.range = [Math.max(this.full[0], middle - half), Math.min(this.full[1], middle + half)];
      this.draw();
    }
    whole() { this.range = this.full; this.draw(); }
    x(event) {
      const [lo, hi] = this.range, { left, right } = this.frame;
      const u = (event.clientX - this.picture.getBoundingClientRect().left - left) / (right - left);
      return lo + Math.min(1, Math.max(0, u)) * (hi - lo);
    }
    move(event) { if (this.frame) { this.at = this.x(event); this.draw(); } }
    drop(event) {
      if (this.from === undefined) return;
      const ends = [this.from, this.x(event)].sort((a, b) => a - b);
      this.from = undefined;
      if (ends[1] - ends[0] > 0.02 * (this.range[1] - this.range[0])) this.range = ends;
      this.draw();
    }
    draw() {
      const width = this.picture.clientWidth, height = 260;
      if (!width) return;
      const [lo, hi] = this.range;
      const frame = (this.frame = { left: 52, right: width - 10, top: 10, bottom: height - 44 });
      const inside = (x) => x >= lo && x <= hi;
      let top = 0;
      for (const s of this.series) s.x.forEach((x, i) => { if (inside(x) && !s.spiky) top = Math.max(top, s.y[i] || 0, (s.hi && s.hi[i]) || 0); });
      for (const s of this.series) if (!top) s.x.forEach((x, i) => { if (inside(x)) top = Math.max(top, s.y[i] || 0); });
      top = 1.08 * top || 1;
      const px = (x) => frame.left + ((x - lo) / (hi - lo)) * (frame.right - frame.left);
      const py = (y) => frame.bottom - (Math.min(y, top) / top) * (frame.bottom - frame.top);
      const point = (x, y) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`;
      const parts = [];
      const text = (x, y, t, anchor = "middle") => parts.push(`<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(t)}</text>`);
      for (const y of ticks(0, top, 5)) {
        parts.push(`<path class="grid" d="M${frame.left} ${py(y)}H${frame.right}"/>`);
        text(frame.left - 6, py(y) + 4, shown(y), "end");
      }
      for (const x of ticks(lo, hi, Math.max(3, width / 110))) {
        parts.push(`<path class="axis" d="M${px(x)} ${frame.bottom}v4"/>`);
        text(px(x), frame.bottom + 17, shown(x));
      }
      parts.push(`<path class="axis" d="M${frame.left} ${frame.top}V${frame.bottom}H${frame.right}"/>`);
      text((frame.left + frame.right) / 2, height - 8, this.xLabel);
      const middle = (frame.top + frame.bottom) / 2;
      parts.push(`<text transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle">${escaped(this.yLabel)}</text>`);
      for (const s of this.series) {
        const kept = Array.from(s.x.keys()).filter((i) => inside(s.x[i]) && Number.isFinite(s.y[i]));
        if (s.lo) {
          const edge = kept.map((i) => point(s.x[i], s.hi[i])).concat(kept.toReversed().map((i) => point(s.x[i], s.lo[i])));
          parts.push(`<polygon points="${edge.join(" ")}" fill="${s.color}" fill-opacity="0.15"/>`);
        }
        const dash = s.dash ? ` stroke-dasharray="${s.dash.join(" ")}"` : "";
        parts.push(`<polyline points="${kept.map((i) => point(s.x[i], s.y[i])).join(" ")}" fill="none" stroke="${s.color}" stroke-width="${s.width}"${dash}/>`);
      }
      for (const x of this.marks.filter(inside)) parts.push(`<path d="M${px(x)} ${frame.bottom}l-4 -7h8z"/>`);
      if (this.from !== undefined && this.at !== undefined) {
        const ends = [px(this.from), px(this.at)].sort((a, b) => a - b);
        parts.push(`<rect x="${ends[0]}" y="${frame.top}" width="${ends[1] - ends[0]}" height="${frame.bottom - frame.top}" fill-opacity="0.08"/>`);
      }
      if (this.at !== undefined) {
        parts.push(`<path class="rule" d="M${px(this.at)} ${frame.top}V${frame.bottom}"/>`);
        const value = (s) => `${s.label} ${shown(s.y[nearest(s.x, this.at)])}`;
        this.output.textContent = `${this.xLabel} = ${shown(this.at)}: ${this.series.map(value).join(", ")}`;
      } else {
        this.output.textContent = "Move over the chart to read values; drag to zoom.";
      }
      this.picture.innerHTML = `<svg width="${width}" height="${height}" role="img" aria-label="${escaped(this.label)}">${parts.join("")}</svg>`;
    }
  }

  function color(u) {
    if (Number.isNaN(u)) return [200, 200, 200];
    const at = Math.min(1, Math.max(0, u)) * (data.viridis.length - 1), i = Math.min(data.viridis.length - 2, Math.floor(at));
    return data.viridis[i].map((c, k) => c + (data.viridis[i + 1][k] - c) * (at - i));
  }
  const signed = (u) => {
    const end = u < 0.5 ? [0, 114, 178] : [213, 94, 0];
    return Number.isNaN(u) ? [200, 200, 200] : end.map((c) => 250 + (c - 250) * Math.abs(2 * u - 1));
  };

  // A map of values, x first: move to read, click to choose; all maps of a group share range and zoom.
  class HeatMap {
    constructor(title, group) {
      Object.assign(this, { title, group });
      this.canvas = make("canvas", { width: 300, height: 300 });
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", title);
      this.box = make("div", { className: "map" }, make("div", { className: "name", textContent: title }), this.canvas);
      this.canvas.addEventListener("pointermove", (e) => group.read(this, this.cell(e)));
      this.canvas.addEventListener("click", (e) => group.choose && group.choose(...this.cell(e)));
      group.maps.push(this);
    }
    cell(event) {
      const box = this.canvas.getBoundingClientRect(), { x, y } = this.group.view;
      const u = (event.clientX - box.left) / box.width, v = 1 - (event.clientY - box.top) / box.height;
      return [x[0] + u * (x[1] - x[0]), y[0] + v * (y[1] - y[0])];
    }
    set(values, nx, ny, x, y, scale) { Object.assign(this, { values, nx, ny, xr: x, yr: y, scaled: scale }); this.draw(); }
    at(x, y) {
      const i = Math.floor(((x - this.xr[0]) / (this.xr[1] - this.xr[0])) * this.nx);
      const j = Math.floor(((y - this.yr[0]) / (this.yr[1] - this.yr[0])) * this.ny);
      return i < 0 || j < 0 || i >= this.nx || j >= this.ny ? NaN : this.values[i * this.ny + j];
    }
    draw() {
      if (!this.values) return;
      const size = this.canvas.width, pen = this.canvas.getContext("2d"), image = pen.createImageData(size, size);
      const { x, y } = this.group.view, { lo, hi, power, palette } = this.scaled;
      for (let row = 0; row < size; row++) {
        for (let column = 0; column < size; column++) {
          const v = this.at(x[0] + ((column + 0.5) / size) * (x[1] - x[0]), y[1] - ((row + 0.5) / size) * (y[1] - y[0]));
          const share = (v - lo) / (hi - lo);
          const rgb = palette(power === 1 ? share : Math.max(0, share) ** power);
          image.data.set([...rgb, 255], 4 * (row * size + column));
        }
      }
      pen.putImageData(image, 0, 0);
      for (const [px, py] of this.group.points) {
        const cx = ((px - x[0]) / (x[1] - x[0])) * size, cy = (1 - (py - y[0]) / (y[1] - y[0])) * size;
        for (const [ink, width] of [["#fff", 3], ["#d55e00", 1.3]]) {
          pen.strokeStyle = ink; pen.lineWidth = width;
          pen.beginPath(); pen.arc(cx, cy, this.group.points.length > 40 ? 2 : 4.5, 0, 7); pen.stroke();
        }
      }
    }
  }

  class MapGroup {
    constructor(full, home, labels, points = []) {
      Object.assign(this, { full, view: home, labels, points, maps: [] });
      this.row = make("div", { className: "maps" });
      this.output = make("output", { className: "reading", textContent: "Move over a map to read values." });
      this.box = make("div", {}, this.row, make("p", { className: "under" }, zoomButtons(this), " ", this.output));
    }
    add(title) { const map = new HeatMap(title, this); this.row.append(map.box); return map; }
    draw() { this.maps.forEach((m) => m.draw()); }
    scale(factor) {
      const shrunk = ([lo, hi], full) => {
        const middle = (lo + hi) / 2, half = (factor * (hi - lo)) / 2;
        return [Math.max(full[0], middle - half), Math.min(full[1], middle + half)];
      };
      this.view = { x: shrunk(this.view.x, this.full.x), y: shrunk(this.view.y, this.full.y) };
      this.draw();
    }
    whole() { this.view = this.full; this.draw(); }
    read(map, [x, y]) {
      const [a, b] = this.labels, seen = this.maps.filter((m) => !m.box.hidden && m.values);
      this.output.textContent = `${a} = ${shown(x)}, ${b} = ${shown(y)}: ${seen.map((m) => `${m.title} ${shown(m.at(x, y))}`).join(", ")}`;
    }
  }

  function section(id, title, ...children) {
    const after = document.getElementById(id);
    if (!after) return;
    after.after(make("section", { className: "live", id: `${id}-live`, ariaLabel: title }, make("h3", { textContent: title }), ...children));
  }

  function switches(levels, redraw) {
    const boxes = levels.map((level) => {
      const input = make("input", { type: "checkbox", checked: level.on, onchange: () => { level.on = input.checked; redraw(); } });
      const line = make("span", { className: "swatch" });
      line.style.borderTop = `3px ${level.dash ? "dashed" : "solid"} ${level.color}`;
      return make("label", {}, input, line, level.label);
    });
    return make("fieldset", { className: "switches" }, make("legend", { textContent: "Levels" }), ...boxes);
  }

  function timeSlider(times, redraw) {
    const said = make("output", {});
    const input = make("input", { type: "range", min: 0, max: times.length - 1, step: 1, value: times.length - 1 });
    const say = () => {
      const at = Number(input.value);
      said.textContent = `t = ${shown(times[at])}${at === times.length - 1 ? " = ε, where sampling ends" : ""}`;
      input.setAttribute("aria-valuetext", said.textContent);
      redraw(at);
    };
    input.addEventListener("input", say);
    return { box: make("label", { className: "time" }, "Reverse time, from T to ε ", input, " ", said), say };
  }

  function density(d) {
    const levels = d.levels.map((l) => ({ ...l, final: unpack(l.final), q25: l.q25 && unpack(l.q25), q75: l.q75 && unpack(l.q75), history: l.history && unpack(l.history) }));
    const past = levels.some((l) => l.history) ? d.t : [];
    const s = d.spread && { ...d.spread, all: d.spread.sources.map((o) => ({ ...o, values: unpack(o.values) })) };
    // The last time is that of the saved densities, with their own finer bins.
    const times = past.length ? past : [0];
    let at = times.length - 1;
    const last = () => at === times.length - 1;
    let draw, parts;
    if (d.dim === 1) {
      const fine = spread(d.bins), coarse = past.length ? spread(d.past) : [];
      const reach = past.length ? [d.past[0], d.past[1]] : [d.bins[0], d.bins[1]];
      const chart = new LineChart("Density of each level", "x", "density (1/units of x)", reach, [d.bins[0], d.bins[1]]);
      const beside = s && new LineChart("Standard deviation of the label and of the prediction", "x", "standard deviation (units of y)", [s.x[0], s.x[1]]);
      draw = () => {
        const on = levels.filter((l) => l.on && (last() || l.history));
        const n = coarse.length;
        chart.set(on.map((l) => last()
          ? { ...l, x: fine, y: l.final, lo: l.q25, hi: l.q75 }
          : { ...l, x: coarse, y: l.history.subarray(at * n, (at + 1) * n) }), d.points);
        if (!beside) return;
        const k = nearest(s.t, times[at]), x = spread(s.x);
        beside.set(s.all.map((o) => ({ ...o, x, y: o.values.subarray(k * x.length, (k + 1) * x.length) })));
        title.textContent = `C and V at t = ${shown(s.t[k])}: standard deviation √C of the label, √V of the prediction between models`;
      };
      const title = make("p", { className: "note" });
      const keys = s && make("p", { className: "note keys" }, ...s.all.flatMap((o) => {
        const line = make("span", { className: "swatch" });
        line.style.borderTop = `3px ${o.dash ? "dashed" : "solid"} ${o.color}`;
        return [line, `${o.label} `];
      }));
      parts = [chart.box, ...(beside ? [title, keys, beside.box] : [])];
    } else {
      const home = { x: [d.bins[0], d.bins[1]], y: [d.bins[0], d.bins[1]] };
      const full = past.length ? { x: [d.past[0], d.past[1]], y: [d.past[0], d.past[1]] } : home;
      const group = new MapGroup(full, home, ["x₁", "x₂"], d.points);
      const maps = levels.map((l) => group.add(l.label));
      const beside = s && new MapGroup({ x: s.x.slice(0, 2), y: s.x.slice(0, 2) }, { x: s.x.slice(0, 2), y: s.x.slice(0, 2) }, ["x₁", "x₂"], d.points);
      const spreads = s && s.all.map((o) => beside.add(o.label));
      const title = make("p", { className: "note" });
      draw = () => {
        const n = last() ? d.bins[2] : d.past[2], r = last() ? home : full;
        const part = (l) => (last() ? l.final : l.history && l.history.subarray(at * n * n, (at + 1) * n * n));
        const calm = levels.filter((l) => !l.spiky && part(l));
        const hi = (calm.length ? calm : levels.filter(part)).reduce((top, l) => Math.max(top, part(l).reduce((a, b) => Math.max(a, b), 0)), 0);
        levels.forEach((l, i) => {
          maps[i].box.hidden = !l.on || !part(l);
          if (!maps[i].box.hidden) maps[i].set(part(l), n, n, r.x, r.y, { lo: 0, hi: hi || 1, power: 0.35, palette: color });
        });
        if (!beside) return;
        const k = nearest(s.t, times[at]), m = s.x[2];
        const top = Math.max(...s.all.map((o) => o.values.subarray(k * m * m, (k + 1) * m * m).reduce((a, b) => Math.max(a, b || 0), 0)));
        s.all.forEach((o, i) => spreads[i].set(o.values.subarray(k * m * m, (k + 1) * m * m), m, m, s.x, s.x, { lo: 0, hi: top || 1, power: 1, palette: color }));
        title.textContent = `C and V at t = ${shown(s.t[k])}: standard deviation √C of the label, √V of the prediction between models, from 0 (dark) to ${shown(top)} (light)`;
      };
      parts = [group.box, ...(beside ? [title, beside.box] : [])];
    }
    const slider = timeSlider(times, (k) => { at = k; draw(); });
    section("density", past.length ? "Level by level, along the reverse process" : "Level by level",
      switches(levels, () => draw()), ...(past.length ? [slider.box] : []), ...parts);
    slider.say();
  }

  function pairs(p) {
    const sources = p.sources.map((s) => ({ label: s.label, values: unpack(s.values) }));
    const [nx, nt] = [p.x[2], p.t[2]], view = { x: p.x.slice(0, 2), y: p.t.slice(0, 2) };
    const group = new MapGroup(view, view, ["x", "t"]);
    const maps = sources.map((s) => group.add(s.label));
    const said = make("p", { className: "note" });
    const scale = { lo: -1, hi: 1, power: 1, palette: signed };
    const inputs = [["x", p.x], ["t", p.t]].map(([name, axis], k) => {
      const input = make("input", { type: "range", min: 0, max: axis[2] - 1, step: 1, value: Math.floor(axis[2] / (k ? 4 : 2)) });
      input.addEventListener("input", () => draw());
      return { input, box: make("label", { className: "time" }, `${name} `, input) };
    });
    const draw = () => {
      const [i, j] = inputs.map(({ input }) => Number(input.value));
      const x = spread(p.x)[i], t = spread(p.t)[j];
      group.points = [[x, t]];
      sources.forEach((s, k) => {
        const row = s.values.subarray((j * nx + i) * nx * nt, (j * nx + i + 1) * nx * nt);
        const turned = Float64Array.from({ length: nx * nt }, (_, c) => row[(c % nt) * nx + Math.floor(c / nt)]);
        maps[k].set(turned, nx, nt, p.x, p.t, scale);
      });
      said.textContent = `Correlation over models between the prediction at (x, t) = (${shown(x)}, ${shown(t)}), marked, and everywhere else: −1 blue, 0 white, +1 orange. Across: x; upwards: t.`;
    };
    group.choose = (x, t) => {
      inputs[0].input.value = nearest(spread(p.x), x);
      inputs[1].input.value = nearest(spread(p.t), t);
      draw();
    };
    section("variance_maps", "Correlation from a point: click into a map", ...inputs.map((i) => i.box), said, group.box);
    draw();
  }

  if (data.density) density(data.density);
  if (data.pairs) pairs(data.pairs);
})();
