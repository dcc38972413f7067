// Looks at the page in Chromium as a recipient would: on a phone and a desk, in Dutch and English, light and dark, with and
// without scripts. Anything that is not as promised is listed at the end, and the exit code is 1.
//
// Environment:
//   PAGE_LINKS  addresses of notices (http://…/b/…), with blanks between; the first is also tried with a wrong code
//   PAGE_CODE   the access code that opens them
//   PAGE_WRONG  a code that does not (default 00000000); three of the five wrong tries in ten minutes are used
//   PAGE_STRICT, PAGE_STRICT_CODE  address of a notice in strict mode, and the code that opens it (optional)
//   PAGE_TALK, PAGE_TALK_CODE  address of a notice in a conversation of three mails, with another message beside it, and the code (optional)
//   PAGE_CHECKED, PAGE_CHECKED_CODE  address of a notice, and its code, where a scanner finds something in a file of an answer that holds
//               "besmet" and gives no verdict on one that holds "wachten" (optional)
//   PAGE_EXPIRED, PAGE_WITHDRAWN  addresses of notices whose messages are gone (optional)
//   PAGE_SMS, PAGE_PHONE  address of a notice that opens with a code by SMS, which nobody asked for yet, and of a page that shows the SMS
//               (the demo's mailbox page of that number); two SMS are asked for (optional)
//   PAGE_MAILCODE, PAGE_MAILBOX  the same of a code by mail (optional)
//   PAGE_WAY    only the ways of looking whose name is this, such as 1280-nl-light (optional)
//   PAGE_SHOTS  folder for screenshots (optional)
//   CHROMIUM    the browser (default /usr/bin/chromium)

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { answer, answerWith, push } from "./answer.mjs";

const { PAGE_TALK, PAGE_TALK_CODE = "", PAGE_CHECKED, PAGE_CHECKED_CODE = "" } = process.env;
const { PAGE_STRICT, PAGE_STRICT_CODE = "", PAGE_EXPIRED, PAGE_WITHDRAWN, PAGE_SMS, PAGE_PHONE, PAGE_MAILCODE, PAGE_MAILBOX, PAGE_WAY } = process.env;
const { PAGE_LINKS = "", PAGE_CODE, PAGE_WRONG = "00000000", PAGE_SHOTS, CHROMIUM = "/usr/bin/chromium" } = process.env;
const links = PAGE_LINKS.split(/\s+/).filter(Boolean);
if ((links.length === 0 || !PAGE_CODE) && !PAGE_SMS) {
  console.error("PAGE_LINKS and PAGE_CODE are needed; see the head of this file");
  process.exit(2);
}
if (PAGE_SHOTS) mkdirSync(PAGE_SHOTS, { recursive: true });
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const origin = new URL(links[0] ?? PAGE_SMS).origin;

const words = {
  nl: { open: "Bericht openen", wrong: "Deze code klopt niet.", out: "Uitloggen", extend: "Verlengen", check: "Nakijken", unknown: "Dit kenmerk kennen wij niet.", gone: "U bent uitgelogd", ended: "U bent niet ingelogd", expired: "Dit bericht is verlopen", withdrawn: "Dit bericht is ingetrokken", send: "Stuur mij de code", tell: "Stel de afzender op de hoogte", told: "Wij mailen de afzender", before: "Wij hebben de afzender al gemaild", resend: "Vraag de afzender om het opnieuw te sturen", wait: "kunt u een nieuwe vragen", checking: "wij controleren de bijlagen eerst op virussen", infected: "zit volgens onze controle een virus", earlier: "Eerder in dit gesprek", others: "Andere berichten voor u", fresh: "Nieuw" },
  en: { open: "Open message", wrong: "This code is not right.", out: "Log out", extend: "Stay logged in", check: "Check", unknown: "We do not know this reference.", gone: "You are logged out", ended: "You are not logged in", expired: "This message has expired", withdrawn: "This message was withdrawn", send: "Send me the code", tell: "Tell the sender", told: "We are e-mailing the sender", before: "We have e-mailed the sender already", resend: "Ask the sender to send it again", wait: "You can ask for another", checking: "we check the attachments for viruses first", infected: "holds a virus", earlier: "Earlier in this conversation", others: "Other messages for you", fresh: "New" },
};
/** The two ways of a one-time code: the same pages, about an SMS or about a mail. */
const oneTime = [
  {
    name: "s", link: PAGE_SMS, inbox: PAGE_PHONE, below: ["nummer", "anders"],
    nl: { again: "Stuur de sms opnieuw", missing: "Geen sms ontvangen?", free: "U kunt de sms nu opnieuw vragen." },
    en: { again: "Send the SMS again", missing: "No SMS received?", free: "You can ask for the SMS again now." },
  },
  {
    name: "m", link: PAGE_MAILCODE, inbox: PAGE_MAILBOX, below: ["geen-code", "anders"],
    nl: { again: "Stuur de e-mail opnieuw", missing: "Geen e-mail ontvangen?", free: "U kunt de e-mail nu opnieuw vragen." },
    en: { again: "Send the e-mail again", missing: "No e-mail received?", free: "You can ask for the e-mail again now." },
  },
];
const problems = [];
let looks = 0;

