// A client of infinitas.v1 in plain Node.js (22 or later), with nothing installed: docs/protocol.md.
// Copy it, and call `serve(tasks)`; worker.mjs shows how.

import os from "node:os";

const SERVER = (process.env.INFINITAS_SERVER ?? "ws://127.0.0.1:3000").replace(/^http/, "ws");
const TOKEN = process.env.INFINITAS_TOKEN;
const CAPACITY = Number(process.env.INFINITAS_CONCURRENCY ?? 10);
// Close codes after which coming back would change nothing, with what helps.
const HOPELESS = new Map([
  [4400, "use a client of the server's version"],
  [4401, "set INFINITAS_TOKEN to a valid token (`infinitas token add`) and start again"],
  [4403, "set INFINITAS_TOKEN to a token with the scope `worker` for these tasks and start again"],
  [4409, "start again: another connection has taken the session over"],
  [4426, "use a client of the server's version"],
]);

let tasks, socket, session, beating;
let pause = 500;
let lease = 10_000;
let heard = 0; // when the last frame of the server arrived
let asked = 0; // when the first beat without an answer was sent; 0: there is none
let maxFrame = 1024 * 1024;
let stopping = false;
const running = new Map(); // "job attempt" → job
const unanswered = new Map(); // id → a last word that the server has not confirmed

const say = (frame) => socket?.readyState === WebSocket.OPEN && session && socket.send(JSON.stringify(frame));
const note = (text) => console.log(new Date().toISOString(), text);

class Job {
  #number = 0;
  #unkept = []; // lines that no ack has named

  constructor({ job, attempt, task, due, headers, checkpoint }) {
    Object.assign(this, { id: job, attempt, task, due: new Date(due), headers, lastCheckpoint: checkpoint });
    this.stop = new AbortController();
  }

  get about() {
    return { job: this.id, attempt: this.attempt };
  }

  log(text, level = "info") {
    this.#unkept.push({ seq: this.#number++, at: Date.now(), level, text: String(text) });
    this.sayLines();
  }

  sayLines() {
    if (this.#unkept.length) say({ t: "log", ...this.about, lines: this.#unkept.slice(0, 1000) });
  }

  kept(last) {
    this.#unkept = this.#unkept.filter((line) => line.seq > last);
  }

  progress(value, step) {
    say({ t: "progress", ...this.about, value, step });
  }

  sleep(ms) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      this.stop.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(this.stop.signal.reason);
      });
    });
  }
}

// A last word is sent again until the server has answered it, after a break in the connection as well.
function end(job, frame) {
  if (job.lost) return;
  // The server would close the connection, again each time that we come back with it.
  if (Buffer.byteLength(JSON.stringify(frame)) > maxFrame - 2_000)
    frame = { t: "fail", error: "the result does not fit into a frame", reason: "bad_result", retry: "never" };
  const id = `${job.id} ${job.attempt}`;
  unanswered.set(id, { ...frame, id, ...job.about });
  say(unanswered.get(id));
}

async function run(message) {
  const key = `${message.job} ${message.attempt}`;
  say({ t: "accept", job: message.job, attempt: message.attempt });
  if (running.has(key)) return; // told twice
  const job = new Job(message);
  running.set(key, job);
  const [args, kwargs] = message.args;
  try {
    const rest = Object.keys(kwargs).length ? [kwargs] : [];
    const result = await tasks[message.task].run(job, ...args, ...rest);
    end(job, { t: "done", result: result ?? null });
  } catch (error) {
    end(job, { t: "fail", error: String(error), traceback: error?.stack });
  }
}

