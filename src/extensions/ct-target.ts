/**
 * `-j CT`: how the packet is to be tracked: not at all, in a zone, with a helper for its connection. Kernel: net/netfilter/xt_CT.c. With --notrack it does not make the kernel register conntrack, whatever else it
 * says (xt_ct_tg_check returns before nf_ct_netns_get; confirmed on 6.18).
 */
import { CT_ZONE_MARK, CT_ZONE_ORIGINAL, CT_ZONE_REPLY, EFFECT_CT_TEMPLATE } from '../abi/effects.ts';
import { FIELD_CT_DIRECTION, FIELD_CT_STATE, FIELD_CT_STATUS } from '../abi/fields.ts';
import { HELPER_NONE } from '../abi/helpers.ts';
import { findHelper, HELPERS } from '../model/helpers.ts';
import { protocolName } from '../model/names.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { ZoneView } from '../packet/view.ts';
import type { GivenOption, ParseContext, TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';

export interface CtOptions {
  notrack: boolean;
  /** The kernel's name of a helper. */
  helper?: string;
  timeout?: string;
  /** Names, in the order iptables-save prints them; they say who is told, nothing happens to packets. */
  events: readonly string[];
  expectationEvents: readonly string[];
  /** 0 is none. `mark`: the packet's mark, its lower half. */
  zone: number | 'mark';
  /** The directions of the connection that are in it. */
  zoneOf: ZoneView['of'];
}

/** The last of them says which zone; --zone says nothing of directions, and those named with the others add up, as in iptables. */
const ZONES = ['zone-orig', 'zone-reply', 'zone'];
const specs = [
  option('notrack', { argument: 'none' }),
  ...['helper', 'timeout', 'ctevents', 'expevents', ...ZONES].map((name) => option(name)),
];
const EVENTS = ['new', 'related', 'destroy', 'reply', 'assured', 'protoinfo', 'helper', 'mark', 'natseqinfo', 'secmark'];
const EXPECTATION_EVENTS = ['new'];

export const CT: TargetExtension<CtOptions> = {
  name: 'CT',
  kind: 'target',
  families: [4, 6],
  legality: { tables: ['raw'] },
  options: specs,
  about: 'no connection tracking (--notrack), zones (--zone, --zone-orig, --zone-reply), helpers (--helper), events',
  needsConntrack: ({ notrack }) => !notrack,

  parse(given, context) {
    const all = new Given('CT', specs, given, context);
    const notrack = all.has('notrack');
    const [helper, timeout] = [all.get('helper'), all.get('timeout')];
    // What is not tracked has no use for the rest, and the kernel does not look at it.
    if (helper !== undefined && textOf(helper) !== '' && !notrack) checkHelper(all, helper, context);
    if (timeout !== undefined && !notrack) {
      throw all.complain(
        timeout,
        `there is no timeout policy "${textOf(timeout)}"`,
        'policies are made by nfct; the defaults are sysctls: --sysctl nf_conntrack_...',
      );
    }
    return {
      notrack,
      ...(helper === undefined || textOf(helper) === '' ? {} : { helper: textOf(helper) }),
      ...(timeout === undefined ? {} : { timeout: textOf(timeout) }),
      events: readEvents(all, 'ctevents', EVENTS),
      expectationEvents: readEvents(all, 'expevents', EXPECTATION_EVENTS),
      ...readZones(all, given),
    };
  },

  print({ notrack, helper, timeout, events, expectationEvents, zone, zoneOf }) {
    const words = [
      notrack ? ' --notrack' : '',
      helper === undefined ? '' : ` --helper ${helper}`,
      timeout === undefined ? '' : ` --timeout ${timeout}`,
      events.length === 0 ? '' : ` --ctevents ${events.join(',')}`,
      expectationEvents.length === 0 ? '' : ` --expevents ${expectationEvents.join(',')}`,
      zone === 0 ? '' : ` --${{ both: 'zone', original: 'zone-orig', reply: 'zone-reply' }[zoneOf]} ${zone}`,
    ];
    return words.join('');
  },

  evaluate({ notrack, zone, zoneOf, helper }, _, effects) {
    if (notrack) effects.notrack();
    else effects.setTemplate({ zone, zoneOf, helper: numberOf(helper) });
    return 'continue';
  },

  lower({ notrack, zone, zoneOf, helper }) {
    if (notrack) return { kind: 'notrack' };
    const ways = { both: CT_ZONE_ORIGINAL | CT_ZONE_REPLY, original: CT_ZONE_ORIGINAL, reply: CT_ZONE_REPLY }[zoneOf];
    const parameters = [...(zone === 'mark' ? [0, CT_ZONE_MARK | ways] : [zone, ways]), numberOf(helper)];
    return {
      kind: 'effect',
      code: EFFECT_CT_TEMPLATE,
      parameters,
      changes: [FIELD_CT_STATE, FIELD_CT_DIRECTION, FIELD_CT_STATUS],
    };
  },

  generate(draw, _, { family, protocol }) {
    if (draw.chance(0.3)) return ['--notrack'];
    const fitting = HELPERS.filter((one) => one.protocols.includes(protocol) && one.families.includes(family));
    const helper = fitting.length > 0 && draw.chance(0.6) ? ['--helper', draw.pick(fitting).name] : [];
    const name = draw.pick(['--zone', '--zone-orig', '--zone-reply']);
    const zone = draw.chance(helper.length > 0 ? 0.2 : 0.7) ? [name, draw.pick(['0', '1', '1', '2', '65535', 'mark'])] : [];
    const events = draw.chance(0.2) ? ['--ctevents', draw.pick(['new', 'destroy,new', 'mark,reply,assured'])] : [];
    return [...helper, ...zone, ...events, ...(draw.chance(0.1) ? ['--expevents', 'new'] : [])];
  },
};

const numberOf = (helper: string | undefined): number =>
  (helper === undefined ? undefined : findHelper(helper)?.number) ?? HELPER_NONE;

/** xt_ct_set_helper: the rule itself must name the helper's protocol. */
function checkHelper(all: Given, one: GivenOption, context: ParseContext): void {
  const known = findHelper(textOf(one));
  if (known === undefined) {
    throw all.complain(one, `there is no helper "${textOf(one)}"`, `one of ${HELPERS.map(({ name }) => name).join(', ')}`);
  }
  if (!known.families.includes(context.family)) throw all.complain(one, `the helper ${known.name} is for IPv4 only`);
  const { protocol } = context.builtin;
  if (protocol === undefined || protocol.invert || !known.protocols.includes(protocol.number)) {
    const names = known.protocols.map((number) => `-p ${protocolName(number) ?? number}`).join(' or ');
    throw all.complain(one, `the helper ${known.name} wants ${names}`, 'the rule itself must name the protocol, not inverted');
  }
}

/** In iptables' own order, each once. */
function readEvents(all: Given, name: string, known: readonly string[]): string[] {
  const one = all.get(name);
  if (one === undefined) return [];
  const words = textOf(one).split(',');
  if (!words.every((word) => known.includes(word))) throw all.wants(one, `a list of ${known.join(', ')}`);
  return known.filter((word) => words.includes(word));
}

function readZones(all: Given, given: readonly GivenOption[]): Pick<CtOptions, 'zone' | 'zoneOf'> {
  const numbers = given.filter(({ name }) => ZONES.includes(name)).map((one) => readZone(all, one));
  const [original, reply] = [all.has('zone-orig'), all.has('zone-reply')];
  const zone = numbers.includes('mark') ? 'mark' : (numbers.at(-1) ?? 0);
  // None is none of either.
  return { zone, zoneOf: zone === 0 || original === reply ? 'both' : original ? 'original' : 'reply' };
}

function readZone(all: Given, one: GivenOption): number | 'mark' {
  if (textOf(one).toLowerCase() === 'mark') return 'mark';
  const zone = parseUnsigned(textOf(one), 0xffff);
  if (zone === undefined) throw all.wants(one, 'a number from 0 to 65535, or mark');
  return zone;
}
