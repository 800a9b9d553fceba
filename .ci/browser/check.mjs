// Reports in a headless Chromium: node check.mjs FOLDER report.html...
// At 1200 and 420 pixels, light and dark, and printed: no error on the console, nothing cut off, no text below 8 pixels, no
// serious fault that axe-core finds, and charts that answer. Pictures go into FOLDER. CHROMIUM names the browser.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const [, , folder, ...reports] = process.argv;
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const faults = [];
const SMALLEST = 8;
// A4 less the margins of the style sheet, at 96 pixels an inch.
const PAPER = Math.floor(((210 - 32) / 25.4) * 96);

// In the page: what is wrong with how it is laid out. What scrolls by itself may be wider than the window.
function layout(smallest, scrolls) {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${width}`);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement, text = node.textContent.trim();
    if (!text || element.closest("script, style") || !element.checkVisibility()) continue;
    const matrix = element instanceof SVGElement && element.getScreenCTM();
    const scale = matrix ? Math.hypot(matrix.a, matrix.b) : 1;
    const size = scale * parseFloat(getComputedStyle(element).fontSize);
    if (size < smallest) found.push(`"${text.slice(0, 30)}" is ${size.toFixed(1)} pixels high`);
    const range = document.createRange();
    range.selectNodeContents(node);
    const { left, right } = range.getBoundingClientRect();
    if (!(scrolls && element.closest(".wide")) && (right > width + 1 || left < -1)) {
      found.push(`"${text.slice(0, 30)}" is cut off: ${left.toFixed(0)} to ${right.toFixed(0)} of ${width}`);
    }
    const svg = element.closest("svg");
    if (svg) {
      const frame = svg.getBoundingClientRect();
      if (right > frame.right + 2 || left < frame.left - 2) found.push(`"${text.slice(0, 30)}" leaves its figure`);
    }
  }
  return found;
}

// In the page: charts that answer. Returns what did not.
async function interact() {
  const found = [], settle = () => new Promise((done) => setTimeout(done, 100));
  const live = document.getElementById("density-live");
  if (!live) return found;
  const drawn = () => [...live.querySelectorAll("canvas")].map((c) => c.toDataURL()).join() + live.querySelector(".chart")?.innerHTML;
  const slider = live.querySelector("input[type=range]");
  if (slider) {
    const before = drawn();
    slider.value = Number(slider.max) / 2;
    slider.dispatchEvent(new Event("input"));
    await settle();
    if (drawn() === before) found.push("the slider over time changes nothing");
    if (!/^t = /.test(live.querySelector(".time output").textContent)) found.push("the slider says no time");
    slider.value = slider.max;
    slider.dispatchEvent(new Event("input"));
  }
  const before = drawn();
  live.querySelector(".switches input:not(:checked)").click();
  await settle();
  if (drawn() === before && !live.querySelector("canvas")) found.push("a level cannot be switched on");
  const target = [...live.querySelectorAll("canvas, .chart")].find((e) => e.checkVisibility());
  const box = target.getBoundingClientRect();
  const at = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true };
  target.dispatchEvent(new PointerEvent("pointermove", at));
  await settle();
  if (!/=.*\d/.test(live.querySelector(".reading").textContent)) found.push("no value under the pointer");
  const pairs = document.getElementById("variance_maps-live");
  if (pairs) {
    const said = () => pairs.querySelector(".note").textContent, earlier = said();
    const map = pairs.querySelector("canvas").getBoundingClientRect();
    const click = { clientX: map.left + 0.9 * map.width, clientY: map.top + 0.1 * map.height, bubbles: true };
    pairs.querySelector("canvas").dispatchEvent(new MouseEvent("click", click));
    await settle();
    if (said() === earlier) found.push("a click into the map chooses no point");
  }
  return found;
}

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu"],
  // CI machines may be slow.
  timeout: 300_000,
  protocolTimeout: 300_000,
});
for (const report of reports) {
  const name = path.basename(path.dirname(path.resolve(report)));
  const fault = (where, text) => faults.push(`${name}, ${where}: ${text}`);
  for (const [width, height] of [[1200, 900], [420, 800]]) {
    for (const theme of ["light", "dark"]) {
      const where = `${width} pixels, ${theme}`;
      const page = await browser.newPage();
      page.on("console", (m) => ["error", "warn"].includes(m.type()) && fault(where, `console: ${m.text()}`));
      page.on("pageerror", (e) => fault(where, `script: ${e.message}`));
      page.on("request", (r) => /^https?:/.test(r.url()) && fault(where, `fetches ${r.url()}`));
      await page.setViewport({ width, height });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
      await page.goto(`file://${path.resolve(report)}`, { waitUntil: "load", timeout: 300_000 });
      for (const text of await page.evaluate(interact)) fault(where, text);
      for (const text of await page.evaluate(layout, SMALLEST, true)) fault(where, text);
      await page.screenshot({ path: path.join(folder, `${name}-${width}-${theme}.png`), fullPage: true });
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      for (const v of violations.filter((v) => ["serious", "critical"].includes(v.impact))) {
        fault(where, `${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join("; ")}`);
      }
      await page.close();
    }
  }
  const page = await browser.newPage();
  await page.setViewport({ width: PAPER, height: 900 });
  await page.goto(`file://${path.resolve(report)}`, { waitUntil: "load", timeout: 300_000 });
  await page.emulateMediaType("print");
  for (const text of await page.evaluate(layout, 0, false)) fault("printed", text);
  const printed = await page.pdf({ path: path.join(folder, `${name}.pdf`), preferCSSPageSize: true, format: "A4" });
  if (printed.length < 20_000) fault("printed", `a PDF of ${printed.length} bytes`);
  await page.close();
  console.log(`${name}: looked at`);
}
await browser.close();
faults.forEach((f) => console.log(f));
process.exit(faults.length ? 1 : 0);
