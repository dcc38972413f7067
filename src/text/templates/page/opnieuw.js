// Counts down until one more SMS can be asked for. Without it the page says the same, from the moment at which it was shown, and a press
// that comes too early is answered with the seconds that remain.
"use strict";
(() => {
  const [wait, now, button] = ["wacht", "nu", "opnieuw"].map((id) => document.getElementById(id));
  if (!wait || !now || !button) return;
  const end = Date.now() + (Number.parseInt(wait.dataset.seconds, 10) || 0) * 1000;
  const tick = () => {
    // Timers sleep while a telephone does; the clock does not.
    const left = Math.ceil((end - Date.now()) / 1000);
    button.disabled = left > 0;
    if (left <= 0) {
      wait.hidden = true;
      now.textContent = now.dataset.now;
      return;
    }
    wait.textContent = left === 1 ? wait.dataset.one : wait.dataset.more.replace(/\d+/, String(left));
    setTimeout(tick, 250);
  };
  tick();
})();
