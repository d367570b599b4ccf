import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseScript, parseScriptAll, printSave } from '../../src/syntax/index.ts';
import { realTool, sortTables } from './real.ts';

const SCRIPTS: Record<string, string> = {
  'the usual': `#!/bin/sh
# my firewall
IPT=iptables
LAN="192.168.1.0/24" WAN=eth0
$IPT -F; $IPT -X
iptables -t nat -F && iptables -t nat -X
\${IPT} -P INPUT DROP
iptables --policy OUTPUT DROP
iptables -N logdrop
iptables -A logdrop -m limit --limit 5/min -j LOG --log-prefix "fw: drop '$WAN' " --log-level 4
iptables -A logdrop -j DROP
iptables -A INPUT -i $WAN -s $LAN \\
    -p tcp --dport 22 \\
    -m comment --comment 'it is "ssh"' -j ACCEPT   # ssh
iptables -I INPUT 1 -m state --state ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -j logdrop
iptables -t mangle -A PREROUTING -p tcp --syn -j MARK --set-mark 1
exit 0
iptables -F
`,
  'failures that do nothing': `iptables -N a
iptables -N a 2>/dev/null || true
iptables -X nope
iptables -D INPUT -j DROP
iptables -D INPUT -j nope 2>/dev/null
iptables -F nope
iptables -E nope b
iptables -A INPUT -j a
`,
  'check or append': `iptables -A INPUT -p udp --dport 53 -j ACCEPT
iptables -C INPUT -p udp --dport 53 -j ACCEPT 2>/dev/null || iptables -A INPUT -p udp --dport 53 -j ACCEPT
iptables -C INPUT -p tcp --dport 53 -j ACCEPT 2>/dev/null || iptables -A INPUT -p tcp --dport 53 -j ACCEPT
iptables -C INPUT -j DROP 2>/dev/null && iptables -A INPUT -s 9.9.9.9
true && iptables -A INPUT -s 1.1.1.1
false && iptables -A INPUT -s 2.2.2.2
false || iptables -A INPUT -s 3.3.3.3
`,
  quoting: `A=1.1.1.1 B='2.2.2.2 -j DROP'
iptables -A INPUT -s $A
iptables -A INPUT -s $B
iptables -A INPUT -m comment --comment "a \\"b\\" \\$x $A 'c'"
iptables -A INPUT -m comment --comment a\\ b
iptables -A INPUT -m comment --comment a"b c"'d e'f
iptables -A INPUT -m comment --comment 'back\\slash'
EMPTY=
iptables -A INPUT $EMPTY -s 3.3.3.3
X=$A$A
export Y=\${A}
iptables -A INPUT -s $Y -m comment --comment "$X"
iptables -A INPUT -s 5.5.5.5#x
`.replace('iptables -A INPUT -s 5.5.5.5#x\n', ''),
  'a tool found by which':
    'IPT=`which iptables`\nIPT2=$(command -v iptables)\n$IPT -A INPUT -s 1.1.1.1\n"$IPT2" -A INPUT -s 2.2.2.2\n',
  'a list inserted, replaced, zeroed, renamed': `iptables -N a
iptables -A INPUT -s 1.1.1.1 -j a
iptables -I INPUT -s 2.2.2.2,3.3.3.3
iptables -R INPUT 1 -s 4.4.4.4
iptables -Z
iptables -E a b
iptables -D INPUT 2
iptables -t raw -A PREROUTING -p tcp --dport 80 -j NOTRACK
iptables -A FORWARD -j b -t filter
`,
  IPv6: 'ip6tables -P INPUT DROP\nip6tables -A INPUT -p icmpv6 --icmpv6-type echo-request -j ACCEPT\nip6tables -A INPUT -s fe80::/10 -j ACCEPT\n',
  'here-document': 'cat <<EOF >/dev/null\niptables -A INPUT -j DROP\nEOF\niptables -A INPUT -s 1.1.1.1\n',
};

