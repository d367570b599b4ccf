/** Rules and captures of whoever runs the bench, in the words of `wasmtables replay`: in memory, and as whole processes. */
import { Command } from 'commander';
import { type WrittenFrame, writePcap } from '../src/capture/writer.ts';
import {
  addAnnotations,
  addHostOptions,
  addProfileOptions,
  addRuleOptions,
  annotationsOf,
  type HostOptions,
  hostGiven,
  type ProfileOptions,
  profileOf,
  type RuleOptions,
} from '../src/cli/options.ts';
import { fingerprintsOf, loadRules, loadSets } from '../src/cli/rules.ts';
import type { Job } from '../src/model/witness.ts';
import { withChecksums } from '../src/replay/offload.ts';
import { expandCaptures, isReadOnce } from '../src/replay/open.ts';
import { forEachFrame, prepare } from '../src/replay/replay.ts';
import { countRules } from '../src/replay/worthwhile.ts';
import { measureFloor } from './floor.ts';
import type { Size } from './measured.ts';
import { type ProcessGroup, type ProgramName, processesOn } from './peers/processes.ts';
import type { Group } from './print.ts';
import { repeat } from './repeat.ts';
import { ENGINE, LINEAR, measure, REFERENCE, type Row, type Workload } from './suite.ts';

interface OwnOptions extends RuleOptions, HostOptions, ProfileOptions {
  read: string[];
}

/** What is measured in memory: so many packets, of a shorter capture all of them again and again. */
const PACKETS = 1_000_000;
const OF_REFERENCE = 20_000;

const ETHERNET = 1;

export interface Measured {
  memory: Group;
  processes?: ProcessGroup;
  /** What was not measured, and why. */
  missing: string[];
}

/**
 * Rules and captures by `words` (-R rules.v4 -r capture.pcap --local ...), once in memory and, with peers, as whole processes.
 * @throws what the command throws of rules, options and captures it cannot take; Error when the captures have no packets, or several -R are given.
 */
export async function own(size: Size, words: readonly string[]): Promise<Measured> {
  const options = optionsOf(words);
  const captures = expandCaptures(options.read);
  if (captures.some(isReadOnce)) throw new Error('the bench reads captures several times: give files');
  const [frames, count] = await firstFrames(captures, PACKETS);
  if (frames.length === 0) throw new Error(`${captures.join(', ')}: no packets`);
  const job = await jobOf(options, captures);
  const rules = countRules(job.rules);
  const workload = workloadOf(job, frames, size.smoke ? 2000 : PACKETS);
  const rounds = size.smoke ? 1 : 3;
  const rows: Row[] = [await measure('engine', workload, ENGINE, rounds), await measure('linear', workload, LINEAR, rounds)];
  const missing: string[] = [];
  if (frames[0]!.linktype === ETHERNET) rows.push(await measureFloor(size.root, workload, undefined, rounds));
  else missing.push('record walk + hash probe: it reads Ethernet frames');
  rows.push(await measure('reference', workloadOf(job, frames, size.smoke ? 200 : OF_REFERENCE), REFERENCE, 1));
  const memory = { title: `${rules} rules of ${options.rules[0]}, in memory`, rows };
  if (!size.peers) return { memory, missing };
  const title = `Whole processes, ${count.toLocaleString('en-US')} packets, ${rules} rules`;
  const programs: ProgramName[] = ['wasmtables', 'wasmtables, two threads', 'wasmtables, rule by rule', 'tcpdump'];
  missing.push('iptables: nobody said where packets of this capture enter it');
  if (captures.length > 1) {
    programs.pop();
    missing.push('tcpdump: it reads one capture');
  }
  const taken = processesOn(size.root, { packets: count, rules, programs, rounds }, captures[0]!, words);
  const evaluations = rows[0]!.evaluations ?? 0;
  return { memory, processes: { title, rules, evaluations, ...taken }, missing };
}

function optionsOf(words: readonly string[]): OwnOptions {
  const command = new Command('bench')
    .requiredOption('-r, --read <file...>', 'captures')
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  addRuleOptions(command);
  addHostOptions(command);
  addAnnotations(command);
  addProfileOptions(command);
  const options = command.parse([...words], { from: 'user' }).opts<OwnOptions>();
  if (options.rules.length > 1) throw new Error('one -R: give each rule set a run of its own');
  return options;
}

/** What the command judges by. */
async function jobOf(options: OwnOptions, captures: readonly string[]): Promise<Job> {
  const rules = loadRules(options);
  const { prepared, profile } = await withChecksums(await prepare(captures, rules, hostGiven(options)), profileOf(options));
  const told = { ...annotationsOf(options), ...fingerprintsOf(options), sets: loadSets(options, rules) };
  return { rules: rules[0]!, host: prepared.host, profile, ...told };
}

type LinkFrame = WrittenFrame & { linktype: number };

/** The first frames of captures, `most` at most, and how many there are in all. */
async function firstFrames(captures: readonly string[], most: number): Promise<[LinkFrame[], number]> {
  const frames: LinkFrame[] = [];
  let count = 0;
  await forEachFrame(captures, ({ time, bytes, wire, linktype }) => {
    if (count++ < most) frames.push({ time, bytes: bytes.slice(), wire, linktype });
    return true;
  });
  return [frames, count];
}

/** Throws where frames have several link types: a pcap file has one. */
function workloadOf(job: Job, frames: readonly LinkFrame[], packets: number): Workload {
  const { linktype } = frames[0]!;
  if (frames.some((frame) => frame.linktype !== linktype)) throw new Error('frames of several link types: give captures of one');
  const taken = frames.length >= packets ? frames.slice(0, packets) : repeat(frames, packets);
  const name = frames.length >= packets ? 'the first packets' : `all packets, ${Math.ceil(packets / frames.length)} times`;
  return { name, capture: writePcap(taken, linktype), packets: taken.length, job };
}
