/** The way of one packet for people: what `wasmtables trace` prints. */
import type { Event, Explanation } from '../reference/index.ts';
import { PLAIN, type Style } from './style.ts';
import { formatTime } from './verdict-line.ts';

/** Lines ended by newlines. */
export function renderExplanation(explanation: Explanation, style: Style = PLAIN): string {
  const { outcome, packet, events } = explanation;
  const lines = [`${style.bold(`packet ${outcome.packet}`)}  ${formatTime(outcome.time)}  ${packet}`];
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
      return style.dim(
        event.way === 'arrives'
          ? `arrives at ${event.device}`
          : event.way === 'output'
            ? `sent by the host itself, leaves at ${event.device}`
            : 'sent by the host to itself, over lo',
      );
    case 'hook':
      return style.bold(event.hook) + style.dim(hookWords(event));
    case 'rule':
      return ruleLine(event, style);
    case 'end':
      return event.word === 'policy'
        ? `    ${event.policy === 'DROP' ? style.bad('policy DROP') : style.good('policy ACCEPT')}`
        : style.dim(`    end of the chain: back to the caller`);
    case 'conntrack': {
      const about =
        event.tuple === null
          ? ''
          : `, ${event.tuple}, ${event.direction.toLowerCase()} direction${event.status.length > 0 ? `, ${event.status.join(' ')}` : ''}`;
      return `  conntrack: ${style.bold(event.state)}${about}${event.reason === '' ? '' : style.warn(` (${event.reason})`)}`;
    }
    case 'confirmed':
      return style.dim('  the connection is confirmed');
    case 'routing':
      if (event.dropped !== '') return style.bad(`routing: dropped, ${event.dropped}`);
      return style.dim(`routing: ${event.to === 'INPUT' ? 'for this host' : `forwarded to ${event.out}`}`);
  }
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

function conclusion({ outcome }: Explanation, style: Style): string {
  if (outcome.hook === null) return style.warn(`never reached netfilter: ${outcome.unseen}`);
  const colour = outcome.verdict === 'ACCEPT' ? style.good : style.bad;
  const by = outcome.rule === undefined ? '' : ` by ${outcome.rule}`;
  const reason = outcome.reason === undefined ? '' : ` (${outcome.reason})`;
  const state = outcome.ctstate === undefined ? '' : `, state ${outcome.ctstate}`;
  return `${style.bold('verdict')} ${colour(`${outcome.verdict}`)}${by} in ${outcome.hook}${state}${reason}`;
}
