/** What no capture holds of a packet and rules ask for, told beside it: one JSON object a line, by the packet's number. */

import { parseWhole } from './address.ts';
import { count } from './count.ts';
import type { Words } from './ruleset.ts';

/** One transformation of IPsec a packet went through, or is about to. What is left out is not known: it equals nothing that a rule asks for. */
export interface Transformation {
  proto?: 'esp' | 'ah' | 'ipcomp';
  mode?: 'transport' | 'tunnel';
  spi?: number;
  reqid?: number;
  /** Ends of the tunnel, of either family. */
  src?: Words;
  dst?: Words;
}

/** The connection of the load balancer (IPVS) that a packet belongs to. What is left out equals nothing that a rule asks for. */
export interface Balanced {
  /** Address and port of the service. */
  vaddr?: Words;
  vport?: number;
  /** How packets are forwarded. */
  vmethod?: 'GATE' | 'IPIP' | 'MASQ';
  /** Port of the service of the connection that controls this one. */
  vportctl?: number;
}

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
  /** Port of a bridge that it came in by, and that it leaves by: the latter counts in hooks that know where it leaves. */
  physin?: string;
  physout?: string;
  /** Groups of the devices it comes in and leaves by, 0 when left out. */
  srcgroup?: number;
  dstgroup?: number;
  /** What IPsec took off it, and what it will put on: the innermost first. */
  ipsecin?: readonly Transformation[];
  ipsecout?: readonly Transformation[];
  ipvs?: Balanced;
}

/** By the number of the packet in the job, from 1. */
export type Annotations = ReadonlyMap<number, Annotation>;

/** What is wrong with a file of annotations: `owners.ndjson:3: "uid" wants a number...`. */
export class AnnotationError extends Error {
  override readonly name = 'AnnotationError';
}

const MAX = 0xffffffff;
const PORT_MAX = 0xffff;
const LONGEST_DEVICE = 15;
/** The kernel's XFRM_MAX_DEPTH. */
const MOST_TRANSFORMATIONS = 6;

/** Reads a value: the model's form of it, or undefined for one that will not do. `wanted`: in words. */
interface Reader<T = unknown> {
  read(value: unknown): T | undefined;
  wanted: string;
}

const accepting = <T>(wanted: string, accepts: (value: unknown) => boolean): Reader<T> => ({
  wanted,
  read: (value) => (accepts(value) ? (value as T) : undefined),
});
const isNumber = (value: unknown, most = MAX): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
const FLAG = accepting<boolean>('true or false', (value) => typeof value === 'boolean');
const NUMBER = accepting<number>(`a whole number up to ${MAX}`, (value) => isNumber(value));
const PORT = accepting<number>('a port', (value) => isNumber(value, PORT_MAX));
const DEVICE = accepting<string>(
  `the name of a device, of 1 to ${LONGEST_DEVICE} characters`,
  (value) => typeof value === 'string' && value !== '' && value.length <= LONGEST_DEVICE,
);
const oneOf = <T extends string>(...words: readonly T[]): Reader<T> =>
  accepting(words.map((word) => `"${word}"`).join(' or '), (value) => (words as readonly unknown[]).includes(value));
const ADDRESS: Reader<Words> = {
  wanted: 'an IPv4 or IPv6 address',
  read: (value) => (typeof value === 'string' ? parseWhole(value)?.address : undefined),
};

/** An object of some words, each with a value of its own. */
function objectWith<T extends object>(readers: { readonly [K in keyof Required<T>]: Reader }): Reader<T> {
  const known = new Map<string, Reader>(Object.entries(readers));
  return {
    wanted: `an object with some of ${Object.entries<Reader>(readers)
      .map(([name, { wanted }]) => `"${name}" (${wanted})`)
      .join(', ')}`,
    read(value) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      const read = Object.entries(value).map(([name, inner]) => [name, known.get(name)?.read(inner)] as const);
      return read.some(([, inner]) => inner === undefined) ? undefined : (Object.fromEntries(read) as T);
    },
  };
}

const TRANSFORMATION = objectWith<Transformation>({
  proto: oneOf('esp', 'ah', 'ipcomp'),
  mode: oneOf('transport', 'tunnel'),
  spi: NUMBER,
  reqid: NUMBER,
  src: ADDRESS,
  dst: ADDRESS,
});
const TRANSFORMATIONS: Reader<Transformation[]> = {
  wanted: `a list of up to ${MOST_TRANSFORMATIONS} transformations, the innermost first, each ${TRANSFORMATION.wanted}`,
  read(value) {
    if (!Array.isArray(value) || value.length > MOST_TRANSFORMATIONS) return undefined;
    const all = value.map((each) => TRANSFORMATION.read(each));
    return all.includes(undefined) ? undefined : (all as Transformation[]);
  },
};
const READERS: { readonly [K in keyof Required<Annotation>]: Reader } = {
  socket: FLAG,
  uid: NUMBER,
  gid: NUMBER,
  groups: accepting('a list of numbers', (value) => Array.isArray(value) && value.every((each) => isNumber(each))),
  class: NUMBER,
  cgroup: accepting('a path', (value) => typeof value === 'string'),
  transparent: FLAG,
  wildcard: FLAG,
  cpu: NUMBER,
  realm: NUMBER,
  physin: DEVICE,
  physout: DEVICE,
  srcgroup: NUMBER,
  dstgroup: NUMBER,
  ipsecin: TRANSFORMATIONS,
  ipsecout: TRANSFORMATIONS,
  ipvs: objectWith<Balanced>({ vaddr: ADDRESS, vport: PORT, vmethod: oneOf('GATE', 'IPIP', 'MASQ'), vportctl: PORT }),
};

/** What an annotation may tell, beside the packet's number. */
export const ANNOTATION_WORDS: readonly string[] = Object.keys(READERS);
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
  const read = Object.entries(rest).map(([name, value]) => {
    const reader = Object.hasOwn(READERS, name) ? READERS[name as keyof Annotation] : undefined;
    if (reader === undefined) throw fail(`unknown word "${name}"; known are packet, ${ANNOTATION_WORDS.join(', ')}`);
    const told = reader.read(value);
    if (told === undefined) throw fail(`"${name}" wants ${reader.wanted}, got ${shown(value)}`);
    return [name, told] as const;
  });
  const annotation: Annotation = Object.fromEntries(read);
  const ofSocket = OF_SOCKETS.some((name) => annotation[name] !== undefined);
  if (annotation.socket === false && ofSocket) throw fail('"socket": false, and yet it says something of the socket');
  if (annotation.physout !== undefined && annotation.physin === undefined)
    throw fail('"physout" wants "physin" beside it: what a bridge lets out came in by one of its ports');
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
  const told =
    beyond.length === 1 ? `packet ${count(beyond[0]!)}` : `${count(beyond.length)} packets (the first: ${count(beyond[0]!)})`;
  return [`--annotate tells of ${told}, but the captures end with packet ${count(packets)}`];
}