/** One way of looking: a browser context with everything that it must not do counted. */
async function look(browser, way, visit) {
  const { width, lang, scheme, scripts, zoom } = way;
  const name = `${width}-${lang}-${scheme}${scripts ? "" : "-noscript"}${zoom ? "-zoom" : ""}`;
  if (PAGE_WAY && PAGE_WAY !== name) return;
  const context = await browser.newContext({
    // Of a window of 1280×1024 at 400 % a quarter is left each way.
    viewport: zoom ? { width, height: 256 } : { width, height: width < 400 ? 640 : 800 },
    deviceScaleFactor: zoom ? 4 : 1,
    locale: lang === "nl" ? "nl-NL" : "en-GB",
    colorScheme: scheme,
    javaScriptEnabled: scripts,
    acceptDownloads: true,
  });
  const fail = (what) => problems.push(`${name}: ${what}`);
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:")) fail(`a request to ${url}`);
  });
  // Asked for and not answered: what a page that does not come waits for.
  const open = new Set();
  const asked = [];
  context.on("request", (request) => {
    open.add(request);
    asked.push(`${request.method()} ${new URL(request.url()).pathname}`);
  });
  for (const end of ["requestfinished", "requestfailed"]) context.on(end, (request) => open.delete(request));
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !/status of (403|404|410|422|429)/.test(message.text())) fail(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => fail(`page error: ${error}`));
  try {
    await visit({ page, context, name, fail, t: words[lang], ...way });
  } catch (error) {
    const [where] = error.stack.match(/(check|answer)\.mjs:\d+/g) ?? [];
    const focus = await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200)).catch(() => "?");
    fail(`stopped at ${where}: ${error.message.split("\n")[0]}; on ${new URL(page.url()).pathname}, ${open.size} unanswered, the last asked: ${asked.slice(-6).join(", ")}; focus: ${focus}`);
    if (PAGE_SHOTS) await page.screenshot({ path: join(PAGE_SHOTS, `${name}-stopped.png`) }).catch(() => {});
  }
  await context.close();
}

