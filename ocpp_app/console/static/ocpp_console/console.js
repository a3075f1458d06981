// The console's few lines of behaviour; every page works without them, but for drawings and what updates itself.
"use strict";

(() => {
  const YEAR_S = 31536000;
  const secure = location.protocol === "https:" ? "; secure" : "";

  function remember(name, value) {
    document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; samesite=lax${secure}`;
  }

  function recalled(name) {
    const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(`${name}=`));
    return found ? found.slice(name.length + 1) : "";
  }

  // -- the viewer's time zone: told once; a page in another zone is shown again, once in a browser session ----------

  function tellZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!zone || recalled("console_zone") === zone) return;
    remember("console_zone", zone);
    const shown = document.documentElement.dataset.zone;
    const isAgain = sessionStorage.getItem("console_zone") === zone;
    if (shown && shown !== zone && recalled("console_zone") === zone && !isAgain) {
      sessionStorage.setItem("console_zone", zone);
      location.reload();
    }
  }

  // -- light and dark ------------------------------------------------------------------------------------------------

  function switchTheme() {
    const root = document.documentElement;
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    remember("console_theme", root.dataset.theme);
    drawAll(true);
  }

  // -- parts that update themselves ----------------------------------------------------------------------------------

  const last = new Map(); // what the server last said of a part, by its id
  let opened = []; // what is unfolded in the part that is being replaced

  function isPolling(detail) {
    return (detail.elt.getAttribute("hx-trigger") || "").startsWith("every");
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && isPolling(event.detail)) event.preventDefault();
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt, serverResponse, xhr } = event.detail;
    if (xhr.status === 403 || xhr.status === 404 || xhr.status === 422) event.detail.shouldSwap = true; // words for people
    if (!elt.id || !isPolling(event.detail)) return;
    const part = new DOMParser().parseFromString(serverResponse, "text/html").getElementById(elt.id);
    const said = part ? part.outerHTML : "";
    if (!part || last.get(elt.id) === said) event.detail.shouldSwap = false; // nothing moves unless something changed
    last.set(elt.id, said);
    opened = [...elt.querySelectorAll("details[open][id]")].map((one) => one.id);
  });

  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", ""); // what was unfolded stays so
    opened = [];
  });

  const reachable = (isReachable) => {
    const notice = document.getElementById("unreachable");
    if (notice) notice.hidden = isReachable;
  };
  document.addEventListener("htmx:sendError", () => reachable(false));
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.xhr && event.detail.xhr.status) reachable(event.detail.xhr.status < 500);
  });

  // -- the dialog that asks before something is done -----------------------------------------------------------------

  document.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    if (target && target.id === "dialog-body") {
      const dialog = document.getElementById("dialog");
      if (!dialog.open) dialog.showModal();
      const first = dialog.querySelector("[autofocus], input:not([type=hidden]), select, button.primary");
      if (first) first.focus();
    }
    if (event.detail.elt) drawAll(false);
  });

  document.addEventListener("click", (event) => {
    const closes = event.target.closest("[data-close]");
    const dialog = document.getElementById("dialog");
    if (closes && dialog && dialog.open) {
      event.preventDefault();
      dialog.close();
    } else if (event.target === dialog) {
      dialog.close();
    }
  });

  document.addEventListener("close", (event) => {
    if (event.target.id === "dialog") document.getElementById("dialog-body").replaceChildren();
  }, true);

  // -- small helpers of forms ----------------------------------------------------------------------------------------

  function addItem(button) {
    const list = button.closest("[data-items]");
    const number = Number(list.dataset.next);
    const template = list.querySelector("template");
    const holder = document.createElement("div");
    holder.innerHTML = template.innerHTML.replaceAll("__N__", String(number));
    const item = holder.firstElementChild;
    list.dataset.next = String(number + 1);
    button.before(item);
    const field = item.querySelector("input, select, textarea");
    if (field) field.focus();
  }

  async function copy(button) {
    const text = document.getElementById(button.dataset.copy).textContent.trim();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      button.after(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = button.dataset.done;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.hasAttribute("data-theme-switch")) switchTheme();
    if (button.hasAttribute("data-add-item")) addItem(button);
    if (button.hasAttribute("data-remove-item")) button.closest("[data-item]").remove();
    if (button.dataset.copy) copy(button);
    if (button.hasAttribute("data-raw")) {
      const isRaw = document.getElementById("log").classList.toggle("show-raw");
      button.setAttribute("aria-pressed", String(isRaw));
    }
  });

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-submits]");
    if (form) form.requestSubmit();
  });

  // -- drawings ------------------------------------------------------------------------------------------------------

  const plots = new Map();

  function colour(name) {
    const probe = document.createElement("span");
    probe.className = "hidden";
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function faint(rgb, alpha) {
    return rgb.startsWith("rgb(") ? rgb.replace("rgb(", "rgba(").replace(")", `, ${alpha})`) : rgb;
  }

  function draw(holder) {
    const source = document.getElementById(holder.dataset.chart);
    if (!source || typeof uPlot === "undefined") return;
    const given = JSON.parse(source.textContent);
    const zone = document.documentElement.dataset.zone;
    const axis = { stroke: colour("muted"), grid: { stroke: faint(colour("edge"), 0.18), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const scales = { x: { time: given.time !== false } };
    const axes = [{ ...axis }];
    const series = [{}];
    for (const one of given.series) {
      const stroke = colour(one.colour || "accent");
      const scale = one.unit;
      if (!scales[scale]) {
        scales[scale] = { range: (_plot, low, high) => [Math.min(0, low || 0), Math.max(one.top || 0, (high || 0) * 1.08, one.least || 1)] };
        axes.push({ ...axis, scale, side: axes.length === 1 ? 3 : 1, grid: axes.length === 1 ? axis.grid : { show: false }, size: 56, values: (_plot, ticks) => ticks.map((tick) => `${tick} ${scale}`) });
      }
      series.push({
        label: one.label,
        scale,
        stroke,
        width: 2,
        points: { show: false },
        fill: one.fill ? faint(stroke, 0.14) : undefined,
        paths: one.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
        value: (_plot, value) => (value === null || value === undefined ? "–" : `${Math.round(value * 100) / 100} ${one.unit}`),
      });
    }
    const data = given.data.map((values) => values.map((value) => (value === false ? undefined : value)));
    const options = {
      width: holder.clientWidth,
      height: Math.max(100, holder.clientHeight - (given.series.length ? 34 : 0)),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      fmtDate: uPlot.fmtDate,
      scales,
      axes,
      series,
      cursor: { y: false, drag: { x: true, y: false } },
    };
    if (given.time === false) {
      options.axes[0].incrs = [60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
      options.axes[0].values = (_plot, ticks) => ticks.map((tick) => `${Math.round(tick / 36) / 100} h`);
      series[0] = { value: (_plot, value) => (value === null ? "–" : `${Math.round(value / 36) / 100} h`), label: given.x };
    } else {
      series[0] = { label: given.x || "", value: (_plot, value) => (value === null ? "–" : new Date(value * 1000).toLocaleString(undefined, { timeZone: zone })) };
      options.axes[0].values = [
        [86400, "{D}.{M}.", null, null, null, null, null, null, 1],
        [3600, "{HH}:{mm}", "\n{D}.{M}.", null, "\n{D}.{M}.", null, null, null, 1],
        [60, "{HH}:{mm}", null, null, null, null, null, null, 1],
        [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
      ];
    }
    const old = plots.get(holder);
    if (old) old.plot.destroy();
    holder.replaceChildren();
    plots.set(holder, { plot: new uPlot(options, data, holder), text: source.textContent, width: holder.clientWidth });
  }

  function drawAll(isForced) {
    for (const holder of plots.keys()) {
      if (!holder.isConnected) {
        plots.get(holder).plot.destroy();
        plots.delete(holder);
      }
    }
    for (const holder of document.querySelectorAll("[data-chart]")) {
      const drawn = plots.get(holder);
      const source = document.getElementById(holder.dataset.chart);
      if (isForced || !drawn || drawn.text !== (source && source.textContent) || drawn.width !== holder.clientWidth) draw(holder);
    }
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(true));
  let resizing = 0;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => drawAll(false), 150);
  });

  tellZone();
  drawAll(false);
})();
