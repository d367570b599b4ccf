/** What errors say: the word that was written, and the one that was probably meant. */
import { describe, expect, it } from 'vitest';
import { parseRulesAll, parseSaveAll } from '../../src/syntax/index.ts';
import { nearest } from '../../src/syntax/nearest.ts';

/** Message and hint of the only error of a rule in a dump's INPUT chain. */
function complaint(rule: string, more: { family?: 4 | 6; before?: string } = {}): { message: string; hint: string | undefined } {
  const text = `*filter\n:INPUT ACCEPT [0:0]\n:web - [0:0]\n${more.before ?? ''}-A INPUT ${rule}\nCOMMIT\n`;
  const { errors } = parseSaveAll(text, { file: 'r', family: more.family ?? 4 });
  expect(errors.length, rule).toBe(1);
  return { message: errors[0]?.message ?? '', hint: errors[0]?.hint };
}

describe('did you mean', () => {
  it.each([
    ['-j ACCPET', 'did you mean ACCEPT?'],
    ['-j REJCT', 'did you mean REJECT?'],
    ['-j wbe', 'did you mean web?'],
    ['-j Web', 'did you mean web?'],
    ['-g wbe', 'did you mean web?'],
    ['-j MASQURADE', 'did you mean MASQUERADE?'],
    ['-m conntrak --ctstate NEW', 'did you mean conntrack?'],
    ['-m mulitport --dports 1,2', 'did you mean multiport?'],
    ['-p tcp -m tcp --dprot 80', 'did you mean --dport?'],
    ['-p tcp --dprot 80', 'did you mean --dport?'],
    ['-p tcp --tcp-flag-s SYN SYN', 'did you mean --tcp-flags?'],
    ['-m conntrack --cstate NEW', 'did you mean --ctstate?'],
    ['-m limit --limt 1/s', 'did you mean --limit?'],
    ['-j REJECT --reject-wit icmp-port-unreachable', undefined],
    ['-j REJECT --rejct-with icmp-port-unreachable', 'did you mean --reject-with?'],
    ['--jmup DROP', 'did you mean --jump?'],
    ['--sate NEW', 'did you mean --state? Then write -m state before it'],
    ['-J DROP', 'did you mean -j?'],
    ['-p tpc', 'did you mean tcp?'],
    ['-p icpm', 'did you mean icmp?'],
  ])('%s', (rule, hint) => {
    if (hint !== undefined) expect(complaint(rule).hint).toBe(hint);
    else expect(parseSaveAll(`*filter\n-A INPUT ${rule}\nCOMMIT\n`, { file: 'r', family: 4 }).errors).toEqual([]);
  });

  it.each([
    ['*filtr\nCOMMIT\n', 'did you mean filter?'],
    ['*fliter\n:INPUT ACCEPT\nCOMMIT\n', 'did you mean filter?'],
    ['*filter\n-A INPTU -j DROP\nCOMMIT\n', 'did you mean INPUT?'],
    ['*filter\n-A input -j DROP\nCOMMIT\n', 'did you mean INPUT?'],
    ['*filter\n:web - [0:0]\n-A wbe -j DROP\nCOMMIT\n', 'did you mean web?'],
    ['*filter\n:INPUT DORP [0:0]\nCOMMIT\n', 'did you mean DROP?'],
    ['*filter\n:FORWRAD DROP [0:0]\nCOMMIT\n', 'did you mean FORWARD?'],
    ['iptables -t nta -A PREROUTING -j ACCEPT\n', 'did you mean nat?'],
    ['iptables -P INPTU DROP\n', 'did you mean INPUT?'],
    ['iptables -A INPUT -j ACCEPT\niptable -A INPUT -j DROP\n', 'did you mean iptables?'],
    ['iptables -A INPUT -j ACCEPT\nip6tabels -A INPUT -j DROP\n', 'did you mean ip6tables?'],
  ])('%j', (text, hint) => {
    const { errors } = parseRulesAll(text, { file: 'r', family: 4 });
    expect(errors.map((error) => error.hint)).toEqual([hint]);
  });

  it('nothing that is too far away, or another thing', () => {
    expect(complaint('-j BANNED').hint).toBe('a chain must be declared above the rule: ":BANNED - [0:0]"');
    expect(complaint('-m frobnicate').hint).toBeUndefined();
    expect(complaint('-p tcp --frob 80').hint).toBeUndefined();
    expect(complaint('--dport 80').hint).toBe('write -p tcp or -p udp before it');
    expect(complaint('-j accept').hint).toBe('write ACCEPT');
    expect(complaint('-m icmp6 --icmpv6-type 1').hint).toMatch(/IPv6/);
  });

  it.each([
    ['ACCPET', 'ACCEPT'],
    ['DRP', 'DROP'],
    ['a', undefined],
    ['', undefined],
    ['x'.repeat(100_000), undefined],
    ['ACCEPTED', 'ACCEPT'],
    ['ACCEPTANCE', undefined],
    ['ACCEPT', undefined],
  ])('nearest of ACCEPT and DROP: %s', (word, wanted) => expect(nearest(word, ['ACCEPT', 'DROP'])).toBe(wanted));
});

