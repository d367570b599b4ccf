/** The way of one packet for people: what `wasmtables trace` prints. */
import type { Event, Explanation } from '../reference/index.ts';
import { PLAIN, type Style } from './style.ts';
import { formatTime, type VerdictLine, verdictObject } from './verdict-line.ts';

/** What `trace --format json` prints (docs/schema/trace-1.json). */
export interface TraceDocument {
  schema: 'wasmtables/trace/1';
  /** How the host model came about. */
  host: readonly string[];
  /** The packet in words; empty when it is no readable IP packet. */
  packet: string;
  outcome: VerdictLine;
  events: readonly Event[];
}

export function traceDocument({ outcome, packet, events }: Explanation, host: readonly string[]): TraceDocument {
  return { schema: 'wasmtables/trace/1', host, packet, outcome: verdictObject(outcome), events };
}

/** Lines ended by newlines. */
export function renderExplanation(explanation: Explanation, style: Style = PLAIN): string {
  const { outcome, packet, events } = explanation;
  const lines = [
    `${style.bold(`packet ${outcome.packet}`)}  ${formatTime(outcome.time)}  ${packet === '' ? 'a frame without a readable IP packet' : packet}`,
  ];
  let chain = '';
  for (const event of events) {
    if (event.kind === 'rule' || event.kind === 'end') {
      const name = `${event.table}:${event.chain}`;
      if (name !== chain) lines.push(`  ${name}`);
      chain = event.kind === 'end' ? '' : name;
    } else if (event.kind === 'hook') {
      chain = '';
    }
    lines.push(lineOf(event, style));
  }
  lines.push(conclusion(explanation, style));
  return `${lines.join('\n')}\n`;
}

function lineOf(event: Event, style: Style): string {
  switch (event.kind) {
    case 'way':
      return style.dim(wayWords(event));
    case 'reassembled':
      return style.dim(`  defragmentation: complete, put together from packets ${event.packets.join(', ')}`);
    case 'answer':
      return style.dim(
        `  the answer to packet ${event.packet}, which went no further${event.attached ? ': it has its connection' : ''}`,
      );
    case 'fragment':
      return fragmentLine(event);
    case 'hook':
      return style.bold(event.hook) + style.dim(hookWords(event));
    case 'rule':
      return ruleLine(event, style);
    case 'end':
      if (event.word !== 'policy') return style.dim('    end of the chain: back to the caller');
      return `    ${event.policy === 'DROP' ? style.bad('policy DROP') : style.good('policy ACCEPT')}`;
    case 'conntrack':
      return conntrackLine(event, style);
    case 'confirmed':
      return style.dim('  the connection is confirmed');
    case 'routing':
      if (event.dropped !== '') return style.bad(`routing: dropped, ${event.dropped}`);
      return style.dim(`routing: ${event.to === 'INPUT' ? 'for this host' : `forwarded to ${event.out}`}`);
  }
}

function wayWords({ way, device }: Extract<Event, { kind: 'way' }>): string {
  if (way === 'arrives') return `arrives at ${device}`;
  if (way === 'broadcast')
    return `broadcast by the host itself, leaves at ${device}; a copy comes back first, from POSTROUTING to INPUT`;
  return way === 'output' ? `sent by the host itself, leaves at ${device}` : 'sent by the host to itself, over lo';
}

function fragmentLine({ kept, packets, fate, by }: Extract<Event, { kind: 'fragment' }>): string {
  const waits = {
    waiting: 'the rest does not come before the end of the capture',
    complete: `packet ${by} completes it`,
    discarded: `given up at packet ${by}`,
    'timed out': `the rest does not come in time, given up at packet ${by}`,
  };
  const thrown = {
    waiting: 'the others go on waiting',
    complete: 'the packet would be complete, but its parts do not go together',
    discarded: 'and all of its packet with it',
    'timed out': 'and all of its packet with it',
  };
  const list = packets.length === 0 ? '' : ` (${packets.length === 1 ? 'packet' : 'packets'} ${packets.join(', ')})`;
  return `  defragmentation: ${kept ? `waits; ${waits[fate]}` : `thrown away; ${thrown[fate]}`}${list}`;
}

function conntrackLine(event: Extract<Event, { kind: 'conntrack' }>, style: Style): string {
  const status = event.status.length > 0 ? `, ${event.status.join(' ')}` : '';
  const about = event.tuple === null ? '' : `, ${event.tuple}, ${event.direction.toLowerCase()} direction${status}`;
  return `  conntrack: ${style.bold(event.state)}${about}${event.reason === '' ? '' : style.warn(` (${event.reason})`)}`;
}

function hookWords(event: Extract<Event, { kind: 'hook' }>): string {
  const parts = [`ttl ${event.ttl}`];
  if (event.inInterface !== '') parts.unshift(`in ${event.inInterface}`);
  if (event.outInterface !== '') parts.unshift(`out ${event.outInterface}`);
  if (event.mark !== 0) parts.push(`mark 0x${event.mark.toString(16)}`);
  return `  (${parts.join(', ')})`;
}

function ruleLine(event: Extract<Event, { kind: 'rule' }>, style: Style): string {
  const text = event.text.trim().replace(/^(\[\d+:\d+\]\s*)?(-A|--append)\s+\S+\s*/, '');
  const number = `${event.number}`.padStart(4);
  const why = event.why === '' ? '' : `: ${event.why}`;
  if (event.result === 'miss') return style.dim(`    ${number}  ${text}\n            no${why}`);
  const colour = event.result === 'match' ? style.good : style.warn;
  return `    ${number}  ${text}\n            ${colour(event.result)}${why}`;
}

function conclusion({ outcome, packet }: Explanation, style: Style): string {
  if (outcome.hook === null) return style.warn(`${packet === '' ? 'never reached netfilter' : 'no verdict'}: ${outcome.unseen}`);
  const colour = outcome.verdict === 'ACCEPT' ? style.good : style.bad;
  const by = outcome.rule === undefined ? '' : ` by ${outcome.rule}`;
  const reason = outcome.reason === undefined ? '' : ` (${outcome.reason})`;
  const state = outcome.ctstate === undefined ? '' : `, state ${outcome.ctstate}`;
  return `${style.bold('verdict')} ${colour(`${outcome.verdict}`)}${by} in ${outcome.hook}${state}${reason}`;
}
