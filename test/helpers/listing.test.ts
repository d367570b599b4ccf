/** Connections with a helper, and what they expect, as `conntrack -L` lists them. */
import { expect, it } from 'vitest';
import { runKernel } from '../../src/kernel/index.ts';
import { conntrackLine } from '../../src/report/conntrack.ts';
import { describeKernel } from '../kernel/machine.ts';
import { frameOf } from '../reference/replay.ts';
import { Conversation, call } from './conversation.ts';

const RULES = `*raw
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp --zone 3
COMMIT
`;

describeKernel('lists', () => {
  it('the line of a connection with a helper and a zone is the tool’s', async () => {
    const talk = new Conversation('10.0.0.1 2000', '10.1.0.2 21').open();
    const frames = [...talk.packets, ...call('10.0.0.1 1', '10.1.0.2 2')].map((bytes, i) => frameOf(bytes, i));
    const job = { backend: 'legacy', family: 4, rules: RULES, topology: 'forward', trace: false } as const;
    const { conntrack, entries } = await runKernel({
      ...job,
      frames: frames.map(({ time, bytes }) => ({ time, bytes, direction: 'in' })),
    });
    const lines = conntrack
      .trim()
      .split('\n')
      .map((line) => line.trim().replace(/use=\d+/, 'use=1'));
    expect(entries.map(conntrackLine)).toEqual(lines);
    expect(lines.join('\n')).toContain('helper=ftp');
  });
});
