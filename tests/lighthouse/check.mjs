// Grades pages with Lighthouse in Chromium: accessibility and best practices must be 100. Prints what is less, with the audits that fail.
//
// Starts a demo of its own (ZEGEL, default target/debug/zegel) and takes the notice and the code from its mailbox page. CHROMIUM: the browser.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as launcher from "chrome-launcher";
import lighthouse from "lighthouse";

const built = fileURLToPath(new URL("../../target/debug/zegel", import.meta.url));
const { ZEGEL = built, CHROMIUM = "/usr/bin/chromium" } = process.env;

/** What `look` finds, asked until it finds something. */
async function wait(what, look) {
  for (let tries = 0; tries < 300; tries += 1) {
    const found = await look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`no ${what} after a minute`);
}

/** A demo: its process, a notice's address and the code that opens it. */
async function start() {
  const demo = spawn(ZEGEL, ["demo"], { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => demo.kill("SIGINT"));
  let said = "";
  demo.stdout.on("data", (text) => (said += text));
  const mailbox = await wait("mailbox page", () => /http:\/\/[\d.:]+\//.exec(said)?.[0]);
  const mails = async (form) => {
    const list = await (await fetch(mailbox)).text();
    const texts = [...new Set(list.match(/\/mail\/\d+/g))].map(async (path) => (await fetch(new URL(path, mailbox))).text());
    return (await Promise.all(texts)).map((text) => form.exec(text)?.[0]).filter(Boolean);
  };
  // There is a message that opens with an SMS, too.
  const asksCode = async (link) => (await (await fetch(link)).text()).includes('name="code"');
  const link = await wait("notice", async () => {
    for (const link of await mails(/http:[^"<> ]*\/b\/[a-z0-9]+/)) if (await asksCode(link)) return link;
  });
  const code = await wait("code", async () => (await mails(/\b\d{4} \d{4}\b/))[0]);
  return { demo, link, code };
}

const { demo, link: PAGE_LINK, code: PAGE_CODE } = await start();
const { origin } = new URL(PAGE_LINK);

/** Opens the message as the form of page 1 does; the session's cookie. */
async function unlock() {
  const page = await (await fetch(PAGE_LINK)).text();
  const token = /name="pagina" value="([^"]+)"/.exec(page)[1];
  const body = new URLSearchParams({ pagina: token, code: PAGE_CODE });
  // People take a moment, and the page counts on that.
  await new Promise((done) => setTimeout(done, 2500));
  const answer = await fetch(PAGE_LINK, { method: "POST", body, redirect: "manual", headers: { Origin: origin } });
  if (answer.status !== 303) throw new Error(`the code was answered with ${answer.status}`);
  return answer.headers.getSetCookie()[0].split(";")[0];
}

const Cookie = await unlock();
const chrome = await launcher.launch({
  chromePath: CHROMIUM,
  chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
});
const pages = [
  [PAGE_LINK, {}],
  [`${PAGE_LINK}/geen-code`, {}],
  [`${origin}/echt?taal=en`, {}],
  [`${origin}/bericht`, { Cookie }],
];
let [faults, looks] = [0, 0];
for (const [url, extraHeaders] of pages) {
  for (const formFactor of url.endsWith("/bericht") ? ["mobile", "desktop"] : ["mobile"]) {
    looks += 1;
    const screenEmulation = formFactor === "mobile" ? {} : { mobile: false, width: 1350, height: 940, deviceScaleFactor: 1, disabled: false };
    const { lhr } = await lighthouse(url, { port: chrome.port, onlyCategories: ["accessibility", "best-practices"], throttlingMethod: "provided", formFactor, screenEmulation, extraHeaders });
    const path = new URL(url).pathname.replace(/^\/b\/[^/]+/, "/b/…");
    for (const category of Object.values(lhr.categories)) {
      if (category.score === 1) continue;
      faults += 1;
      const failed = category.auditRefs.map(({ id }) => lhr.audits[id]).filter((audit) => audit.score !== null && audit.score < 1);
      console.log(`${path} (${formFactor}) ${category.id}: ${category.score === null ? lhr.runtimeError?.message : Math.round(category.score * 100)}: ${failed.map((audit) => audit.id).join(", ")}`);
    }
  }
}
await chrome.kill();
console.log(`${looks} looks, ${faults} faults`);
process.exit(faults > 0 ? 1 : 0);
