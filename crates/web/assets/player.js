// The niceties of the player: without this it is the browser's own. Whether its viewer is still admitted is told by
// the page's live values (marquee.js), which set data-state.
(() => {
  "use strict";

  const root = document.querySelector("[data-player]");
  const film = root && root.querySelector("video");
  if (!film) return;
  const address = film.getAttribute("src").split("#")[0];
  let stoppedAt = null;

  // What is done by a key is said, to eyes and ears.

  const voice = document.querySelector("[data-voice]");
  let hush;
  const say = (text) => {
    voice.textContent = text;
    clearTimeout(hush);
    hush = setTimeout(() => { voice.textContent = ""; }, 2500);
  };

  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };

  // Where its viewer is, for the next time.

  let told = -1, toldAt = 0, played = false;
  const place = () => Math.floor(film.ended ? film.duration : film.currentTime);
  const tell = () => {
    if (!root.dataset.history || !played || !isFinite(film.duration)) return;
    const position = place();
    if (position === told) return;
    told = position;
    toldAt = Date.now();
    fetch(root.dataset.history, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ position }),
      keepalive: true,
    }).then((answer) => { if (!answer.ok) told = -1; }, () => { told = -1; });
  };
  film.addEventListener("playing", () => {
    if (!played) toldAt = Date.now();
    played = true;
  });
  film.addEventListener("timeupdate", () => { if (!film.paused && Date.now() - toldAt >= 5000) tell(); });
  for (const name of ["pause", "ended", "seeked"]) film.addEventListener(name, () => { if (film.paused) tell(); });
  document.addEventListener("visibilitychange", () => document.hidden && tell());

  // A reload asks for the page before this one is left and tells where its viewer is: the tab itself remembers that.

  const kept = `at:${location.pathname}`;
  addEventListener("pagehide", () => {
    tell();
    if (!played) return;
    try {
      if (film.ended) sessionStorage.removeItem(kept);
      else sessionStorage.setItem(kept, String(stoppedAt === null ? place() : Math.floor(stoppedAt)));
    } catch {
      // Then it goes on where it was told last.
    }
  });
  const remembered = () => {
    try {
      if (performance.getEntriesByType("navigation")[0].type === "reload") return Number(sessionStorage.getItem(kept));
      sessionStorage.removeItem(kept);
    } catch {
      // Nothing is remembered.
    }
    return 0;
  };

  const at = remembered(), resumed = document.querySelector("[data-resumed]");
  if (at > 0) {
    film.src = `${address}#t=${at}`;
    resumed.querySelector("[data-resumed-at]").textContent = clock(at);
    resumed.hidden = false;
  }

  const again = document.querySelector("[data-again]");
  if (again) {
    again.addEventListener("click", (event) => {
      event.preventDefault();
      // Before anything is loaded, its address says where it begins.
      if (film.readyState === HTMLMediaElement.HAVE_NOTHING) film.src = address;
      else film.currentTime = 0;
      film.play().catch(() => {});
      film.focus();
    });
  }

  // It stops for who is not admitted any more, and goes on when they are again.

  const stop = () => {
    if (stoppedAt !== null) return;
    stoppedAt = film.currentTime || 0;
    film.pause();
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    film.removeAttribute("src");
    film.load();
  };
  const load = (at, playing) => {
    film.src = `${address}#t=${at}`;
    film.load();
    if (playing) film.play().catch(() => {});
  };
  const follow = () => {
    for (const shown of document.querySelectorAll("[data-while-admitted]")) shown.hidden = root.dataset.state !== "admitted";
    if (root.dataset.state !== "admitted") return stop();
    if (stoppedAt === null) return;
    const at = stoppedAt;
    stoppedAt = null;
    load(at, false);
  };
  new MutationObserver(follow).observe(root, { attributes: true, attributeFilter: ["data-state"] });

  const refuse = (reason) => {
    for (const element of root.querySelectorAll("[data-bind=reason]")) element.textContent = reason;
    for (const element of root.querySelectorAll("[data-unless]")) element.hidden = false;
  };
  let asked = 0;
  film.addEventListener("error", async () => {
    if (stoppedAt !== null || !film.error) return;
    const at = film.currentTime || 0, code = film.error.code, now = Date.now();
    const first = now - asked > 30000;
    asked = now;
    try {
      const answer = await fetch(root.dataset.poll, { headers: { accept: "application/json" } });
      const state = answer.ok ? await answer.json() : null;
      if (!state && answer.status < 500) {
        refuse("This video is not here any more.");
        return stop();
      }
      if (state && state.status !== "admitted") {
        refuse(state.reason);
        root.dataset.state = state.status;
        return;
      }
    } catch {
      // Away: so it was the connection.
    }
    if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && at === 0) refuse("This browser cannot play this kind of file.");
    else if (first) load(at, true);
    else refuse("The connection broke. Load the page again to go on where you were.");
  });

  // Speed.

  const speed = document.querySelector("[data-speed]");
  const speeds = [...speed.options].map((option) => Number(option.value));
  for (const shown of document.querySelectorAll("[data-scripted]")) shown.hidden = false;
  const play = (rate) => {
    film.playbackRate = rate;
    film.defaultPlaybackRate = rate;
  };
  speed.addEventListener("change", () => play(Number(speed.value)));
  film.addEventListener("ratechange", () => {
    if (speeds.includes(film.playbackRate)) speed.value = String(film.playbackRate);
  });
  const faster = (by) => {
    const at = speeds.findIndex((rate) => rate >= film.playbackRate);
    const next = speeds[Math.min(speeds.length - 1, Math.max(0, at + by))];
    play(next);
    say(`Speed ${next}×`);
  };

  // Speed and sound are as they were with the last video.

  const REMEMBERED = "player";
  try {
    const { rate, volume, muted } = JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}");
    if (speeds.includes(rate)) play(rate);
    if (volume >= 0 && volume <= 1) film.volume = volume;
    film.muted = muted === true;
  } catch {
    // Nothing is remembered here.
  }
  const remember = () => {
    const { playbackRate: rate, volume, muted } = film;
    try {
      localStorage.setItem(REMEMBERED, JSON.stringify({ rate, volume, muted }));
    } catch {
      // Nor will this be.
    }
  };
  film.addEventListener("ratechange", remember);
  film.addEventListener("volumechange", remember);

  // Keys.

  const seek = (to) => {
    if (!isFinite(film.duration)) return;
    film.currentTime = Math.min(film.duration, Math.max(0, to));
    say(clock(film.currentTime));
  };
  const louder = (by) => {
    film.volume = Math.min(1, Math.max(0, film.volume + by));
    if (by > 0) film.muted = false;
    say(`Volume ${Math.round(film.volume * 100)} %`);
  };
  const captions = () => {
    const tracks = [...film.textTracks];
    if (tracks.length === 0) return say("There are no captions");
    const on = tracks.some((track) => track.mode === "showing");
    for (const track of tracks) track.mode = "disabled";
    if (on) return say("Captions off");
    const own = navigator.language.toLowerCase();
    const wanted = tracks.find((track) => own === track.language)
      || tracks.find((track) => own.split("-")[0] === track.language.split("-")[0]) || tracks[0];
    wanted.mode = "showing";
    say(`Captions: ${wanted.label}`);
  };
  const whole = () => {
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    else if (film.requestFullscreen) film.requestFullscreen().catch(() => {});
    else if (film.webkitEnterFullscreen) film.webkitEnterFullscreen();
  };
  const toggle = () => (film.paused ? film.play().catch(() => {}) : film.pause());
  const keys = {
    " ": toggle, k: toggle, f: whole, c: captions,
    ArrowLeft: () => seek(film.currentTime - 5), ArrowRight: () => seek(film.currentTime + 5),
    j: () => seek(film.currentTime - 10), l: () => seek(film.currentTime + 10),
    ArrowUp: () => louder(0.1), ArrowDown: () => louder(-0.1),
    m: () => { film.muted = !film.muted; say(film.muted ? "Muted" : "Sound on"); },
    "<": () => faster(-1), ">": () => faster(1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || stoppedAt !== null) return;
    const at = event.target;
    if (at.closest("input, select, textarea, [contenteditable]")) return;
    // What has the focus is pressed by the space bar, and the page is read by the arrows.
    if (event.key === " " && at.closest("button, a, summary")) return;
    if (event.key.startsWith("Arrow") && !root.contains(at) && at !== document.body) return;
    const digit = /^[0-9]$/.test(event.key) ? Number(event.key) : null;
    const act = digit === null ? keys[event.key.length === 1 ? event.key.toLowerCase() : event.key] : () => seek(film.duration * digit / 10);
    if (!act) return;
    event.preventDefault();
    act();
  }, true);
})();
