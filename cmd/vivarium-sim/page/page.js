"use strict";
// The page of one world: lanes over time on a canvas, of which only what is in view is drawn.
(function () {
  const world = JSON.parse(document.getElementById("world").textContent);
  const film = world.film;
  const $ = (id) => document.getElementById(id);
  const colors = {
    leader: "#7cc48a", follower: "#d5deea", candidate: "#f2d28b", down: "#4b5563",
    raft: "#3b6fb5", peer: "#7a4fb0", beat: "#b8c2cf", call: "#0f766e", reply: "#0f766e",
    event: "#b45309", ping: "#b8c2cf", disk: "#8d6e63", ok: "#9fd3c7", error: "#e6c27a",
    open: "#e2e6ec", bad: "#c62828", mark: "#1a73e8", fault: "#d9480f",
  };
  const bands = { down: "#37415199", paused: "#d9770666", stopping: "#94a3b866", cut: "#dc262633",
    full: "#a1620755", shut: "#db277733", slow: "#ca8a0444" };
  const gutter = 96, axis = 22, faultLane = 22;

  // Lanes, members first, each disk below its member, then the clients that the story is about.
  const told = new Set(((world.story && world.story.scenes) || []).map((c) => c.lane));
  const order = film.lanes.map((l, i) => ({ i, l })).sort((a, b) =>
    (a.l.kind === "client") - (b.l.kind === "client") ||
    (a.l.kind === "client" && told.has(b.l.name) - told.has(a.l.name)) || a.l.no - b.l.no ||
    (a.l.kind === "disk") - (b.l.kind === "disk"));
  const lanes = [];
  let height = 0;
  const layOut = (room) => { // few lanes get more of the room
    const place = (scale) => {
      height = axis + faultLane;
      for (const { i, l } of order) {
        const rows = Math.min(world.rows[i] || 0, 8);
        const h = scale * (l.kind === "member" ? 44 : l.kind === "disk" ? 18 : 18 + 7 * rows);
        lanes[i] = { ...l, top: height, h, mid: height + h / 2 };
        height += h + (l.kind === "member" ? 0 : 6 * scale);
      }
    };
    place(1);
    if (height < room) place(Math.min(3, room / height));
  };
  layOut(0);

  // Everything that can be clicked, searched and gone to.
  const items = [];
  const byLine = new Map();
  const add = (item) => {
    item.n = items.length;
    items.push(item);
    for (const no of item.lines || []) {
      if (!byLine.has(no)) byLine.set(no, []);
      byLine.get(no).push(item);
    }
    return item;
  };
  const end = world.end;
  const until = (t) => (t < 0 ? end : t);
  const points = [], spans = [], arrows = [], shades = [];
  for (const b of film.bands || []) {
    shades.push(add({ type: "band", lane: b.lane, from: b.from, to: until(b.to), kind: b.kind, what: b.what }));
  }
  for (const b of film.bars || []) {
    spans.push(add({ type: "disk", lane: b.lane, from: b.from, to: until(b.to), what: b.what + (b.to < 0 ? " (never done)" : "") }));
  }
  for (const c of world.calls || []) {
    spans.push(add({ type: "call", lane: c.lane, from: c.from, to: until(c.to), row: c.row, kind: c.kind,
      what: c.what, lines: c.lines }));
  }
  for (const h of world.history || []) {
    if (h.lane >= 0) {
      points.push(add({ type: "history", lane: h.lane, from: h.at, to: h.at, kind: h.kind, what: h.what,
        lines: [h.no], zxid: h.zxid }));
    }
  }
  for (const p of film.points || []) {
    points.push(add({ type: "point", lane: p.lane, from: p.at, to: p.at, kind: p.kind, what: p.what }));
  }
  const decisions = (world.decisions || []).map((d, i) => add({ type: "decision", lane: -1, from: d.At, to: d.At,
    kind: "decision", what: d.What, id: d.ID, no: i + 1 }));
  for (const a of film.arrows || []) {
    arrows.push(add({ type: "arrow", lane: a.from, dest: a.to, from: a.sent, to: a.came < 0 ? a.sent : a.came,
      lost: a.came < 0, kind: a.kind, what: a.what, lines: a.line ? [a.line] : [] }));
  }
  const sorted = (list) => {
    list.sort((a, b) => a.from - b.from);
    list.longest = list.reduce((m, x) => Math.max(m, x.to - x.from), 0);
    return list;
  };
  [points, spans, arrows, shades, decisions].forEach(sorted);
  const firstAt = (list, t) => {
    let lo = 0, hi = list.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (list[mid].from < t) lo = mid + 1; else hi = mid;
    }
    return lo;
  };
  const inView = function* (list, from, to) {
    for (let i = firstAt(list, from - list.longest); i < list.length && list[i].from <= to; i++) {
      if (list[i].to >= from) yield list[i];
    }
  };
  const states = lanes.map(() => []);
  for (const s of film.states || []) states[s.lane].push(s);
  const runs = states.map((list) => { // of one role in one term
    const out = [];
    for (const s of list) {
      const last = out[out.length - 1];
      if (last && last.mode === s.mode && last.role === s.role && last.Term === s.Term) continue;
      out.push(s);
    }
    return out;
  });
  const stateAt = (lane, t) => {
    const list = states[lane];
    let lo = 0, hi = list.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (list[mid].at <= t) lo = mid + 1; else hi = mid;
    }
    return list[lo - 1];
  };

  // What the violations name.
  const offending = new Set();
  for (const v of world.violations || []) {
    if (v.own) continue; // its line says when, not what
    for (const no of v.Lines || []) for (const item of byLine.get(no) || []) offending.add(item);
  }
  const zxids = new Map();
  for (const h of world.history || []) {
    if (h.zxid && (h.kind === "commit" || !zxids.has(h.zxid))) zxids.set(h.zxid, h.no);
  }

  // What led to the violation: a list below the lanes, and its numbers in them.
  const story = world.story, scenes = (story && story.scenes) || [];
  scenes.forEach((c, i) => {
    c.no = i + 1;
    c.place = lanes.findIndex((l) => l.name === c.lane);
    const of = c.line ? byLine.get(c.line) || [] : c.decision ? decisions.filter((d) => d.no === c.decision) : [];
    c.item = of.find((o) => o.type !== "arrow") || of[0] || null;
  });

  // The view.
  const canvas = $("lanes"), g = canvas.getContext("2d");
  const view = { from: 0, to: Math.max(end, 1000) };
  let width = 800, selected = null, moment = end, matches = [], matched = new Set(), current = -1, dirty = false;
  const x = (t) => gutter + (t - view.from) / (view.to - view.from) * (width - gutter);
  const t = (px) => view.from + (px - gutter) / (width - gutter) * (view.to - view.from);
  const seconds = (us, places) => (us / 1e6).toFixed(places === undefined ? 6 : places);
  const look = (from, to) => {
    const least = 50, most = Math.max(end, 1000) * 1.1;
    let span = Math.min(Math.max(to - from, least), most);
    const mid = (from + to) / 2;
    view.from = Math.max(mid - span / 2, -most * 0.02);
    view.to = view.from + span;
    redraw();
  };
  const zoom = (factor, at) => {
    at = at === undefined ? (view.from + view.to) / 2 : at;
    look(at - (at - view.from) * factor, at + (view.to - at) * factor);
  };
  const redraw = () => {
    if (!dirty) {
      dirty = true;
      requestAnimationFrame(draw);
    }
  };
  const resize = () => {
    const ratio = window.devicePixelRatio || 1;
    width = $("scroll").clientWidth;
    layOut($("scroll").clientHeight - 6);
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    redraw();
  };

  const shown = (a) => {
    switch (a.kind) {
      case "beat": case "ping": return $("show-beat").checked;
      case "raft": return $("show-raft").checked;
      case "peer": return $("show-peer").checked;
      default: return $("show-client").checked;
    }
  };

  // Labels that would cover others are left out.
  let taken = [];
  const label = (what, px, py, most, force) => {
    if (what.length > most) what = what.slice(0, most - 1) + "…";
    const w = g.measureText(what).width + 4;
    const left = Math.max(Math.min(px, width - w - 2), gutter + 2);
    let top = py - 7;
    const covers = () => taken.some((r) => left < r[2] && r[0] < left + w && top < r[3] && r[1] < top + 13);
    if (covers() && !force) return;
    for (let n = 0; n < 12 && covers(); n++) top += 14;
    py = top + 7;
    taken.push([left, top, left + w, top + 13]);
    const color = g.fillStyle;
    g.fillStyle = "#ffffffd0";
    g.fillRect(left - 1, top, w, 13);
    g.fillStyle = color;
    g.fillText(what, left, py);
  };

  function draw() {
    dirty = false;
    taken = [];
    const start = performance.now();
    g.clearRect(0, 0, width, height);
    drawLanes();
    g.save();
    g.beginPath();
    g.rect(gutter, 0, width - gutter, height);
    g.clip();
    drawRoles();
    for (const b of inView(shades, view.from, view.to)) drawBand(b);
    for (const s of inView(spans, view.from, view.to)) drawSpan(s);
    for (const a of inView(arrows, view.from, view.to)) if (mark(a)) drawArrow(a, true);
    drawArrows();
    for (const p of inView(points, view.from, view.to)) drawPoint(p);
    for (const d of inView(decisions, view.from, view.to)) drawDecision(d);
    drawScenes();
    g.strokeStyle = "#1a73e8";
    g.lineWidth = 1;
    g.setLineDash([3, 3]);
    g.beginPath();
    g.moveTo(x(moment), axis);
    g.lineTo(x(moment), height);
    g.stroke();
    g.setLineDash([]);
    g.restore();
    drawAxis();
    $("window").textContent = seconds(view.from, 3) + " to " + seconds(view.to, 3) + " s, " +
      items.length + " things";
    api.drawn = performance.now() - start;
  }

  function drawLanes() {
    g.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    g.textBaseline = "middle";
    for (const l of lanes) {
      g.fillStyle = l.kind === "client" ? "#fafbfc" : "#f3f5f8";
      g.fillRect(0, l.top, width, l.h);
      g.fillStyle = story && l.kind === "member" && l.no === story.member ? colors.bad : "#1d2430";
      g.fillText(l.kind === "disk" ? "  disk" : l.name, 8, l.mid);
    }
    g.fillStyle = "#66707f";
    g.fillText("decisions", 8, axis + faultLane / 2);
    g.strokeStyle = "#e4e8ee";
    for (const { px } of ticks()) {
      g.beginPath();
      g.moveTo(px, axis - 6);
      g.lineTo(px, height);
      g.stroke();
    }
    g.strokeStyle = "#d9dee6";
    g.strokeRect(gutter - 0.5, axis - 0.5, width, height);
  }

  // Steps of 1, 2 or 5 times a power of ten.
  function* ticks() {
    const span = view.to - view.from;
    let step = Math.pow(10, Math.floor(Math.log10(span / 6)));
    for (const f of [5, 2]) if (span / (step * f) >= 5) { step *= f; break; }
    const places = Math.max(0, 6 - Math.floor(Math.log10(Math.max(step, 1))));
    for (let at = Math.ceil(Math.max(view.from, 0) / step) * step; at <= view.to; at += step) {
      if (x(at) >= gutter) yield { px: x(at), what: seconds(at, places) + " s" };
    }
  }

  // The times stay in sight however far down the lanes are scrolled.
  function drawAxis() {
    const top = $("scroll").scrollTop;
    g.fillStyle = "#fff";
    g.fillRect(0, top, width, axis - 1);
    g.fillStyle = "#66707f";
    for (const { px, what } of ticks()) g.fillText(what, px + 3, top + 9);
  }

  function drawRoles() {
    lanes.forEach((l, i) => {
      if (l.kind !== "member") return;
      const list = runs[i];
      let last = -1e9;
      for (let k = 0; k < list.length; k++) {
        const s = list[k], to = k + 1 < list.length ? list[k + 1].at : end;
        if (to < view.from && k + 1 < list.length) continue;
        if (s.at > view.to) break;
        g.fillStyle = s.mode === "down" ? colors.down : colors[s.role] || "#eee";
        const left = Math.max(x(s.at), gutter), right = Math.min(x(to), width);
        g.fillRect(left, l.top + 3, Math.max(right - left, 0.6), 12);
        const what = s.role + ", term " + s.Term;
        if (s.mode !== "down" && right - left > 30 && (left - last > 100 || right - left > g.measureText(what).width + 6)) {
          g.save();
          g.beginPath();
          g.rect(left, l.top, right - left, 16);
          g.clip();
          g.fillStyle = "#1d2430";
          g.fillText(what, left + 3, l.top + 9.5);
          g.restore();
          last = left;
        }
      }
    });
  }

  // Numbers that would cover each other become one: 3-5.
  function drawScenes() {
    if (story) {
      g.strokeStyle = colors.bad;
      g.lineWidth = 1.5;
      g.beginPath();
      g.moveTo(x(story.at), axis);
      g.lineTo(x(story.at), height);
      g.stroke();
    }
    const open = new Map(), pills = [];
    for (const c of scenes) {
      if (c.at < view.from || c.at > view.to) continue;
      const px = x(c.at), last = open.get(c.place);
      if (last && last.to === c.no - 1 && px - last.right < 22) {
        last.to = c.no;
        last.bad = last.bad || c.rank === "named";
        continue;
      }
      const pill = { from: c.no, to: c.no, x: px, right: px, place: c.place, bad: c.rank === "named",
        seen: c.rank === "mentioned" };
      open.set(c.place, pill);
      pills.push(pill);
    }
    g.textAlign = "center";
    const used = [];
    for (const p of pills) {
      const what = p.to > p.from ? p.from + "-" + p.to : String(p.from), w = Math.max(15, g.measureText(what).width + 7);
      const l = lanes[p.place];
      let left = Math.min(Math.max(p.x - w / 2, gutter + 1), width - w - 1);
      const top = l ? (l.kind === "member" ? l.top + 17 : l.top - 3) : axis + 4;
      while (used.some((r) => r[2] === top && r[0] < left + w && left < r[1])) left += 4;
      used.push([left, left + w, top]);
      g.fillStyle = p.bad ? colors.bad : p.seen ? colors.mark : "#475569";
      g.beginPath();
      g.roundRect(left, top, w, 14, 7);
      g.fill();
      g.fillStyle = "#fff";
      g.fillText(what, left + w / 2, top + 7.5);
    }
    g.textAlign = "left";
  }

  const mark = (item) => item === selected ? colors.mark : offending.has(item) ? colors.bad :
    matched.has(item) ? "#1a73e8" : "";

  function drawBand(b) {
    const l = lanes[b.lane], left = Math.max(x(b.from), gutter), right = Math.min(x(b.to), width);
    g.fillStyle = bands[b.kind] || "#dc262633";
    g.fillRect(left, l.top, Math.max(right - left, 1), l.h);
    if (mark(b)) {
      g.strokeStyle = mark(b);
      g.lineWidth = 2;
      g.strokeRect(left, l.top, Math.max(right - left, 1), l.h);
    }
    if (right - left > 60) {
      const what = b.kind + ": " + b.what, w = Math.min(g.measureText(what).width + 4, right - left - 4);
      for (let py = l.top + l.h - 13; py > l.top + 30; py -= 13) { // those that overlap, one above the other
        if (taken.some((r) => left < r[2] && r[0] < left + 4 + w && py < r[3] && r[1] < py + 12)) continue;
        taken.push([left, py, left + 4 + w, py + 12]);
        g.fillStyle = "#1d2430";
        g.save();
        g.beginPath();
        g.rect(left, l.top, right - left, l.h);
        g.clip();
        g.fillText(what, left + 4, py + 6);
        g.restore();
        break;
      }
    }
  }

  const box = (s) => {
    const l = lanes[s.lane], left = x(s.from), w = Math.max(x(s.to) - left, 1.5);
    if (s.type === "disk") return [left, l.top + 3, w, l.h - 6];
    return [left, l.top + 5 + 7 * Math.min(s.row || 0, 7), w, 6];
  };

  function drawSpan(s) {
    let [left, top, w, h] = box(s);
    if (left < gutter) { w -= gutter - left; left = gutter; }
    w = Math.min(w, width - left);
    g.fillStyle = s.type === "disk" ? colors.disk : colors[s.kind] || colors.ok;
    g.fillRect(left, top, w, h);
    if (mark(s)) {
      g.strokeStyle = mark(s);
      g.lineWidth = 2;
      g.strokeRect(left - 1, top - 1, w + 2, h + 2);
    }
    if (w > 120 && (s.type === "disk" || mark(s))) {
      g.fillStyle = s.type === "disk" ? "#fff" : "#1d2430";
      g.save();
      g.beginPath();
      g.rect(left, top - 4, w, h + 8);
      g.clip();
      g.fillText(s.what, left + 3, top + h / 2);
      g.restore();
    }
  }

  const ends = (a) => {
    const from = lanes[a.lane], to = lanes[a.dest], down = to.top > from.top;
    const y = (l, other) => l.kind === "client" ? l.top + 3 : other ? l.top + l.h - 4 : l.top + 18;
    const y1 = y(from, down), y2 = y(to, !down);
    if (a.lost) { // it stops on its way
      return [x(a.from), y1, x(a.from) + 8, y1 + (y2 - y1) * 0.35];
    }
    return [x(a.from), y1, x(a.to), y2];
  };

  let crowd = 0; // arrows in view
  function drawArrows() {
    crowd = 0;
    for (const a of inView(arrows, view.from, view.to)) if (shown(a)) crowd++;
    for (const a of inView(arrows, view.from, view.to)) if (shown(a) && !mark(a)) drawArrow(a, false);
    g.globalAlpha = 1;
  }

  function drawArrow(a, marked) {
    const [x1, y1, x2, y2] = ends(a);
    g.globalAlpha = marked ? 1 : crowd > 4000 ? 0.25 : crowd > 800 ? 0.5 : 0.8;
    g.strokeStyle = g.fillStyle = marked ? mark(a) : colors[a.kind] || "#888";
    g.lineWidth = marked ? 2.5 : 1;
    g.beginPath();
    g.moveTo(x1, y1);
    g.lineTo(x2, y2);
    g.stroke();
    if (a.lost) {
      g.fillText("×", x2 - 3, y2);
    } else if (crowd < 1500 || marked) {
      const angle = Math.atan2(y2 - y1, x2 - x1);
      g.beginPath();
      g.moveTo(x2, y2);
      g.lineTo(x2 - 6 * Math.cos(angle - 0.4), y2 - 6 * Math.sin(angle - 0.4));
      g.lineTo(x2 - 6 * Math.cos(angle + 0.4), y2 - 6 * Math.sin(angle + 0.4));
      g.fill();
    }
    g.globalAlpha = 1;
    if (crowd < 150 || marked) label(a.what, (x1 + x2) / 2 + 5, (y1 + y2) / 2, 46, marked);
  }

  const place = (p) => {
    const l = lanes[p.lane];
    return [x(p.from), l.kind === "member" ? l.top + 24 : l.top + 2.5];
  };

  function drawPoint(p) {
    const [px, py] = place(p), m = mark(p);
    const small = p.type === "history" && (p.kind === "call" || p.kind === "return");
    if (small && !m) return; // its bar shows it
    g.fillStyle = m || (p.kind === "event" ? colors.event : p.kind === "commit" ? "#166534" :
      p.kind === "notice" ? "#7c3aed" : "#475569");
    g.beginPath();
    g.arc(px, py, m ? 5 : 2.6, 0, 7);
    g.fill();
    if (m) label(p.what, px + 8, py, 80, true);
  }

  function drawDecision(d) {
    const px = x(d.from), py = axis + faultLane / 2;
    g.fillStyle = mark(d) || colors.fault;
    g.beginPath();
    g.moveTo(px, py + 6);
    g.lineTo(px - 5, py - 5);
    g.lineTo(px + 5, py - 5);
    g.fill();
    if (decisions.length < 60) {
      g.fillText(String(d.no), px + 6, py);
    }
  }

  // What is at a place of the canvas.
  function hit(px, py) {
    let best = null, least = 8;
    const near = (item, d) => { if (d < least) { least = d; best = item; } };
    const from = t(px - 10), to = t(px + 10);
    for (const d of inView(decisions, from, to)) {
      near(d, Math.hypot(px - x(d.from), py - axis - faultLane / 2));
    }
    for (const p of inView(points, from, to)) {
      const [qx, qy] = place(p);
      near(p, Math.hypot(px - qx, py - qy) + 1);
    }
    for (const s of inView(spans, from, to)) {
      const [left, top, w, h] = box(s);
      if (px >= left - 2 && px <= left + w + 2 && py >= top - 1 && py <= top + h + 1) near(s, 0.5);
    }
    for (const a of inView(arrows, from, to)) {
      if (!shown(a)) continue;
      const [x1, y1, x2, y2] = ends(a);
      const len = Math.hypot(x2 - x1, y2 - y1) || 1;
      const u = Math.min(1, Math.max(0, ((px - x1) * (x2 - x1) + (py - y1) * (y2 - y1)) / len / len));
      near(a, Math.hypot(px - x1 - u * (x2 - x1), py - y1 - u * (y2 - y1)));
    }
    if (best) return best;
    for (const b of inView(shades, t(px), t(px))) {
      const l = lanes[b.lane];
      if (py >= l.top && py <= l.top + l.h) return b;
    }
    return null;
  }

  const text = (tag, what, className) => {
    const e = document.createElement(tag);
    e.textContent = what;
    if (className) e.className = className;
    return e;
  };

  function select(item, at, empty) {
    selected = item;
    moment = at === undefined ? item ? item.from : moment : at;
    const out = $("selected");
    out.textContent = item ? "" : empty || "Nothing is here.";
    if (item) {
      const dl = document.createElement("dl");
      const row = (name, value) => { dl.append(text("dt", name), text("dd", value)); };
      row("what", item.what);
      row("kind", item.type === item.kind || !item.kind ? item.type : item.type + ", " + item.kind);
      row("time", seconds(item.from) + (item.to > item.from ? " to " + seconds(item.to) : "") + " s");
      if (item.lane >= 0) row("who", lanes[item.lane].name + (item.dest === undefined ? "" : " to " + lanes[item.dest].name));
      if (item.lost) row("fate", "never arrives");
      if (item.id) row("decision", item.id);
      for (const no of item.lines || []) {
        row("line " + no, (world.lines || {})[no] || "");
      }
      out.append(dl);
    }
    showMembers();
    redraw();
  }

  const facts = [["mode", "mode"], ["role", "role"], ["term", "Term"], ["leader", "leads"], ["raft id", "raftID"],
    ["last", "Last"], ["commit", "Commit"], ["applied", "Applied"], ["acknowledged", "acknowledged"],
    ["stable term", "Stable"], ["checkpoint", "Checkpointed"], ["cut behind", "CutBehind"], ["zxid", "zxid"],
    ["znodes", "znodes"], ["sessions", "sessions"], ["ephemerals", "ephemerals"], ["serving", "serving"],
    ["connections", "connections"], ["outstanding", "outstanding"], ["stream queue", "Queued"],
    ["unsent", "Unsent"], ["appends waiting", "appends"]];

  const fact = (s, field) => field === "zxid" ? "0x" + BigInt(s.zxid).toString(16) : String(s[field]);
  function showMembers() {
    $("moment").textContent = seconds(moment) + " s";
    const table = document.createElement("table");
    const list = lanes.map((l, i) => ({ l, i })).filter((e) => e.l.kind === "member");
    const head = document.createElement("tr");
    head.append(text("th", ""));
    for (const e of list) head.append(text("th", String(e.l.no)));
    table.append(head);
    for (const [name, field] of facts) {
      const tr = document.createElement("tr");
      tr.append(text("td", name));
      const values = list.map((e) => {
        const s = stateAt(e.i, moment);
        if (!s || s.mode === "down" && field !== "mode") return "";
        return fact(s, field);
      });
      const known = values.filter((v) => v !== "");
      values.forEach((v, k) => {
        const odd = v !== "" && known.some((o) => o !== v) && field !== "role" && field !== "raftID";
        const was = stateAt(list[k].i, moment - 1), now = stateAt(list[k].i, moment);
        const fresh = was && now && was !== now && was[field] !== now[field];
        const td = text("td", v, (odd ? "odd " : "") + (fresh ? "new" : ""));
        if (fresh) td.title = "was " + fact(was, field);
        tr.append(td);
      });
      table.append(tr);
    }
    $("members").replaceChildren(table);
  }

  function goTo(item) {
    const length = item.to - item.from;
    const span = Math.max(Math.min(view.to - view.from, Math.max(20 * length, 20000)), 1.2 * length);
    const mid = (item.from + item.to) / 2;
    look(mid - span / 2, mid + span / 2);
    showLane(item.lane);
    select(item);
  }
  function showLane(lane) {
    if (lane < 0) return;
    const l = lanes[lane], s = $("scroll");
    if (l.top < s.scrollTop || l.top + l.h > s.scrollTop + s.clientHeight) {
      s.scrollTop = l.top - s.clientHeight / 2;
    }
  }
  const goToLine = (no) => {
    const list = byLine.get(no) || [];
    const item = list.find((i) => i.type === "call") || list[0];
    if (item) goTo(item);
    return item;
  };
  const link = (label, what) => {
    const a = text("a", label);
    a.tabIndex = 0;
    a.addEventListener("click", what);
    a.addEventListener("keydown", (e) => { if (e.key === "Enter") what(); });
    return a;
  };

  function showViolations() {
    const few = 3, all = world.violations || [];
    all.forEach((v, i) => {
      const li = document.createElement("li");
      li.hidden = i >= few;
      li.append(text("strong", v.Judge + ": "));
      const brief = v.Text.length > 600 ? v.Text.slice(0, 600) + " …" : v.Text;
      for (const part of brief.split(/(0x[0-9a-f]+)/)) { // zxids lead to their commits
        const no = zxids.get(part);
        li.append(no ? link(part, () => goToLine(no)) : part);
      }
      if (v.own) {
        li.append(" ", link("seen at " + seconds(v.at) + " s", () => { look(v.at - 50000, v.at + 5000); select(null, v.at); }));
      } else {
        li.append(" lines ");
        for (const no of v.Lines || []) li.append(link(String(no), () => goToLine(no)), " ");
      }
      $("violations").append(li);
    });
    if (all.length > few) {
      const more = link("show " + (all.length - few) + " more", () => {
        for (const li of $("violations").children) li.hidden = false;
        more.remove();
      });
      more.id = "more-violations";
      $("violations").after(more);
    }
  }
  // showStory lists what led to the first violation.
  function showStory() {
    $("story").hidden = !story;
    if (!story) return;
    $("verdict").textContent = story.judge + ": " + (story.text.length > 300 ? story.text.slice(0, 300) + " …" : story.text);
    $("promise").textContent = story.promise ? "(" + story.judge + " wants that " + story.promise + ")" : "";
    for (const f of story.frames || []) $("scenes").append(text("li", f));
    for (const c of scenes) {
      const li = text("li", "", c.rank || "");
      li.append(text("span", String(c.no), "no"), text("span", seconds(c.at), "at"), text("span", c.lane || ""),
        text("span", c.what + (c.line ? "  [" + c.line + "]" : ""), "what"));
      li.addEventListener("click", () => goToScene(c.no - 1));
      c.li = li;
      $("scenes").append(li);
    }
    if (story.left > 0) $("unsaid").textContent = story.left + " more lines speak of the same things, or are other faults.";
  }
  let scene = scenes.length;
  function goToScene(i) {
    if (scenes.length === 0) return;
    scene = Math.min(Math.max(i, 0), scenes.length - 1);
    const c = scenes[scene];
    const half = (view.to - view.from) / 2; // the zoom stays: one sees how far they are from each other
    if (c.at < view.from + half / 10 || c.at > view.to - half / 10) look(c.at - half, c.at + half);
    showLane(c.place);
    select(c.item, c.at, c.what);
    for (const other of scenes) other.li.classList.toggle("now", other === c);
    c.li.scrollIntoView({ block: "nearest" });
  }
  // The page opens where the story is: at what the judge names and mentions, and what came last.
  function opening() {
    const core = scenes.filter((c, i) => c.rank || i >= scenes.length - 6);
    if (core.length === 0) {
      look(-0.01 * end, 1.06 * end);
      if (story) select(null, story.at);
      return;
    }
    const from = Math.min(...core.map((c) => c.at)), to = Math.max(story.at, ...core.map((c) => c.at));
    const room = Math.max((to - from) * 0.08, 500);
    if (to - from > 0.6 * end) look(-0.01 * end, 1.06 * end);
    else look(from - room, to + 2 * room);
    $("story").scrollTop = $("story").scrollHeight;
    const first = scenes.find((c) => c.rank === "named" && c.item);
    select(first ? first.item : null, story.at);
    if (!first) $("selected").textContent = "Click on anything.";
    showLane(first ? first.item.lane : lanes.findIndex((l) => l.kind === "member" && l.no === story.member));
  }
  const showHelp = () => $("keys").scrollIntoView();

  function showDecisions() {
    $("size").textContent = String(world.size);
    for (const d of decisions.slice(0, 500)) {
      const li = document.createElement("li");
      li.append(link(seconds(d.from, 3) + " s", () => goTo(d)), " " + d.id + ": " + d.what);
      $("decisions").append(li);
    }
    for (const k of world.settings || []) $("decisions").append(text("li", k));
  }

  function search() {
    const typed = $("search").value.trim().toLowerCase(), want = /^line \d+$/.test(typed) ? typed + " " : typed;
    matches = want === "" ? [] : items.filter((i) => (i.what + " " + i.kind + " " + (i.zxid || "") + " " +
      (i.id || "") + (i.lines || []).map((no) => " line " + no + " ").join("")).toLowerCase().includes(want)).sort((a, b) => a.from - b.from);
    matched = new Set(matches);
    current = -1;
    $("found").textContent = want === "" ? "" : matches.length + " found";
    $("matching").hidden = want === "";
    $("matches").replaceChildren(...matches.slice(0, 200).map((m) => {
      const li = document.createElement("li");
      li.append(link(seconds(m.from, 3) + " s", () => goTo(m)), " " + (m.lane >= 0 ? lanes[m.lane].name + ": " : "") + m.what.slice(0, 120));
      return li;
    }));
    redraw();
  }
  const step = (by) => {
    if (matches.length > 0) {
      current = (current + by + matches.length) % matches.length;
      goTo(matches[current]);
    }
  };
  let failing = -1;
  const showFailure = () => {
    const list = [...offending].filter((i) => i.type !== "arrow");
    if (list.length === 0) {
      const at = story ? story.at : end;
      look(at - Math.min(at, 200000), at + 10000);
      select(null, at);
      return;
    }
    failing = (failing + 1) % list.length;
    goTo(list[failing]);
  };

  function showLegend() {
    const all = { leader: "leader", follower: "follower", candidate: "knows no leader", down: "down",
      disk: "disk at work", ok: "call answered", error: "with an error", open: "never answered",
      raft: "raft", peer: "streams, checkpoints", call: "requests, answers", event: "watch event",
      fault: "decision", bad: "what the judge names", mark: "what it mentions, or is selected" };
    for (const k of Object.keys(all)) {
      const s = text("span", "", "item"), key = text("span", "", "key");
      key.style.background = colors[k];
      s.append(key, all[k]);
      $("legend").append(s, " ");
    }
    for (const k of Object.keys(bands)) {
      const s = text("span", "", "item"), key = text("span", "", "key");
      key.style.background = bands[k];
      s.append(key, k);
      $("legend").append(s, " ");
    }
    $("legend").append(text("p", "Wheel zooms, drag moves, click selects and shows how each member stood then. " +
      "Keys: j k go through what led there, s shows it all, v goes to the failure, + - zoom, 0 shows everything, arrows move, " +
      "/ searches and Esc leaves it, n N go through matches, t hides the list, ? comes here. Of a member's state yellow " +
      "differs between members, bold has changed in that moment."));
  }

  // Hands.
  let held = null, moved = false;
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    if (e.shiftKey) {
      const by = (view.to - view.from) * Math.sign(e.deltaY || e.deltaX) * 0.1;
      look(view.from + by, view.to + by);
    } else {
      zoom(e.deltaY > 0 ? 1.25 : 0.8, t(Math.max(e.offsetX, gutter)));
    }
  }, { passive: false });
  canvas.addEventListener("mousedown", (e) => {
    held = { x: e.clientX, y: e.clientY, from: view.from, to: view.to, top: $("scroll").scrollTop };
    moved = false;
  });
  window.addEventListener("mousemove", (e) => {
    if (!held) return;
    const dx = e.clientX - held.x, dy = e.clientY - held.y;
    moved = moved || Math.abs(dx) + Math.abs(dy) > 4;
    if (moved) {
      const by = dx / (width - gutter) * (held.to - held.from);
      look(held.from - by, held.to - by);
      $("scroll").scrollTop = held.top - dy;
    }
  });
  window.addEventListener("mouseup", () => { held = null; });
  canvas.addEventListener("click", (e) => {
    if (!moved) select(hit(e.offsetX, e.offsetY), Math.min(Math.max(t(e.offsetX), 0), end));
  });
  const keys = {
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1.6), "0": () => look(-0.01 * end, 1.06 * end),
    ArrowLeft: () => look(view.from - (view.to - view.from) * 0.2, view.to - (view.to - view.from) * 0.2),
    ArrowRight: () => look(view.from + (view.to - view.from) * 0.2, view.to + (view.to - view.from) * 0.2),
    n: () => step(1), N: () => step(-1), v: showFailure, "/": () => $("search").focus(), s: () => opening(),
    j: () => goToScene(scene >= scenes.length ? 0 : scene + 1), k: () => goToScene(scene - 1), "?": showHelp,
    t: () => { $("story").hidden = !$("story").hidden; resize(); },
  };
  window.addEventListener("keydown", (e) => {
    if (e.target === $("search")) {
      if (e.key === "Enter") step(e.shiftKey ? -1 : 1);
      if (e.key === "Escape") {
        $("search").value = "";
        search();
        $("search").blur();
      }
      return;
    }
    const key = keys[e.key];
    if (key && !e.ctrlKey && !e.metaKey && !e.altKey) {
      e.preventDefault();
      key();
    }
  });
  $("search").addEventListener("input", search);
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));
  $("closer").addEventListener("click", () => zoom(0.5));
  $("further").addEventListener("click", () => zoom(2));
  $("whole").addEventListener("click", () => look(-0.01 * end, 1.06 * end));
  $("failure").addEventListener("click", showFailure);
  $("opening").addEventListener("click", opening);
  $("help").addEventListener("click", showHelp);
  for (const id of ["show-beat", "show-raft", "show-peer", "show-client"]) $(id).addEventListener("change", redraw);
  window.addEventListener("resize", resize);
  $("scroll").addEventListener("scroll", redraw);

  // For tests, and for whoever wants to ask the page from a console.
  const api = window.vivarium = { world, items, lanes, view, offending, goToLine, select, stateAt, place, box, ends, x, scenes,
    draw, drawn: 0, selected: () => selected, moment: () => moment, matches: () => matches };
  const members = lanes.filter((l) => l.kind === "member").length; // each has a column
  document.querySelector("aside").style.width = Math.min(Math.max(400, 125 + 92 * members), 640) + "px";
  showViolations();
  showStory();
  showDecisions();
  showLegend();
  resize();
  const line = /#line=(\d+)/.exec(location.hash);
  if (line) goToLine(Number(line[1]));
  else opening();
})();
