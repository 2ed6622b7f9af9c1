// Opens a page in a headless browser and prints, as one JSON object, what a person would meet.
// node look.mjs PAGE BROWSER [PNG-BASE]
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");

const [page_, executablePath, pictures] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const found = { errors: [], requests: [] };
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error") found.errors.push(message.text()); });
  page.on("pageerror", (error) => found.errors.push(String(error)));
  page.on("request", (request) => found.requests.push(request.url()));
  await page.goto(pathToFileURL(page_).href);
  await page.waitForSelector("#loss canvas", { timeout: 5000 }).catch(() => found.errors.push("no canvas"));
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForTimeout(200);
    if (pictures) await page.screenshot({ path: `${pictures}-${scheme}.png`, fullPage: true });
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));
