// Sends large files in parts (tus 1.0), and goes on where it was: after a pause, a broken connection, a reload. Without
// this the form sends its file in one go.
(() => {
  "use strict";

  const form = document.querySelector("form[data-upload]");
  const list = document.querySelector("[data-uploads]");
  const template = document.querySelector("#upload-row");
  if (!form || !list || !template) return;
  const chooser = form.querySelector("input[type=file]");

  /** The largest part, in bytes. */
  const PART = 64 * 1024 * 1024;
  /** So often it is tried again without anything having come through. */
  const TRIES = 12;
  /** No bytes for so long, and the connection is taken for broken; in milliseconds. */
  const PATIENCE = 60000;
  const TUS = { "tus-resumable": "1.0.0" };

  chooser.multiple = true;
  for (const shown of document.querySelectorAll("[data-scripted]")) shown.hidden = false;

  class Refused extends Error {
    constructor(message, status) {
      super(message);
      this.status = status;
      this.again = status === 408 || status === 429 || (status >= 500 && status !== 507);
    }
  }
  class Broken extends Error {
    again = true;
  }

  const sentence = (text, status) => {
    try {
      return JSON.parse(text).errors[0].message;
    } catch {
      return status === 413 ? "The file is too large for this site." : `The server answered ${status}.`;
    }
  };
  const call = async (method, address, headers = {}, body) => {
    let answer;
    try {
      answer = await fetch(address, { method, headers: { accept: "application/json", ...headers }, body });
    } catch {
      throw new Broken("The connection broke");
    }
    if (answer.ok) return answer;
    throw new Refused(answer.status === 401 ? "You are not signed in any more." : sentence(await answer.text(), answer.status), answer.status);
  };

  // What was begun, by the file that it was begun with: for the same file, chosen again.

  const mark = (file) => `upload:${file.name}|${file.size}|${file.lastModified}`;
  const remember = (file, location) => {
    try {
      localStorage.setItem(mark(file), location);
    } catch {
      // Then the file is begun again after a reload, or chosen by hand.
    }
  };
  const forget = (location) => {
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith("upload:") && localStorage.getItem(key) === location) localStorage.removeItem(key);
      }
    } catch {
      // Nothing was remembered either.
    }
  };
  const known = (file) => {
    try {
      return localStorage.getItem(mark(file));
    } catch {
      return null;
    }
  };
  const markOf = (location) => {
    try {
      return Object.keys(localStorage).find((key) => key.startsWith("upload:") && localStorage.getItem(key) === location);
    } catch {
      return undefined;
    }
  };

  // Rows.

  const told = (bytes) => {
    for (const [name, unit] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
      if (bytes >= unit) return `${(Math.floor(bytes * 10 / unit) / 10).toLocaleString("en")} ${name}`;
    }
    return `${bytes} bytes`;
  };
  const lasting = (seconds) => {
    if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s left`;
    return seconds < 5400 ? `${Math.round(seconds / 60)} min left` : `${Math.round(seconds / 3600)} h left`;
  };
  const part = (one, name) => one.row.querySelector(`[data-part=${name}]`);
  const say = (one, text, kind = "") => {
    part(one, "say").textContent = text;
    one.row.dataset.state = kind;
  };
  const offer = (one, ...names) => {
    for (const button of one.row.querySelectorAll("[data-act]")) button.hidden = !names.includes(button.dataset.act);
  };
  const show = (one, sent) => {
    const bar = part(one, "bar"), now = performance.now();
    bar.max = one.file.size;
    bar.value = sent;
    one.past = [...(one.past || []), { now, sent }].filter((mark) => now - mark.now < 6000);
    const first = one.past[0], rate = (sent - first.sent) * 1000 / (now - first.now);
    let text = `${told(sent)} of ${told(one.file.size)}`;
    if (rate > 0 && now - first.now > 800 && sent < one.file.size) text += `, ${told(rate)}/s, ${lasting((one.file.size - sent) / rate)}`;
    part(one, "rate").textContent = text;
  };

  const wait = (milliseconds, one) => new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    one.hurry = () => { clearTimeout(timer); done(); };
  });

  // One upload.

  const base64 = (text) => btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
  const begin = async (one) => {
    const said = { filename: one.file.name, title: one.title, visibility: one.visibility };
    const pairs = Object.entries(said).filter(([, value]) => value).map(([name, value]) => `${name} ${base64(value)}`);
    const answer = await call("POST", "/api/uploads", { ...TUS, "upload-length": String(one.file.size), "upload-metadata": pairs.join(",") });
    one.location = answer.headers.get("location");
    one.offset = 0;
    remember(one.file, one.location);
  };

  /** Asks how far it has come. One that is not there any more is begun anew, unless it was stopped meanwhile. */
  const ask = async (one) => {
    const location = one.location;
    try {
      const answer = await call("HEAD", location, TUS);
      one.offset = Number(answer.headers.get("upload-offset"));
      one.unsure = false;
    } catch (error) {
      if (one.stopped || (error.status !== 404 && error.status !== 410)) throw error;
      forget(location);
      if (error.status === 404) {
        one.location = null;
        return begin(one);
      }
      const all = await (await call("GET", "/api/uploads")).json();
      const why = all.find((upload) => upload.location === location)?.refused;
      throw new Refused(why || "This was refused.", 415);
    }
  };

  const send = (one) => new Promise((done, fail) => {
    const request = new XMLHttpRequest(), from = one.offset;
    const body = one.file.slice(from, from + PART);
    let watch;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => request.abort(), PATIENCE);
    };
    one.abort = () => request.abort();
    request.open("PATCH", one.location);
    request.setRequestHeader("tus-resumable", "1.0.0");
    request.setRequestHeader("upload-offset", String(from));
    request.setRequestHeader("content-type", "application/offset+octet-stream");
    request.setRequestHeader("accept", "application/json");
    request.upload.onprogress = (event) => {
      alive();
      show(one, from + Math.min(event.loaded, body.size));
    };
    request.upload.onload = () => {
      clearTimeout(watch);
      if (from + body.size === one.file.size) say(one, "All of it is sent. Making it ready…");
    };
    request.onloadend = () => {
      clearTimeout(watch);
      one.abort = null;
      if (request.status === 204) {
        one.offset = Number(request.getResponseHeader("upload-offset"));
        return done();
      }
      if (request.status === 0 || request.status === 409) return fail(new Broken("The connection broke"));
      const told = request.status === 401 ? "You are not signed in any more." : sentence(request.responseText, request.status);
      fail(new Refused(told, request.status));
    };
    alive();
    request.send(body);
  });

  /** Waits until it is a video, however long that takes the server. */
  const ready = async (one) => {
    const id = one.location.split("/").pop();
    for (let tries = 0; ; tries++) {
      try {
        await call("GET", `/api/videos/${id}`);
        return id;
      } catch (error) {
        if (one.stopped || error.status !== 404 || tries > 600) throw error;
        await ask(one);
        if (one.offset < one.file.size) throw new Broken("It has to be sent again");
        await wait(1000, one);
      }
    }
  };

  const run = async (one) => {
    if (one.over) return;
    one.stopped = false;
    offer(one, "pause", "cancel");
    for (let failures = 0; !one.stopped;) {
      try {
        if (!one.location) await begin(one);
        if (one.unsure && !one.stopped) await ask(one);
        if (one.stopped) return left(one);
        say(one, "Sending…");
        while (one.offset < one.file.size) {
          await send(one);
          failures = 0;
          if (one.stopped) return;
        }
        const id = await ready(one);
        forget(one.location);
        await hang(one, id);
        return finished(one, id);
      } catch (error) {
        if (one.stopped) return left(one);
        one.unsure = one.location !== null;
        if (!error.again) return failed(one, error.message, error.status);
        if (++failures > TRIES) {
          one.stopped = true;
          offer(one, "go", "cancel");
          return say(one, "Nothing gets through. What was sent is kept: go on later.", "paused");
        }
        say(one, `${error.status === 429 ? error.message : "The connection broke"}. Trying again…`, "paused");
        await wait(Math.min(30000, 500 * 2 ** failures), one);
      }
    }
  };
  /** What was cancelled is given up, also where it was begun only since. */
  const left = async (one) => {
    const location = one.location;
    if (!one.over || !location) return;
    one.location = null;
    forget(location);
    await call("DELETE", location, TUS).catch(() => {});
  };
  const failed = (one, message, status) => {
    say(one, message, "failed");
    // What is sent stays where something else is in the way: room, or a sign-in.
    if (one.location && (status === 401 || status === 507)) {
      one.stopped = true;
      return offer(one, "go", "cancel");
    }
    one.over = true;
    if (one.location) forget(one.location);
    offer(one, "dismiss");
  };
  const finished = (one, id) => {
    one.over = true;
    one.id = id;
    show(one, one.file.size);
    say(one, "It is here.", "done");
    offer(one, "watch");
    const watch = one.row.querySelector("[data-act=watch]");
    watch.href = `/videos/${id}`;
    if (all.length === 1) location.assign(watch.href);
  };

  // A picture of it, as good as this browser can see it.

  const picture = (file) => new Promise((done) => {
    const film = document.createElement("video"), address = URL.createObjectURL(file);
    const end = (blob) => {
      clearTimeout(timer);
      film.removeAttribute("src");
      URL.revokeObjectURL(address);
      done(blob);
    };
    const timer = setTimeout(() => end(null), 15000);
    film.muted = true;
    film.preload = "auto";
    film.onerror = () => end(null);
    film.onloadeddata = () => {
      film.currentTime = isFinite(film.duration) ? Math.min(film.duration / 5, 20) : 0;
    };
    film.onseeked = () => {
      const scale = Math.min(1, 1280 / Math.max(film.videoWidth, film.videoHeight, 1));
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(film.videoWidth * scale);
      canvas.height = Math.round(film.videoHeight * scale);
      if (!canvas.width || !canvas.height) return end(null);
      canvas.getContext("2d").drawImage(film, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(end, "image/jpeg", 0.85);
    };
    film.src = address;
  });
  const hang = async (one, id) => {
    try {
      const blob = await one.picture;
      if (blob) await call("PUT", `/api/videos/${id}/poster`, { "content-type": "image/jpeg" }, blob);
    } catch {
      // Its owner can give it one.
    }
  };

  // All of them, one after the other.

  const all = [];
  let turn = Promise.resolve();
  const queue = (one) => {
    say(one, "Waiting for its turn…");
    offer(one, "cancel");
    one.stopped = false;
    turn = turn.then(() => (one.stopped ? undefined : run(one)));
  };
  const cancel = async (one) => {
    one.stopped = one.over = true;
    if (one.abort) one.abort();
    if (one.hurry) one.hurry();
    await left(one);
    one.row.remove();
  };
  const acts = {
    pause: (one) => {
      one.stopped = one.unsure = true;
      if (one.abort) one.abort();
      if (one.hurry) one.hurry();
      one.past = [];
      show(one, part(one, "bar").value);
      say(one, "Paused. What was sent is kept.", "paused");
      offer(one, "go", "cancel");
    },
    go: queue,
    cancel,
    dismiss: cancel,
  };
  const add = (file, settings, row) => {
    const one = { file, offset: 0, location: null, unsure: false, ...settings };
    one.row = template.content.firstElementChild.cloneNode(true);
    part(one, "name").textContent = file.name;
    part(one, "bar").setAttribute("aria-label", `How much of ${file.name} is sent`);
    if (row) row.replaceWith(one.row);
    else list.prepend(one.row);
    for (const button of one.row.querySelectorAll("button[data-act]")) {
      button.addEventListener("click", () => acts[button.dataset.act](one));
    }
    all.push(one);
    if (file.size === 0) return failed(one, "This file is empty.");
    show(one, one.offset);
    one.picture = picture(file);
    queue(one);
  };

  const rows = () => [...list.querySelectorAll("[data-location]")];
  document.addEventListener("submit", (event) => {
    if (event.target !== form) return;
    event.preventDefault();
    const files = [...chooser.files];
    const title = files.length === 1 ? form.elements.title.value.trim() : "";
    const visibility = form.elements.visibility.value;
    for (const file of files) {
      const location = known(file);
      const row = location && rows().find((row) => row.dataset.location === location);
      add(file, row ? { location, unsure: true } : { title, visibility }, row);
    }
    form.reset();
    list.scrollIntoView({ block: "nearest" });
  }, true);

  for (const row of rows()) {
    const again = row.querySelector("[data-again]");
    if (!again) continue;
    again.hidden = false;
    again.addEventListener("click", () => {
      const input = document.createElement("input");
      input.type = "file";
      input.addEventListener("change", () => {
        const file = input.files[0], location = row.dataset.location, other = markOf(location);
        if (!file) return;
        const same = file.size === Number(row.dataset.length) && (!other || other === mark(file));
        if (same) return add(file, { location, unsure: true }, row);
        row.querySelector("[data-part=say]").textContent = `That is another file than the ${row.dataset.name} that was begun.`;
      });
      input.click();
    });
  }

  addEventListener("online", () => all.forEach((one) => one.hurry && !one.stopped && one.hurry()));
  addEventListener("beforeunload", (event) => {
    if (all.some((one) => !one.over && !one.stopped)) event.preventDefault();
  });
})();