const hear = {
  welcome(message) {
    note(session ? "back at the server" : `connected as ${message.session}`);
    if (session && session !== message.session) running.forEach((job) => lose(job.id, job.attempt));
    session = message.session;
    pause = 500;
    for (const { job, attempt, verdict } of message.resumed) if (verdict === "lost") lose(job, attempt);
    for (const job of running.values()) job.sayLines();
    for (const frame of unanswered.values()) say(frame);
  },
  hello({ beat_ms, lease_ms, max_frame }) {
    maxFrame = max_frame;
    lease = lease_ms;
    let ticked = Date.now();
    let ticks = 0;
    asked = 0;
    clearInterval(beating);
    beating = setInterval(() => {
      const late = Math.max(0, Date.now() - ticked - beat_ms / 4); // our own delay is no silence of the server
      ticked = Date.now();
      heard += late;
      if (asked) asked += late;
      if (asked && ticked - asked > 1.5 * beat_ms && ticked - heard > beat_ms)
        return giveUp("the server does not answer any more");
      if (++ticks % 4) return;
      asked ||= Date.now();
      say({ t: "beat" });
    }, beat_ms / 4);
  },
  beat_ack() {
    asked = 0;
  },
  job: run,
  cancel({ job, attempt, code, reason }) {
    running.get(`${job} ${attempt}`)?.stop.abort(new Error(`${code}: ${reason ?? ""}`));
  },
  ack({ re, job, attempt, log }) {
    if (log !== undefined) running.get(`${job} ${attempt}`)?.kept(log);
    else over(re);
  },
  err({ re, code, detail }) {
    if (code === "server_unreachable") setTimeout(() => unanswered.has(re) && say(unanswered.get(re)), 500);
    else if (re) over(re);
    note(`${code}: ${detail}`);
  },
  drain: () => note("the server stops; coming back"),
  stop: () => stopping || stop(), // a person drains this worker
};

// Somebody else has the job: stop its code, and say nothing more of it.
function lose(id, attempt) {
  const key = `${id} ${attempt}`;
  const job = running.get(key);
  running.delete(key);
  unanswered.delete(key);
  if (job) {
    job.lost = true;
    job.stop.abort(new Error("job_lost"));
  }
}

function over(id) {
  unanswered.delete(id);
  running.delete(id);
  if (stopping && !running.size) say({ t: "bye" });
}

function connect() {
  socket = new WebSocket(`${SERVER}/api/v1/worker`, "infinitas.v1");
  // A connection that can't be made, or a server that says nothing, must not outlive the lease of our jobs.
  const opening = setTimeout(() => giveUp("the server does not answer"), running.size ? lease / 2 : 10_000);
  socket.onopen = () => {
    heard = Date.now();
    const in_flight = [...running.values()].map((job) => job.about);
    const entries = Object.entries(tasks).map(([name, { options }]) => ({ name, options }));
    const who = { host: os.hostname(), pid: process.pid, version: `node ${process.versions.node}` };
    const identify = { t: "identify", ...who, tasks: entries, capacity: CAPACITY, in_flight };
    if (TOKEN) identify.token = TOKEN;
    if (session) identify.session = session;
    socket.send(JSON.stringify(identify));
  };
  socket.onmessage = ({ data }) => {
    heard = Date.now();
    clearTimeout(opening);
    [JSON.parse(data)].flat().forEach((each) => hear[each.t]?.(each));
  };
  socket.onerror = () => {}; // `onclose` follows
  socket.onclose = ({ code, reason }) => {
    clearTimeout(opening);
    clearInterval(beating);
    if (code === 1000) process.exit(0);
    if (HOPELESS.has(code)) {
      note(`the server refuses this worker (${code} ${reason}): ${HOPELESS.get(code)}`);
      process.exit(1);
    }
    comeBack();
  };
}

// While jobs run here we are back before their lease is over.
function comeBack() {
  const longest = running.size ? lease / 4 : 30_000;
  setTimeout(connect, Math.min(pause * (0.5 + Math.random() / 2), longest));
  pause = Math.min(pause * 2, 30_000);
}

// Behind a cut cable nobody closes a connection, and closing it would wait for an answer.
function giveUp(why) {
  note(why);
  clearInterval(beating);
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
  connect();
}

function stop() {
  if (stopping) process.exit(1); // asked twice: the jobs go on elsewhere, after a lease
  stopping = true;
  note(`stopping: ${running.size} jobs may finish`);
  say({ t: "capacity", n: 0 });
  if (!running.size) say({ t: "bye" });
}

// Serve `tasks`, {name: {options, run(job, ...args)}}, until SIGTERM or SIGINT.
export function serve(given) {
  tasks = given;
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  connect();
}
