// Opens mails as the page shows them, on a telephone and a desk, and writes down what a person reads. A mail that is wider than its frame,
// that asks for something or whose own pictures do not show is a fault.
//
// Argument: a folder with NAME.html; NAME.txt (what is read) and pictures of each are written beside them.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { CHROMIUM = "/usr/bin/chromium" } = process.env;
const folder = process.argv[2];
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
for (const file of readdirSync(folder).filter((name) => name.endsWith(".html"))) {
  const name = file.replace(".html", "");
  for (const [width, scheme] of [[320, "light"], [720, "light"], [320, "dark"]]) {
    const context = await browser.newContext({ viewport: { width, height: 640 }, colorScheme: scheme });
    const page = await context.newPage();
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith("data:") && url !== "https://pagina.example/") console.log(`${name}: a request to ${url}`);
    });
    await context.route("**/*", (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body: readFileSync(join(folder, file)) }));
    await page.goto("https://pagina.example/");
    const { over, small, blind, text } = await page.evaluate(() => ({
      over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      small: [...document.body.querySelectorAll("*")].filter((e) => e.innerText && Number.parseFloat(getComputedStyle(e).fontSize) < 11).length,
      blind: [...document.images].filter((i) => i.src && (!i.complete || i.naturalWidth === 0)).length,
      text: document.body.innerText,
    }));
    if (over > 0) console.log(`${name}: ${over} px wider than ${width}`);
    if (small > 0) console.log(`${name}: letters that are too small`);
    if (blind > 0) console.log(`${name}: a picture that does not show`);
    await page.screenshot({ path: join(folder, `${name}-${width}-${scheme}.png`), fullPage: true });
    if (width === 720) writeFileSync(join(folder, `${name}.txt`), `${text.replaceAll("\u00a0", " ").replace(/[ \t]+$/gm, "").replace(/\n{3,}/g, "\n\n").trim()}\n`);
    await context.close();
  }
}
await browser.close();
