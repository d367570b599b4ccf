/** A recorded file server (pcaps/ftp: vsftpd and curl, both modes, IPv4 and IPv6), let in by its control connection alone: the helper finds the rest. The running kernel judges. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { buildHost } from '../../src/model/host-build.ts';
import { differences, readFrames } from '../kernel/differential.ts';
import { describeKernel } from '../kernel/machine.ts';
import { REFERENCE, WITNESSES } from '../kernel/witnesses.ts';
import { jobOf } from '../reference/replay.ts';

const RULES = `*raw
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp
COMMIT
*filter
:INPUT DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -m conntrack --ctstate RELATED -m helper --helper ftp -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 21 -m conntrack --ctstate NEW -j ACCEPT
-A OUTPUT -m conntrack --ctstate RELATED -m helper --helper ftp -j ACCEPT
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
`;

describeKernel('a recorded file server', () => {
  it('is let in by its control connections alone', async () => {
    const { host: given } = JSON.parse(readFileSync('pcaps/ftp/scenario.json', 'utf8')) as { host: { local: string[] } };
    const host = buildHost({ in: 'eth0', local: given.local });
    const frames = readFrames('pcaps/ftp/capture.pcap');
    for (const backend of ['legacy', 'nft'] as const) {
      const found = await differences(backend, { rules: { 4: RULES, 6: RULES }, host, frames }, WITNESSES);
      expect(Object.fromEntries([...found].map(([name, lines]) => [name, lines.slice(0, 10)])), backend).toEqual(
        Object.fromEntries([...found.keys()].map((name) => [name, []])),
      );
    }
    // Downloads, listings and uploads: PASV, EPSV, PORT and EPRT over IPv4, EPSV and EPRT over IPv6.
    const { outcomes } = await REFERENCE.replay({ ...jobOf(RULES, host), rules: bothFamilies() }, frames);
    const related = outcomes.filter(({ ctstate }) => ctstate === 'RELATED');
    expect(related.length).toBeGreaterThanOrEqual(18);
    // Neighbour discovery is not tracked, and these rules do without it.
    const tracked = outcomes.filter(({ ctstate }) => ctstate !== undefined && ctstate !== 'UNTRACKED');
    expect(tracked.filter(({ verdict }) => verdict !== 'ACCEPT')).toEqual([]);
  });
});

function bothFamilies(): ReturnType<typeof jobOf>['rules'] {
  return { ...jobOf(RULES).rules, ...jobOf(RULES, undefined, {}, 6).rules };
}
