"use strict";
// Panels of 16-bit values. Zoom and place are shared by all, window and level belong to each.
const view = { zoom: 1, x: 0.5, y: 0.5, slice: 0 };
const panels = [];

function decoded(part) {
  const text = atob(part.data), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const raw = new Uint16Array(bytes.buffer), out = new Float32Array(raw.length);
  const span = (part.high - part.low) / 65534;
  for (let i = 0; i < raw.length; i++) out[i] = raw[i] ? part.low + (raw[i] - 1) * span : NaN;
  return out;
}

const shows = {
  magnitude: (re, im) => Math.hypot(re, im),
  phase: (re, im) => Math.atan2(im, re),
  real: (re) => re,
  imaginary: (re, im) => im,
};

function shownValues(p) {
  if (p.kind !== "complex") return p.values[0];
  if (!p.cache.has(p.show)) {
    const [re, im] = p.values, f = shows[p.show];
    p.cache.set(p.show, re.map((v, i) => f(v, im[i])));
  }
  return p.cache.get(p.show);
}

function limits(p) {
  if (p.show === "phase") return [-Math.PI, Math.PI];
  let low = Infinity, high = -Infinity;
  for (const v of shownValues(p)) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (!(low <= high)) [low, high] = [0, 1];
  if (p.kind === "signed") [low, high] = [-Math.max(-low, high), Math.max(-low, high)];
  if (p.kind === "size") low = 0;
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

// t from 0 to 1 -> red, green, blue
function gray(t) { return [255 * t, 255 * t, 255 * t]; }
function heat(t) {
  return [255 * Math.min(1, 1.9 * t), 255 * Math.max(0, Math.min(1, 2.2 * t - 0.9)),
          255 * (0.42 * Math.sin(Math.PI * Math.min(1, 1.6 * t)) + Math.max(0, 3 * t - 2.2))];
}
function twoSided(t) {
  const d = 2 * t - 1, a = Math.abs(d);
  return d < 0 ? [255 * (1 - 0.9 * a), 255 * (1 - 0.6 * a), 255 * (1 - 0.25 * a)]
               : [255 * (1 - 0.25 * a), 255 * (1 - 0.75 * a), 255 * (1 - 0.8 * a)];
}
function wheel(t) {
  const part = (k) => 255 * (0.5 + 0.5 * Math.cos(2 * Math.PI * (t - k / 3)));
  return [part(0), part(1), part(2)];
}
function colours(p) {
  if (p.show === "phase") return wheel;
  return { size: heat, signed: twoSided }[p.kind] || gray;
}

function sliceOf(p) { return Math.min(view.slice, p.n - 1); }

function paint(p) {
  const values = shownValues(p), image = p.inner.getContext("2d").createImageData(p.w, p.h), out = image.data;
  const pixels = p.w * p.h, span = p.high - p.low || 1, map = colours(p);
  const each = p.kind === "colour" ? 3 : 1, start = sliceOf(p) * pixels * each;
  for (let i = 0; i < pixels; i++) {
    let rgb;
    const v = values[start + i * each];
    if (Number.isNaN(v)) rgb = [255, 0, 255];
    else if (each === 3) rgb = [0, 1, 2].map((c) => (255 * (values[start + 3 * i + c] - p.low)) / span);
    else rgb = map(Math.min(1, Math.max(0, (v - p.low) / span)));
    for (let c = 0; c < 3; c++) out[4 * i + c] = rgb[c];
    out[4 * i + 3] = 255;
  }
  p.inner.getContext("2d").putImageData(image, 0, 0);
}

function place(p) {
  const canvas = p.canvas, scale = (canvas.width / p.w) * view.zoom;
  return { scale, x: canvas.width / 2 - view.x * p.w * scale, y: canvas.height / 2 - view.y * p.h * scale };
}

function draw(p) {
  const context = p.canvas.getContext("2d"), at = place(p);
  context.fillStyle = "#000";
  context.fillRect(0, 0, p.canvas.width, p.canvas.height);
  context.imageSmoothingEnabled = at.scale < 1;
  context.drawImage(p.inner, at.x, at.y, p.w * at.scale, p.h * at.scale);
}

function all(repaint) {
  for (const p of panels) {
    if (repaint) paint(p);
    draw(p);
  }
}

function setWindow(p, low, high) {
  if (!(high > low)) return;
  [p.low, p.high] = [low, high];
  p.inputs[0].value = Number(low.toPrecision(5));
  p.inputs[1].value = Number(high.toPrecision(5));
  paint(p);
  draw(p);
}

function reset() {
  Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 });
  for (const p of panels) setWindow(p, ...limits(p));
  all(false);
}

