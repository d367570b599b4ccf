/** The bundled captures, repeated with their clocks moved on, as one workload each. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureReader } from '../src/capture/frames.ts';
import { type WrittenFrame, writePcap } from '../src/capture/writer.ts';
import { buildHost, type HostGiven } from '../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../src/model/profile.ts';
import { parseSave } from '../src/syntax/index.ts';
import { repeat } from './repeat.ts';
import type { Workload } from './suite.ts';

interface Scenario {
  name: string;
  capture: string;
  rules4?: string;
  host: { forward?: boolean; in?: string; out?: string; local?: string[] };
}

/** A workload of at least `packets` packets from each scenario with plain Ethernet captures and IPv4 rules. */
export function bundledWorkloads(pcaps: string, packets: number): Workload[] {
  return readdirSync(pcaps).flatMap((folder) => {
    const path = join(pcaps, folder, 'scenario.json');
    if (!existsSync(path)) return [];
    const scenario = JSON.parse(readFileSync(path, 'utf8')) as Scenario;
    if (scenario.rules4 === undefined || !/\.pcap(ng)?$/.test(scenario.capture)) return [];
    const file = join(pcaps, folder, scenario.capture);
    const frames = existsSync(file) ? framesOf(readFileSync(file)) : [];
    if (frames.length === 0) return [];
    const repeated = repeat(frames, packets);
    const rules = parseSave(readFileSync(join(pcaps, folder, scenario.rules4), 'utf8'), { file: scenario.rules4, family: 4 });
    const given: HostGiven = { ...scenario.host };
    const job = { rules: { 4: rules }, host: buildHost(given), profile: DEFAULT_PROFILE };
    return [
      {
        name: `${folder} x ${Math.ceil(packets / frames.length)}`,
        capture: writePcap(repeated, 1),
        packets: repeated.length,
        job,
      },
    ];
  });
}

function framesOf(bytes: Uint8Array): WrittenFrame[] {
  const frames: WrittenFrame[] = [];
  let ethernet = true;
  const reader = new CaptureReader((frame) => {
    ethernet &&= frame.linktype === 1;
    frames.push({ time: frame.time, bytes: frame.bytes.slice(), wire: frame.wire });
  });
  reader.push(bytes);
  reader.end();
  return ethernet ? frames : [];
}
