// Answers a message as its recipient would: by mouse and keyboard, with and without scripts, with files, and with everything that one
// forgets or does wrong on the way.

const words = {
  nl: { title: "Beantwoorden", text: "Uw antwoord aan", files: "Bijlagen", add: "Bijlage toevoegen", remove: "Verwijderen", send: "Versturen", empty: "Schrijf eerst een antwoord", saved: "Bewaard.", sent: "Verstuurd.", large: "is te groot", open: "Bericht openen", yours: "Uw antwoord" },
  en: { title: "Answer", text: "Your answer to", files: "Attachments", add: "Add attachment", remove: "Remove", send: "Send", empty: "Write an answer first", saved: "Kept.", sent: "Sent.", large: "is too large", open: "Open message", yours: "Your answer" },
};

/**
 * Presses a button or a link: by mouse, and beside a frame by keyboard, since Chromium may take a click of ours for one in the frame until it
 * knows where the frame now stands.
 */
export async function push(page, target) {
  await ((await page.locator("iframe").count()) ? target.press("Enter") : target.click());
}

/** A file as a person would pick it. */
const file = (name, mimeType, size) => ({ name, mimeType, buffer: Buffer.alloc(size, "een twee drie ") });

/** Opens the message once more, as somebody who comes back later. */
async function reopen({ page, context, lang, t }, link, code) {
  await context.clearCookies();
  await page.goto(`${link}?taal=${lang}`);
  await page.fill("#code", code);
  await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: t.open }).click()]);
}

/** Everything about an answer, from the button below the message to "Verstuurd". `judge` looks at a page in one state. */
export async function answer(way, judge, link, code) {
  const { page, fail, scripts, lang } = way;
  const w = words[lang];
  const number = (await page.locator("article[id^=antwoord-]").count()) + 1;
  const text = `Dank u wel, dit is antwoord ${number}.`;
  const send = page.getByRole("button", { name: w.send, exact: true });
  const field = page.getByLabel(w.text);

  await push(page, page.getByRole("link", { name: w.title }));
  if (!page.url().endsWith("#antwoord")) fail("the button does not lead to the form");
  await Promise.all([page.waitForNavigation(), push(page, send)]);
  if (!(await page.getByRole("alert").filter({ hasText: w.empty }).count())) fail("an empty answer is not called empty");
  if (scripts && !(await field.evaluate((e) => e === document.activeElement))) fail("the cursor is not in the field that is wrong");
  await judge(way, "4-answer-empty");

  if (scripts) await typed(way, field);
  await field.fill(text);
  await files(way, w, judge);
  // The window is closed, and the session is gone: everything is there again.
  await reopen(way, link, code);
  if ((await field.inputValue()) !== text) fail("the text of a draft did not outlive its session");
  if ((await page.locator("#bijlagen li").count()) !== 1) fail("the file of a draft did not outlive its session");
  await judge(way, "4-answer-kept");

  // By keyboard alone: from the text, past the files, to the button.
  await field.focus();
  for (let i = 0; i < 8 && !(await send.evaluate((e) => e === document.activeElement)); i += 1) await page.keyboard.press("Tab");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  if (!(await page.getByRole("status").filter({ hasText: w.sent }).count())) fail("what was sent is not called so");
  const shown = page.locator("article[id^=antwoord-]");
  if ((await shown.count()) !== number) fail(`${await shown.count()} answers instead of ${number}`);
  const last = await shown.last().innerText();
  if (!last.includes(text) || !last.includes("foto één.jpg")) fail(`the answer is not shown: ${last}`);
  if ((await field.inputValue()) !== "") fail("the form still holds what was sent");
  await judge(way, "4-answer-sent");
  await Promise.all([page.waitForNavigation(), page.reload()]);
  if ((await shown.count()) !== number) fail("loading the page again sends again");
}

/** One answer with one file that holds this. */
export async function answerWith({ page, lang }, content) {
  const w = words[lang];
  await page.getByLabel(w.text).fill("Hierbij het formulier.");
  await page.getByLabel(w.files).setInputFiles([{ name: "formulier.pdf", mimeType: "application/pdf", buffer: Buffer.from(content) }]);
  await page.locator("#stand").filter({ hasText: w.saved }).waitFor();
  await Promise.all([page.waitForNavigation(), push(page, page.getByRole("button", { name: w.send, exact: true }))]);
}

/** What is typed is kept without a press: after a pause, and at once when the window goes out of sight. */
async function typed({ page, fail }, field) {
  const kept = async (text, when, meanwhile) => {
    // Time stands still but for `pass`. (The clock of Playwright comes into the mail's frame too, which lets no script in.)
    await page.evaluate(() => {
      const waiting = new Map();
      let last = 0;
      window.setTimeout = (what, delay) => (waiting.set((last += 1), { what, delay }), last);
      window.clearTimeout = (id) => waiting.delete(id);
      window.pass = (time) => [...waiting.values()].filter(({ delay }) => delay <= time).forEach(({ what }) => what());
    });
    const answered = page.waitForResponse((response) => response.request().method() === "POST", { timeout: 10_000 }).catch(() => null);
    await field.fill(text);
    await page.evaluate(meanwhile);
    if (!(await answered)) return fail(`what is typed is not kept ${when}`);
    await page.goto(page.url().split("#")[0]);
    if ((await field.inputValue()) !== text) fail(`what was kept ${when} is not there again`);
  };
  await kept("Ik begin vast.", "after a pause", () => window.pass(4_000));
  await kept("Ik begin vast te schrijven.", "when the window goes out of sight", () => {
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
}

/** Two files come and one goes; one that is too large is named before it travels. */
async function files(way, w, judge) {
  const { page, fail, scripts } = way;
  const pick = page.getByLabel(w.files);
  const there = page.locator("#bijlagen li");
  const add = async (...picked) => {
    await pick.setInputFiles(picked);
    if (!scripts) await Promise.all([page.waitForNavigation(), push(page, page.getByRole("button", { name: w.add }))]);
  };
  if (scripts) {
    await page.evaluate((most) => {
      const large = new File([new Uint8Array(most + 1)], "film.mp4", { type: "video/mp4" });
      const transfer = new DataTransfer();
      transfer.items.add(large);
      document.getElementById("antwoord").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }, 25_000_000);
    if (!(await page.locator("#stand").innerText()).includes(w.large)) fail("a file that is too large is not called so before it travels");
  }
  await page.evaluate(() => addEventListener("zegel-sessie", (event) => (document.body.dataset.lasts = event.detail)));
  await add(file("foto één.jpg", "image/jpeg", 300_000), file("brief.pdf", "application/pdf", 70_000));
  await there.nth(1).waitFor();
  if (scripts) await page.locator("#stand").filter({ hasText: w.saved }).waitFor();
  if (scripts && !(Number(await page.evaluate(() => document.body.dataset.lasts)) > 60)) fail("the page does not hear how long the session lasts");
  const said = await page.getByLabel(w.text).getAttribute("aria-describedby");
  if (said && !(await page.locator(`#${said}`).count())) fail("the field still names an error that is gone");
  await page.goto(page.url().split("#")[0]);
  await judge(way, "4-answer-files");
  await Promise.all([page.waitForNavigation(), push(page, page.getByRole("button", { name: `${w.remove} brief.pdf` }))]);
  if ((await there.count()) !== 1) fail("a file that was removed is still there");
}
