/** What no capture holds of a packet and rules ask for, told beside it: one JSON object a line, by the packet's number. */

/** What is known of one packet; what is left out is as for a packet without annotation. */
export interface Annotation {
  /** It belongs to a socket of this host. Said by any of the other words about sockets, too. */
  socket?: boolean;
  /** Owner of the socket: numbers of user, group and supplementary groups. */
  uid?: number;
  gid?: number;
  groups?: readonly number[];
  /** Class of the socket's control group (net_cls), 0 when left out; its path below the mount point, / when left out. */
  class?: number;
  cgroup?: string;
  /** The socket may take packets for other addresses; it listens at any address. */
  transparent?: boolean;
  wildcard?: boolean;
  /** Processor that handles the packet. */
  cpu?: number;
  /** Realm of the route it takes. */
  realm?: number;
}

/** By the number of the packet in the job, from 1. */
export type Annotations = ReadonlyMap<number, Annotation>;

/** What is wrong with a file of annotations: `owners.ndjson:3: "uid" wants a number...`. */
export class AnnotationError extends Error {
  override readonly name = 'AnnotationError';
}

const MAX = 0xffffffff;
const isNumber = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX;
const isFlag = (value: unknown): boolean => typeof value === 'boolean';
const NUMBER = `a whole number up to ${MAX}`;
const WANTED: Readonly<Record<keyof Annotation, readonly [(value: unknown) => boolean, string]>> = {
  socket: [isFlag, 'true or false'],
  uid: [isNumber, NUMBER],
  gid: [isNumber, NUMBER],
  groups: [(value) => Array.isArray(value) && value.every(isNumber), 'a list of numbers'],
  class: [isNumber, NUMBER],
  cgroup: [(value) => typeof value === 'string', 'a path'],
  transparent: [isFlag, 'true or false'],
  wildcard: [isFlag, 'true or false'],
  cpu: [isNumber, NUMBER],
  realm: [isNumber, NUMBER],
};
const OF_SOCKETS = ['uid', 'gid', 'groups', 'class', 'cgroup', 'transparent', 'wildcard'] as const;

/**
 * Reads `{"packet": 7, "uid": 1000}` lines; empty lines are passed over.
 * @throws AnnotationError naming file and line.
 */
export function readAnnotations(text: string, file: string): Map<number, Annotation> {
  const out = new Map<number, Annotation>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const fail = (message: string): AnnotationError => new AnnotationError(`${file}:${index + 1}: ${message}`);
    const { packet, annotation } = readLine(line, fail);
    if (out.has(packet)) throw fail(`packet ${packet} has an annotation already`);
    out.set(packet, annotation);
  }
  return out;
}

function readLine(line: string, fail: (message: string) => AnnotationError): { packet: number; annotation: Annotation } {
  const { packet, ...rest } = objectOf(line, fail);
  if (!Number.isInteger(packet) || (packet as number) < 1 || (packet as number) > MAX)
    throw fail(`"packet" wants the number of a packet, from 1, got ${shown(packet)}`);
  for (const [name, value] of Object.entries(rest)) {
    const wanted = Object.hasOwn(WANTED, name) ? WANTED[name as keyof Annotation] : undefined;
    if (wanted === undefined) throw fail(`unknown word "${name}"; known are packet, ${Object.keys(WANTED).join(', ')}`);
    if (!wanted[0](value)) throw fail(`"${name}" wants ${wanted[1]}, got ${shown(value)}`);
  }
  const annotation = rest as Annotation;
  const ofSocket = OF_SOCKETS.some((name) => annotation[name] !== undefined);
  if (annotation.socket === false && ofSocket) throw fail('"socket": false, and yet it says something of the socket');
  return { packet: packet as number, annotation: ofSocket ? { ...annotation, socket: true } : annotation };
}

function objectOf(line: string, fail: (message: string) => AnnotationError): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Not JSON: the same complaint.
  }
  throw fail(`wants an object like {"packet": 7, "uid": 1000}, got ${line.trim().slice(0, 60)}`);
}

const shown = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 60));

/** Notes of a replay of so many packets: what was told of none of them. */
export function annotationNotes(annotations: Annotations | undefined, packets: number): string[] {
  const beyond = [...(annotations?.keys() ?? [])].filter((packet) => packet > packets).sort((a, b) => a - b);
  if (beyond.length === 0) return [];
  const told = beyond.length === 1 ? `packet ${beyond[0]}` : `${beyond.length} packets (the first: ${beyond[0]})`;
  return [`--annotate tells of ${told}, but the captures end with packet ${packets}`];
}
