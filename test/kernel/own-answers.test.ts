/** The host's own answers to what REJECT refuses, in the capture: state, direction, mark, zone, rules and accounting as the running kernel has them, which sends these answers itself. */
import { expect, it } from 'vitest';
import { fillHeaderChecksum } from '../../src/fuzz/build-packet.ts';
import { rejection } from '../../src/fuzz/rejection.ts';
import { ACK, join, ping, RST, SYN, tcp, u16, udp } from '../reference/build.ts';
import { FORWARDING, STATE_MATCHES } from '../reference/replay.ts';
import { describeKernel } from './machine.ts';
import { agree, counted, DEFAULT, FAR, FIREWALL, forwarded, INVALID, own, PEER, RELATED, rulesOf } from './refused.ts';

const REFUSALS = {
  4: ['net-unreachable', 'host-unreachable', 'proto-unreachable', 'port-unreachable', 'net-prohibited', 'host-prohibited'].map(
    (name) => `icmp-${name}`,
  ),
  6: ['no-route', 'adm-prohibited', 'addr-unreachable', 'port-unreachable', 'policy-fail', 'reject-route'].map(
    (name) => `icmp6-${name}`,
  ),
};

describeKernel('answers of REJECT and the running kernel', () => {
  for (const family of [4, 6] as const) {
    const [peer, firewall, far] = [PEER[family], FIREWALL[family], FAR[family]];
    const syn = tcp(`${peer} 5000`, `${firewall} 80`, SYN);
    const datagram = udp(`${peer} 5000`, `${firewall} 53`);
    // To this the stack has nothing to say that looks like an answer of REJECT's.
    const question = ping(peer, firewall);
    const error = (refused: Uint8Array): Uint8Array | null => rejection(refused, family, DEFAULT[family], firewall);
    const reset = (refused: Uint8Array): Uint8Array | null => rejection(refused, family, 'tcp-reset', firewall);

    it(`IPv${family}: the reset of a first packet is RELATED, a REPLY, with the connection's mark`, async () => {
      const outcomes = await agree(rulesOf(['-A INPUT -p tcp -j REJECT --reject-with tcp-reset']), [syn, reset(syn)], { family });
      expect(own(outcomes)).toEqual([[2], [2]]);
      for (const probe of [RELATED, 5, 7]) expect(counted(outcomes, probe)).toEqual([1, 1]);
      expect(counted(outcomes, 6)).toEqual([0, 0]);
    });

    it(`IPv${family}: so is the error, whatever --reject-with says`, async () => {
      const names = REFUSALS[family];
      const rules = names.map((name, i) => `-A INPUT -p udp --dport ${i + 1} -j REJECT --reject-with ${name}`);
      const packets = names.flatMap((name, i) => {
        const refused = udp(`${peer} 5000`, `${firewall} ${i + 1}`);
        return [refused, rejection(refused, family, name, firewall)];
      });
      const outcomes = await agree(rulesOf(rules), packets, { family });
      expect(counted(outcomes, RELATED)).toEqual([names.length, names.length]);
      expect(own(outcomes)[0]).toHaveLength(names.length);
    });

    it(`IPv${family}: of a connection that is there, too, which it neither counts in nor keeps alive`, async () => {
      const rules = rulesOf(['-A INPUT -m connbytes --connbytes 2: --connbytes-dir original --connbytes-mode packets -j REJECT']);
      const outcomes = await agree(rules, [question, question, error(question)], { family });
      expect(own(outcomes)).toEqual([[3], [3]]);
      expect(counted(outcomes, 6)).toEqual([1, 1]);
      for (const { entries } of outcomes) expect(entries[0]!.reply.packets).toBe(0);
    });

    it(`IPv${family}: the reset of an open connection is RELATED, not ESTABLISHED`, async () => {
      const [there, back] = [`${peer} 5000`, `${firewall} 80`];
      const ack = tcp(there, back, ACK, { seq: 1001, ack: 5001 });
      const rules = rulesOf(['-A INPUT -p tcp --tcp-flags SYN,ACK ACK -j REJECT --reject-with tcp-reset']);
      const packets = [syn, tcp(back, there, SYN | ACK, { seq: 5000, ack: 1001 }), ack, reset(ack), ack];
      const outcomes = await agree(rules, packets, { family });
      expect(own(outcomes)).toEqual([[4], [4]]);
      expect(counted(outcomes, RELATED)).toEqual([1, 1]);
    });

    it(`IPv${family}: a packet that ended its connection is answered in that connection all the same`, async () => {
      const rst = tcp(`${peer} 5000`, `${firewall} 80`, RST, { seq: 1001 });
      const rules = rulesOf(['-A INPUT -p tcp --tcp-flags RST RST -j REJECT']);
      const outcomes = await agree(rules, [syn, rst, error(rst)], { family });
      expect(own(outcomes)).toEqual([[3], [3]]);
      expect(counted(outcomes, RELATED)).toEqual([1, 1]);
    });

    it(`IPv${family}: what is untracked or INVALID is answered as INVALID`, async () => {
      const strange = tcp(`${peer} 5000`, `${firewall} 80`, SYN | ACK, { ack: 77 });
      const rules = rulesOf(
        ['-A INPUT -p tcp -j REJECT --reject-with tcp-reset', '-A INPUT -j REJECT'],
        ['*raw', '-A PREROUTING -p udp -j CT --notrack', 'COMMIT'],
      );
      const outcomes = await agree(rules, [strange, reset(strange), datagram, error(datagram)], { family });
      expect(own(outcomes)).toEqual([
        [2, 4],
        [2, 4],
      ]);
      expect(counted(outcomes, INVALID)).toEqual([2, 2]);
    });

    it(`IPv${family}: what answers something untracked is left alone by rules of CT, over lo too; not so what answers something INVALID`, async () => {
      const strange = tcp(`${peer} 5000`, `${firewall} 80`, SYN | ACK, { ack: 77 });
      const [first, second] = [tcp(`${firewall} 5000`, `${far} 80`, SYN), udp(`${firewall} 5000`, `${far} 53`)];
      const filter = [
        '-A INPUT -p tcp --tcp-flags RST NONE -j REJECT --reject-with tcp-reset',
        '-A INPUT -p udp -j REJECT',
        '-A OUTPUT -p tcp --tcp-flags RST NONE -j REJECT --reject-with tcp-reset',
        '-A OUTPUT -p udp -j REJECT',
        ...STATE_MATCHES.map((match) => `-A INPUT ${match}`),
      ];
      const packets = [strange, reset(strange), datagram, error(datagram), first, reset(first), second, error(second)];
      for (const [target, invalid] of [
        ['-j NOTRACK', 3],
        ['-j CT --zone 7', 4],
      ] as const) {
        const raw = [
          '*raw',
          '-A PREROUTING -p udp -j NOTRACK',
          `-A PREROUTING -i lo ${target}`,
          `-A OUTPUT -d ${peer} ${target}`,
        ];
        const sent = ['-A OUTPUT -p udp -j NOTRACK', '-A OUTPUT -p tcp --syn -j NOTRACK', `-A OUTPUT ${target}`, 'COMMIT'];
        const outcomes = await agree(rulesOf(filter, [...raw, ...sent]), packets, { family, out: [6] });
        expect(own(outcomes)).toEqual([
          [2, 4, 6, 8],
          [2, 4, 6, 8],
        ]);
        expect(counted(outcomes, INVALID)).toEqual([invalid, invalid]);
      }
    });

    it(`IPv${family}: the zone is the refused packet's`, async () => {
      const rules = rulesOf(
        ['-A INPUT -m connbytes --connbytes 2: --connbytes-dir original --connbytes-mode packets -j REJECT'],
        ['*raw', '-A PREROUTING -j CT --zone 5', 'COMMIT'],
      );
      const outcomes = await agree(rules, [question, question, error(question)], { family });
      expect(counted(outcomes, RELATED)).toEqual([1, 1]);
    });

    it(`IPv${family}: what was to be forwarded; the reset bears the far host's address`, async () => {
      const [first, second] = [tcp(`${peer} 5000`, `${far} 80`, SYN), udp(`${peer} 5000`, `${far} 53`)];
      const hop = (bytes: Uint8Array): Uint8Array => forwarded(bytes, family);
      const rules = rulesOf(['-A FORWARD -p tcp -j REJECT --reject-with tcp-reset', '-A FORWARD -j REJECT']);
      const packets = [first, reset(hop(first)), second, error(hop(second))];
      const outcomes = await agree(rules, packets, { family, out: [2] });
      expect(own(outcomes)).toEqual([
        [2, 4],
        [2, 4],
      ]);
      expect(counted(outcomes, RELATED)).toEqual([2, 2]);
    });

    it(`IPv${family}: what was translated is answered from where it was sent to, and OUTPUT sees where it went`, async () => {
      const [there, inside] = [`${firewall} 80`, family === 4 ? `${far}:8080` : `[${far}]:8080`];
      const [first, second] = [tcp(`${peer} 5000`, there, SYN), udp(`${peer} 5000`, there)];
      const nat = ['tcp', 'udp'].map((protocol) => `-A PREROUTING -p ${protocol} --dport 80 -j DNAT --to-destination ${inside}`);
      const filter = [
        '-A FORWARD -p tcp -j REJECT --reject-with tcp-reset',
        '-A FORWARD -j REJECT',
        '-A INPUT -p icmp -j REJECT',
        `-A OUTPUT -s ${far} -p tcp --sport 8080`,
        `-A OUTPUT -s ${firewall}`,
      ];
      const rules = rulesOf(filter, ['*nat', ...nat, '-A POSTROUTING -m mark ! --mark 1', 'COMMIT']);
      const hop = (bytes: Uint8Array): Uint8Array => forwarded(bytes, family);
      const packets = [first, reset(hop(first)), second, error(hop(second))];
      const outcomes = await agree(rules, packets, { family });
      expect(own(outcomes)).toEqual([
        [2, 4],
        [2, 4],
      ]);
      expect(counted(outcomes, RELATED)).toEqual([2, 2]);
      for (const { counters } of outcomes) {
        expect(counters.filter!.OUTPUT!.rules.map((rule) => rule.packets)).toEqual([1, 1]);
        expect(counters.nat!.POSTROUTING!.rules[0]!.packets).toBe(1);
      }
    });

    it(`IPv${family}: packets of which an error quotes the beginning, translated and not`, async () => {
      const inside = family === 4 ? far : `[${far}]`;
      const nat = ['*nat', `-A PREROUTING -d ${firewall} -j DNAT --to-destination ${inside}`, 'COMMIT'];
      const kinds = [548, 1176, 1177, 1300, 1400].flatMap((data, i) => [
        udp(`${peer} ${5000 + i}`, `${firewall} 53`, { data }),
        tcp(`${peer} ${5000 + i}`, `${firewall} 80`, SYN, { data }),
        ping(peer, firewall, { id: i, data }),
      ]);
      for (const more of [[], nat]) {
        const chain = more === nat ? 'FORWARD' : 'INPUT';
        const packets = kinds.flatMap((one) => [one, error(more === nat ? forwarded(one, family) : one)]);
        const outcomes = await agree(rulesOf([`-A ${chain} -j REJECT`], more), packets, { family });
        const all = kinds.map((_, i) => 2 * i + 2);
        expect(own(outcomes)).toEqual([all, all]);
        expect(counted(outcomes, RELATED)).toEqual([kinds.length, kinds.length]);
      }
    });

    it(`IPv${family}: what was redirected to the host itself`, async () => {
      const first = tcp(`${peer} 5000`, `${far} 80`, SYN);
      const second = udp(`${peer} 5000`, `${far} 80`);
      const nat = ['tcp', 'udp'].map((protocol) => `-A PREROUTING -p ${protocol} --dport 80 -j REDIRECT --to-ports 3128`);
      const filter = [
        '-A INPUT -p tcp -j REJECT --reject-with tcp-reset',
        '-A INPUT -j REJECT',
        `-A OUTPUT -s ${firewall} -p tcp --sport 3128`,
        `-A OUTPUT -s ${firewall}`,
      ];
      const from = rejection(second, family, DEFAULT[family], far);
      const outcomes = await agree(rulesOf(filter, ['*nat', ...nat, 'COMMIT']), [first, reset(first), second, from], {
        family,
        out: [2, 4],
      });
      expect(own(outcomes)).toEqual([
        [2, 4],
        [2, 4],
      ]);
      for (const { counters } of outcomes) expect(counters.filter!.OUTPUT!.rules.map((rule) => rule.packets)).toEqual([1, 2]);
    });

    it(`IPv${family}: an answer of a translated connection, refused on its way back`, async () => {
      const [there, back] = [udp(`${peer} 5000`, `${far} 53`), udp(`${far} 53`, `${firewall} 5000`)];
      const nat = ['*nat', `-A POSTROUTING -p udp -j SNAT --to-source ${firewall}`, 'COMMIT'];
      const filter = [`-A FORWARD -s ${far} -j REJECT`, `-A OUTPUT -d ${far}`];
      const outcomes = await agree(rulesOf(filter, nat), [there, back, error(forwarded(back, family))], { family });
      expect(own(outcomes)).toEqual([[3], [3]]);
      expect(counted(outcomes, RELATED)).toEqual([1, 1]);
    });

    it(`IPv${family}: the copy of a forwarded packet that looks like an answer never reached netfilter`, async () => {
      const refused = tcp(`${far} 80`, `${peer} 5000`, RST | ACK, { seq: 0, ack: 1001, window: 0 });
      const outcomes = await agree(rulesOf(['-A FORWARD -p udp -j REJECT']), [syn, refused], { family, out: [2] });
      expect(own(outcomes)).toEqual([[], []]);
      expect(outcomes.map(({ packets }) => packets[1]!.entered)).toEqual([false, false]);
    });

    it(`IPv${family}: a router of which only the direction is known`, async () => {
      const first = tcp(`${peer} 5000`, `${far} 80`, SYN);
      const rules = rulesOf(['-A FORWARD -p tcp -j REJECT --reject-with tcp-reset', '-A OUTPUT -o eth0', '-A OUTPUT -o eth1']);
      const outcomes = await agree(rules, [first, reset(forwarded(first, family))], { family, host: FORWARDING, out: [2] });
      expect(own(outcomes)).toEqual([[2], [2]]);
      expect(outcomes.map(({ counters }) => counters.filter!.OUTPUT!.rules.map(({ packets }) => packets))).toEqual([
        [1, 0],
        [1, 0],
      ]);
    });

    it(`IPv${family}: what the host itself sends is answered over lo`, async () => {
      const sent = udp(`${firewall} 5000`, `${far} 53`);
      const outcomes = await agree(rulesOf(['-A OUTPUT -p udp -j REJECT']), [sent, error(sent)], { family });
      expect(own(outcomes)).toEqual([[2], [2]]);
      expect(outcomes.map(({ packets }) => packets[1]!.hook)).toEqual(['INPUT', 'INPUT']);
    });

    it(`IPv${family}: other bytes are no answer`, async () => {
      const other = reset(syn)!;
      const wrong = tcp(`${firewall} 80`, `${peer} 5000`, RST | ACK, { seq: 0, ack: 1002, window: 0 });
      const quoting = error(udp(`${peer} 5000`, `${firewall} 54`))!;
      const rules = rulesOf(['-A INPUT -p tcp -j REJECT --reject-with tcp-reset', '-A INPUT -p udp -j REJECT']);
      const outcomes = await agree(rules, [syn, wrong, datagram, quoting, syn, other], { family });
      expect(own(outcomes)).toEqual([[6], [6]]);
      expect(counted(outcomes, RELATED)).toEqual([1, 1]);
      expect(counted(outcomes, INVALID)).toEqual([2, 2]);
    });

    it(`IPv${family}: rules meet the answer as any packet: its connection is marked, it may be dropped, and a reset asks the nat table`, async () => {
      const filter = [
        '-A INPUT -p tcp -j REJECT --reject-with tcp-reset',
        '-A INPUT -m connbytes --connbytes 2: --connbytes-dir original --connbytes-mode packets -j REJECT',
        '-A OUTPUT -p tcp -m conntrack --ctstate RELATED -m conntrack ! --ctstatus CONFIRMED',
        '-A OUTPUT -m conntrack --ctstate RELATED -j CONNMARK --set-mark 9',
        '-A OUTPUT -m conntrack --ctstate RELATED --ctstatus CONFIRMED -j DROP',
      ];
      const nat = ['*nat', '-A OUTPUT -m mark ! --mark 1', '-A POSTROUTING -m mark ! --mark 1', 'COMMIT'];
      const outcomes = await agree(rulesOf(filter, nat), [syn, reset(syn), question, question, error(question)], {
        family,
      });
      expect(own(outcomes)).toEqual([
        [2, 5],
        [2, 5],
      ]);
      for (const { counters, entries } of outcomes) {
        expect(counters.nat!.POSTROUTING!.rules[0]!.packets).toBe(1);
        expect(entries.map(({ mark }) => mark)).toEqual([9]);
      }
    });
  }

  it('an echo request, and fragments that were put together', async () => {
    const request = ping(PEER[4], FIREWALL[4]);
    const whole = udp(`${PEER[4]} 5000`, `${FIREWALL[4]} 53`, { data: 64 });
    const [first, rest] = [fragment(whole, 0, 24, true), fragment(whole, 24, 72, false)];
    const rules = rulesOf(['-A INPUT -j REJECT']);
    const answers = [request, whole].map((refused) => rejection(refused, 4, DEFAULT[4], FIREWALL[4]));
    const outcomes = await agree(rules, [request, answers[0]!, first, rest, answers[1]!]);
    expect(own(outcomes)).toEqual([
      [2, 5],
      [2, 5],
    ]);
    expect(counted(outcomes, RELATED)).toEqual([2, 2]);
  });
});

/** Bytes of the payload of an IPv4 packet without options, as a fragment. */
function fragment(packet: Uint8Array, from: number, to: number, more: boolean): Uint8Array {
  const out = join(packet.subarray(0, 20), packet.subarray(20 + from, 20 + to));
  out.set(u16(out.length), 2);
  out.set(u16((more ? 0x2000 : 0) | (from / 8)), 6);
  fillHeaderChecksum(out.subarray(0, 20));
  return out;
}