/** What must hold on every page: axe-core, and what axe-core does not see. */
async function judge({ page, fail, name, lang, scripts }, state) {
  looks += 1;
  await page.waitForLoadState("load");
  const own = await page.evaluate(() => {
    const found = [];
    const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (over > 0) found.push(`${over} px wider than the window`);
    for (const target of document.querySelectorAll("a, button, input:not([type=hidden]), textarea, summary")) {
      if (!target.checkVisibility()) continue;
      const { width, height } = target.getBoundingClientRect();
      const inText = target.closest(".text, .skip") !== null || target.classList.contains("skip");
      if (!inText && (width < 24 || height < 24)) found.push(`target of ${Math.round(width)}×${Math.round(height)}: ${target.textContent}`);
    }
    for (const field of document.querySelectorAll("input:not([type=hidden]), textarea")) {
      if (!field.labels?.length) found.push(`a field without label: ${field.name}`);
      if (field.name === "code" && field.autocomplete !== "one-time-code") found.push("autocomplete of the code");
      if (field.name === "code" && (field.type !== "text" || !["numeric", "text"].includes(field.inputMode))) found.push("kind of the code field");
      const said = (field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean);
      if (said.some((id) => !document.getElementById(id))) found.push("a description that is not there");
    }
    if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
    // A picture leaves an empty style behind.
    const odd = document.querySelector("script:not([src^='/sessie.js?v='], [src^='/antwoord.js?v='], [src^='/opnieuw.js?v=']), [style]:not([style='']), link:not([rel=stylesheet])");
    if (odd) found.push(`a script, style or link that has no place here: ${odd.outerHTML.slice(0, 200)}`);
    if (!document.title.includes("·")) found.push(`the title: ${document.title}`);
    return found;
  });
  // Only now: taking a picture changes the page for a moment.
  if (PAGE_SHOTS) await page.screenshot({ path: join(PAGE_SHOTS, `${name}-${state}.png`), fullPage: true });
  own.forEach((what) => fail(`${state}: ${what}`));
  if ((await page.getAttribute("html", "lang")) !== lang) fail(`${state}: not in ${lang}`);
  if (scripts) {
    await page.evaluate(axeSource);
    const result = await page.evaluate(() =>
      globalThis.axe.run({ rules: { "target-size": { enabled: true } }, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
    );
    for (const v of result.violations) fail(`${state}: axe ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
  }
}

/** Types the code and presses the button; the answer may take its two seconds. */
async function press({ page, t }, code) {
  await page.fill("#code", code);
  await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: t.open }).click()]);
}

async function visit(way, link, wrongFirst, code = PAGE_CODE) {
  const { page, context, fail, t, lang } = way;
  const weights = [];
  page.on("response", async (response) => weights.push((await response.body().catch(() => "")).length));
  await page.goto(`${link}?taal=${lang}`);
  const weight = weights.reduce((a, b) => a + b, 0);
  if (weights.length > 2 || weight > 30_000) fail(`page 1 is ${weight} bytes in ${weights.length} requests`);
  await judge(way, "1-code");
  if (wrongFirst) {
    await press(way, PAGE_WRONG);
    if (!(await page.getByRole("alert").innerText()).includes(t.wrong)) fail("a wrong code is not called wrong beside the field");
    await judge(way, "2-wrong");
  }
  // As people type it.
  await press(way, code.replace(/(....)(?=.)/g, "$1 "));
  if (!new URL(page.url()).pathname.startsWith("/bericht") || page.url().includes("/b/")) fail(`after the code: ${page.url()}`);
  await judge(way, "3-message");
  await files(way);
  await frame(way);
  // Twenty answers a day is the most in one conversation.
  if (way.scheme === "light") await answer(way, judge, link, code.replace(/(....)(?=.)/g, "$1 "));
  if (way.scripts && !way.name.includes("mail")) await extend(way);
  await leave(way, link);
}

/** Every attachment and the whole mail come as files. */
async function files({ page, fail }) {
  for (const link of await page.locator("a[download]:visible").all()) {
    const [download] = await Promise.all([page.waitForEvent("download"), push(page, link)]);
    const path = await download.path();
    if (readFileSync(path).length === 0) fail(`an empty file: ${download.suggestedFilename()}`);
    if (/[\\/]|\u202e/.test(download.suggestedFilename())) fail(`a bad name: ${download.suggestedFilename()}`);
  }
}

/** The mail's HTML stands in a document without origin, scripts or network. */
async function frame({ page, context, fail, name, scripts }) {
  const inner = page.frames().find((f) => f.url().endsWith("/bericht/html"));
  if (!inner) return;
  if (scripts) {
    // Chromium runs no script there, so what is asked comes from outside of the sandbox.
    const odd = await page.evaluate(() => {
      const element = document.querySelector("iframe");
      return element.contentDocument === null ? "" : "the frame can be reached from the page";
    });
    if (odd) fail(odd);
  }
  const { over, scripted } = await inner.evaluate(() => ({
    over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    scripted: document.querySelectorAll("script, iframe, object, form, [onclick], [onload], [onerror], [style]").length,
  }));
  const [tall, shown] = await inner.evaluate(() => [document.body.getBoundingClientRect().height, innerHeight]);
  if (tall > shown + 1) fail(`the mail is ${Math.round(tall)} px tall and its frame ${shown}`);
  if (shown > 1.5 * tall + 60) fail(`a mail of ${Math.round(tall)} px leaves a hole in a frame of ${shown}`);
  if (over > 0) fail(`the mail's HTML is ${over} px wider than its frame`);
  if (scripted > 0) fail("something in the mail's HTML was left that can do harm");
  const [wide] = await Promise.all([context.waitForEvent("page"), push(page, page.locator('p > a[target="_blank"]'))]);
  await wide.waitForLoadState();
  if (PAGE_SHOTS) await wide.screenshot({ path: join(PAGE_SHOTS, `${name}-4-wide.png`), fullPage: true });
  await wide.close();
}

/** Two minutes before an idle session ends the page warns; the button extends it; an unused warning clears the screen. */
async function extend(way) {
  const { fail, t, lang, width } = way;
  // A context of its own with the same session: its clock is ours.
  const context = await browser.newContext({
    storageState: await way.context.storageState(),
    viewport: { width, height: 640 },
    locale: lang === "nl" ? "nl-NL" : "en-GB",
    colorScheme: way.scheme,
  });
  await context.clock.install();
  const page = await context.newPage();
  // As it is after "Beantwoorden" was pressed.
  await page.goto(`${origin}/bericht?taal=${lang}#antwoord`);
  const warning = page.locator("#sessie");
  await page.clock.fastForward("12:30");
  if (await warning.isVisible()) fail("a warning too early");
  // What is kept while somebody writes says so by this.
  await page.evaluate(() => dispatchEvent(new CustomEvent("zegel-sessie", { detail: "900" })));
  await page.clock.fastForward("12:30");
  if (await warning.isVisible()) fail("a warning although the session was just extended by writing");
  await page.clock.fastForward("00:45");
  if (!(await warning.isVisible())) fail("no warning before the session ends");
  await judge({ ...way, page }, "4-warning");
  const [answer] = await Promise.all([page.waitForResponse((r) => r.url().endsWith("/verlengen")), push(page, page.getByRole("button", { name: t.extend }))]);
  if (answer.status() !== 204) fail(`extending answered ${answer.status()}`);
  await warning.waitFor({ state: "hidden" });
  await page.clock.fastForward("13:15");
  if (!(await warning.isVisible())) fail("no second warning");
  await page.evaluate(() => document.body.classList.add("old-screen"));
  await page.clock.fastForward("02:00");
  await page.waitForFunction(() => document.body && !document.body.classList.contains("old-screen"), undefined, { polling: 50, timeout: 10_000 });
  await context.close();
}

/** After logging out nothing of the message can be had: not by the address, not by going back. */
async function leave(way, link) {
  const { page, fail, t } = way;
  const subject = await page.locator("h1").innerText();
  await Promise.all([page.waitForNavigation(), push(page, page.getByRole("button", { name: t.out }))]);
  if ((await page.locator("h1").innerText()) !== t.gone) fail("logging out does not say so");
  await judge(way, "5-logged-out");
  await page.goBack().catch(() => {});
  await page.waitForLoadState();
  const back = await page.content();
  if (back.includes(subject)) fail("going back shows the message");
  await page.goto(`${origin}/bericht?taal=${way.lang}`);
  if ((await page.locator("h1").innerText()) !== t.ended) fail("the address still shows something");
  await judge(way, "6-ended");
  await page.goto(`${link}/geen-code?taal=${way.lang}`);
  await judge(way, "7-no-code");
  await page.goto(`${origin}/echt?taal=${way.lang}`);
  await judge(way, "7-genuine");
  // A network has ten questions in ten minutes.
  if (way.lang === "nl" && way.scheme === "light" && !way.name.includes("mail")) {
    await page.fill("#kenmerk", "K7QF-2M9D");
    await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: t.check }).click()]);
    if (!(await page.getByRole("alert").innerText()).includes(t.unknown)) fail("a reference that nobody gave out is not called unknown");
    await judge(way, "7-genuine-unknown");
  }
  await page.goto(`${origin}/b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?taal=${way.lang}`);
  await judge(way, "8-nowhere");
  for (const [what, gone] of Object.entries({ expired: PAGE_EXPIRED, withdrawn: PAGE_WITHDRAWN })) {
    if (!gone) continue;
    await page.goto(`${gone}?taal=${way.lang}`);
    if ((await page.locator("h1").innerText()) !== t[what]) fail(`a link whose message is ${what} does not say so`);
    await judge(way, `9-${what}`);
    await Promise.all([page.waitForNavigation(), push(page, page.getByRole("link", { name: t.resend }))]);
    await judge(way, `9-${what}-ask`);
    await Promise.all([page.waitForNavigation(), push(page, page.getByRole("button", { name: t.resend }))]);
    if (![t.told, t.before].includes(await page.locator("h1").innerText())) fail("asking to send it again does not say that it was told");
    await judge(way, `9-${what}-told`);
  }
}

