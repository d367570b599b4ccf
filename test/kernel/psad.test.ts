/** psad, a reader of LOG lines: what it says of an nmap scan is the same by our lines and by those a kernel printed of the same packets. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { CaptureReader } from '../../src/capture/frames.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { jobFromHost } from '../../src/kernel/index.ts';
import { runVirtual } from '../../src/kernel/virtual/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE, type Profile } from '../../src/model/profile.ts';
import type { Frame } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { logLine } from '../../src/report/log-line.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { describeVirtual } from './machine.ts';

const PSAD = '/usr/sbin/psad';
const CONFIGURATION = '/etc/psad/psad.conf';

const RULES = [
  '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT',
  '-A INPUT -m conntrack --ctstate INVALID -j LOG --log-prefix "DROP " --log-tcp-options --log-ip-options',
  '-A INPUT -m conntrack --ctstate NEW -j LOG --log-prefix "DROP " --log-tcp-options --log-ip-options',
  'COMMIT\n',
].join('\n');

const CAPTURE = gunzipSync(readFileSync(new URL('../../pcaps/scan/capture.pcap.gz', import.meta.url)));
const host = buildHost({ local: ['10.0.0.2'], in: 'eth0' });

async function ourLines(profile: Profile): Promise<string[]> {
  const lines: string[] = [];
  const job = { rules: { 4: parseSave(RULES, { file: 'rules' }) }, host, profile, packets: { path: false, logs: true } };
  const session = await engineSession(job, {
    hashKey: hashKeyOf(job),
    onPacket: ({ time, logged = [] }) => lines.push(...logged.map((one) => logLine(time, one, profile.kernel))),
  });
  session.startCapture('scan');
  session.feed(CAPTURE);
  session.endCapture();
  return lines;
}

/** What a kernel prints, behind the head of our lines: when a line was written is syslog's affair. */
async function kernelLines(heads: readonly string[]): Promise<string[]> {
  const frames: Frame[] = [];
  const reader = new CaptureReader((frame) => frames.push({ ...frame, bytes: frame.bytes.slice() }));
  reader.push(CAPTURE);
  const { numbers: _, skipped: _skipped, ...hosted } = jobFromHost(host, frames, [4]);
  const links = { eth0: { mac: '02:00:0a:00:00:02' } };
  const job = { ...hosted, links, backend: 'legacy', family: 4, rules: RULES, trace: false, log: true } as const;
  const [outcome] = await runVirtual('6.1', [job]);
  return (outcome?.log ?? []).map(({ text }, i) => `${heads[i] ?? 'Jan  1 00:00:00 wasmtables kernel:'} ${text}`);
}

/** psad's report. All it writes goes to a folder of its own. */
function report(lines: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-psad-'));
  try {
    const own = { PSAD_DIR: 'log', PSAD_RUN_DIR: 'run', PSAD_FIFO_DIR: 'fifo' };
    let configuration = readFileSync(CONFIGURATION, 'utf8')
      .replace(/^HOSTNAME .*$/m, 'HOSTNAME wasmtables;')
      .replace(/^ENABLE_FW_LOGGING_CHECK .*$/m, 'ENABLE_FW_LOGGING_CHECK N;');
    for (const [name, path] of Object.entries(own)) {
      mkdirSync(join(folder, path));
      configuration = configuration.replace(new RegExp(`^${name} .*$`, 'm'), `${name} ${join(folder, path)};`);
    }
    const [messages, config] = [join(folder, 'messages'), join(folder, 'psad.conf')];
    writeFileSync(messages, `${lines.join('\n')}\n`);
    writeFileSync(config, configuration);
    const words = ['-n', PSAD, '-A', '-m', messages, '-c', config, '--no-whois', '--no-rdns'];
    // Perl lists what counts alike in an order it draws.
    const env = { PATH: process.env.PATH, PERL_HASH_SEED: '0', PERL_PERTURB_KEYS: '0' };
    const { stdout } = spawnSync('unshare', words, { encoding: 'utf8', timeout: 60_000, env });
    return stdout.replaceAll(folder, 'FOLDER');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describeVirtual('6.1', 'a scan as psad sees it', () => {
  const missing = existsSync(PSAD) ? '' : ' (skipped: psad is missing; Debian: psad)';
  test.skipIf(missing !== '')(
    `is the same scan by our LOG lines and by the kernel's${missing}`,
    { timeout: 120_000 },
    async () => {
      const ours = await ourLines({ ...DEFAULT_PROFILE, kernel: '6.1', hz: 100 });
      const kernels = await kernelLines(ours.map((line) => /^.*? kernel:/.exec(line)![0]));
      expect(ours).toEqual(kernels);
      const said = report(ours);
      expect(said).toBe(report(kernels));
      expect(said).toContain(`Found ${ours.length} iptables log messages out of ${ours.length} total lines.`);
      expect(said).toMatch(/SRC: {2}10\.0\.0\.1, DL: \d/);
      expect(said).toContain('"SCAN nmap XMAS"');
      expect(said).toContain('Scanned ports: TCP 20-8080');
    },
  );
});
