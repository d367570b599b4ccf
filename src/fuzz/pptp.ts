/** Control connections of PPTP: what agrees on calls, in its order and out of it, and the data of these calls. Knows the protocol, nothing of the witnesses. */
import type { Draw } from '../extensions/extension.ts';
import type { Ends, Said, Turn } from './talk.ts';

const GRE = 47;
const HEADER = 12;
/** How long the body of a message is, by type. */
const SIZES: readonly number[] = [0, 144, 144, 4, 4, 4, 8, 156, 20, 208, 12, 16, 4, 136, 28, 12];
/** Ids of calls: so few that they meet again. */
const IDS: readonly number[] = [1, 2, 0x1100, 0xffff];

/** What comes next where it is the side's turn, now and then another message; `turns`: what is still to be said. */
export function speakPptp(draw: Draw, ends: Ends, fromClient: boolean, turns: Turn[]): Said {
  if (turns.length === 0) turns.push(...callOf(draw, ends));
  if (turns[0]!.fromClient === fromClient && draw.chance(0.97)) return turns.shift()!.said;
  const [one, other] = [draw.pick(IDS), draw.pick(IDS)];
  const type = draw.chance(0.5) ? draw.pick([5, 6]) : draw.integer(0, 16);
  return { text: message(type, [...half(one), ...half(other), draw.pick([1, 1, 2])]) };
}

/** The session begins, or goes on; a call by either side; often its end. */
function callOf(draw: Draw, { client, server }: Ends): Turn[] {
  const [pns, pac] = [draw.pick(IDS), draw.pick(IDS)];
  const granted = draw.pick([1, 1, 1, 2]);
  const call = { protocol: GRE, client, server, clientPort: pns, serverPort: pac };
  const asked = (text: string): Turn => ({ fromClient: true, said: { text } });
  const told = (text: string, said: Partial<Said> = {}): Turn => ({ fromClient: false, said: { text, ...said } });
  const start = [asked(message(1, [1, 0])), told(message(2, [1, 0, 1]))];
  const outgoing = [
    asked(message(7, half(pns))),
    told(message(8, [...half(pac), ...half(pns), granted]), granted === 1 ? { call } : {}),
  ];
  const incoming = [
    told(message(9, half(pac))),
    asked(message(10, [...half(pns), ...half(pac), granted])),
    told(message(11, half(pns)), { call }),
  ];
  const end = [asked(message(12, half(pns))), told(message(13, half(pac)))];
  return [...start, ...(draw.chance(0.7) ? outgoing : incoming), ...(draw.chance(0.4) ? end : [])];
}

const half = (value: number): number[] => [value >> 8, value & 255];

/** Characters are bytes. `first`: of the body, which is as long as the type wants it. */
function message(type: number, first: readonly number[]): string {
  const body = [...first, ...new Array<number>(208).fill(0)].slice(0, SIZES[type] ?? 8);
  const bytes = [...half(HEADER + body.length), ...half(1), 0x1a, 0x2b, 0x3c, 0x4d, ...half(type), 0, 0, ...body];
  return String.fromCharCode(...bytes);
}