/** A conversation: the newest mail with its appointment, what came before it, and another message that opens without the code. */
async function talk(way) {
  const { page, fail, t, lang, scripts } = way;
  await page.goto(`${PAGE_TALK}?taal=${lang}`);
  await press(way, PAGE_TALK_CODE);
  if ((await page.locator(".card").count()) !== 1) fail("no appointment above the newest mail");
  const past = page.locator("details.past");
  if ((await past.count()) !== 2 || (await page.getByRole("heading", { name: t.earlier }).count()) !== 1) fail("the earlier mails are not there");
  await judge(way, "c1-conversation");
  // By keyboard: the last one, then the one above it.
  for (const at of [1, 0]) {
    await past.nth(at).locator("summary").focus();
    await page.keyboard.press("Enter");
    if (!(await past.nth(at).evaluate((e) => e.open))) fail("an earlier mail does not open");
  }
  const inner = past.nth(0).locator("iframe");
  await inner.scrollIntoViewIfNeeded();
  if (!(await inner.contentFrame().getByText("drie", { exact: true }).isVisible())) fail("the HTML of an earlier mail is not shown");
  await files(way);
  await judge(way, "c2-earlier");
  const other = page.getByRole("heading", { name: t.others }).locator("..").getByRole("button");
  if ((await other.count()) !== 1) fail("the other message is not there");
  await Promise.all([page.waitForNavigation(), other.click()]);
  if (!new URL(page.url()).search.includes("bericht=") || !(await page.content()).includes("jaaropgave")) fail(`another message: ${page.url()}`);
  await judge(way, "c3-other");
  if (scripts) await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: t.out }).click()]);
}