function under(p, event) {
  const box = p.canvas.getBoundingClientRect(), ratio = p.canvas.width / box.width, at = place(p);
  return [((event.clientX - box.left) * ratio - at.x) / at.scale, ((event.clientY - box.top) * ratio - at.y) / at.scale];
}

function told(p, event) {
  const [x, y] = under(p, event).map(Math.floor);
  if (x < 0 || y < 0 || x >= p.w || y >= p.h) return "";
  const each = p.kind === "colour" ? 3 : 1, i = (sliceOf(p) * p.w * p.h + y * p.w + x) * each;
  const values = Array.from(shownValues(p).slice(i, i + each), (v) => v.toPrecision(5));
  return `row ${y}, column ${x}: ${values.join(" ")}`;
}

function listen(p) {
  let from = null;
  p.canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = under(p, event);
    view.zoom = Math.min(64, Math.max(0.25, view.zoom * Math.exp(-event.deltaY / 400)));
    const [u, v] = under(p, event);
    view.x += (x - u) / p.w;
    view.y += (y - v) / p.h;
    all(false);
  }, { passive: false });
  p.canvas.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, y: event.clientY, low: p.low, high: p.high };
    p.canvas.setPointerCapture(event.pointerId);
  });
  p.canvas.addEventListener("pointerup", () => { from = null; });
  p.canvas.addEventListener("pointermove", (event) => {
    p.readout.textContent = told(p, event);
    if (!from) return;
    const ratio = p.canvas.width / p.canvas.getBoundingClientRect().width;
    const dx = event.clientX - from.x, dy = event.clientY - from.y;
    if (event.shiftKey) {
      const width = (from.high - from.low) * Math.exp(dx / 200), middle = (from.low + from.high) / 2;
      const level = middle - ((from.high - from.low) * dy) / 300;
      setWindow(p, level - width / 2, level + width / 2);
      return;
    }
    const scale = place(p).scale;
    view.x -= (dx * ratio) / scale / p.w;
    view.y -= (dy * ratio) / scale / p.h;
    Object.assign(from, { x: event.clientX, y: event.clientY });
    all(false);
  });
  p.canvas.addEventListener("dblclick", reset);
}

function made(tag, parent, settings = {}) {
  const element = document.createElement(tag);
  Object.assign(element, settings);
  parent.append(element);
  return element;
}

function build(told) {
  const p = { ...told, values: told.parts.map(decoded), cache: new Map(), show: null, low: 0, high: 1 };
  if (p.kind === "complex") p.show = "magnitude";
  const figure = made("figure", document.getElementById("panels"));
  const caption = made("figcaption", figure);
  made("b", caption, { textContent: p.name });
  if (p.kind === "complex") {
    const select = made("select", caption, { ariaLabel: "what is shown of complex values" });
    for (const name of Object.keys(shows)) made("option", select, { textContent: name });
    select.addEventListener("change", () => {
      p.show = select.value;
      setWindow(p, ...limits(p));
    });
  }
  p.canvas = made("canvas", figure, { width: 640, height: Math.max(1, Math.round((640 * p.h) / p.w)) });
  p.inner = document.createElement("canvas");
  [p.inner.width, p.inner.height] = [p.w, p.h];
  const row = made("div", figure, { className: "row" });
  p.inputs = ["lowest", "highest"].map((name) => {
    const label = made("label", row, { textContent: `${name} ` });
    const input = made("input", label, { type: "number", step: "any" });
    input.addEventListener("change", () => setWindow(p, Number(p.inputs[0].value), Number(p.inputs[1].value)));
    return input;
  });
  if (p.n > 1) {
    const line = made("label", figure, { className: "row", textContent: "slice " });
    const slider = made("input", line, { type: "range", min: 0, max: p.n - 1, value: 0 });
    const number = made("span", line, { textContent: "0" });
    p.follow = () => {
      slider.value = sliceOf(p);
      number.textContent = String(sliceOf(p) * p.step);
    };
    slider.addEventListener("input", () => {
      view.slice = Number(slider.value);
      for (const q of panels) if (q.follow) q.follow();
      all(true);
    });
  }
  p.readout = made("output", figure);
  panels.push(p);
  listen(p);
}

for (const told of JSON.parse(document.getElementById("data").textContent).panels) build(told);
view.slice = 0;
reset();
