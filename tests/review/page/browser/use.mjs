// Opens the reviewer's page in a headless browser, uses it as a reviewer would, and prints what was met.
//   node use.mjs PAGE BROWSER [PICTURES]
// PICTURES is what the names of screenshots begin with; left out, none are taken.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [file, executablePath, pictures] = process.argv.slice(2);
const url = pathToFileURL(file).href;
const found = { errors: [], requests: [], violations: {}, background: {}, answers: {}, controls: {} };

const check = async (page) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map((one) => `${one.id}: ${one.nodes.slice(0, 5).map((node) => node.target.join(" ")).join(", ")}`);
};
const picture = (page, name, fullPage = true) =>
  pictures ? page.screenshot({ path: `${pictures}-${name}.png`, fullPage, clip: fullPage ? undefined : undefined }) : null;
const inSight = (page, id) =>
  page.evaluate((wanted) => {
    const box = document.getElementById(wanted).getBoundingClientRect();
    return box.height > 0 && box.top < innerHeight && box.bottom > 0;
  }, id);
const rows = (page) =>
  page.evaluate(() => [...document.querySelectorAll("#table tbody tr")].filter((row) => !row.hidden)
    .map((row) => [...row.cells].map((cell) => cell.textContent)));

const use = async (page) => {
  // Each question of a reviewer: one click, and the answer is in sight.
  for (const link of await page.locator("#questions .cards a").all()) {
    await page.goto(url);
    const question = await link.locator(".ask").innerText();
    const target = (await link.getAttribute("href")).slice(1);
    await link.click();
    await page.waitForTimeout(50);
    found.answers[question] = {
      inSight: await inSight(page, target),
      says: await page.locator(`#${target} .answer`).innerText(),
      focused: await page.evaluate(() => document.activeElement.id),
    };
  }
  // By the keyboard alone: from the first card on by Enter.
  await page.goto(url);
  await page.keyboard.press("Tab");
  found.first = await page.evaluate(() => document.activeElement.textContent);
  await page.locator("#questions .cards a").last().focus();
  await page.keyboard.press("Enter");
  await page.waitForTimeout(50);
  found.byKeyboard = await page.evaluate(() => document.activeElement.id);
  if (await page.locator("#table").count()) {
    found.all = await page.locator("#table tbody tr").count();
    found.atFirst = (await rows(page)).length;
    await page.selectOption("[name=who]", "customization-role");
    await page.selectOption("[name=was]", "allowed");
    found.chosen = await rows(page);
    await page.fill("[name=text]", "endpoint reads");
    found.searched = await rows(page);
    found.said = await page.locator("#shown").innerText();
    await page.locator(".filters [type=reset]").click();
    await page.waitForTimeout(50);
    found.afterReset = (await rows(page)).length;
  }
  // A link from a standard opens the control, which lies in closed details.
  const links = page.locator("#standards a");
  if (await links.count()) {
    await page.locator("#standards details").first().locator("summary").click();
    const target = (await links.first().getAttribute("href")).slice(1);
    await links.first().click();
    await page.waitForTimeout(50);
    found.controls = { target, inSight: await inSight(page, target) };
  }
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  page.on("console", (message) => { if (message.type() === "error") found.errors.push(message.text()); });
  page.on("pageerror", (error) => found.errors.push(String(error)));
  page.on("request", (request) => found.requests.push(request.url()));
  await page.goto(url);
  found.scripted = await page.evaluate(() => !document.querySelector(".filters") || !document.querySelector(".filters").hidden);
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    found.background[scheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    found.violations[scheme] = await check(page);
    await picture(page, scheme);
  }
  await page.emulateMedia({ colorScheme: "light" });
  if (found.scripted) await use(page);
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(url);
  found.overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  found.violations.narrow = await check(page);
  await picture(page, "narrow");
  await page.setViewportSize({ width: 794, height: 1123 });
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  found.onPaper = await page.evaluate(() => ({
    background: getComputedStyle(document.body).backgroundColor,
    navigation: getComputedStyle(document.querySelector("nav")).display,
  }));
  await picture(page, "print");
  const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await plain.goto(url);
  found.plain = await plain.locator("#table tbody tr:visible").count();
  found.networkText = await plain.locator("#network").innerText();
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));
