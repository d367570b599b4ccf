/** A set that is full, whose elements time out and come back: every program before a set that walks all its elements at every packet. */
import { expect, test, vi } from 'vitest';
import { HOLES } from '../../src/abi/sets.ts';
import { writePcap } from '../../src/capture/writer.ts';
import { ask } from '../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseIpsets, parseSave } from '../../src/syntax/index.ts';
import { ip } from '../kernel/packets.ts';
import { SEED } from '../seed.ts';

const START = 1_764_000_000_000_000_000n;
const HZ = 250;
const MOST = 100;
const LIFE = 3;
const LONG_LIFE = 20;
/** What comes with this protocol lives longer, and begins anew. */
const LONG = 253;
const SHORT = 254;
const RULES = `*filter
:INPUT DROP [0:0]
-A INPUT -m set --match-set a src -j ACCEPT
-A INPUT -p ${LONG} -j SET --add-set a src --exist --timeout ${LONG_LIFE}
-A INPUT -p ${SHORT} -j SET --add-set a src
-A INPUT -m set --match-set a src -j REJECT
COMMIT
`;

interface Sent {
  /** Jiffies behind the first. */
  at: number;
  host: number;
  protocol: number;
}

/** Bursts that fill the set, and pauses in which some of it is over. */
function sent(count: number): Sent[] {
  let state = SEED >>> 0;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
  let at = 0;
  return Array.from({ length: count }, () => {
    at += draw(150) === 0 ? draw(5 * HZ) : draw(4);
    return { at, host: draw(400), protocol: draw(4) === 0 ? LONG : SHORT };
  });
}

/** hash:ip with a timeout, as plainly as can be. */
class Walker {
  readonly #entries = new Map<number, { expires: number; hole: boolean; slot: number }>();
  readonly #free: number[] = [];
  #slots = 0;

  has(host: number, now: number): boolean {
    const entry = this.#entries.get(host);
    return entry !== undefined && !entry.hole && now <= entry.expires;
  }

  add({ host, at, protocol }: Sent): void {
    const expires = at + (protocol === LONG ? LONG_LIFE : LIFE) * HZ;
    if (this.#isFull()) for (const entry of this.#entries.values()) entry.hole ||= at > entry.expires;
    const known = this.#entries.get(host);
    if (known !== undefined) Object.assign(known, { expires, hole: false });
    else if (!this.#isFull()) this.#entries.set(host, { expires, hole: false, slot: this.#slot() });
  }

  #isFull(): boolean {
    return [...this.#entries.values()].filter(({ hole }) => !hole).length >= MOST;
  }

  #slot(): number {
    if (this.#free.length === 0 && this.#slots === MOST + HOLES) {
      const holes = [...this.#entries].filter(([, { hole }]) => hole).sort(([, one], [, other]) => one.slot - other.slot);
      const [host, { slot }] = holes[0]!;
      this.#entries.delete(host);
      this.#free.push(slot);
    }
    return this.#free.pop() ?? this.#slots++;
  }
}

function expected(packets: readonly Sent[]): string[] {
  const set = new Walker();
  return packets.map((packet) => {
    if (set.has(packet.host, packet.at)) return 'ACCEPT';
    set.add(packet);
    return set.has(packet.host, packet.at) ? 'REJECT' : 'DROP';
  });
}

async function judged(name: string, packets: readonly Sent[]) {
  const capture = writePcap(
    packets.map(({ at, host, protocol }) => ({
      time: START + (BigInt(at) * 1_000_000_000n) / BigInt(HZ),
      bytes: ip(`10.0.${host >> 8}.${host & 255}`, '192.0.2.1', protocol, Buffer.alloc(0), -1),
    })),
    101,
  );
  const job = {
    rules: { 4: parseSave(RULES, { file: 'rules.v4' }) },
    sets: parseIpsets(`create a hash:ip timeout ${LIFE} maxelem ${MOST}\n`, 'sets'),
    host: buildHost({ local: ['192.0.2.1'] }),
    profile: { ...DEFAULT_PROFILE, prestack: 'lenient' as const, hz: HZ },
    packets: { path: false },
  };
  return (await ask(PROGRAMS[name]!, job, capture)).packets.map(({ verdict }) => verdict);
}

test(`what a full set holds (seed ${SEED})`, async () => {
  const packets = sent(20_000);
  const verdicts = expected(packets);
  for (const verdict of ['ACCEPT', 'REJECT', 'DROP'])
    expect(verdicts.filter((one) => one === verdict).length).toBeGreaterThan(1000);
  for (const name of ['reference', 'engine', 'debug']) expect([name, await judged(name, packets)]).toEqual([name, verdicts]);
});

test('the reference looks through a full set when somebody’s time is over, not at every packet', async () => {
  const packets = Array.from({ length: 5000 }, (_, host) => ({ at: host < MOST ? 0 : 1, host, protocol: SHORT }));
  const walks = vi.spyOn(Map.prototype, 'values');
  const before = walks.mock.calls.length;
  expect(await judged('reference', packets)).toEqual(packets.map(({ host }) => (host < MOST ? 'REJECT' : 'DROP')));
  const seen = walks.mock.contexts.slice(before).filter((map) => (map as Map<unknown, unknown>).size === MOST);
  walks.mockRestore();
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.length).toBeLessThan(10);
});
