/** JSON of the HTTP API, as far as the page uses it (docs/http.md). */

export interface LastJob {
  id: string;
  date: string;
  status: string;
}
export interface Runs {
  last: string;
  ago_s: number[];
  ms: (number | null)[];
  states: Record<string, string>;
}
export interface Pause {
  reason: string;
  since: string;
  until: string | null;
}

export interface Rule {
  key: string;
  task: string;
  rule: string;
  cron: string | null;
  every: number | null;
  at: string | null;
  timezone: string;
  args: unknown;
  origin: string;
  overridden: boolean;
  overlap: string;
  catch_up: string;
  jitter: number;
  start: string | null;
  end: string | null;
  max_runs: number | null;
  grace: number | null;
}

export interface Schedule extends Rule {
  queue: string;
  next_slot: string | null;
  last_slot: string | null;
  paused: Pause | null;
  skips: number;
  runs: number;
  live_job: string | null;
  filling: number | null;
  unreadable: string | null;
}

/** A task in a list. */
export interface TaskLine {
  name: string;
  queue: string;
  doc: string;
  has_worker: boolean;
  external: boolean;
  queued: number;
  running: number;
  streak: number;
  next_slot: string | null;
  last_job: LastJob | null;
  last_success: LastJob | null;
  last_failure: LastJob | null;
  last_error: string | null;
  unreadable: string | null;
}

export interface Task extends TaskLine {
  options: Record<string, unknown>;
  schedules: Rule[];
  parameters: Schema | null;
}

export interface LogLine {
  at: string;
  level: string;
  text: string;
}

export interface Job {
  id: string;
  task: string;
  queue: string;
  state: string;
  attempt: number;
  args: unknown;
  due: string;
  schedule: string | null;
  key: string | null;
  created: string | null;
  started: string | null;
  ended: string | null;
  duration: number | null;
  worker: string | null;
  reason: string | null;
  error: string | null;
  traceback: string | null;
  result: unknown;
  progress: number | null;
  step: string | null;
  checkpoint: unknown;
  headers: Record<string, string>;
  ready: string | null;
  crashes: number;
  log: LogLine[];
  unreadable: string | null;
}

export interface JobPage {
  items: Job[];
  next: string | null;
}

export interface Attempt {
  attempt: number;
  outcome: string;
  worker: string | null;
  started: string | null;
  ended: string | null;
  reason: string | null;
  error: string | null;
  traceback: string | null;
}

export interface Worker {
  id: string;
  host: string;
  pid: number;
  version: string;
  started: string;
  last_beat: string;
  capacity: number;
  busy: number;
  queues: string[];
  tasks: string[];
  stops: boolean;
  unreadable: string | null;
}

export interface Queue {
  name: string;
  tasks: number;
  queued: number;
  running: number;
  waiting: number;
  oldest: string | null;
  events: number;
  came: number | null;
  ended: number | null;
  unreadable: string | null;
}

export interface Past {
  start: string;
  state: string;
  reason: string | null;
  count: number;
  longest: number | null;
  job: string | null;
}
export interface SlotCount {
  start: string;
  schedule: string;
  count: number;
}
export interface Lane {
  task: string;
  past: Past[];
  absent: SlotCount[];
  future: SlotCount[];
  paused: PausedSpan[];
}
export interface Timeline {
  now: string;
  since: string;
  until: string;
  bucket: number;
  lanes: Lane[];
  missing: string[];
  clock_changes: ClockChange[];
}

export interface AuditEntry {
  id: number;
  at: string;
  actor: string;
  action: string;
  target: string;
  reason: string;
  origin: string;
  changes: Record<string, [unknown, unknown]> | null;
}

export interface AuditPage {
  items: AuditEntry[];
  next: number | null;
}

export interface PreviewSlot {
  utc: string;
  note: string;
}
export interface Preview {
  description: string;
  slots: PreviewSlot[];
  warnings: PreviewSlot[];
}

export interface Token {
  name: string;
  scopes: string[];
  expires: string | null;
}

export interface StoredToken {
  id: string;
  name: string;
  scopes: string[];
  created: string;
  expires: string | null;
}

/** JSON Schema of one argument, or of all. */
export interface Schema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  required?: string[];
  properties?: Record<string, Schema>;
}

export interface TaskStatistics {
  task: string;
  runs: Runs | null;
  p50_ms: number | null;
  p95_ms: number | null;
}
export interface DayStatistics {
  jobs: number;
  succeeded: number;
  failed: number;
  success: number | null;
  lag_p95_ms: number | null;
}
export interface Statistics {
  now: string;
  tasks: TaskStatistics[];
  day: DayStatistics | null;
  missing: string[];
}

export interface Waiting {
  code: string;
  since: string | null;
  until: string | null;
  ahead: number | null;
  behind: string | null;
  limit: number | null;
}

export interface PausedSpan {
  schedule: string;
  start: string | null;
  end: string | null;
  reason: string | null;
}
export interface ClockChange {
  at: string;
  zone: string;
  shift: number;
}

export interface Incident {
  id: string;
  kind: string;
  subject: string;
  task: string | null;
  job: string | null;
  error: string | null;
  count: number;
  opened_at: string;
  closed_at: string | null;
  acknowledged_by: string | null;
}
export interface IncidentPage {
  items: Incident[];
  next: string | null;
}
export interface Mute {
  id: number;
  tasks: string;
  kinds: string[];
  until: string;
  reason: string;
  actor: string;
}
export interface Channel {
  name: string;
  type: string;
  origin: string;
  state: string;
  target: string;
  failures: number;
  last_error: string | null;
  last_sent_at: string | null;
  waiting: number;
}
export interface Delivery {
  id: number;
  at: string;
  title: string;
  number: number;
  outcome: string;
  answer: string;
  took_ms: number;
  next_at: string | null;
}
export interface DeliveryPage {
  items: Delivery[];
  next: number | null;
}
