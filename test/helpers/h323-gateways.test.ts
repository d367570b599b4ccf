/** H.323 on a router whose routes have gateways: a call that is forwarded to the side where it comes from is not expected (callforward_filter). Judged by the running kernel. */
import { describe, expect, test } from 'vitest';
import { callMessage, tpkt } from '../../src/fuzz/h323.ts';
import type { HostGiven } from '../../src/model/host-build.ts';
import { describeKernel } from '../kernel/machine.ts';
import { WITNESSES } from '../kernel/witnesses.ts';
import { frameOf, jobOf } from '../reference/replay.ts';
import { Conversation, call } from './conversation.ts';
import { expectAgreement, helperProbes } from './judge.ts';

const CALLS = helperProbes('Q.931', '-p tcp -m tcp --dport 1720');

interface Ends {
  phone: string;
  called: string;
  /** Where calls are forwarded to, one after the other: on the phone's side, and elsewhere. */
  same: readonly string[];
  others: readonly string[];
  host: HostGiven;
}

const device = (ifname: string, family: 'inet' | 'inet6', local: string, prefixlen: number) => ({
  ifname,
  addr_info: [{ family, local, prefixlen }],
});
/** Two routers and hosts of their own on the phone's side; the called party's network. */
const ENDS: Readonly<Record<4 | 6, Ends>> = {
  4: {
    phone: '10.9.0.5',
    called: '198.18.1.9',
    // Behind the phone's router: by its route, by another; the router itself.
    same: ['10.9.0.5', '10.9.0.6', '10.10.0.1', '10.0.0.8'],
    // Behind the other router, and that; on the link; on the other side; the host itself; no way at all; what no route takes.
    others: ['10.8.0.1', '10.0.0.9', '10.0.0.6', '198.18.1.9', '203.0.113.1', '10.0.0.1', '192.0.2.1', '100.64.0.1'],
    host: {
      addresses: [device('eth0', 'inet', '10.0.0.1', 24), device('eth1', 'inet', '203.0.113.1', 24)],
      routes: [
        [
          { dst: '10.9.0.0/16', gateway: '10.0.0.8', dev: 'eth0' },
          { dst: '10.10.0.0/15', gateway: '10.0.0.8', dev: 'eth0' },
          { dst: '10.8.0.0/16', gateway: '10.0.0.9', dev: 'eth0' },
          { dst: '198.18.0.0/15', gateway: '203.0.113.8', dev: 'eth1' },
          { type: 'unreachable', dst: '192.0.2.0/24' },
        ],
      ],
    },
  },
  6: {
    phone: 'fd09::5',
    called: '2001:db8:1::9',
    same: ['fd09::5', 'fd09::6', 'fd0a::1', 'fd00::8'],
    others: ['fd08::1', 'fd00::9', 'fd00::6', '2001:db8:1::9', '2001:db8:ff::1', 'fd00::1', '2001:db8:4::1', '3000::1'],
    host: {
      addresses: [device('eth0', 'inet6', 'fd00::1', 64), device('eth1', 'inet6', '2001:db8:ff::1', 64)],
      routes: [
        [
          { dst: 'fd09::/16', gateway: 'fd00::8', dev: 'eth0' },
          { dst: 'fd0a::/15', gateway: 'fd00::8', dev: 'eth0' },
          { dst: 'fd08::/16', gateway: 'fe80::8', dev: 'eth0' },
          { dst: '2001:db8:1::/48', gateway: '2001:db8:ff::8', dev: 'eth1' },
          { type: 'unreachable', dst: '2001:db8:4::/48' },
        ],
      ],
    },
  },
};

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** A call to each of these, by the answer of the called party to another; it rings there where the way leads through the router. */
function calls({ phone, called }: Ends, to: readonly string[]): Uint8Array[] {
  return to.flatMap((address, i) => {
    const talk = new Conversation(`${phone} ${3000 + i}`, `${called} 1720`).open();
    talk.say('server', text(tpkt(callMessage('facility', { forwarded: { address, port: 1730 + i } }))));
    return [...talk.packets, ...(address === called ? call(`${phone} ${4000 + i}`, `${address} ${1730 + i}`).slice(0, 1) : [])];
  });
}

describe.each(WITNESSES)('calls forwarded past gateways, $name', (witness) => {
  test.each([4, 6] as const)('IPv%i: those to other sides are expected', async (family) => {
    const { same, others, host } = ENDS[family];
    const packets = calls(ENDS[family], [...same, ...others.filter((address) => address !== ENDS[family].called)]);
    const frames = packets.map((bytes, i) => frameOf(bytes, i));
    const { memory } = await witness.replay(jobOf(CALLS, host, {}, family), frames);
    const expected = memory.expectations(frames.at(-1)!.time).map(({ tuple }) => tuple.destination.address);
    expect(expected.sort()).toEqual(others.filter((address) => address !== ENDS[family].called).sort());
  });
});

describeKernel('calls forwarded past gateways', () => {
  test.each([4, 6] as const)('IPv%i', { timeout: 120_000 }, async (family) => {
    const { same, others, host } = ENDS[family];
    await expectAgreement(CALLS, calls(ENDS[family], [...same, ...others]), family, { lists: true, host });
  });
});