/** An answer whose file waits for the scanner, and one in whose file the scanner finds something. */
async function scanned(way) {
  const { page, fail, t, lang } = way;
  await page.goto(`${PAGE_CHECKED}?taal=${lang}`);
  await press(way, PAGE_CHECKED_CODE);
  const last = page.locator("article[id^=antwoord-]").last();
  for (const [state, content, said] of [["a1-checking", "nog even wachten", t.checking], ["a2-infected", "besmet", t.infected]]) {
    await answerWith(way, content);
    // The scanner is asked by somebody else: the page shows it when it is loaded again.
    for (let i = 0; i < 100 && !(await last.innerText()).includes(said); i += 1) await page.reload();
    if (!(await last.innerText()).includes(said)) fail(`${state}: the page says ${await last.innerText()}`);
    await judge(way, state);
  }
  if ((await last.getByRole("link").count()) !== 0) fail("a file with malware can be downloaded");
}

/** Only the keyboard: these, in this order, each within the window and visibly. */
async function tabs({ page, fail }, wanted) {
  const seen = [];
  for (let i = 0; i < 8; i += 1) {
    await page.keyboard.press("Tab");
    seen.push(
      await page.evaluate(() => {
        const { activeElement: e } = document;
        const { left, top, bottom } = e.getBoundingClientRect();
        const visible = getComputedStyle(e).outlineStyle !== "none" && left >= 0 && bottom > 0 && top < innerHeight;
        return `${e.className || e.id || e.tagName.toLowerCase()}${visible ? "" : " (unseen)"}`;
      }),
    );
  }
  const order = wanted.map((what) => seen.findIndex((s) => s.startsWith(what)));
  if (order.some((at, i) => at < 0 || (i > 0 && at < order[i - 1]))) fail(`the order of the keyboard: ${seen.join(", ")}`);
  seen.filter((s) => s.includes("unseen") && !s.startsWith("body")).forEach((s) => fail(`focus cannot be seen: ${s}`));
}

/** Page 1 without a mouse. */
async function keyboard(way) {
  await way.page.goto(`${links[0]}?taal=${way.lang}`);
  await tabs(way, ["skip", "code", "button"]);
}

