// Everything here is a nicety: each page works without it.
(() => {
  "use strict";

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Reloads at most once for each key, and at most five times a minute in all, so that a page whose
  // answer lags behind an event cannot spin. Never while a form is on its way: its answer would be lost.
  const sending = () => document.querySelector("form[data-sent]") !== null;
  const reload = (key, delay = 0) => {
    if (sending()) return;
    try {
      const now = Date.now();
      const name = "reloads:" + location.pathname;
      const past = JSON.parse(sessionStorage.getItem(name) || "[]").filter((r) => now - r.at < 60000);
      if (past.length >= 5) return;
      if (key && past.some((r) => r.key === key)) return;
      past.push({ key, at: now });
      sessionStorage.setItem(name, JSON.stringify(past));
      setTimeout(() => sending() || location.reload(), delay + 400 * (past.length - 1));
    } catch {
      // Without storage there is no bound, so there is no reload.
    }
  };

  // Moments, in the reader's own words.

  const styles = {
    date: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
    time: { hour: "numeric", minute: "2-digit" },
    short: { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" },
    "": { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "numeric", minute: "2-digit" },
  };
  for (const time of all("time[data-local]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    const format = new Intl.DateTimeFormat(undefined, styles[time.dataset.local] || styles[""]);
    time.title = time.textContent.trim();
    time.lang = format.resolvedOptions().locale;
    time.textContent = format.format(at);
  }

  // Moments in forms: shown in the reader's time, sent in UTC.

  const two = (n) => String(n).padStart(2, "0");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "your time";
  for (const input of all("input[data-utc]")) {
    const sent = input.getAttribute("value");
    const at = sent ? new Date(sent + "Z") : null;
    if (at && !isNaN(at)) {
      input.value = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
    }
    for (const label of all("[data-zone]", input.closest(".field") || input.form)) {
      label.textContent = `your time (${zone.replaceAll("_", " ")})`;
    }
    input.form.addEventListener("formdata", (event) => {
      const local = input.value ? new Date(input.value) : null;
      if (local && !isNaN(local)) event.formData.set(input.name, local.toISOString().slice(0, 16));
    });
  }

  // A form is sent once.

  for (const form of all("form")) {
    let timer;
    // Says the busy word to who does not see the button.
    const voice = document.createElement("p");
    voice.className = "hush";
    voice.setAttribute("role", "status");
    form.append(voice);
    const release = () => {
      clearTimeout(timer);
      delete form.dataset.sent;
      voice.textContent = "";
      for (const button of all("button", form)) {
        button.removeAttribute("aria-disabled");
        if (button.dataset.label) button.textContent = button.dataset.label;
      }
    };
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      if (form.dataset.sent !== undefined) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "";
      const pressed = event.submitter;
      setTimeout(() => {
        for (const button of all("button", form)) button.setAttribute("aria-disabled", "true");
        if (pressed && pressed.dataset.busy) {
          pressed.dataset.label = pressed.textContent;
          voice.textContent = pressed.textContent = pressed.dataset.busy;
        }
      });
      timer = setTimeout(release, 20000);
    });
    addEventListener("pageshow", (event) => event.persisted && release());
  }

  // What can be copied.

  for (const button of all("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
        button.textContent = "Copied";
      } catch {
        button.textContent = "Copy it by hand";
      }
    });
  }

  // Live values.

  const show = (root, state) => {
    for (const element of all("[data-bind]", root)) {
      const value = state[element.dataset.bind];
      if (value === undefined || value === null) continue;
      const text = typeof value === "number" ? value.toLocaleString("en") : String(value);
      if (element instanceof HTMLProgressElement || element instanceof HTMLMeterElement) element.value = Number(value);
      else if (element.textContent !== text) element.textContent = text;
    }
    for (const path of all("[data-draw]", root)) {
      const drawing = state[path.dataset.draw];
      if (typeof drawing === "string") path.setAttribute("d", drawing);
    }
    if (typeof state.status !== "string") return;
    for (const element of all("[data-unless]", root)) element.hidden = element.dataset.unless === state.status;
    const before = root.dataset.state;
    root.dataset.state = state.status;
    if ("reloadOnStatus" in root.dataset && before !== undefined && before !== state.status) reload(null);
  };

  for (const root of all("[data-live]")) {
    let source, failures = 0, polling, polls = 0;
    // A list asks for all that it shows at once, and hears of each by its id.
    const items = new Map(all("[data-item]", root).map((item) => [item.dataset.item, item]));
    const address = (path) => (items.size ? `${path}?ids=${[...items.keys()].join(",")}` : path);

    const take = (text) => {
      try {
        const state = JSON.parse(text);
        if (!state || typeof state !== "object") return;
        if (!items.size) show(root, state);
        for (const [id, item] of items) {
          if (state[id] && typeof state[id] === "object") show(item, state[id]);
        }
      } catch {
        // Not ours.
      }
    };
    const poll = async () => {
      polling = undefined;
      if (++polls > 240) return;
      try {
        const answer = await fetch(address(root.dataset.poll), { headers: { accept: "application/json" } });
        if (answer.ok) take(await answer.text());
        else if (answer.status < 500 && answer.status !== 429) return;
      } catch {
        // Away for now.
      }
      if (!document.hidden && !polling) polling = setTimeout(poll, 5000);
    };
    const stop = () => {
      if (source) source.close();
      clearTimeout(polling);
      source = polling = undefined;
    };
    const start = () => {
      if (source || polling || document.hidden) return;
      if (failures >= 3 || !("EventSource" in window)) {
        if (root.dataset.poll) polling = setTimeout(poll, 5000);
        return;
      }
      source = new EventSource(address(root.dataset.live));
      source.onopen = () => { failures = 0; };
      source.onmessage = (event) => take(event.data);
      source.onerror = () => {
        failures += source && source.readyState === EventSource.CLOSED ? 3 : 1;
        if (failures >= 3) {
          stop();
          start();
        }
      };
    };
    // A hidden page lets its connection go: a browser has only a few for each host.
    document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
    addEventListener("pagehide", stop);
    addEventListener("pageshow", (event) => event.persisted && start());
    start();
  }

  // Countdowns, by the server's clock.

  for (const root of all("[data-countdown]")) {
    const end = Date.parse(root.dataset.countdown);
    if (isNaN(end)) continue;
    const served = Date.parse(root.dataset.now);
    // The moment at which the page was served, on this page's own steady clock.
    const offset = isNaN(served) ? 0 : served - (performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart || 0));
    const clock = root.querySelector("[data-clock]") || root;
    for (const shown of all("[hidden]", root)) shown.hidden = false;
    const voice = document.createElement("p");
    voice.className = "hush";
    voice.setAttribute("aria-live", "polite");
    root.append(voice);
    const words = [[60, "One minute left."], [300, "Five minutes left."]];
    let last = Infinity, timer;

    const left = () => Math.ceil((end - offset - Date.now()) / 1000);
    const tick = () => {
      const seconds = Math.max(0, left());
      clock.textContent = `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
      root.toggleAttribute("data-urgent", seconds <= 60);
      for (const [mark, text] of words) {
        if (seconds <= mark && last > mark && last !== Infinity && seconds > 0) {
          voice.textContent = text;
          break;
        }
      }
      if (seconds === 0) {
        clearInterval(timer);
        voice.textContent = "Time is up.";
        // A page that was already served past the end waits for its live status instead.
        if (last !== Infinity) reload("ended:" + root.dataset.countdown, 1500);
      }
      last = seconds;
    };
    timer = setInterval(tick, 1000);
    document.addEventListener("visibilitychange", () => document.hidden || tick());
    tick();
  }

  // Small things.

  for (const button of all("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
  const wrong = document.querySelector("[data-focus]") || document.querySelector("[aria-invalid]");
  if (wrong) wrong.focus();
})();