describe('errors say the word that was written', () => {
  it.each([
    ['-p tcp --dport 99999', /^tcp: --dport wants/],
    ['-p tcp --destination-port 99999', /^tcp: --destination-port wants/],
    ['-p udp -m udp --sport a,b', /^udp: --sport wants/],
    ['-p tcp --dpo 99999', /^tcp: --dpo wants/],
    ['-p tcp --dport=99999', /^tcp: --dport wants/],
    ['-p tcp --dport 1 --destination-port 2', /^tcp: --destination-port can only be given once/],
    ['-p tcp --dport', /^--dport wants a value/],
    ['-p tcp -m multiport --dports 70000', /^multiport: --dports wants/],
    ['-p tcp -m multiport --dports 1 --sports 2', /--dports/],
    ['-p tcp -m multiport --sports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16', /^multiport: --sports takes at most/],
    ['-p tcp ! --syn --tcp-flags SYN', /^tcp: --tcp-flags wants two values/],
    ['-m limit ! --limit 1/s', /^limit: --limit cannot be inverted/],
    ['-j', /^-j wants a value/],
    ['--jump', /^--jump wants a value/],
    ['-p', /^-p wants a value/],
  ])('%s', (rule, message) => expect(complaint(rule).message).toMatch(message));

  it('in hints too', () => {
    expect(complaint('-p tcp --dport 80,443').hint).toBe('for a list write -m multiport --dports 80,443');
    expect(complaint('-p tcp --source-port 80,443').hint).toBe('for a list write -m multiport --source-ports 80,443');
    expect(complaint('-p tcp --dport 80,90-99').hint).toBe('for a list write -m multiport --dports 80,90:99');
    for (const words of [
      '-p tcp --dport',
      '-p udp --dport',
      '-p sctp --dport',
      '-p tcp -m multiport --dports 22,',
      '-m conntrack --ctorigdstport',
    ])
      expect(complaint(`${words}${words.endsWith(',') ? '' : ' '}80-90`).hint).toBe('ports of a range are written 80:90');
    // No range: a service that nobody knows.
    expect(complaint('-p tcp --dport http-alternative').hint).toBeUndefined();
    for (const words of ['-p tcp --dport', '-p sctp --dport', '-p tcp -m multiport --dports'])
      expect(complaint(`${words} 90:80`).hint).toBe('write 80:90');
    expect(complaint('-p tcp -m multiport --dports 80:80').hint).toBe('write 80');
  });
});

describe('the line beside an error', () => {
  const at = (text: string) => {
    const [error] = parseRulesAll(text, { file: 'r', family: 4 }).errors;
    const [, line = '', caret = ''] = error?.format().split('\n') ?? [];
    return { line, under: line.slice(caret.indexOf('^')) };
  };

  it('is shown as it is, with a caret under the place', () => {
    expect(at('-A INPUT -j ACCEPT --nope 3\n').under).toBe('--nope 3');
  });

  it('is cut around the place when it is long', () => {
    const long = `-A INPUT -m comment --comment ${'x'.repeat(150)} --nope ${'y'.repeat(500)}\n`;
    const { line, under } = at(long);
    expect(line.length).toBeLessThan(220);
    expect(under).toMatch(/^--nope y+ \.\.\.$/);
    expect(line).toMatch(/^ {2}\.\.\. x+ --nope/);
  });
});

describe('extensions of old kernels', () => {
  it.each([
    ['-j ULOG --ulog-nlgroup 1', 'Linux 6.18 has no "ULOG" any more', 'write -j NFLOG'],
    ['-d 10.0.0.1 -j CLUSTERIP --new', 'Linux 6.18 has no "CLUSTERIP" any more', '-m cluster'],
    ['-j SECMARK --selctx system_u:object_r:httpd_packet_t:s0', 'only with a security module such as SELinux', 'no match'],
    ['-j MIRROR', 'no chain or target named "MIRROR"', 'up to 2.4'],
    ['-m unclean', 'the match "unclean" is not known', 'ctstate INVALID'],
  ])('%s', (rule, message, hint) => {
    expect(complaint(rule).message).toContain(message);
    expect(complaint(rule).hint).toContain(hint);
  });

  it('CLUSTERIP is not gone from 6.1', () => {
    const text = '*filter\n-A INPUT -d 10.0.0.1 -j CLUSTERIP --new\nCOMMIT\n';
    const [error] = parseSaveAll(text, { file: 'r', family: 4, kernel: '6.1' }).errors;
    expect(error?.message).toContain('is not supported yet');
  });
});
