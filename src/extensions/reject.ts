/** `-j REJECT`: drops and answers. Kernel: net/ipv4/netfilter/ipt_REJECT.c, net/ipv6/netfilter/ip6t_REJECT.c. */
import type { Family } from '../model/ruleset.ts';
import type { GivenOption, Legality, TargetExtension } from './extension.ts';
import { abbreviates, Given, option, textOf } from './given.ts';

export interface RejectOptions {
  /** As iptables-save prints it. */
  with: string;
}

const specs = [option('reject-with')];

/** Name and alias, in the kernel's order: of several that an abbreviation fits, the first counts. */
const ANSWERS: Record<Family, readonly (readonly [string, string])[]> = {
  4: [
    ['icmp-net-unreachable', 'net-unreach'],
    ['icmp-host-unreachable', 'host-unreach'],
    ['icmp-proto-unreachable', 'proto-unreach'],
    ['icmp-port-unreachable', 'port-unreach'],
    ['icmp-net-prohibited', 'net-prohib'],
    ['icmp-host-prohibited', 'host-prohib'],
    ['tcp-reset', 'tcp-rst'],
    ['icmp-admin-prohibited', 'admin-prohib'],
  ],
  6: [
    ['icmp6-no-route', 'no-route'],
    ['icmp6-adm-prohibited', 'adm-prohibited'],
    ['icmp6-addr-unreachable', 'addr-unreach'],
    ['icmp6-port-unreachable', 'port-unreach'],
    ['tcp-reset', 'tcp-reset'],
    ['icmp6-policy-fail', 'policy-fail'],
    ['icmp6-reject-route', 'reject-route'],
  ],
};
const DEFAULT: Record<Family, string> = { 4: 'icmp-port-unreachable', 6: 'icmp6-port-unreachable' };
const TCP = 6;

export const REJECT: TargetExtension<RejectOptions> = {
  name: 'REJECT',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'drops and sends an ICMP error or a TCP reset',
  legality: { tables: ['filter'], hooks: ['INPUT', 'FORWARD', 'OUTPUT'] },

  parse(given, context) {
    const all = new Given('REJECT', specs, given, context);
    const one = all.get('reject-with');
    if (one === undefined) return { with: DEFAULT[context.family] };
    const answer = readAnswer(all, one, context.family);
    const { protocol } = context.builtin;
    if (answer === 'tcp-reset' && (protocol === undefined || protocol.invert || protocol.number !== TCP)) {
      throw all.complain(one, '--reject-with tcp-reset works with -p tcp only', 'add -p tcp to the rule');
    }
    return { with: answer };
  },

  legalityOf: (options): Legality | undefined => (options.with === 'tcp-reset' ? { protocols: [TCP] } : undefined),
  print: (options) => ` --reject-with ${options.with}`,
  evaluate: () => 'REJECT',
  lower: (options) => ({ kind: 'verdict', verdict: options.with === 'tcp-reset' ? 'RESET' : 'REJECT' }),

  generate(draw, _, { family, protocol }) {
    // The one answer that changes a connection.
    if (protocol === TCP && draw.chance(0.4)) return ['--reject-with', 'tcp-reset'];
    if (draw.chance(0.4)) return [];
    const answers = ANSWERS[family].filter(([name]) => name !== 'tcp-reset' || protocol === TCP);
    return ['--reject-with', draw.pick(answers)[0]];
  },
};

function readAnswer(all: Given, one: GivenOption, family: Family): string {
  const text = textOf(one);
  const found = ANSWERS[family].find(([name, alias]) => abbreviates(text, name) || abbreviates(text, alias));
  if (found === undefined) throw all.wants(one, `one of ${ANSWERS[family].map(([name]) => name).join(', ')}`);
  return found[0];
}
