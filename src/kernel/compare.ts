/** Two witnesses' answers side by side: what differs, one line each. Knows no witness: kernel, reference and engine all fit. */
import { STACK_TABLE_FULL, UNSEEN_FRAGMENT_DISCARDED, UNSEEN_FRAGMENT_KEPT } from '../abi/reasons.ts';
import type { ChainCounters, Counter, HookName, PacketOutcome, TableCounters, Verdict } from '../model/outcome.ts';
import { STACK_WORDS, UNSEEN_WORDS } from '../model/reasons.ts';
import type { KernelJob, KernelOutcome, KernelPacket } from './job.ts';
import { undeclaredChains } from './saved.ts';

/** One packet as a witness saw it. What is undefined was not asked or is not known, and is not compared. */
export interface ComparedPacket {
  path?: string[];
  verdict?: Verdict;
  hook?: HookName;
  /** False: never reached netfilter. */
  entered?: boolean;
}

export interface Compared {
  /** What the lines call it: `legacy`, `reference`... */
  name: string;
  counters: TableCounters;
  packets?: ComparedPacket[];
  /**
   * exact: the path is in the words of the legacy kernel's TRACE. numbers: `rule`, `policy` and `return` are not told apart as it does
   * (it calls a rule without matches that ends the walk a policy or return; nf_tables calls it a rule); only table, chain and number count.
   */
  words?: 'exact' | 'numbers';
  /** Built-in chains (`raw OUTPUT`) whose policy this witness does not count and whose empty walk it does not show; see undeclaredChains. */
  uncounted?: ReadonlySet<string>;
}

function kernelPacket(packet: KernelPacket): ComparedPacket {
  const out: ComparedPacket = {};
  if (packet.path !== undefined) out.path = packet.path;
  if (packet.verdict !== undefined) out.verdict = packet.verdict;
  if (packet.hook) out.hook = packet.hook;
  if (packet.entered !== undefined) out.entered = packet.entered;
  return out;
}

/** The kernel's answer; packets it could not be given (`unsent`) are left out of the comparison. */
export function comparedKernel(job: Pick<KernelJob, 'backend' | 'rules'>, outcome: KernelOutcome): Compared {
  const packets = outcome.packets.map((packet) => (packet.unsent === undefined ? kernelPacket(packet) : {}));
  const compared: Compared = { name: job.backend, counters: outcome.counters, packets };
  if (job.backend !== 'nft') return compared;
  return { ...compared, words: 'numbers', uncounted: undeclaredChains(job.rules, outcome.counters) };
}

/** What defragmentation keeps or throws away has come as far as PREROUTING or OUTPUT. */
function isFragmentHeld({ unseen }: PacketOutcome): boolean {
  return unseen === UNSEEN_WORDS[UNSEEN_FRAGMENT_KEPT] || unseen === UNSEEN_WORDS[UNSEEN_FRAGMENT_DISCARDED];
}

/** The answer of the reference or the engine. */
export function comparedWitness(name: string, counters: TableCounters, packets: PacketOutcome[]): Compared {
  const compared = packets.map((packet) => {
    const out: ComparedPacket = { entered: packet.hook !== null || isFragmentHeld(packet) };
    if (packet.path !== undefined) out.path = packet.path;
    // Conntrack drops in the middle of a hook, as rules do: by the marks of the hooks nobody can tell.
    if (packet.verdict !== null) out.verdict = packet.reason === STACK_WORDS[STACK_TABLE_FULL] ? 'DROP' : packet.verdict;
    if (packet.hook !== null) out.hook = packet.hook;
    return out;
  });
  return { name, counters, packets: compared };
}

function amount(counter: Counter | undefined): string {
  return counter === undefined ? 'none' : `${counter.packets} packets ${counter.bytes} bytes`;
}

function same(a: Counter | undefined, b: Counter | undefined): boolean {
  return a !== undefined && b !== undefined && a.packets === b.packets && a.bytes === b.bytes;
}

function isEmpty(chain: ChainCounters): boolean {
  return chain.policy === 'ACCEPT' && chain.rules.length === 0;
}

