/** What is said of rules that give connections a helper whose messages are not rewritten, and translate addresses. */
import { expect, it } from 'vitest';
import { compile } from '../../src/compile/index.ts';
import { createReference } from '../../src/reference/index.ts';
import { jobOf } from '../reference/replay.ts';

const HELP = '*raw\n-A PREROUTING -p udp -m udp --dport 1720 -j CT --helper H.245\nCOMMIT\n';
const ZONE = '*raw\n-A PREROUTING -p udp -m udp --dport 1720 -j CT --zone 2\nCOMMIT\n';
const TRANSLATE = '*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n';

it.each([
  ['a helper and a translation', HELP + TRANSLATE, 1],
  ['a helper alone', HELP, 0],
  ['a translation alone', ZONE + TRANSLATE, 0],
  ['a helper that NAT has one for', HELP.replace('H.245', 'RAS') + TRANSLATE, 0],
  ['two helpers, one without', HELP.replace('COMMIT', '-A OUTPUT -p udp -j CT --helper RAS\nCOMMIT') + TRANSLATE, 1],
] as const)('%s', (_, rules, notes) => {
  const job = jobOf(rules);
  const told = [createReference(job).result().notes, compile(job).notes].map((all) =>
    all.filter((note) => note.includes('helper')),
  );
  expect(told.map(({ length }) => length)).toEqual([notes, notes]);
  expect(told[0]).toEqual(told[1]);
});
