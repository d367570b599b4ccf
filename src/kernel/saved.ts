/** Reading of what `iptables-*-save -c` prints: as much as counters, policies and targets need. */
import type { ChainCounters, TableCounters } from '../model/outcome.ts';

export interface Saved {
  counters: TableCounters;
  /** Target of every rule by table and chain, in rule order: `ACCEPT`, `REJECT`, a chain's name, '' for a rule without target. */
  targets: Record<string, Record<string, string[]>>;
}

/** The word after -j or -g; quoted comments that hold ` -j ` do not fool it. */
function targetOf(rule: string): string {
  const words = rule.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  for (let i = 0; i + 1 < words.length; i++) {
    if (words[i] === '-j' || words[i] === '-g') return words[i + 1] ?? '';
  }
  return '';
}

/** Parses the text of iptables-save -c. Lines it does not know (comments, COMMIT) are passed over. */
export function parseSaved(saved: string): Saved {
  const counters: TableCounters = {};
  const targets: Saved['targets'] = {};
  let chains: Record<string, ChainCounters> = {};
  let chainTargets: Record<string, string[]> = {};
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      const name = line.slice(1).trim();
      chains = counters[name] ??= {};
      chainTargets = targets[name] ??= {};
      continue;
    }
    const head = /^:(\S+) (\S+) \[(\d+):(\d+)\]$/.exec(line.trim());
    if (head !== null) {
      const [, name = '', policy, packets, bytes] = head;
      const known = policy === 'ACCEPT' || policy === 'DROP' ? policy : null;
      chains[name] = { policy: known, packets: Number(packets), bytes: Number(bytes), rules: [] };
      chainTargets[name] = [];
      continue;
    }
    const rule = /^\[(\d+):(\d+)\] -A (\S+)(.*)$/.exec(line);
    if (rule === null) continue;
    const [, packets, bytes, chain = '', rest = ''] = rule;
    chains[chain]?.rules.push({ packets: Number(packets), bytes: Number(bytes) });
    chainTargets[chain]?.push(targetOf(rest));
  }
  return { counters, targets };
}

const BUILTIN = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']);

/**
 * Built-in chains (`raw OUTPUT`) of the tables in a rule file that the file gives no `:CHAIN` line. iptables-nft keeps no policy counters for them, and
 * makes them only when they have rules; x_tables has them always.
 */
export function undeclaredChains(rules: string, counters: TableCounters): Set<string> {
  const declared = new Set<string>();
  let table = '';
  for (const line of rules.split('\n')) {
    const words = line.trim().split(/\s+/);
    const first = words[0] ?? '';
    if (first.startsWith('*')) table = first.slice(1);
    else if (first.startsWith(':')) declared.add(`${table} ${first.slice(1)}`);
  }
  const missing = new Set<string>();
  for (const [name, chains] of Object.entries(counters)) {
    for (const chain of Object.keys(chains)) {
      if (BUILTIN.has(chain) && !declared.has(`${name} ${chain}`)) missing.add(`${name} ${chain}`);
    }
  }
  return missing;
}
