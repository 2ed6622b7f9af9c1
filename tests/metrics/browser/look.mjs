// Opens a page in a headless browser, uses it as a person would, and prints what was met as JSON.
//   node look.mjs PAGE BROWSER [PICTURES]
// PICTURES is what the names of screenshots begin with; left out, none are taken.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [file, executablePath, pictures] = process.argv.slice(2);
const url = pathToFileURL(file).href;
const found = { errors: [], requests: [], violations: {}, background: {}, colours: {} };

// Keeps every chart that the page makes, without changing the page, whose policy would refuse it.
const keepCharts = () => {
  let made;
  window.charts = [];
  Object.defineProperty(window, "uPlot", {
    configurable: true,
    get: () => made,
    set: (Original) => {
      made = function (options, data, target) {
        const chart = new Original(options, data, target);
        window.charts = window.charts.filter((one) => one.target !== target);
        window.charts.push({ chart, target });
        return chart;
      };
      Object.assign(made, Original);
    },
  });
};

const charts = (page) =>
  page.evaluate(() =>
    window.charts.map(({ chart, target }) => ({
      measure: target.closest("figure").id,
      range: [chart.scales.x.min, chart.scales.x.max],
      lines: chart.series.slice(1).map((series, index) => ({
        label: series.label,
        width: series.width,
        points: chart.data[0].map((x, at) => [x, chart.data[index + 1][at]]).filter(([, y]) => y != null),
      })),
    })),
  );

const inks = (page) =>
  page.evaluate(() => {
    const canvas = document.querySelector("#loss canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = {};
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] < 255) continue;
      const ink = `${data[at]},${data[at + 1]},${data[at + 2]}`;
      seen[ink] = (seen[ink] || 0) + 1;
    }
    return seen;
  });

const read = (page) =>
  page.evaluate(() => ({
    spoken: document.getElementById("cursor").getAttribute("aria-valuetext"),
    caption: document.querySelector("#readout caption").textContent,
    rows: [...document.querySelectorAll("#readout tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent)),
  }));

const check = async (page) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
};

const settle = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

const use = async (page) => {
  found.drawn = await charts(page);
  // With the keyboard alone: from the slider by Tab to the buttons, and back to the radios.
  await page.focus("#cursor");
  await page.keyboard.press("Home");
  found.atStart = await read(page);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("PageUp");
  found.further = await read(page);
  await page.keyboard.press("Tab");
  found.focused = await page.evaluate(() => document.activeElement.id);
  await page.keyboard.press("Enter");
  await settle(page);
  found.zoomed = await charts(page);
  await page.focus("#whole");
  await page.keyboard.press("Space");
  await settle(page);
  found.whole = await charts(page);
  // With a pointer: a part of the upper chart is dragged over, a double click undoes it.
  const box = await page.locator("#loss .u-over").boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 60, { steps: 5 });
  await settle(page);
  await page.mouse.up();
  await settle(page);
  found.dragged = await charts(page);
  await page.mouse.dblclick(box.x + box.width * 0.5, box.y + 50);
  await settle(page);
  found.undone = await charts(page);
  await page.mouse.move(box.x + box.width * 0.5, box.y + 50);
  await settle(page);
  found.pointed = await read(page);

  const radio = (name, value) => page.locator(`[name=${name}][value=${value}]`);
  if (await radio("curves", "measured").isEnabled()) await radio("curves", "measured").check();
  await settle(page);
  found.measured = await charts(page);
  await radio("scale", "log").check();
  await settle(page);
  found.logarithmic = await charts(page);
  await radio("scale", "linear").check();
  await radio("axis", "epoch").check();
  await settle(page);
  found.epochs = await charts(page);
  await page.locator("[name=run]").first().focus();
  await page.keyboard.press("Space");
  await settle(page);
  found.without = await charts(page);
  await page.locator("[name=run]").first().check();
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.addInitScript(keepCharts);
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error") found.errors.push(message.text()); });
  page.on("pageerror", (error) => found.errors.push(String(error)));
  page.on("request", (request) => found.requests.push(request.url()));
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(url);
  await settle(page);
  found.hasCharts = (await page.locator("#loss canvas").count()) === 1;
  if (found.hasCharts) {
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      await settle(page);
      found.background[scheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      found.colours[scheme] = await inks(page);
      found.violations[scheme] = await check(page);
      if (pictures) await page.screenshot({ path: `${pictures}-${scheme}.png`, fullPage: true });
    }
    await use(page);
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 360, height: 740 });
    await settle(page);
    found.overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    found.violations.narrow = await check(page);
    if (pictures) await page.screenshot({ path: `${pictures}-narrow.png`, fullPage: true });
  }
  const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await plain.goto(url);
  found.plain = await plain.locator("main").innerText();
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));
