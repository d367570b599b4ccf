/**
 * Frames of a job that may be what the firewall itself answers to a packet before them: a reset, or an error about a packet that goes no further. Where the kernel sends the very same, its own goes through and the frame is not
 * injected: so it has the connection that the kernel gives it. Knows nothing of rules: whether a packet is answered, and with what, is the kernel's to say.
 */
import type { Family } from '../model/ruleset.ts';
import type { KernelJob } from './job.ts';

/** The group of nfnetlink_log that tells the injector of an answer, its prefix this and the number of the first frame that looks so. */
export const ANSWER_GROUP = 7;
export const ANSWER_PREFIX = 'own answer ';

const ICMP = { 4: 1, 6: 58 } as const;
/** Unreachable, time exceeded, parameter problem; of ICMPv6 too big as well. */
const ERRORS: Readonly<Record<Family, readonly number[]>> = { 4: [3, 11, 12], 6: [1, 2, 3, 4] };
const TCP = 6;
const RST = 4;
const IP_HEADER = { 4: 20, 6: 40 } as const;
const TIMESTAMP = 68;
const TCP_HEADER = 20;
/** Of an error so much is compared: its header, and the headers it quotes. What lies behind stands in the checksum. */
const QUOTED = 8 + 88;

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

/** `base` (nh, th) bytes from `at` on are these; 16 bytes are compared at most. */
function same(base: 'nh' | 'th', at: number, bytes: Uint8Array): string[] {
  if (bytes.length === 0) return [];
  const part = bytes.subarray(0, 16);
  return [`@${base},${at * 8},${part.length * 8} ${hex(part)}`, ...same(base, at + part.length, bytes.subarray(16))];
}

/**
 * The bytes that the kernel's own has, as conditions of nft; undefined when the frame is no such answer. Not the identification (drawn for errors), the checksum of a reset (left to the device) and the flow label.
 */
function conditions(bytes: Uint8Array, family: Family, translated = false): string | undefined {
  const header = family === 4 ? headerLength(bytes) : IP_HEADER[family];
  if (bytes.length < header + TCP_HEADER) return undefined;
  const message = bytes.subarray(header);
  const protocol = bytes[family === 4 ? 9 : 6];
  const reset = protocol === TCP && message.length === TCP_HEADER && ((message[13] ?? 0) & RST) !== 0;
  const error = protocol === ICMP[family] && ERRORS[family].includes(message[0] ?? 0);
  if (!reset && !error) return undefined;
  const ip =
    family === 4
      ? [...same('nh', 0, bytes.subarray(0, 4)), ...same('nh', 6, bytes.subarray(6, 10))]
      : same('nh', 4, bytes.subarray(4, 8));
  const [from, to] = family === 4 ? [12, 16] : [8, 24];
  // In OUTPUT the kernel's own has not yet the address (and port) that the refused packet came for.
  const ends = same('nh', translated ? to : from, bytes.subarray(translated ? to : from, IP_HEADER[family]));
  const first = translated ? 2 : 0;
  const resetting = [...same('th', first, message.subarray(first, 16)), ...same('th', 18, message.subarray(18, 20))];
  const whole = timeless(message.subarray(0, QUOTED), family);
  const rest = reset ? resetting : translated ? quoting(message, family) : whole;
  return [`meta nfproto ipv${family}`, ...ip, ...ends, ...rest].join(' ');
}

const headerLength = (bytes: Uint8Array): number => ((bytes[0] ?? 0) & 15) * 4;

/** An error, but for the times that the kernel wrote into the options of what it quotes, which change the checksum. */
function timeless(message: Uint8Array, family: Family): string[] {
  const quoted = message.subarray(8);
  const end = family === 4 ? headerLength(quoted) : 0;
  for (let at = IP_HEADER[4]; at < end; at += quoted[at] === 1 ? 1 : Math.max(2, quoted[at + 1] ?? 0)) {
    if (quoted[at] === 0) break;
    if (quoted[at] !== TIMESTAMP) continue;
    const [slots, behind] = [8 + at + 4, 8 + at + (quoted[at + 1] ?? 0)];
    const parts = [
      [0, 2],
      [4, slots],
      [behind, message.length],
    ] as const;
    return parts.flatMap(([from, to]) => same('th', from, message.subarray(from, to)));
  }
  return same('th', 0, message);
}

/** Of an error all but its checksum, and of what it quotes the destination, its port and the header checksum. */
function quoting(message: Uint8Array, family: Family): string[] {
  const quoted = message.subarray(8);
  const [before, after, header] = family === 4 ? [[0, 10], [12, 16], 20] : [[0, 24], [24, 24], 40];
  const parts = [before, after, [header, header + 2]].map(([from, to]) => same('th', 8 + from!, quoted.subarray(from, to)));
  return [same('th', 0, message.subarray(0, 2)), same('th', 4, message.subarray(4, 8)), ...parts].flat();
}

/** Rules may translate addresses. */
const TRANSLATES = /^-A .* -j (?:DNAT|SNAT|MASQUERADE|REDIRECT|NETMAP)\b/m;

/** The packet looks like such an answer. */
export const looksLikeAnswer = (bytes: Uint8Array, family: Family): boolean => conditions(bytes, family) !== undefined;

/** Frames that look the same: the condition, and their numbers in the job, from 0. */
export interface OwnAnswers {
  condition: string;
  frames: number[];
}

/** In the order of their first frame. */
export function ownAnswers(
  job: Pick<KernelJob, 'frames' | 'rules' | 'rulesOther'>,
  familyOf: (frame: KernelJob['frames'][number]) => Family,
): OwnAnswers[] {
  const translated = TRANSLATES.test(`${job.rules}\n${job.rulesOther ?? ''}`);
  const found = new Map<string, number[]>();
  for (const [number, frame] of job.frames.entries()) {
    const condition = frame.answer === undefined ? undefined : conditions(frame.bytes, familyOf(frame), translated);
    if (condition !== undefined) found.set(condition, [...(found.get(condition) ?? []), number]);
  }
  return [...found].map(([condition, frames]) => ({ condition, frames }));
}

/** Rules for the beginning of OUTPUT: such a packet of the kernel's goes on, as often as there are frames that look so. `trace`: and is traced. */
export const answerRules = (answers: readonly OwnAnswers[], priority: string, trace: boolean): string[] =>
  answers.map(({ condition, frames }) =>
    [
      `    meta priority != ${priority} ${condition}`,
      // Nothing comes back within a week.
      `limit rate 1/week burst ${frames.length} packets`,
      ...(trace ? ['meta nftrace set 1'] : []),
      `log prefix "${ANSWER_PREFIX}${frames[0]}" group ${ANSWER_GROUP} queue-threshold 1 return`,
    ].join(' '),
  );