/** Lines about one chain. A built-in chain without rules that only one side has (iptables-nft makes no chain it was not told of) is no difference. */
function compareChain(where: string, a: Compared, b: Compared, one?: ChainCounters, two?: ChainCounters): string[] {
  const only = one ?? two;
  if (only === undefined) return [];
  if (one === undefined || two === undefined) {
    return isEmpty(only) ? [] : [`${where}: ${(one === undefined ? a : b).name} does not have it`];
  }
  const lines: string[] = [];
  const differ = (what: string, x: Counter | undefined, y: Counter | undefined) => {
    if (!same(x, y)) lines.push(`${where} ${what}: ${a.name} ${amount(x)}, ${b.name} ${amount(y)}`);
  };
  if (one.policy !== two.policy) lines.push(`${where} policy: ${a.name} ${one.policy}, ${b.name} ${two.policy}`);
  const counted = !a.uncounted?.has(where) && !b.uncounted?.has(where);
  if (one.policy !== null && counted) differ('policy', one, two);
  for (let i = 0; i < Math.max(one.rules.length, two.rules.length); i++) differ(`rule ${i + 1}`, one.rules[i], two.rules[i]);
  return lines;
}

function compareCounters(a: Compared, b: Compared): string[] {
  const lines: string[] = [];
  for (const table of new Set([...Object.keys(a.counters), ...Object.keys(b.counters)])) {
    const [one, two] = [a.counters[table] ?? {}, b.counters[table] ?? {}];
    for (const chain of new Set([...Object.keys(one), ...Object.keys(two)])) {
      lines.push(...compareChain(`${table} ${chain}`, a, b, one[chain], two[chain]));
    }
  }
  return lines;
}

/** The path as both sides can say it: `numbers` without the kind, and without the policies of chains one side does not make. */
function sayablePath(path: string[], a: Compared, b: Compared): string[] {
  const unmade = [...(a.uncounted ?? []), ...(b.uncounted ?? [])].map((chain) => `${chain.replace(' ', ':')}:policy:1`);
  const made = path.filter((entry) => !unmade.includes(entry));
  const exact = a.words !== 'numbers' && b.words !== 'numbers';
  return exact ? made : made.map((entry) => entry.replace(/:(rule|policy|return):/, ':'));
}

/** How many places of a path a line shows from where the two part. */
const SHOWN = 4;

/** Where two paths part, and how each goes on; undefined when they are the same. */
function parting(a: Compared, b: Compared, one: string[], two: string[]): string | undefined {
  const [x, y] = [sayablePath(one, a, b), sayablePath(two, a, b)];
  const length = Math.max(x.length, y.length);
  let at = 0;
  while (at < length && x[at] === y[at]) at++;
  if (at === length) return undefined;
  const rest = (path: string[]) => {
    const shown = path.slice(at, at + SHOWN).join(' ') || 'end';
    return path.length > at + SHOWN ? `${shown} ...` : shown;
  };
  const after = at === 0 ? '' : ` after ${x[at - 1]} (${at})`;
  return `path${after}: ${a.name} ${rest(x)}, ${b.name} ${rest(y)}`;
}

function comparePacket(number: number, a: Compared, b: Compared, one: ComparedPacket, two: ComparedPacket): string[] {
  const lines: string[] = [];
  const differ = (what: string, x: unknown, y: unknown) => {
    if (x !== undefined && y !== undefined && x !== y) lines.push(`packet ${number} ${what}: ${a.name} ${x}, ${b.name} ${y}`);
  };
  differ('reached netfilter', one.entered, two.entered);
  differ('hook', one.hook, two.hook);
  differ('verdict', one.verdict, two.verdict);
  const path = one.path !== undefined && two.path !== undefined ? parting(a, b, one.path, two.path) : undefined;
  if (path !== undefined) lines.push(`packet ${number} ${path}`);
  return lines;
}

/**
 * Every difference, one readable line each; empty when they agree. Counters of every rule and policy; and, where both sides have packets, for each
 * packet whether it reached netfilter, hook, verdict and path. `numbers`: capture numbers of the packets (1, 2, 3... when not given).
 */
export function compareOutcomes(a: Compared, b: Compared, numbers?: readonly number[]): string[] {
  const lines = compareCounters(a, b);
  if (a.packets === undefined || b.packets === undefined) return lines;
  if (a.packets.length !== b.packets.length) lines.push(`packets: ${a.name} ${a.packets.length}, ${b.name} ${b.packets.length}`);
  for (const [i, one] of a.packets.entries()) {
    const two = b.packets[i];
    if (two !== undefined) lines.push(...comparePacket(numbers?.[i] ?? i + 1, a, b, one, two));
  }
  return lines;
}
