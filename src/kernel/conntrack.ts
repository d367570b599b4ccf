/** Reading of what `conntrack -L -o extended` and `conntrack -L expect` print (conntrack-tools 1.4). */
import type { ConntrackEntry, ConntrackExpectation, ConntrackTuple } from '../model/outcome.ts';
import { KernelError } from './job.ts';

/** `ipv4     2 tcp      6 119 SYN_SENT src=...`: family, its number, protocol, its number, seconds, state. Offloaded ones show no seconds. */
const ENTRY = /^ipv([46])\s+\d+\s+\S+\s+(\d+)(?:\s+(\d+))?(?:\s+([A-Z][A-Z0-9_]*))?\s+(src=.*)$/;

/** key=value words by key, in order: what stands twice is of the original and of the reply. */
function valuesByKey(words: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 0) continue;
    const key = word.slice(0, at);
    found.set(key, [...(found.get(key) ?? []), word.slice(at + 1)]);
  }
  return found;
}

/** Ports, or what conntrack prints in their place: an ICMP id is the source's, a GRE key is hexadecimal. */
function port(values: Map<string, string[]>, index: number, keys: readonly string[]): number {
  for (const key of keys) {
    const value = values.get(key)?.[index];
    if (value !== undefined) return Number(value);
  }
  return 0;
}

/** The tuple of one direction. `index`: 0 original, 1 reply. */
function tupleOf(values: Map<string, string[]>, index: number): ConntrackTuple {
  const tuple: ConntrackTuple = {
    source: { address: values.get('src')?.[index] ?? '', port: port(values, index, ['sport', 'srckey', 'id']) },
    destination: { address: values.get('dst')?.[index] ?? '', port: port(values, index, ['dport', 'dstkey']) },
  };
  const [type, code] = [values.get('type')?.[index], values.get('code')?.[index]];
  if (type !== undefined) tuple.type = Number(type);
  if (code !== undefined) tuple.code = Number(code);
  const [packets, bytes] = [values.get('packets')?.[index], values.get('bytes')?.[index]];
  if (packets !== undefined) tuple.packets = Number(packets);
  if (bytes !== undefined) tuple.bytes = Number(bytes);
  return tuple;
}

function entryOf(line: string): ConntrackEntry {
  const head = ENTRY.exec(line);
  if (head === null) throw new KernelError(`not a line of conntrack -L -o extended: ${line}`);
  const [, family, protocol, timeout = '0', state, rest = ''] = head;
  const words = rest.split(/\s+/);
  const values = valuesByKey(words);
  const entry: ConntrackEntry = {
    family: family === '6' ? 6 : 4,
    protocol: Number(protocol),
    timeout: Number(timeout),
    original: tupleOf(values, 0),
    reply: tupleOf(values, 1),
    unreplied: words.includes('[UNREPLIED]'),
    assured: words.includes('[ASSURED]'),
    mark: Number(values.get('mark')?.[0] ?? 0),
  };
  if (state !== undefined) entry.state = state;
  const helper = values.get('helper')?.[0];
  if (helper !== undefined) entry.helper = helper;
  const zones = words.filter((word) => /^zone(-orig|-reply)?=/.test(word));
  return zones.length === 0 ? entry : { ...entry, zones };
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');

/** The connections `conntrack -L -o extended` printed, in its order (that of a hash table: none). Throws KernelError on a line it does not know. */
export function parseConntrack(text: string): ConntrackEntry[] {
  return lines(text).map(entryOf);
}

/** A tuple of three, of the words from `begin` to before `end`: its addresses have a prefix, its ports (or keys) have none. */
function partOf(words: readonly string[], begin: number, end: number, prefix: string): ConntrackTuple {
  const own = words.slice(begin, end).map((word) => (word.startsWith(prefix) ? word.slice(prefix.length) : word));
  return tupleOf(valuesByKey(own), 0);
}

function expectationOf(line: string): ConntrackExpectation {
  const words = line.trim().split(/\s+/);
  const values = valuesByKey(words);
  const [mask, master] = ['mask-src=', 'master-src='].map((prefix) => words.findIndex((word) => word.startsWith(prefix)));
  const protocol = values.get('proto')?.[0];
  if (protocol === undefined || mask! < 0 || master! < 0) throw new KernelError(`not a line of conntrack -L expect: ${line}`);
  const expectation: ConntrackExpectation = {
    protocol: Number(protocol),
    tuple: partOf(words, 0, mask!, ''),
    mask: partOf(words, mask!, master!, 'mask-'),
    master: partOf(words, master!, words.length, 'master-'),
    class: Number(values.get('class')?.[0] ?? 0),
    flags: words.flatMap((word) => (/^[A-Z]+(,[A-Z]+)*$/.test(word) ? word.split(',') : [])),
  };
  if (/^\d+$/.test(words[0] ?? '')) expectation.timeout = Number(words[0]);
  const helper = values.get('helper')?.[0];
  return helper === undefined ? expectation : { ...expectation, helper };
}

/** The expectations `conntrack -L expect` printed. Throws KernelError on a line it does not know. */
export function parseExpectations(text: string): ConntrackExpectation[] {
  return lines(text).map(expectationOf);
}
