// Warns before an idle session ends, and clears the screen when it has. Works on what the server says; without it the page is
// the same, only without a warning.
"use strict";
(() => {
  const box = document.getElementById("sessie");
  if (!box) return;
  const form = box.querySelector("form");
  const WARN = 120;
  const seconds = (text) => Math.max(0, Number.parseInt(text, 10) || 0);
  const [extend, last] = ["verleng", "laatste"].map((id) => document.getElementById(id));
  const button = form.querySelector("button");
  const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("zegel-sessie") : null;
  // Without what stands behind the #: with it a browser would only scroll, and what is on the screen would stay. In the language of what
  // was read, which nobody knows once the session is over.
  const again = () => {
    const address = new URL(location.href);
    address.hash = "";
    address.searchParams.set("taal", document.documentElement.lang);
    location.replace(address);
  };
  let end = 0;
  let timer = 0;

  /** `left` seconds from now the session ends, unless somebody asks for something before. */
  const until = (left, tell) => {
    end = Date.now() + left * 1000;
    // No more to be had: the session is at its longest.
    const final = left <= WARN && box.dataset.told === "yes";
    extend.hidden = button.hidden = final;
    last.hidden = !final;
    box.hidden = true;
    if (tell) channel?.postMessage(left);
    tick();
  };

  const tick = () => {
    clearTimeout(timer);
    const left = end - Date.now();
    // The server decides: it shows the message again when another window kept the session open.
    if (left <= 0) return again();
    const warn = left <= WARN * 1000;
    if (warn && box.hidden) box.hidden = false;
    // Timers sleep while a telephone does; the clock does not.
    timer = setTimeout(tick, warn ? left : Math.min(left - WARN * 1000, 30000));
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    box.dataset.told = "yes";
    try {
      const answer = await fetch(form.action, { method: "POST", headers: { Accept: "text/plain" } });
      if (!answer.ok) return again();
      until(seconds(answer.headers.get("Zegel-Session-Seconds")), true);
    } catch {
      // No network: the warning stays, and the button can be pressed again.
    }
  });
  // What is kept while somebody writes keeps the session open too.
  addEventListener("zegel-sessie", (event) => until(seconds(event.detail), true));
  channel?.addEventListener("message", (event) => until(seconds(event.data), false));
  document.addEventListener("visibilitychange", () => document.hidden || tick());
  // Back from the browser's memory: what was on the screen may not be shown any more.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  until(seconds(box.dataset.seconds), true);
})();