/** Runs a script where iptables is the legacy one, in a namespace of its own; saves of both families. */
function runReally(script: string): { 4: string; 6: string } {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-script-'));
  try {
    for (const tool of ['iptables', 'ip6tables']) symlinkSync(`/usr/sbin/${tool}-legacy`, join(folder, tool));
    writeFileSync(join(folder, 'script'), script);
    const save = (tool: string) => `PATH=${folder}:$PATH sh -c '${tool}-legacy-save' | sed '/^#/d'`;
    const command = `PATH=${folder}:$PATH sh ${folder}/script >/dev/null 2>&1; ${save('iptables')}; echo '####'; ${save('ip6tables')}`;
    const run = spawnSync('unshare', ['-n', 'sh', '-c', command], { encoding: 'utf8', timeout: 60_000 });
    const [four = '', six = ''] = run.stdout.split('####\n');
    return { 4: sortTables(four), 6: sortTables(six) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!realTool)('scripts do what they do when they are run', () => {
  for (const [name, script] of Object.entries(SCRIPTS)) {
    it(name, () => {
      const result = parseScript(script, { file: 'fw.sh' });
      const real = runReally(script);
      for (const family of [4, 6] as const) {
        const ruleset = result[family];
        expect(ruleset === undefined ? '' : sortTables(printSave(ruleset, { counters: false }))).toBe(real[family]);
      }
    });
  }
});

describe('what a script holds besides', () => {
  it('notes the save that is thrown away, and what is not saved', () => {
    const text =
      'iptables -F\nservice iptables save\niptables -P INPUT DROP\niptables-save > /etc/iptables/rules.v4\niptables -A INPUT -j ACCEPT\n';
    const result = parseScript(text, { file: 'fw.sh' });
    expect(result.saves.map((save) => [save.position.line, save.overwritten])).toEqual([
      [2, true],
      [4, false],
    ]);
    const notes = result[4]?.notes.map((note) => `${note.position.line}: ${note.message}`);
    expect(notes).toEqual([
      '2: this save is thrown away: line 4 saves again',
      '5: what follows the last save (line 4) is not in the saved file',
    ]);
  });

  it('takes a restart behind a save for what it is', () => {
    const text = 'iptables -P INPUT DROP\n/etc/init.d/iptables save\nsystemctl restart iptables.service\nservice nginx restart\n';
    expect(parseScript(text, { file: 'fw.sh' })[4]?.tables[0]?.chains[0]?.policy).toBe('DROP');
  });

  it('starts from empty tables and leaves untouched tables and families out', () => {
    const result = parseScript('iptables -t mangle -A FORWARD -j ACCEPT\n', { file: 'fw.sh' });
    expect(result[4]?.tables.map((table) => table.name)).toEqual(['mangle']);
    expect(result[6]).toBeUndefined();
  });

  const wrapped = [
    'sudo -u root -n',
    'sudo -n FOO=1',
    'doas -u root',
    'env -i PATH=/sbin',
    'nohup nice -n 5',
    'time -p',
    'ionice -c 3',
    'timeout -k 5 10s',
    'flock -w 5 /run/lock',
    'command',
    'ip netns exec fw',
    'sudo ip netns exec fw env A=b',
    'nsenter --net=/run/netns/fw',
  ];
  for (const wrapper of wrapped) {
    it(`reads what "${wrapper}" runs`, () => {
      const text = `command -v iptables >/dev/null\napt-get install -y iptables\n${wrapper} /sbin/iptables -P INPUT DROP\n`;
      const chain = parseScript(text, { file: 'fw.sh' })[4]?.tables[0]?.chains[0];
      expect(chain?.policy).toBe('DROP');
    });
  }

  it('names the namespace whose rules they are', () => {
    const notes = parseScript('ip netns exec fw iptables -F\nip netns exec fw iptables -P INPUT DROP\n', { file: 'fw.sh' })[4]
      ?.notes;
    expect(notes?.map(({ message }) => message)).toEqual(['the rules are those of network namespace "fw"']);
  });

  const refused: [string, string, number, number, RegExp][] = [
    ['for loop', 'iptables -F\nfor p in 22 80; do\n  iptables -A INPUT -p tcp --dport $p\ndone\n', 2, 1, /loop/],
    ['while', 'while read x; do iptables -A INPUT -s $x; done < list\n', 1, 1, /loop/],
    ['if', 'if [ -x /sbin/iptables ]; then\n iptables -F\nfi\n', 1, 1, /condition/],
    ['function', 'foo() {\n  iptables -F\n}\n', 1, 1, /function/],
    ['substitution', 'iptables -A INPUT -s $(hostname -i) -j ACCEPT\n', 1, 22, /substitution/],
    ['backquotes', 'iptables -A INPUT -s `hostname -i` -j ACCEPT\n', 1, 22, /substitution/],
    ['variable of a substitution', 'IP=$(hostname -i)\niptables -A INPUT -s $IP\n', 2, 22, /IP is only known when/],
    ['variable never set', 'iptables -A INPUT -s $IP\n', 1, 22, /IP is not set/],
    ['iptables-restore', '/sbin/iptables-restore < /etc/rules\n', 1, 1, /iptables-restore/],
    ['condition before &&', '[ -n "x" ] && iptables -A INPUT -j DROP\n', 1, 15, /depends/],
    ['quote never closed', "iptables -A INPUT -j 'x\niptables -F\n", 1, 22, /never closed/],
    ['bad rule in a continuation', 'iptables -A INPUT \\\n  -p tcp \\\n  --dprot 80\n', 3, 3, /unknown option --dprot/],
    ['unknown target', 'iptables -A INPUT -j nope\n', 1, 22, /nope/],
    [
      'a restart that loads what is not of this script',
      'iptables -F\nservice iptables save\niptables -P INPUT DROP\nservice iptables restart\n',
      4,
      1,
      /loads other rules/,
    ],
    ['source', '. /etc/firewall.conf\n', 1, 1, /cannot be followed/],
    ['another namespace', 'iptables -F\nip netns exec fw iptables -P INPUT DROP\n', 2, 1, /network namespace "fw".* the host/],
    ['another user', 'sudo -u nobody iptables -F\n', 1, 1, /nobody/],
    ['another machine', 'ssh root@fw iptables -F\n', 1, 1, /"ssh"/],
    ['a shell', 'su -c "iptables -F"\n', 1, 1, /"su"/],
    ['an alias', "alias ipt='iptables'\nipt -A INPUT -j DROP\n", 2, 1, /"ipt"/],
    ['xargs', 'cat list | xargs -n1 iptables -A INPUT -j DROP -s\n', 1, 12, /"xargs"/],
    ['a trap', "trap 'iptables -F' EXIT\n", 1, 1, /"trap"/],
    ['set -e', 'set -e\niptables -X nope\n', 2, 13, /nope/],
    ['a loop of chains', 'iptables -N a\niptables -A a -j a\niptables -A INPUT -j a\n', 2, 18, /loop/],
    ['CRLF', 'iptables -F\r\niptables -A INPUT -j DROP\r\n', 1, 12, /CRLF/],
  ];
  for (const [name, text, line, column, message] of refused) {
    it(`refuses: ${name}, at ${line}:${column}`, () => {
      const [error] = parseScriptAll(text, { file: 'fw.sh' }).errors;
      expect(error?.message).toMatch(message);
      expect([error?.position.line, error?.position.column]).toEqual([line, column]);
      expect(error?.format()).toMatch(/^fw\.sh:\d+:\d+: /);
    });
  }

  it('reads a block that cannot be followed as one error and goes on behind it', () => {
    const text = 'for i in 1 2; do\n if true; then\n  iptables -A INPUT -j nope\n fi\ndone\niptables -A INPUT --bad\n';
    expect(parseScriptAll(text, { file: 'x' }).errors.map((error) => error.position.line)).toEqual([1, 6]);
  });
});