/** The page with the field for an SMS's code without a mouse, on a window at 400 %: a code that is no code, and what to do when none came. */
async function smsByKeys(way) {
  const { page, fail, t } = way;
  await page.goto(PAGE_SMS);
  await judge(way, "k1-field");
  await tabs(way, ["skip", "code", "button", "summary"]);
  await page.locator("#code").focus();
  await page.keyboard.type("12345");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  if (!(await page.getByRole("alert").count())) fail("what is no code is not called so");
  await judge(way, "k2-form");
  const missing = page.locator("summary").filter({ hasText: t.missing });
  await missing.focus();
  await page.keyboard.press("Enter");
  if (!(await missing.locator("..").evaluate((e) => e.open))) fail("by keyboard nobody finds out what to do without an SMS");
  await judge(way, "k3-missing");
}

/** The minute until a code can be asked for once more, by a clock of ours. */
async function countdown(way, lane) {
  const { page, fail, t } = way;
  await page.clock.install();
  await page.goto(lane.link);
  await page.getByText(t.missing).click();
  const again = page.getByRole("button", { name: t.again });
  const wait = page.locator("#wacht");
  if (!(await again.isDisabled())) fail("one more can be asked for at once");
  const before = await wait.innerText();
  await page.clock.runFor(3000);
  if ((await wait.innerText()) === before) fail(`the seconds do not count down: ${before}`);
  await judge(way, `${lane.name}3-countdown`);
  await page.clock.runFor(60_000);
  if (await again.isDisabled()) fail("after a minute none can be asked for");
  if ((await page.getByText(t.free).count()) !== 1 || (await wait.isVisible())) fail("the page does not say that the minute is over");
}

