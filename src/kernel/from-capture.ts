/** From captured frames to a job's frames: down to the IP header, and which way they go. Link types as tcpdump.org numbers them. */
import type { Family } from '../model/ruleset.ts';
import type { KernelFrame, KernelJob } from './job.ts';

/** What a capture reader gives (a subset of model/witness Frame). */
export interface CapturedFrame {
  /** Nanoseconds since the epoch. */
  time: bigint;
  linktype: number;
  bytes: Uint8Array;
  direction?: 'in' | 'out';
}

export interface CaptureFrames {
  frames: KernelFrame[];
  /** 1-based packet number of each of `frames`. */
  numbers: number[];
  /** Packets that cannot be injected: not IP, or not of a family the job has rules for. */
  skipped: { packet: number; reason: string }[];
}

/** The IP packet inside a frame, and what the link layer said of it. */
export interface Inner {
  family: Family;
  bytes: Uint8Array;
  direction?: 'in' | 'out';
  kind?: NonNullable<KernelFrame['dstMacKind']>;
  source?: string;
  destination?: string;
  /** Number of the device it was captured at (SLL2). */
  device?: number;
}

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const VLAN = new Set([0x8100, 0x88a8, 0x9100]);
const ETHERNET = 1;
const RAW = new Set([12, 14, 101, 228, 229]);
const NULL_LOOP = new Set([0, 108]);
const SLL = 113;
const SLL2 = 276;
/** Second item of `packet type` in SLL: to us, broadcast, multicast, other host; 4 is outgoing. */
const SLL_KINDS = ['host', 'broadcast', 'multicast', 'other'] as const;

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function macText(bytes: Uint8Array, at: number): string {
  return Array.from(bytes.subarray(at, at + 6), (b) => b.toString(16).padStart(2, '0')).join(':');
}

/** Goes through VLAN tags to IP; undefined when something else is inside. */
function byType(bytes: Uint8Array, typeAt: number): Inner | undefined {
  let at = typeAt;
  while (VLAN.has(u16(bytes, at)) && at + 6 <= bytes.length) at += 4;
  const type = u16(bytes, at);
  if (at + 2 > bytes.length || (type !== IPV4 && type !== IPV6)) return undefined;
  return { family: type === IPV4 ? 4 : 6, bytes: bytes.subarray(at + 2) };
}

function byNibble(bytes: Uint8Array): Inner | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  return version === 4 || version === 6 ? { family: version, bytes } : undefined;
}

function ethernet(bytes: Uint8Array): Inner | undefined {
  const inner = byType(bytes, 12);
  if (inner === undefined) return undefined;
  const broadcast = bytes.subarray(0, 6).every((b) => b === 255);
  const kind = broadcast ? 'broadcast' : ((bytes[0] ?? 0) & 1) === 1 ? 'multicast' : 'host';
  return { ...inner, kind, source: macText(bytes, 6), destination: macText(bytes, 0) };
}

function cooked(inner: Inner | undefined, type: number, bytes: Uint8Array, addressAt: number, length: number): Inner | undefined {
  if (inner === undefined) return undefined;
  const source = length === 6 ? { source: macText(bytes, addressAt) } : {};
  const kind = SLL_KINDS[type];
  return { ...inner, ...source, direction: type === 4 ? 'out' : 'in', ...(kind === undefined ? {} : { kind }) };
}

/** The IP packet in a frame of this link type; undefined when there is none. */
export function innerOf(frame: CapturedFrame): Inner | undefined {
  const { bytes, linktype } = frame;
  if (linktype === ETHERNET) return ethernet(bytes);
  if (RAW.has(linktype)) return byNibble(bytes);
  if (NULL_LOOP.has(linktype)) return byNibble(bytes.subarray(4));
  if (linktype === SLL) return cooked(byType(bytes, 14), u16(bytes, 0), bytes, 6, u16(bytes, 4));
  if (linktype === SLL2) {
    const type = u16(bytes, 0);
    const inner =
      type === IPV4 || type === IPV6 ? { family: (type === IPV4 ? 4 : 6) as Family, bytes: bytes.subarray(20) } : undefined;
    const device = u16(bytes, 4) * 0x10000 + u16(bytes, 6);
    return cooked(inner && { ...inner, device }, bytes[10] ?? 0, bytes, 12, bytes[11] ?? 0);
  }
  return undefined;
}

/** An IPv6 or IPv4 address text as bytes in hexadecimal, for comparison only. */
function addressKey(text: string): string {
  const address = text.replace(/[/%].*$/, '');
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number)).toString('hex');
  const [head = '', tail] = address.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((g) => g.padStart(4, '0')));
  const left = groups(head);
  const right = groups(tail ?? '');
  const zeros = new Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0000');
  return [...left, ...zeros, ...right].join('').toLowerCase();
}

function sourceKey(inner: Inner): string {
  const [from, to] = inner.family === 4 ? [12, 16] : [8, 24];
  return Buffer.from(inner.bytes.subarray(from, to)).toString('hex');
}

/**
 * Frames for `job.frames`. Topology forward: everything arrives. Host: what the capture calls outgoing, or comes from one of the `local` addresses,
 * is sent by the host itself; the rest arrives.
 */
export function framesFromCapture(
  captured: Iterable<CapturedFrame>,
  job: Pick<KernelJob, 'topology' | 'local' | 'family' | 'rulesOther'>,
): CaptureFrames {
  const local = new Set((job.local ?? []).map(addressKey));
  const out: CaptureFrames = { frames: [], numbers: [], skipped: [] };
  let packet = 0;
  for (const frame of captured) {
    packet++;
    const inner = innerOf(frame);
    if (inner === undefined || (inner.family !== job.family && job.rulesOther === undefined)) {
      out.skipped.push({ packet, reason: inner === undefined ? 'not IP' : 'no rules for this family' });
      continue;
    }
    const known = frame.direction ?? inner.direction;
    const direction = job.topology === 'forward' ? 'in' : (known ?? (local.has(sourceKey(inner)) ? 'out' : 'in'));
    const link = {
      ...(inner.kind === undefined ? {} : { dstMacKind: inner.kind }),
      ...(inner.source === undefined ? {} : { srcMac: inner.source }),
    };
    out.frames.push({ time: frame.time, bytes: inner.bytes, direction, family: inner.family, ...link });
    out.numbers.push(packet);
  }
  return out;
}
