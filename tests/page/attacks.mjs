// Opens documents in Chromium with a trap around each: a script that runs, a request, a dialog, a page that goes elsewhere, or a document that
// reads differently the second time is a fault. The documents come without our frame and policy: what they hold must be harmless by itself.
//
// Arguments: a folder with N.html, and in it a folder `raw` of the same that must be caught, to show that the trap works.
// Prints one line for each document that was caught: its number and why.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { CHROMIUM = "/usr/bin/chromium" } = process.env;
const folder = process.argv[2];
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** What is wrong in the document as it stands; runs in the page. */
function look() {
  const found = [];
  const known = new Set(["http:", "https:", "mailto:", "tel:"]);
  for (const element of document.body.querySelectorAll("*")) {
    const name = element.localName;
    if (element.namespaceURI !== "http://www.w3.org/1999/xhtml" || name.includes("-")) found.push(`<${name}>`);
    if (/^(script|style|link|meta|base|form|input|button|iframe|object|embed|template|svg|math|video|audio|select|textarea)$/.test(name)) found.push(`<${name}>`);
    for (const { name: attribute, value } of element.attributes) {
      if (/^on|^style$|^srcset$|^id$|^name$|^class$|^background$|^formaction$/.test(attribute)) found.push(`${name} ${attribute}`);
      if (attribute === "src" && !/^data:image\/(png|jpeg|gif|webp);base64,[a-z0-9+/=]*$/i.test(value)) found.push(`src ${value}`);
    }
    if (name === "a" && element.hasAttribute("href") && !known.has(element.protocol)) found.push(`href ${element.href}`);
  }
  const once = document.body.innerHTML;
  const again = new DOMParser().parseFromString(`<!doctype html><body>${once}`, "text/html").body.innerHTML;
  if (again !== once) found.push("reads differently the second time");
  return found;
}

/** Opens one document; why it was caught, or nothing. */
async function open(html) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const caught = [];
  const here = "https://pagina.example/";
  await page.exposeFunction("trap", () => caught.push("a script ran"));
  page.on("dialog", (dialog) => dialog.dismiss().then(() => caught.push("a dialog")));
  context.on("page", () => caught.push("a window"));
  let served = false;
  await context.route("**/*", async (route) => {
    const { url } = { url: route.request().url() };
    if (!served && url === here) {
      served = true;
      return route.fulfill({ contentType: "text/html; charset=utf-8", body: html });
    }
    if (!url.endsWith("/favicon.ico")) caught.push(`a request to ${url}`);
    return route.abort();
  });
  try {
    await page.goto(here, { waitUntil: "load", timeout: 10_000 });
    await page.waitForTimeout(30);
    caught.push(...(await page.evaluate(look)));
    if (page.url() !== here) caught.push(`it went to ${page.url()}`);
  } catch (error) {
    caught.push(`stopped: ${error.message.split("\n")[0]}`);
  }
  await context.close();
  return caught;
}

async function all(path, wanted) {
  const names = readdirSync(path).filter((name) => name.endsWith(".html"));
  for (const name of names) {
    const caught = await open(readFileSync(join(path, name), "utf8"));
    if (caught.length > 0 !== wanted) console.log(`${wanted ? "not caught: " : ""}${name}: ${[...new Set(caught)].join("; ")}`);
  }
  return names.length;
}

const clean = await all(folder, false);
const raw = await all(join(folder, "raw"), true);
console.log(`looked at ${clean} and ${raw}`);
await browser.close();
