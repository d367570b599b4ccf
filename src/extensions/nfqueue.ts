/** `-j NFQUEUE`: a program decides; the profile says what it says. Kernel: net/netfilter/xt_NFQUEUE.c, net/netfilter/nf_queue.c. */
import { EFFECT_QUEUED } from '../abi/effects.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Action } from '../model/predicate.ts';
import type { Profile } from '../model/profile.ts';
import type { GivenOption, TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';

export interface NfqueueOptions {
  /** One queue, or the first and last of several. */
  queues: readonly [number, number] | readonly [number];
  bypass: boolean;
  fanout: boolean;
}

const flag = (name: string) => option(name, { argument: 'none' });
const specs = [option('queue-num'), option('queue-balance'), flag('queue-bypass'), flag('queue-cpu-fanout')];
const MOST = 0xffff;

export const NFQUEUE: TargetExtension<NfqueueOptions> = {
  name: 'NFQUEUE',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'hands the packet to a program, whose answer --nfqueue says',

  parse(given, context) {
    const all = new Given('NFQUEUE', specs, given, context);
    all.exclusive(['queue-num', 'queue-balance']);
    const [number, balance, fanout] = [all.get('queue-num'), all.get('queue-balance'), all.get('queue-cpu-fanout')];
    if (fanout !== undefined && balance === undefined)
      throw all.complain(fanout, '--queue-cpu-fanout wants --queue-balance, too');
    return {
      queues: balance !== undefined ? readBalance(all, balance) : [number === undefined ? 0 : all.number(number, MOST)],
      bypass: all.has('queue-bypass'),
      fanout: fanout !== undefined,
    };
  },

  print({ queues, bypass, fanout }) {
    const queue = queues.length === 1 ? ` --queue-num ${queues[0]}` : ` --queue-balance ${queues.join(':')}`;
    return `${queue}${bypass ? ' --queue-bypass' : ''}${fanout ? ' --queue-cpu-fanout' : ''}`;
  },

  evaluate({ bypass }, _, effects, { profile }) {
    const verdict = verdictOf(profile, bypass);
    if (verdict === 'ACCEPT') effects.queue();
    return verdict;
  },
  lower: ({ bypass }, { profile }) => queueing(profile, bypass),

  generate(draw) {
    const out = draw.pick([[], ['--queue-num', '77'], ['--queue-balance', '70:72']]);
    return draw.chance() ? [...out, '--queue-bypass'] : out;
  },
};

/** Without a program the packet is dropped, or goes on behind the table with --queue-bypass. */
export function verdictOf({ nfqueue = 'absent' }: Profile, bypass: boolean): 'ACCEPT' | 'DROP' {
  return nfqueue === 'accept' || (nfqueue === 'absent' && bypass) ? 'ACCEPT' : 'DROP';
}

/** What the engine does with a packet for a queue; QUEUE is the queue 0 without bypass. */
export const queueing = (profile: Profile, bypass = false): Action =>
  verdictOf(profile, bypass) === 'ACCEPT'
    ? { kind: 'effect', code: EFFECT_QUEUED, parameters: [], changes: [], ends: true }
    : { kind: 'verdict', verdict: 'DROP' };

/** LOW:HIGH, an open end is the lowest or highest; the kernel takes no more queues than fit into 16 bits. */
function readBalance(all: Given, one: GivenOption): readonly [number, number] {
  const parts = textOf(one).split(':');
  const [low, high] = parts.map((part, i) => (part === '' ? (i === 0 ? 0 : MOST) : parseUnsigned(part, MOST)));
  if (parts.length !== 2 || low === undefined || high === undefined || low >= high)
    throw all.wants(one, 'LOW:HIGH, LOW below HIGH');
  if (high - low === MOST) throw all.wants(one, 'at most 65535 queues');
  return [low, high];
}