/** Every page of a one-time code, before anybody asked for one, and then with the field. */
async function byOneTimeCode(browser, lane) {
  const inLane = (way, visit) => look(browser, way, (w) => visit({ ...w, t: { ...w.t, ...lane[w.lang] } }));
  // Fewer ways than for the pages around them: each state in each language, width and scheme, not in all at once.
  const ways = [
    { width: 320, lang: "nl", scheme: "light", scripts: true },
    { width: 320, lang: "en", scheme: "dark", scripts: true },
    { width: 320, lang: "nl", scheme: "light", scripts: false },
    { width: 768, lang: "nl", scheme: "dark", scripts: true },
    { width: 1280, lang: "nl", scheme: "light", scripts: true },
    { width: 1280, lang: "en", scheme: "dark", scripts: true },
  ];
  for (const way of ways) {
    await inLane(way, async (w) => {
      await w.page.goto(`${lane.link}?taal=${w.lang}`);
      if ((await w.page.getByRole("button", { name: w.t.send }).count()) !== 1) w.fail("the button that sends a code is not there");
      await judge(w, `${lane.name}1-send`);
      for (const below of lane.below) {
        await w.page.goto(`${lane.link}/${below}?taal=${w.lang}`);
        await judge(w, `${lane.name}2-${below}`);
      }
    });
  }
  const phone = { width: 320, lang: "nl", scheme: "light", scripts: false };
  if (lane.name === "s") {
    await look(browser, { ...phone, scripts: true, zoom: true }, async (w) => {
      await w.page.goto(lane.link);
      await judge(w, "k0-send");
      await tabs(w, ["skip", "button"]);
    });
  }
  await inLane(phone, async (w) => {
    await w.page.goto(lane.link);
    await Promise.all([w.page.waitForNavigation(), w.page.getByRole("button", { name: w.t.send }).click()]);
    if ((await w.page.locator("#code").count()) !== 1) w.fail("after the press there is no field");
    await w.page.getByText(w.t.missing).click();
    if (!/\d+ seconden/.test(await w.page.locator("#wacht").innerText())) w.fail("without scripts no word about the minute to wait");
  });
  await inLane({ ...phone, scripts: true }, (w) => countdown(w, lane));
  if (lane.name === "s") await inLane({ ...phone, scripts: true, zoom: true }, smsByKeys);
  for (const way of ways) {
    await inLane(way, async (w) => {
      await w.page.goto(`${lane.link}?taal=${w.lang}`);
      await judge(w, `${lane.name}3-field`);
      await w.page.getByText(w.t.missing).click();
      await judge(w, `${lane.name}4-missing`);
      await press(w, "12345");
      await judge(w, `${lane.name}5-form`);
      await w.page.getByText(w.t.missing).click();
      const again = w.page.getByRole("button", { name: w.t.again });
      // Within the minute the script holds the button.
      if (await again.isDisabled()) return;
      await Promise.all([w.page.waitForNavigation(), again.click()]);
      if (!(await w.page.content()).includes(w.t.wait) && !(await w.page.locator("#code").count())) w.fail("a second press says nothing");
      await judge(w, `${lane.name}6-again`);
    });
  }
  // Typed on another device than the one that asked for it.
  await inLane({ width: 1280, lang: "nl", scheme: "light", scripts: true }, async (w) => {
    await w.page.goto(lane.link);
    await press(w, "000000");
    if (!(await w.page.getByRole("alert").innerText()).includes(w.t.wrong)) w.fail("a wrong code is not called wrong beside the field");
    await judge(w, `${lane.name}7-wrong`);
    await w.page.getByRole("link", { name: w.t.tell }).click();
    await Promise.all([w.page.waitForNavigation(), w.page.getByRole("button", { name: w.t.tell }).click()]);
    if ((await w.page.locator("h1").innerText()) !== w.t.told) w.fail("telling the sender does not say so");
    await judge(w, `${lane.name}8-told`);
    const text = async (path) => (await fetch(new URL(path, lane.inbox))).text();
    const newest = Math.max(...[...(await text(lane.inbox)).matchAll(/\/mail\/(\d+)/g)].map((found) => Number(found[1])));
    const shown = await text(`/mail/${newest}/source`);
    const code = shown.match(/#(\d{6})\b/g)?.at(-1)?.slice(1);
    if (!code) return w.fail("no code came");
    await w.page.goto(lane.link);
    await press(w, `${code.slice(0, 3)} ${code.slice(3)}`);
    if (!new URL(w.page.url()).pathname.startsWith("/bericht")) w.fail(`after the code: ${w.page.url()}`);
    await judge(w, `${lane.name}9-message`);
  });
}

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
/** The first message in every way there is. */
async function first() {
  if (links.length === 0) return;
  await look(browser, { width: 1280, lang: "nl", scheme: "light", scripts: true }, keyboard);
  for (const width of [320, 1280]) {
    for (const lang of ["nl", "en"]) {
      for (const scheme of ["light", "dark"]) {
        const way = { width, lang, scheme, scripts: true };
        await look(browser, way, (w) => visit(w, links[0], lang === "nl" && scheme === "light"));
      }
    }
    await look(browser, { width, lang: "nl", scheme: "light", scripts: false }, (w) => visit(w, links[0], width === 320));
  }
}

/** The others. */
async function others() {
  for (const lane of oneTime.filter(({ link }) => link)) await byOneTimeCode(browser, lane);
  for (const width of PAGE_TALK ? [320, 1280] : []) {
    await look(browser, { width, lang: "nl", scheme: "light", scripts: true }, talk);
    await look(browser, { width, lang: "en", scheme: "dark", scripts: true }, talk);
  }
  if (PAGE_TALK) await look(browser, { width: 320, lang: "nl", scheme: "light", scripts: false }, talk);
  for (const [width, lang, scheme] of PAGE_CHECKED ? [[320, "nl", "light"], [1280, "nl", "light"], [320, "en", "dark"]] : []) {
    await look(browser, { width, lang, scheme, scripts: true }, scanned);
  }
  for (const width of links.length > 0 ? [320, 1280] : []) {
    for (const lang of PAGE_STRICT ? ["nl", "en"] : []) {
      for (const scheme of ["light", "dark"]) {
        const way = { width, lang, scheme, scripts: true };
        await look(browser, way, (w) => visit({ ...w, name: `${w.name}-strict` }, PAGE_STRICT, scheme === "dark", PAGE_STRICT_CODE));
      }
    }
    for (const [at, link] of links.slice(1).entries()) {
      for (const scheme of ["light", "dark"]) {
        const way = { width, lang: "nl", scheme, scripts: true };
        await look(browser, way, (w) => visit({ ...w, name: `${w.name}-mail${at + 2}` }, link, false));
      }
    }
  }
}

// Side by side, since most of the time is waiting; each conversation in one of them, since its answers are counted.
await Promise.all([first(), others()]);
await browser.close();

problems.forEach((problem) => console.error(problem));
console.log(`${looks} pages looked at, ${problems.length} problems`);
process.exit(problems.length === 0 && looks > 0 ? 0 : 1);
